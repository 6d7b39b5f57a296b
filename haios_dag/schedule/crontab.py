"""cron, through `crontab`: a block of lines of our own in the user's table, between two marks.

All that is not between the marks is somebody else's, and stays as it is to the byte.
"""

import difflib
from pathlib import Path

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import cron, drift
from haios_dag.schedule.external_program import ask, home, user
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import EntryFiles, Operation, State, Trial

_PROCESSES = Path("/proc")
_MAILERS = Path("/usr/sbin/sendmail"), Path("/usr/lib/sendmail")
_NAMES = {b"cron", b"crond"}


def state(job: Job) -> State:
    """Return the block, and whether a cron runs that would read it."""
    _, block, _ = _parted(_table(), job)
    (file,) = cron.files(job)
    return State({file: block} if block else {}, off="" if _runs() else "no cron runs here")


def install(job: Job, entry: EntryFiles) -> list[Operation]:
    """Return the step that puts the block in the place of the one that is there."""
    return [_step(job, *entry.values())]


def remove(job: Job) -> list[Operation]:
    """Return the step that takes the block away."""
    return [_step(job, b"")]


def trial(job: Job, entry: EntryFiles) -> Trial:  # noqa: ARG001 - as every client has it
    """Return how cron begins the command: with a shell, in the home, knowing next to nothing."""
    (block,) = entry.values()
    line = next(one for one in block.decode().split("\n") if one and not one.startswith("#"))
    command = line.split(" ", 5)[5].replace("\\%", "%")
    environment = {
        "HOME": str(home()), "LOGNAME": user(), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    return Trial(["/bin/sh", "-c", command], home(), environment)


def advice(job: Job) -> list[str]:  # noqa: ARG001 - as every client has it
    """Say that no cron runs, and that its own messages reach nobody."""
    found = []
    if not _runs():
        found.append("no cron runs here; start it, such as with: sudo systemctl enable --now cron")
    if not any(path.exists() for path in _MAILERS):
        found.append(
            "no mail program is installed, so what cron itself has to say reaches nobody, as when"
            " the workspace is gone; doit pulse and the watchdog tell"
        )
    return found


def read(data: bytes) -> drift.Fields:
    """Return what the block says."""
    return drift.of_cron(data)


differences = drift.differences


def _table() -> bytes:
    return ask("crontab", "-l", absent="no crontab for")


def _step(job: Job, block: bytes) -> Operation:
    """Return the step that makes `block` the one of the job in the table, nothing else changed."""
    old = _table()
    new = _changed(old, job, block)
    before, after = (one.decode("utf-8", "backslashreplace").split("\n") for one in (old, new))
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    told = [line for line in lines if line[:2] not in {"--", "++", "@@"}]
    return Operation(
        "\n  ".join(["in the crontab of this user:", *told]), lambda: _write(job, block)
    )


def _write(job: Job, block: bytes) -> None:
    """Change the table as it is at this moment."""
    new = _changed(_table(), job, block)
    if new:
        ask("crontab", "-", given=new)
    else:
        ask("crontab", "-r")
    if _table() != new:
        raise ScheduleError("crontab has taken it, and shows something else; look at: crontab -l")


def _changed(table: bytes, job: Job, block: bytes) -> bytes:
    before, _, after = _parted(table, job)
    if b"\\r" in before + after:
        raise ScheduleError(
            "the crontab has a carriage return, or \\r: crontab -l prints both alike, so the other"
            " lines could not be put back as they are; correct that with crontab -e, or put the"
            " block in yourself (doit schedule:cron writes it)"
        )
    return before + block + after


def _parted(table: bytes, job: Job) -> tuple[bytes, bytes, bytes]:
    """Return what stands before our block, the block, and what is behind; raise ScheduleError.

    Where there is none, its place is the end. Of several, all are ours and stand in one place.
    """
    begin, end = (mark.encode() for mark in cron.marks(job))
    before, block, after = b"", b"", b""
    inside = False
    for line in table.splitlines(keepends=True):
        mark = line.rstrip(b"\r\n")
        if mark in {begin, end} and inside == (mark == begin):
            break
        inside = inside or mark == begin
        if inside:
            block += line
        elif block:
            after += line
        else:
            before += line
        inside = inside and mark != end
    else:
        if not inside:
            return before, block, after
    raise ScheduleError(
        f"the crontab has {begin.decode()!r} without {end.decode()!r} or the other way round;"
        " correct it with: crontab -e"
    )


def _runs() -> bool:
    """Tell whether a cron runs; yes where nobody can tell."""
    if not (_PROCESSES / "self").exists():
        return True
    for path in _PROCESSES.glob("[0-9]*/comm"):
        try:
            if path.read_bytes().strip() in _NAMES:
                return True
        except OSError:  # it has ended
            continue
    return False
