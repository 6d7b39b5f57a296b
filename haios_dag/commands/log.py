"""Commands that read and write the event log."""

from doit.exceptions import TaskError

from haios_dag.base.console import printable
from haios_dag.base.errors import EventError, RefusedError
from haios_dag.base.workspace import Workspace
from haios_dag.commands.shared import JSON, STREAMED, Task, said


def show_events(workspace: Workspace) -> Task:
    """`doit events`: the last events."""

    @said
    def show(count: int, kind: str, json: bool) -> None:
        from haios_dag import events

        events.show(workspace, count, kind or None, json=json)

    number = {
        "name": "count",
        "short": "n",
        "long": "count",
        "type": int,
        "default": 20,
        "help": "how many",
    }
    kind = {
        "name": "kind",
        "long": "type",
        "type": str,
        "default": "",
        "help": "only events of this type",
    }
    doc = "show the last events: doit events [-n 20] [--type TYPE] [--json]"
    return {"actions": [show], "params": [number, kind, JSON], "io": STREAMED, "doc": doc}


def show_events_since(workspace: Workspace) -> Task:
    """`doit events-since DATE`: the events from an instant on."""

    @said
    def since(words: list[str], json: bool) -> None:
        from haios_dag import events

        events.show_since(workspace, words, json=json)

    doc = "show the events since: doit events-since [--json] yesterday | 2h | 3d | DATE"
    return {
        "basename": "events-since",
        "actions": [since],
        "params": [JSON],
        "pos_arg": "words",
        "io": STREAMED,
        "doc": doc,
    }


def show_events_stats(workspace: Workspace) -> Task:
    """`doit events-stats`: the log in numbers."""

    @said
    def stats(json: bool) -> None:
        from haios_dag import events

        events.stats(workspace, json=json)

    doc = "count the events by type, day and outcome: doit events-stats [--json]"
    return {"basename": "events-stats", "actions": [stats], "params": [JSON], "doc": doc}


def resonate(workspace: Workspace) -> Task:
    """`doit resonance`: what happened, and what the events say together."""

    @said
    def tell(since: str, json: bool) -> None:
        from haios_dag.resonance import show_resonance

        show_resonance.show(workspace, since, json=json)

    date = {
        "name": "since",
        "long": "since",
        "type": str,
        "default": "yesterday",
        "help": "from when on: yesterday, 2h, 3d, a date (default: yesterday)",
    }
    doc = "say what happened, strongest first: doit resonance [--since DATE] [--json]"
    return {
        "basename": "resonance",
        "actions": [tell],
        "params": [date, JSON],
        "io": STREAMED,
        "doc": doc,
    }


def add_event(workspace: Workspace) -> Task:
    """`doit events-add`: append an event of another program."""

    @said
    def add(kind: str, data: str) -> TaskError | None:
        from haios_dag import events

        try:
            events.add(workspace, kind or None, data or None)
        except RefusedError:
            raise
        except EventError as error:
            return TaskError(printable(str(error)))
        return None

    kind = {
        "name": "kind",
        "long": "type",
        "type": str,
        "default": "",
        "help": "the event's type, unless the data has it",
    }
    data = {
        "name": "data",
        "long": "data",
        "type": str,
        "default": "",
        "help": "the event's other keys as a JSON object; absent or -: from standard input",
    }
    doc = "append a validated event: doit events-add --type=TYPE [--data=JSON]"
    return {"basename": "events-add", "actions": [add], "params": [kind, data], "doc": doc}


def clear_events(workspace: Workspace) -> Task:
    """`doit events-clear`: archive the log and begin a new one."""

    @said
    def clear() -> None:
        from haios_dag import events

        events.clear_log(workspace)

    doc = "archive the event log and begin a new one"
    return {"basename": "events-clear", "actions": [clear], "doc": doc}
