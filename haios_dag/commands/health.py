"""Commands that check that everything is as it should be."""

import sys

from doit.exceptions import TaskError, TaskFailed

from haios_dag.base.console import printable
from haios_dag.base.errors import HaiosError
from haios_dag.base.workspace import Workspace
from haios_dag.commands.shared import JSON, STREAMED, Task, said


def validate(workspace: Workspace) -> Task:
    """`doit validate`: everything that has a schema against its schema."""

    @said
    def check(files: list[str], json: bool) -> None:
        from haios_dag import validate as validating

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
        from haios_dag.doctor import examination

        code = examination.show(workspace, fix=fix, json=json)
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


def show_pulse(workspace: Workspace) -> Task:
    """`doit pulse`: whether it beats."""

    def look(notify: bool, json: bool) -> TaskError | None:
        from haios_dag.pulse import watchdog

        try:
            code = watchdog.show(workspace, json=json, notify=notify)
        except HaiosError as error:  # not 1, which would say that it is late
            return TaskError(printable(str(error)))
        if code:
            sys.exit(code)  # doit has no failure for 3, and nothing more is to be printed
        return None

    tell = {
        "name": "notify",
        "long": "notify",
        "type": bool,
        "default": False,
        "help": "tell those in [notify], once, when it is late and when it is down",
    }
    doc = "is it alive? exit code 0 alive, 1 late, 2 down, 3 never: doit pulse [--json] [--notify]"
    return {"actions": [look], "params": [tell, JSON], "io": STREAMED, "doc": doc}


def vitals(workspace: Workspace) -> Task:
    """`doit vitals`: what the slim status says."""

    def look() -> TaskFailed | TaskError | None:
        from haios_dag.status import vitals

        try:
            fresh = vitals.show(workspace)
        except HaiosError as error:  # not 1, which would say that it is stale
            return TaskError(printable(str(error)))
        return None if fresh else TaskFailed("the status is stale", report=False)

    doc = "the slim status in ten lines; exit code 0 fresh, 1 stale, 2 there is none: doit vitals"
    return {"actions": [look], "io": STREAMED, "doc": doc}


def watch(workspace: Workspace) -> Task:
    """`doit watch`: beats without a scheduler."""

    @said
    def beat() -> None:
        from haios_dag.pulse import watch

        watch.run(workspace)

    doc = "beat on schedule in the foreground, where there is no scheduler, until it is stopped"
    return {"actions": [beat], "io": STREAMED, "doc": doc}
