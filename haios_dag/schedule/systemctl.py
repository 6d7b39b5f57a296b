"""systemd's manager of the user, through `systemctl --user`: two files and an enabled timer."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from haios_dag.base import clock
from haios_dag.schedule import drift, systemd
from haios_dag.schedule.external_program import UnansweredError, ask, home, user
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import (
    LOGGED_ON_ONLY,
    Operation,
    State,
    Trial,
    delete,
    run,
    write,
)

RUNS = Path("/run/systemd/system")  # sd_booted(3)
_LINGERING = Path("/var/lib/systemd/linger")
_TIMER = (
    "UnitFileState", "ActiveState", "NextElapseUSecRealtime", "NeedDaemonReload", "DropInPaths",
)  # fmt: skip
_SERVICE = "Result", "ExecMainStatus", "ExecMainStartTimestamp", "NeedDaemonReload", "DropInPaths"

differences = drift.of_text


def state(job: Job) -> State:
    """Return the files, and what the manager says of the timer and of the last run."""
    service, timer = systemd.files(job)
    entry = {path.name: path.read_bytes() for path in _installed(job)}
    if not entry:
        return State({})
    of_timer, of_service = _properties(timer, _TIMER), _properties(service, _SERVICE)
    off = []
    if of_timer["UnitFileState"] != "enabled":
        off.append("its timer is not enabled")
    if of_timer["ActiveState"] != "active":
        off.append("its timer is not active")
    drifted = []
    if "yes" in {of_timer["NeedDaemonReload"], of_service["NeedDaemonReload"]}:
        drifted.append("systemd has not read the files since they changed")
    if drop_ins := f"{of_timer['DropInPaths']} {of_service['DropInPaths']}".strip():
        drifted.append(f"drop-in files change it: {drop_ins}")
    if not job.logged_on_only and not _lingers():
        drifted.append("lingering is off, so it stops when the session ends")
    last = of_service["ExecMainStartTimestamp"]
    return State(
        entry,
        _root(entry.get(service, b"")),
        off=" and ".join(off),
        next=_instant(of_timer["NextElapseUSecRealtime"]),
        last=_instant(last),
        result=f"{of_service['Result']}, exit code {of_service['ExecMainStatus']}" if last else "",
        drift=tuple(drifted),
    )


def install(job: Job) -> list[Operation]:
    """Return the operations that write the files, and enable and start the timer."""
    _, timer = systemd.files(job)
    there = {path.name: path.read_bytes() for path in _installed(job)}
    steps = [write(_folder() / name, data) for name, data in systemd.render(job).items()
             if there.get(name) != data]  # fmt: skip
    steps += [_run("daemon-reload"), _run("enable", timer), _run("restart", timer)]
    if not job.logged_on_only and not _lingers():
        steps.append(run("loginctl", "enable-linger"))
    return steps


def remove(job: Job) -> list[Operation]:
    """Return the operations that stop and disable the timer, and delete the files and its stamp."""
    service, timer = systemd.files(job)
    forget = "systemctl", "--user", "reset-failed", service
    return [
        _run("disable", "--now", timer),
        _run("clean", "--what=state", timer),
        *map(delete, _installed(job)),
        _run("daemon-reload"),
        Operation(f"forget how {service} ended", lambda: ask(*forget, absent="not loaded")),
    ]


def trial(job: Job) -> Trial:
    """Return how the manager starts the service: in its folder, with a minimal environment."""
    environment = {"HOME": str(home()), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    return Trial(systemd.command(job), Path(job.root), environment)


def advice(job: Job) -> list[str]:
    """Say that the timer stops when the session ends."""
    return [] if _lingers() or not job.logged_on_only else [LOGGED_ON_ONLY]


def answers() -> bool:
    """Tell whether systemd runs here and its manager answers this user."""
    if not RUNS.is_dir():
        return False
    try:
        ask("systemctl", "--user", "show", "-p", "Version")
    except UnansweredError:
        return False
    return True


def _folder() -> Path:
    """Return where the user's units are; see systemd.unit(5)."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else home() / ".config") / "systemd" / "user"


def _installed(job: Job) -> list[Path]:
    return [path for name in systemd.files(job) if (path := _folder() / name).is_file()]


def _root(service: bytes) -> str | None:
    """Return the workspace that a service runs in, None if it does not say."""
    found = re.search(rb"^WorkingDirectory=(.+)$", service, re.MULTILINE)
    return os.fsdecode(found[1]).replace("%%", "%") if found else None


def _properties(unit: str, names: tuple[str, ...]) -> dict[str, str]:
    printed = ask("systemctl", "--user", "show", unit, "-p", ",".join(names))
    lines = printed.decode("utf-8", "replace").splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: found.get(name, "") for name in names}


def _instant(said: str) -> str:
    """Return a time that systemctl printed in UTC and English, as ISO 8601."""
    try:
        found = datetime.strptime(said, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except ValueError:
        return said
    return clock.iso(found)


def _run(*words: str) -> Operation:
    return run("systemctl", "--user", *words)


def _lingers() -> bool:
    return (_LINGERING / user()).exists()
