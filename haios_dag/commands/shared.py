"""What the tasks that are commands share."""

import functools
from collections.abc import Callable
from typing import Any

from doit.exceptions import TaskError, TaskFailed

from haios_dag.base.console import printable
from haios_dag.base.errors import HaiosError

Task = dict[str, Any]
Action = Callable[..., TaskFailed | TaskError | None]

STREAMED = {"capture": False}  # a long answer goes straight to its reader, not into memory first
JSON = {
    "name": "json",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "as JSON lines (with `doit -r zero`, nothing else is printed)",
}


def said(action: Action) -> Action:
    """Return an action whose HaiosError is one sentence and exit code 1, not a traceback."""

    @functools.wraps(action)  # doit passes what the signature names
    def saying(**given: object) -> TaskFailed | TaskError | None:
        try:
            return action(**given)
        except HaiosError as error:
            return TaskFailed(printable(str(error)))

    return saying
