"""What doit is told about a beat: settings that nothing else may change, and what it prints."""

import atexit
import gc
import multiprocessing
import sys
import threading
from typing import Any, TextIO

from doit.reporter import ConsoleReporter

from haios_dag.base.console import tolerate_any_console

DRY_RUN = {
    "name": "dry_run",
    "long": "dry-run",
    "type": bool,
    "default": False,
    "help": "say what it would do with what is embedded already, and write nothing",
}
"""The option of a step with a `plan`, for `@task_params`, which is read before the task is made."""

SIDE_BY_SIDE = "a beat runs in one process: leave out doit's option -n (--process)"


class Reporter(ConsoleReporter):  # type: ignore[misc]  # doit has no types
    """What doit itself prints of a run: the steps, and nothing beside the answer of a command."""

    def __init__(self, outstream: TextIO | None, options: dict[str, Any]) -> None:
        tolerate_any_console()
        atexit.register(gc.freeze)  # nothing is looked through at the end: 15 ms of an idle beat
        super().__init__(outstream or sys.stdout, options)  # Windows may give no console

    def execute_task(self, task: Any) -> None:  # noqa: ANN401 - doit has no types
        """Announce a task that begins, unless it is a command."""
        if not (task.meta or {}).get("command"):
            super().execute_task(task)


# doit lets DOIT_CONFIG go before pyproject.toml and doit.cfg: what would make of a beat something
# else is named here, so that no such file of a workspace does.
PINNED: dict[str, Any] = {
    "default_tasks": ["heartbeat"],
    "backend": "sqlite3",
    "dep_file": ":memory:",  # the workspace itself says what is up to date
    "verbosity": 2,
    "reporter": Reporter,
    "sort": "definition",  # `doit list` in the order of the picture
    "minversion": "0.37.0",
    "num_process": 0,
    "single": False,
    "continue": False,
    "always": False,
    "pdb": False,
    "auto_delayed_regex": False,
    "check_file_uptodate": "md5",
    "codec_cls": "json",
}


def is_serial() -> bool:
    """Tell whether doit runs its tasks one after another, in the process that was started."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and multiprocessing.parent_process() is None
