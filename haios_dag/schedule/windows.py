"""The task for the Windows Task Scheduler, its elements in the order of a Windows export."""

import codecs
import re
import subprocess
from datetime import timedelta
from pathlib import PurePath
from xml.sax.saxutils import escape

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule.due_times import ANCHOR, HOUR
from haios_dag.schedule.job import Job

_LONGEST = 260  # characters of a path
_TRIGGERS = 48

_TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{description}</Description>
    <URI>\\{name}</URI>
  </RegistrationInfo>
  <Triggers>
{triggers}
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>{logon}</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>{makes_up}</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>{limit}</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{folder}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""

_EVERY = """\
    <TimeTrigger>
      <Repetition>
        <Interval>{every}</Interval>
      </Repetition>
      <StartBoundary>{start:%Y-%m-%dT%H:%M:%S}Z</StartBoundary>
      <Enabled>true</Enabled>
    </TimeTrigger>"""

_DAILY = """\
    <CalendarTrigger>
      <StartBoundary>{start:%Y-%m-%dT%H:%M:%S}</StartBoundary>
      <Enabled>true</Enabled>
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
    </CalendarTrigger>"""


def render(job: Job) -> dict[str, bytes]:
    """Return the file; raise ScheduleError for a path or a schedule that it cannot express.

    pythonw.exe opens no window and has no output, so doit writes to a file.
    """
    command, *arguments = words(job)
    parts = {
        "command": _path(command),
        "arguments": _unexpanded(subprocess.list2cmdline(arguments)),
        "folder": _path(str(job.root)),
    }
    task = _TASK.format(
        name=name(job),
        description=job.description,
        logon="InteractiveToken" if job.logged_on_only else "S4U",
        triggers=_triggers(job),
        limit=_duration(job.time_limit),
        makes_up=str(job.makes_up).lower(),
        **{name: escape(text) for name, text in parts.items()},
    )
    data = task.replace("\n", "\r\n").encode("utf-16-le")
    (file,) = files(job)
    return {file: codecs.BOM_UTF16_LE + data}


def files(job: Job) -> tuple[str, ...]:
    """Return the names of the files."""
    return (f"{name(job)}.xml",)


def name(job: Job) -> str:
    """Return what the Task Scheduler calls it."""
    return f"HAIOS-{job.task.capitalize()}{job.suffix}"


def words(job: Job) -> list[str]:
    """Return the command line, in words."""
    at = job.argv.index(str(job.root / "dodo.py")) + 1
    return [
        _without_console(job.python), *job.argv[1:at], "-o", job.output, *job.argv[at:],
    ]  # fmt: skip


def _triggers(job: Job) -> str:
    """Return the triggers: one that repeats forever, or one for each local time of the day.

    A daily trigger that repeats within the day would not start before its next day.
    """
    if not job.slots.local:
        start = ANCHOR + timedelta(minutes=job.slots.offset)
        return _EVERY.format(every=_duration(job.slots.schedule.every_minutes), start=start)
    if (count := len(job.slots.times)) > _TRIGGERS:
        raise ScheduleError(
            f"the Windows Task Scheduler accepts {_TRIGGERS} triggers, and a day has {count}"
            " beats; set a longer schedule.every_minutes, or shorter schedule.hours"
        )
    starts = (ANCHOR + timedelta(minutes=time) for time in job.slots.times)
    return "\n".join(_DAILY.format(start=start) for start in starts)


def _duration(minutes: int) -> str:
    hours, rest = divmod(minutes, HOUR)
    return f"PT{minutes}M" if rest else f"PT{hours}H"


def _without_console(python: PurePath) -> str:
    return str(python.with_name("pythonw.exe") if python.name == "python.exe" else python)


def _path(text: str) -> str:
    if len(text) > _LONGEST:
        raise ScheduleError(
            f"{text} has {len(text)} characters, and the Windows Task Scheduler accepts"
            f" {_LONGEST}; move it to a shorter path"
        )
    return _unexpanded(text)


def _unexpanded(text: str) -> str:
    """Return the text; raise ScheduleError if Windows may expand a variable in it."""
    if found := re.search(r"%[^%]+%|\$\(", text):
        raise ScheduleError(
            f"{text} has {found[0]}, which the Windows Task Scheduler may expand as a variable;"
            " rename that folder"
        )
    return text
