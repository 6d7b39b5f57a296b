"""Tasks that are commands: they look at what the beats left, and have no place in the graph."""

import functools
from collections.abc import Callable
from typing import Any

from doit import doit_cmd
from doit.exceptions import TaskFailed

from haios_dag import events
from haios_dag import recall as recalling
from haios_dag.errors import HaiosError
from haios_dag.workspace import Workspace

Task = dict[str, Any]

_STREAMED = {"capture": False}  # a long log goes straight to its reader, not into memory first
_JSON = {
    "name": "json",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "as JSON lines (with `doit -r zero`, nothing else is printed)",
}


def _said(action: Callable[..., None]) -> Callable[..., TaskFailed | None]:
    """Return an action whose HaiosError is one sentence and exit code 1, not a traceback."""

    @functools.wraps(action)  # doit passes what the signature names
    def said(**given: object) -> TaskFailed | None:
        try:
            action(**given)
        except HaiosError as error:
            return TaskFailed(str(error))
        return None

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
    def show(count: int, json: bool) -> None:
        events.show(workspace, count, json=json)

    number = {
        "name": "count",
        "short": "n",
        "long": "count",
        "type": int,
        "default": 20,
        "help": "how many",
    }
    doc = "show the last events: doit events [-n 20] [--json]"
    return {"actions": [show], "params": [number, _JSON], "io": _STREAMED, "doc": doc}


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

    doc = "count the events by type and outcome"
    return {"basename": "events-stats", "actions": [stats], "doc": doc}


def clear_events(workspace: Workspace) -> Task:
    """`doit events-clear`: archive the log and begin a new one."""

    @_said
    def clear() -> None:
        events.clear_log(workspace)

    doc = "archive the event log and begin a new one"
    return {"basename": "events-clear", "actions": [clear], "doc": doc}


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
