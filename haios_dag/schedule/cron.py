"""The lines for a user's crontab, as cron on Linux reads them (Debian's 3.0pl1, cronie)."""

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule.due_times import DAY, HOUR
from haios_dag.schedule.job import Job

_LONGEST = 998  # bytes of a command that cron still reads
_LOCKS = {"heartbeat": "cron.lock", "watchdog": "watchdog.lock"}


def render(job: Job) -> dict[str, bytes]:
    """Return the file; raise ScheduleError if one line cannot express the schedule or is too long.

    It is a block between two comments, without variables, which would apply to all lines below.
    `flock` keeps beats from piling up if Python hangs before it takes the beat's own lock, and
    skips a run without an error; `timeout` ends a beat that hangs. All output goes to a file, not
    to cron's mail. A beat missed while the computer was off runs when it starts.
    """
    folder = PurePosixPath(job.output).parent
    command = (
        f"umask 077; cd {quoted(str(job.root))} && mkdir -p {folder} && "
        f"exec flock -n -E 0 {folder}/{_LOCKS[job.task]} timeout -k 60 {job.time_limit}m "
        f"{' '.join(map(quoted, job.argv))} >> {job.output} 2>&1"
    )
    if (length := len(command.encode())) > _LONGEST:
        raise ScheduleError(
            f"cron reads commands of up to {_LONGEST} bytes and this one has {length:,}; move the"
            " workspace to a shorter path"
        )
    begin, end = marks(job)
    at_boot = [f"@reboot {command}"] if job.makes_up else []
    lines = [begin, f"# {job.description}", f"{_when(job)} {command}", *at_boot, end]
    (file,) = files(job)
    return {file: "".join(line + "\n" for line in lines).encode()}


def files(job: Job) -> tuple[str, ...]:
    """Return the names of the files."""
    return (f"{job.name}.cron",)


def marks(job: Job) -> tuple[str, str]:
    """Return the lines that mark the beginning and the end of the block."""
    return f"# BEGIN {job.name}", f"# END {job.name}"


def _when(job: Job) -> str:
    """Return the five fields: lists, as cron has other rules for wildcards with a step.

    cron has no UTC, so an interval must come out the same in every time zone of whole hours.
    """
    found = job.slots.hours_of_minutes
    if len(found) != 1:
        every = job.slots.schedule.every_minutes
        raise ScheduleError(
            f"cron cannot express every {every} minutes in one line, because these are not the same"
            " minutes of each hour; set schedule.every_minutes to a divisor or a multiple of 60"
            " that divides a day"
        )
    ((minutes, hours),) = found.items()
    return f"{_field(minutes, HOUR)} {_field(hours, DAY // HOUR)} * * *"


def _field(values: Sequence[int], whole: int) -> str:
    return "*" if len(values) == whole else ",".join(map(str, values))


def quoted(word: str) -> str:
    r"""Return a word quoted for the shell and for cron.

    To cron a bare `%` ends the command and `\%` is a `%`; implementations disagree on `\\`. So each
    backslash, which is in single quotes here, is followed by closing and opening them again.
    """
    return shlex.quote(word).replace("\\", "\\''").replace("%", "\\%")
