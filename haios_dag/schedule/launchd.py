"""The property list of a macOS launch agent."""

import plistlib
from typing import Any

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule.due_times import DAY, HOUR
from haios_dag.schedule.job import Job

_LIMITED = (
    "import runpy, signal; signal.alarm({seconds});"
    " runpy.run_module('doit', run_name='__main__', alter_sys=True)"
)


def render(job: Job) -> dict[str, bytes]:
    """Return the file; raise ScheduleError for an interval that local time cannot express.

    A run missed during sleep is made up for on waking, which holds for calendar intervals but not
    for StartInterval; one missed while the computer was off, by RunAtLoad. launchd never runs two
    at once and has no time limit, so the process sets an alarm that ends it even if it hangs.
    """
    limited = _LIMITED.format(seconds=job.time_limit * 60)
    output = str(job.root / job.output)
    content: dict[str, Any] = {
        "Label": label(job),
        "ProgramArguments": [job.argv[0], "-c", limited, *job.argv[3:]],
        "WorkingDirectory": str(job.root),
        "EnvironmentVariables": {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        "StartCalendarInterval": _when(job),
        "RunAtLoad": job.makes_up,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardOutPath": output,
        "StandardErrorPath": output,
    }
    (file,) = files(job)
    return {file: plistlib.dumps(content, sort_keys=False)}


def files(job: Job) -> tuple[str, ...]:
    """Return the names of the files."""
    return (f"{label(job)}.plist",)


def label(job: Job) -> str:
    """Return what launchd calls it."""
    return f"com.haios.{job.name.removeprefix('haios-')}"


def _when(job: Job) -> list[dict[str, int]]:
    """Return the calendar intervals; one without an hour applies to every hour.

    launchd has no UTC, so an interval must come out the same in every time zone of whole hours.
    """
    every = job.slots.schedule.every_minutes
    if not job.slots.local and HOUR % every:
        raise ScheduleError(
            f"launchd cannot express every {every} minutes in local time, because its hours are"
            " then not alike; set schedule.every_minutes to a divisor of 60 or, above 60, of 1440"
        )
    times = job.slots.times
    minutes = sorted({time % HOUR for time in times})
    if len(times) == len(minutes) * DAY // HOUR:
        return [{"Minute": minute} for minute in minutes]
    return [{"Hour": time // HOUR, "Minute": time % HOUR} for time in times]
