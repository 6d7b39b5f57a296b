"""Commands that ask the memory, and take back what was written to it."""

from doit import doit_cmd

from haios_dag.base.workspace import Workspace
from haios_dag.commands.shared import JSON, STREAMED, Task, said


def recall(workspace: Workspace) -> Task:
    """`doit recall QUERY`: what memory knows of it."""

    @said
    def recall(words: list[str], count: int, json: bool) -> None:
        from haios_dag.recall import show_recall

        show_recall.show(workspace, [*words, *_variables()], count, json=json)

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
        "params": [number, JSON],
        "pos_arg": "words",
        "io": STREAMED,
        "doc": doc,
    }


def _variables() -> list[str]:
    """Return the words with a `=`, which doit takes from the command line as its variables.

    Only `memory=` is one; the others belong to the query, in which the order does not matter.
    """
    given = doit_cmd._CMDLINE_VARS or {}  # noqa: SLF001 - get_var asks for names known beforehand
    return [f"{name}={value}" for name, value in given.items() if name != "memory"]


def undo_synthesis(workspace: Workspace) -> Task:
    """`doit synthesis-undo`: take back the last synthesis."""

    @said
    def undo() -> None:
        from haios_dag.synthesis import take_back

        take_back.undo(workspace)

    doc = "take back what synthesize and bridge wrote in the last beat"
    return {"basename": "synthesis-undo", "actions": [undo], "doc": doc}


def explain_synthesis(workspace: Workspace) -> Task:
    """`doit synthesis-explain ID`: why an insight exists."""

    @said
    def show(words: list[str]) -> None:
        from haios_dag.synthesis import explain

        explain.explain(workspace, words)

    doc = "show why an insight exists: doit synthesis-explain ID"
    return {
        "basename": "synthesis-explain",
        "actions": [show],
        "pos_arg": "words",
        "io": STREAMED,
        "doc": doc,
    }
