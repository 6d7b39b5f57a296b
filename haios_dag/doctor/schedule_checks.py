"""Whether a scheduler of this system starts the beats of a workspace, with whatever entry."""

import contextlib
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from haios_dag.base import files
from haios_dag.base.workspace import Workspace
from haios_dag.doctor.findings import Finding, found, ok
from haios_dag.schedule import cron, crontab, launchctl, schtasks, systemctl, systemd
from haios_dag.schedule.external_program import UnansweredError, ask
from haios_dag.schedule.installation import Managed

_CRON = Path("/etc/crontab"), Path("/etc/cron.d")
_UNITS = (("--user", "~/.config/systemd/user"), ("--system", "/etc/systemd/system"))


@dataclass(frozen=True, slots=True)
class _Beating:
    """An entry that runs the beat: its name, its place, and what turns it on if it is off."""

    name: str
    place: str = ""
    command: str = ""


def schedule(workspace: Workspace, platform: str = sys.platform) -> Iterator[Finding]:
    """Say whether anything starts the beats, and what was seen in each scheduler."""
    # Both names, for a workspace behind a symbolic link.
    graphs = {str(root / "dodo.py") for root in (workspace.root, workspace.root.resolve())}
    # As entries quote them, after `%` alone is unquoted.
    graphs |= {cron.quoted(graph).replace("\\%", "%") for graph in graphs}
    graphs |= {systemd.quoted(graph).replace("%%", "%") for graph in graphs}
    schedulers = _SCHEDULERS.get(platform, _SCHEDULERS["linux"])
    looked = [_look(name, graphs) for name in schedulers]
    seen = "; ".join(said for _, said, _ in looked)
    states = {state for state, _, _ in looked}
    if "on" in states:
        drifted = dict(_drifted(workspace, schedulers))
        for scheduler, drift in drifted.items():
            yield found("schedule-drift", workspace.root, scheduler=scheduler, drift=drift)
        if not drifted:
            yield ok(seen)
    elif off := next((entry for _, _, entry in looked if entry), None):
        yield found("schedule-off", workspace.root, entry=off.place, seen=seen, command=off.command)
    else:
        name = "schedule-unknown" if "unknown" in states else "not-scheduled"
        yield found(name, workspace.root, seen=seen)


def _drifted(workspace: Workspace, schedulers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each scheduler whose entry of ours differs from a fresh one, and how."""
    for scheduler in schedulers:
        name = "windows" if scheduler == "Task Scheduler" else scheduler
        with contextlib.suppress(UnansweredError):  # that is said already
            if drift := Managed(workspace, name).drift():
                yield scheduler, "; ".join(re.sub(r"\n *", " ", line) for line in drift)


def _look(scheduler: str, graphs: set[str]) -> tuple[str, str, _Beating | None]:
    """Return whether a scheduler starts the beats, in one word and in a sentence.

    The word is "on", "off" (then with the entry), "nothing" or "unknown".
    """
    off = None
    try:
        for entry in _LOOKS[scheduler](graphs):
            if not entry.command:
                return "on", f"{scheduler} starts the beats ({entry.name})", None
            off = entry
    except (UnansweredError, OSError, RuntimeError) as error:  # RuntimeError: there is no home
        reason = getattr(error, "strerror", None) or error
        return "unknown", f"{scheduler} cannot be asked ({reason})", None
    if off:
        return "off", f"{scheduler} has an entry that is off ({off.name})", off
    if scheduler == "systemd" and not systemctl.RUNS.is_dir():
        return "nothing", "systemd does not run here", None
    return "nothing", f"{scheduler} has no entry for this workspace", None


def _cron(graphs: set[str]) -> Iterator[_Beating]:
    tables = {"crontab -l": crontab.table()}
    for place in _CRON:
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            if path.is_file():
                tables[str(path)] = files.read(path)
    for name, table in tables.items():
        lines = table.decode("utf-8", "replace").splitlines()
        if any(_beats(line.replace("\\%", "%"), graphs) for line in lines
               if not line.lstrip().startswith("#")):  # fmt: skip
            yield _Beating(name)


def _systemd(graphs: set[str]) -> Iterator[_Beating]:
    for scope, folder in _UNITS if systemctl.RUNS.is_dir() else ():
        for unit in sorted(Path(folder).expanduser().glob("*.service")):
            text = files.read(unit).decode("utf-8", "replace")
            if not _beats(text.replace("%%", "%"), graphs):
                continue
            timer = f"{unit.stem}.timer"
            # It fails for a timer that is not active, and says so.
            active = ask("systemctl", scope, "is-active", "--", timer, fails=True).strip()
            command = f"systemctl {scope} enable --now {timer}"
            yield _Beating(timer, str(unit), "" if active == b"active" else command)


def _launchd(graphs: set[str]) -> Iterator[_Beating]:
    for path in sorted(Path("~/Library/LaunchAgents").expanduser().glob("*.plist")):
        agent = launchctl.content(files.read(path))
        label, words = agent.get("Label"), agent.get("ProgramArguments")
        if not (isinstance(label, str) and isinstance(words, list)):
            continue  # another program's
        if _beats("\0".join(map(str, words)), graphs):
            command = f"launchctl bootstrap {launchctl.domain()} {shlex.quote(str(path))}"
            yield _Beating(path.name, str(path), "" if launchctl.printed(label) else command)


def _task_scheduler(graphs: set[str]) -> Iterator[_Beating]:
    graphs = {graph.casefold() for graph in graphs}
    entry = None
    for task in re.findall(r"<Task[ >].*?</Task>", schtasks.query("/xml"), re.DOTALL):
        text = unescape(task).casefold()
        if not _beats(text, graphs):
            continue
        settings = re.search(r"<settings>.*?</settings>", text, re.DOTALL)
        uri = re.search(r"<URI>(.*?)</URI>", task)
        name = unescape(uri[1]) if uri else "a task"
        off = settings and "<enabled>false</enabled>" in settings[0]
        entry = _Beating(name, name, f'schtasks /change /enable /tn "{name}"' if off else "")
        yield entry
    if not entry and not "".join(graphs).isascii():
        # It prints in the console's code page, which may not have such a path.
        raise UnansweredError("the workspace's path is not plain ASCII, so it may be misread")


def _beats(entry: str, graphs: set[str]) -> bool:
    """Tell whether an entry runs the beat of this graph, and not of one in a folder of the name."""
    return "heartbeat" in entry and any(
        re.search(rf"(?<![\w./-])(-f)?{re.escape(graph)}(?![\w./-])", entry) for graph in graphs
    )


_LOOKS: dict[str, Callable[[set[str]], Iterator[_Beating]]] = {
    "cron": _cron,
    "systemd": _systemd,
    "launchd": _launchd,
    "Task Scheduler": _task_scheduler,
}
_SCHEDULERS = {
    "linux": ("cron", "systemd"),
    "darwin": ("cron", "launchd"),
    "win32": ("Task Scheduler",),
}
