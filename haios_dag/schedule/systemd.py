"""The service and the timer for a user's systemd (244 or newer)."""

from collections.abc import Sequence

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule.due_times import DAY, HOUR
from haios_dag.schedule.job import Job

# What works without privileges and without namespaces, so that it holds in every user's manager.
_HARDENING = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
UMask=0077
"""


def render(job: Job) -> dict[str, bytes]:
    """Return both files; raise ScheduleError for an interval that does not divide a day."""
    service = (
        f"[Unit]\nDescription={job.description}\n\n"
        f"[Service]\nType=oneshot\n"
        f"WorkingDirectory={_folder(str(job.root))}\n"
        f"ExecStart=:{' '.join(map(quoted, command(job)))}\n"
        f"TimeoutStartSec={job.time_limit}min\n"
        f"{_HARDENING}"
    )
    timer = (
        f"[Unit]\nDescription={job.description}, on schedule\n\n"
        f"[Timer]\n{''.join(f'OnCalendar={when}{chr(10)}' for when in calendar(job))}"
        f"Persistent={str(job.makes_up).lower()}\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )
    return dict(zip(files(job), (service.encode(), timer.encode()), strict=True))


def files(job: Job) -> tuple[str, ...]:
    """Return the names of the files: the service, the timer."""
    return f"{job.name}.service", f"{job.name}.timer"


def command(job: Job) -> list[str]:
    """Return the words of the command line.

    systemd cannot start a program with a quote or a backslash in its path, so the shell does.
    """
    odd = set(job.argv[0]) & set("'\"\\")
    return [*(["/bin/sh", "-c", 'exec "$0" "$@"'] if odd else []), *job.argv]


def calendar(job: Job) -> list[str]:
    """Return the calendar events; in UTC if possible, as systemd skips repeated local hours."""
    if not job.slots.times:
        every = job.slots.schedule.every_minutes
        raise ScheduleError(
            f"systemd's calendar cannot express every {every} minutes, because that does not divide"
            " a day; set schedule.every_minutes to a number that does"
        )
    zone = "" if job.slots.local else " UTC"
    return [
        f"*-*-* {_field(hours, DAY // HOUR)}:{_field(minutes, HOUR)}:00{zone}"
        for minutes, hours in job.slots.hours_of_minutes.items()
    ]


def _field(values: Sequence[int], whole: int) -> str:
    return "*" if len(values) == whole else ",".join(f"{value:02}" for value in values)


def quoted(word: str) -> str:
    """Return a word of a command line, quoted if necessary."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(word) & set(" \"'\\;") else escaped


def _folder(path: str) -> str:
    """Return a folder, unquoted; a `/` protects a blank or a backslash at its end."""
    end = "/" if path.endswith((" ", "\\")) else ""
    return path.replace("%", "%%") + end
