"""cron, through `crontab`: a block of lines of our own in the user's table, between two marks.

Everything outside the marks stays as it is, to the byte.
"""

import shlex
from pathlib import Path

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import cron, drift
from haios_dag.schedule.external_program import ask, home, user
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import Operation, State, Trial

_PROCESSES = Path("/proc")
_MAILERS = Path("/usr/sbin/sendmail"), Path("/usr/lib/sendmail")
_NAMES = {b"cron", b"crond"}

differences = drift.of_text


def state(job: Job) -> State:
    """Return the block, and whether cron runs and would read it."""
    _, block, _ = _parted(table(), job)
    (file,) = cron.files(job)
    entry = {file: block} if block else {}
    return State(entry, _root(block), off="" if _runs() else "cron is not running")


def install(job: Job) -> list[Operation]:
    """Return the operation that puts the block in the place of the one that is there."""
    return [_operation(job, *cron.render(job).values())]


def remove(job: Job) -> list[Operation]:
    """Return the operation that removes the block."""
    return [_operation(job, b"")]


def trial(job: Job) -> Trial:
    """Return how cron starts the command: with a shell, in the home folder."""
    (block,) = cron.render(job).values()
    line = next(one for one in block.decode().split("\n") if one and not one.startswith("#"))
    command = line.split(" ", 5)[5].replace("\\%", "%")
    environment = {
        "HOME": str(home()), "LOGNAME": user(), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    return Trial(["/bin/sh", "-c", command], home(), environment)


def advice(job: Job) -> list[str]:  # noqa: ARG001 - the same arguments for every client
    """Say if cron does not run, or its own messages are lost."""
    found = []
    if not _runs():
        found.append("cron is not running; start it, for example: sudo systemctl enable --now cron")
    if not any(path.exists() for path in _MAILERS):
        found.append(
            "no mail program is installed, so cron's own messages are lost, for example that the"
            " workspace is gone; doit pulse and the watchdog notice it"
        )
    return found


def table() -> bytes:
    """Return the crontab of this user, empty if there is none."""
    return ask("crontab", "-l", absent="no crontab for")


def _root(block: bytes) -> str | None:
    """Return the workspace that a block is for, None if it does not say."""
    text = block.decode("utf-8", "surrogateescape").replace("\\%", "%")
    words = shlex.shlex(text.partition("umask 077; cd ")[2], posix=True)
    words.commenters, words.whitespace_split = "", True
    try:
        return words.get_token()
    except ValueError:  # a quote without its end
        return None


def _operation(job: Job, block: bytes) -> Operation:
    old = table()
    changed = differences(old, _changed(old, job, block))
    says = "\n  ".join(["in the crontab of this user:", *changed])
    return Operation(says, lambda: _write(job, block))


def _write(job: Job, block: bytes) -> None:
    new = _changed(table(), job, block)
    if new:
        ask("crontab", "-", given=new)
    else:
        ask("crontab", "-r")
    if table() != new:
        raise ScheduleError("crontab accepted the table, but prints another; check: crontab -l")


def _changed(table: bytes, job: Job, block: bytes) -> bytes:
    before, _, after = _parted(table, job)
    if b"\\r" in before + after:
        raise ScheduleError(
            "the crontab has a carriage return, or \\r: crontab -l prints both alike, so its other"
            " lines could not be kept as they are; correct that with crontab -e, or add the block"
            " yourself (doit schedule:cron writes it)"
        )
    return before + block + after


def _parted(table: bytes, job: Job) -> tuple[bytes, bytes, bytes]:
    """Return the table before our block, the block (several as one), and what is after it."""
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
    """Tell whether cron runs; True if the processes cannot be listed."""
    if not (_PROCESSES / "self").exists():
        return True
    for path in _PROCESSES.glob("[0-9]*/comm"):
        try:
            if path.read_bytes().strip() in _NAMES:
                return True
        except OSError:  # the process has ended
            continue
    return False
