"""Commands that check that everything is as it should be."""

from doit.exceptions import TaskError, TaskFailed

from haios_dag.commands.shared import JSON, STREAMED, Task, said
from haios_dag.workspace import Workspace


def validate(workspace: Workspace) -> Task:
    """`doit validate`: everything that has a schema against its schema."""

    @said
    def check(files: list[str], json: bool) -> None:
        from haios_dag import validate as validating  # noqa: PLC0415 - only where used

        validating.show(workspace.root, files, json=json)

    doc = "check events, status, settings, traces and schemas: doit validate [--json] [FILES]"
    return {
        "actions": [check],
        "params": [JSON],
        "pos_arg": "files",
        "io": STREAMED,
        "doc": doc,
    }


def doctor(workspace: Workspace) -> Task:
    """`doit doctor`: whether everything is as it should be."""

    @said
    def examine(fix: bool, json: bool) -> TaskFailed | TaskError | None:
        from haios_dag import doctor  # noqa: PLC0415 - only where used

        code = doctor.show(workspace, fix=fix, json=json)
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
    return {"actions": [examine], "params": [repair, JSON], "io": STREAMED, "doc": doc}
