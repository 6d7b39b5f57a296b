"""Whether a scheduler of this system begins the beats of a workspace."""

import contextlib
import plistlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Literal
from xml.parsers.expat import ExpatError

from haios_dag.base import files
from haios_dag.base.workspace import Workspace
from haios_dag.doctor.findings import Finding, found, ok
from haios_dag.schedule import cron, systemctl, systemd
from haios_dag.schedule.external_program import UnansweredError, ask, uid
from haios_dag.schedule.installation import Managed

_CRON = Path("/etc/crontab"), Path("/etc/cron.d")
_UNITS = (("--user", "~/.config/systemd/user"), ("--system", "/etc/systemd/system"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What one scheduler has of a workspace: `said` in words, `command` turns it on."""

    state: Literal["begins", "off", "nothing", "unknown"]
    said: str
    entry: str = ""
    command: str = ""


def schedule(workspace: Workspace, platform: str = sys.platform) -> Iterator[Finding]:
    """Say whether anything begins the beats, and what was seen in each scheduler."""
    # Both names, for a workspace behind a symbolic link.
    graphs = {str(root / "dodo.py") for root in (workspace.root, workspace.root.resolve())}
    # As entries have them, when what is doubled or escaped for `%` alone is undone.
    graphs |= {cron.quoted(graph).replace("\\%", "%") for graph in graphs}
    graphs |= {systemd.quoted(graph).replace("%%", "%") for graph in graphs}
    looks = _WINDOWS if platform == "win32" else _MACOS if platform == "darwin" else _LINUX
    seen = [_look(look, graphs) for look in looks]
    by_state = {one.state: one for one in reversed(seen)}
    said = "; ".join(one.said for one in seen)
    if "begins" in by_state:
        drifted = dict(_drifted(workspace, platform))
        for scheduler, drift in drifted.items():
            yield found("schedule-drift", workspace.root, scheduler=scheduler, drift=drift)
        if not drifted:
            yield ok(said)
    elif off := by_state.get("off"):
        yield found("schedule-off", workspace.root, entry=off.entry, seen=said,
                    command=off.command)  # fmt: skip
    elif "unknown" in by_state:
        yield found("schedule-unknown", workspace.root, seen=said)
    else:
        yield found("not-scheduled", workspace.root, seen=said)


def _drifted(workspace: Workspace, platform: str) -> Iterator[tuple[str, str]]:
    """Yield each scheduler whose entry of ours is another one than would be written now."""
    names = {"win32": ["windows"], "darwin": ["launchd", "cron"]}.get(platform, ["systemd", "cron"])
    for name in names:
        with contextlib.suppress(UnansweredError):  # that is said already
            if drift := Managed(workspace, name).drift():
                yield name, "; ".join(line.replace("\n", " ") for line in drift)


def _look(look: Callable[[set[str]], Seen], graphs: set[str]) -> Seen:
    try:
        return look(graphs)
    except (UnansweredError, OSError, RuntimeError) as error:  # RuntimeError: there is no home
        reason = getattr(error, "strerror", None) or error
        return Seen("unknown", f"{look.__name__.strip('_')} cannot be asked ({reason})")


def _cron(graphs: set[str]) -> Seen:
    tables = {"crontab -l": _said("crontab", "-l", absent="no crontab for")}
    for place in _CRON:
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            if path.is_file():
                tables[str(path)] = files.read(path).decode("utf-8", "replace")
    for name, table in tables.items():
        lines = (line for line in table.splitlines() if not line.lstrip().startswith("#"))
        if any(_begins(line.replace("\\%", "%"), graphs) for line in lines):
            return Seen("begins", f"cron begins the beats ({name})")
    return Seen("nothing", "cron has no line for them")


def _systemd(graphs: set[str]) -> Seen:
    if not systemctl.RUNS.is_dir():
        return Seen("nothing", "systemd does not run here")
    off = None
    for scope, folder in _UNITS:
        for unit in sorted(Path(folder).expanduser().glob("*.service")):
            text = files.read(unit).decode("utf-8", "replace")
            if not _begins(text.replace("%%", "%"), graphs):
                continue
            timer = f"{unit.stem}.timer"
            # It fails for a timer that is not active, and says so.
            if _said("systemctl", scope, "is-active", "--", timer, fails=True).strip() == "active":
                return Seen("begins", f"systemd begins the beats ({timer})")
            command = f"systemctl {scope} enable --now {timer}"
            off = Seen("off", "systemd has a timer that is not active", str(unit), command)
    return off or Seen("nothing", "systemd has no timer for them")


def _launchd(graphs: set[str]) -> Seen:
    off = None
    for path in sorted(Path("~/Library/LaunchAgents").expanduser().glob("*.plist")):
        try:
            job = plistlib.loads(files.read(path))
            label, words = str(job["Label"]), list(map(str, job["ProgramArguments"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ExpatError,
                plistlib.InvalidFileException):  # fmt: skip
            continue  # another program's
        if not _begins("\0".join(words), graphs):
            continue
        domain = f"gui/{uid()}"
        if _said("launchctl", "print", f"{domain}/{label}", absent="Could not find service"):
            return Seen("begins", f"launchd begins the beats ({path.name})")
        command = f"launchctl bootstrap {domain} {shlex.quote(str(path))}"
        off = Seen("off", "launchd has not loaded its agent", str(path), command)
    return off or Seen("nothing", "launchd has no agent for them")


def _task_scheduler(graphs: set[str]) -> Seen:
    printed = _said("schtasks", "/query", "/xml")
    off = None
    for task in re.findall(r"<Task[ >].*?</Task>", printed, re.DOTALL):
        text = unescape(task).casefold()
        if not _begins(text, {graph.casefold() for graph in graphs}):
            continue
        settings = re.search(r"<settings>.*?</settings>", text, re.DOTALL)
        uri = re.search(r"<URI>(.*?)</URI>", task)
        name = unescape(uri[1]) if uri else "a task"
        if not settings or "<enabled>false</enabled>" not in settings[0]:
            return Seen("begins", f"Task Scheduler begins the beats ({name})")
        off = Seen("off", "Task Scheduler has a disabled task", name,
                   f'schtasks /change /enable /tn "{name}"')  # fmt: skip
    if not off and not "".join(graphs).isascii():
        # It prints in the console's code page, in which such a path may not exist.
        raise UnansweredError("the workspace's path is not plain ASCII, so it may be misread")
    return off or Seen("nothing", "Task Scheduler has no task for them")


def _begins(entry: str, graphs: set[str]) -> bool:
    """Tell whether an entry runs the beat of this graph, and not of one in a folder of the name."""
    return "heartbeat" in entry and any(
        re.search(rf"(?<![\w./-])(-f)?{re.escape(graph)}(?![\w./-])", entry) for graph in graphs
    )


_LINUX = (_cron, _systemd)
_MACOS = (_cron, _launchd)
_WINDOWS = (_task_scheduler,)


def _said(*words: str, absent: str | None = None, fails: bool = False) -> str:
    """Return what a program prints; raise UnansweredError where it does not answer."""
    return ask(*words, absent=absent, fails=fails).decode("utf-8", "replace")
