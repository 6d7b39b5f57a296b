"""Tasks that are commands: they look at what the beats left, and have no place in the graph."""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from doit import doit_cmd
from doit.exceptions import TaskError, TaskFailed

from haios_dag import events
from haios_dag import recall as recalling
from haios_dag.errors import EventError, HaiosError, RefusedError, ScheduleError
from haios_dag.text import printable, say
from haios_dag.workspace import Workspace

Task = dict[str, Any]

_STREAMED = {"capture": False}  # a long log goes straight to its reader, not into memory first
_SCHEDULERS = {
    "windows": "HAIOS-Heartbeat.xml, for the Windows Task Scheduler",
    "cron": "haios-heartbeat.cron, for a crontab",
    "systemd": "haios-heartbeat.service and .timer, for systemd --user",
    "launchd": "com.haios.heartbeat.plist, for launchd on macOS",
}
_JSON = {
    "name": "json",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "as JSON lines (with `doit -r zero`, nothing else is printed)",
}


def _said(
    action: Callable[..., TaskError | None],
) -> Callable[..., TaskFailed | TaskError | None]:
    """Return an action whose HaiosError is one sentence and exit code 1, not a traceback."""

    @functools.wraps(action)  # doit passes what the signature names
    def said(**given: object) -> TaskFailed | TaskError | None:
        try:
            return action(**given)
        except HaiosError as error:
            return TaskFailed(printable(str(error)))

    return said


def recall(workspace: Workspace) -> Task:
    """`doit recall QUERY`: what memory knows of it."""

    @_said
    def recall(words: list[str], count: int, json: bool) -> None:
        recalling.show(workspace, [*words, *_variables()], count, json=json)

    number = {
        "name": "count",
        "short": "n",
        "long": "count",
        "type": int,
        "default": 10,
        "help": "how many",
    }
    doc = "search memory, best first: doit recall [-n 10] [--json] WORDS"
    return {
        "actions": [recall],
        "params": [number, _JSON],
        "pos_arg": "words",
        "io": _STREAMED,
        "doc": doc,
    }


def _variables() -> list[str]:
    """Return the words with a `=`, which doit takes from the command line as its variables.

    Only `memory=` is one; the others belong to the query, in which the order does not matter.
    """
    given = doit_cmd._CMDLINE_VARS or {}  # noqa: SLF001 - get_var asks for names known beforehand
    return [f"{name}={value}" for name, value in given.items() if name != "memory"]


def show_events(workspace: Workspace) -> Task:
    """`doit events`: the last events."""

    @_said
    def show(count: int, kind: str, json: bool) -> None:
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
    return {"actions": [show], "params": [number, kind, _JSON], "io": _STREAMED, "doc": doc}


def show_events_since(workspace: Workspace) -> Task:
    """`doit events-since DATE`: the events from an instant on."""

    @_said
    def since(words: list[str], json: bool) -> None:
        events.show_since(workspace, words, json=json)

    doc = "show the events since: doit events-since [--json] yesterday | 2h | 3d | DATE"
    return {
        "basename": "events-since",
        "actions": [since],
        "params": [_JSON],
        "pos_arg": "words",
        "io": _STREAMED,
        "doc": doc,
    }


def show_events_stats(workspace: Workspace) -> Task:
    """`doit events-stats`: the log in numbers."""

    @_said
    def stats() -> None:
        events.stats(workspace)

    doc = "count the events by type, day and outcome"
    return {"basename": "events-stats", "actions": [stats], "doc": doc}


def add_event(workspace: Workspace) -> Task:
    """`doit events-add`: append an event of another program."""

    @_said
    def add(kind: str, data: str) -> TaskError | None:
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

    @_said
    def clear() -> None:
        events.clear_log(workspace)

    doc = "archive the event log and begin a new one"
    return {"basename": "events-clear", "actions": [clear], "doc": doc}


def validate(workspace: Workspace) -> Task:
    """`doit validate`: everything that has a schema against its schema."""

    @_said
    def check(files: list[str], json: bool) -> None:
        from haios_dag import validate as validating  # noqa: PLC0415 - only where used

        validating.show(workspace.root, files, json=json)

    doc = "check events, status, settings, traces and schemas: doit validate [--json] [FILES]"
    return {
        "actions": [check],
        "params": [_JSON],
        "pos_arg": "files",
        "io": _STREAMED,
        "doc": doc,
    }


def schedule(workspace: Workspace) -> Iterator[Task]:
    """`doit schedule`: the entries that make a scheduler beat, each a subtask."""
    doc = "write the entries that make a scheduler beat, into scheduler/"
    yield {"name": None, "doc": doc}
    for name, what in _SCHEDULERS.items():
        yield {
            "name": name,
            "doc": f"only {what}",
            "actions": [_write_schedule(workspace, name)],
            "uptodate": [_is_scheduled(workspace, name)],
        }


def _write_schedule(
    workspace: Workspace, name: str
) -> Callable[..., TaskFailed | TaskError | None]:
    """Return an action that writes the entry of one scheduler.

    One that cannot be told this schedule fails when it was asked for by name. Among all, the reason
    is said and the others are written.
    """

    @_said
    def write() -> None:
        from haios_dag.schedule import write as schedules  # noqa: PLC0415 - only where used

        try:
            say(f"   {printable(line)}" for line in schedules.write(workspace, name))
        except ScheduleError as error:
            if f"schedule:{name}" in sys.argv:
                raise
            say([f"   not written: {printable(str(error))}"])

    return write


def _is_scheduled(workspace: Workspace, name: str) -> Callable[[], bool]:
    """Return an up-to-date check. It never raises: what it cannot tell, writing will."""

    def uptodate() -> bool:
        from haios_dag.schedule import write as schedules  # noqa: PLC0415 - only where used

        try:
            return schedules.current(workspace, name)
        except (HaiosError, OSError):
            return False

    return uptodate


def undo_synthesis(workspace: Workspace) -> Task:
    """`doit synthesis-undo`: take back the last synthesis."""

    @_said
    def undo() -> None:
        from haios_dag.synthesis import takeback  # noqa: PLC0415 - only where used

        takeback.undo(workspace)

    doc = "take back what synthesize and bridge wrote in the last beat"
    return {"basename": "synthesis-undo", "actions": [undo], "doc": doc}


def explain_synthesis(workspace: Workspace) -> Task:
    """`doit synthesis-explain ID`: why an insight exists."""

    @_said
    def show(words: list[str]) -> None:
        from haios_dag.synthesis import explain  # noqa: PLC0415 - only where used

        explain.explain(workspace, words)

    doc = "show why an insight exists: doit synthesis-explain ID"
    return {
        "basename": "synthesis-explain",
        "actions": [show],
        "pos_arg": "words",
        "io": _STREAMED,
        "doc": doc,
    }


def doctor(workspace: Workspace) -> Task:
    """`doit doctor`: whether everything is as it should be."""

    def examine(fix: bool, json: bool) -> TaskFailed | TaskError | None:
        from haios_dag import doctor  # noqa: PLC0415 - only where used

        try:
            code = doctor.show(workspace, fix=fix, json=json)
        except HaiosError as error:
            return TaskFailed(printable(str(error)))
        if code == 1:
            return TaskFailed("something is wrong", report=False)
        return TaskError("something is unknown", report=False) if code else None

    repair = {
        "name": "fix",
        "long": "fix",
        "type": bool,
        "default": False,
        "help": "repair what is safe to repair, after a backup of the memory, then check again",
    }
    doc = "check the installation and the memory, say what to do: doit doctor [--fix] [--json]"
    return {"actions": [examine], "params": [repair, _JSON], "io": _STREAMED, "doc": doc}
