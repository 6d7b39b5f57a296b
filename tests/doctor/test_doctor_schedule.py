"""What each scheduler has of a workspace, where a program of that name can be asked."""

import os
import plistlib
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from doctors import program

from haios_dag.base.workspace import Workspace
from haios_dag.doctor import schedule_checks
from haios_dag.doctor.findings import Finding
from haios_dag.schedule import external_program as asked
from haios_dag.schedule import systemctl

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are written for sh")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace with a home and with schedulers that have nothing of it."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    cron(tmp_path)
    program(tmp_path / "bin/systemctl", "exit 1")
    program(tmp_path / "bin/launchctl", "echo 'Could not find service' >&2; exit 113")
    program(tmp_path / "bin/schtasks", "exit 1")
    (tmp_path / "cron.d").mkdir()
    monkeypatch.setattr(schedule_checks, "_CRON", (tmp_path / "crontab", tmp_path / "cron.d"))
    monkeypatch.setattr(systemctl, "RUNS", tmp_path)
    units = ("--user", str(tmp_path / "user")), ("--system", str(tmp_path / "system"))
    monkeypatch.setattr(schedule_checks, "_UNITS", units)
    (tmp_path / "space").mkdir()
    return tmp_path / "space"


def cron(home: Path, body: str = "echo 'no crontab for me' >&2; exit 1") -> None:
    """Let `crontab -l` do something."""
    program(home / "bin/crontab", body)


def look(root: Path, platform: str = "linux") -> Finding:
    """Return the one finding."""
    (found,) = schedule_checks.schedule(Workspace(root), platform)
    return found


def test_nothing(root: Path) -> None:
    """Where every scheduler was asked and has nothing, that is known, and a warning."""
    found = look(root)
    assert (found.level, found.name) == ("warning", "not-scheduled")
    assert (
        "cron has no entry for this workspace; systemd has no entry for this workspace"
        in found.what
    )


@pytest.mark.parametrize("place", ["crontab", "cron.d/haios"])
@pytest.mark.parametrize("started", [True, False])
def test_cron_of_the_system(root: Path, place: str, started: bool) -> None:
    """The tables of the system count, but not what is commented out there."""
    mark = "" if started else "#"
    (root.parent / place).write_text(
        f"{mark}0 * * * * me python -m doit -f {root}/dodo.py heartbeat\n"
    )
    found = look(root)
    assert (found.level == "ok") == started
    assert f"cron starts the beats ({root.parent / place})" in found.what or not started


def test_a_workspace_behind_a_link(root: Path) -> None:
    """An entry may name the workspace by its real path."""
    link = root.parent / "link"
    link.symlink_to(root)
    cron(root.parent, f"echo '0 * * * * python -m doit -f {root}/dodo.py heartbeat'")
    assert look(link).level == "ok"


@pytest.mark.parametrize(
    ("line", "starts"),
    [
        ("doit -f{}/dodo.py heartbeat", True),
        ("doit '-f' '{}/dodo.py' heartbeat >/dev/null 2>&1", True),
        ("doit -f {}/dodo.py events-stats", False),
        ("doit -f /mnt{}/dodo.py heartbeat", False),
        ("doit -f {}/dodo.py.old heartbeat", False),
        ("doit -f {}/other/dodo.py heartbeat", False),
    ],
)
def test_lines_of_cron(root: Path, line: str, starts: bool) -> None:
    """Only a beat of this very workspace counts."""
    (root.parent / "crontab").write_text(f"0 * * * * me {line.format(root)}\n")
    assert (look(root).level == "ok") == starts


def test_a_path_with_a_percent_sign(root: Path) -> None:
    """Cron and systemd write it in their own ways."""
    odd = root.parent / "50% off"
    odd.mkdir()
    (root.parent / "crontab").write_text(
        f"0 * * * * me doit -f '{odd}/dodo.py' heartbeat\n".replace("%", "\\%")
    )
    assert "cron starts the beats" in look(odd).what
    (root.parent / "crontab").unlink()
    (root.parent / "user").mkdir()
    (root.parent / "user/pulse.service").write_text(
        f'ExecStart=doit -f "{odd}/dodo.py" heartbeat\n'.replace("%", "%%")
    )
    assert "systemd starts the beats" not in look(odd).what
    program(root.parent / "bin/systemctl", "echo active")
    assert "systemd starts the beats" in look(odd).what


def unit(folder: Path, root: Path) -> None:
    """Write a service of systemd."""
    folder.mkdir()
    (folder / "pulse.service").write_text(f"ExecStart=python -m doit -f {root}/dodo.py heartbeat\n")


@pytest.mark.parametrize("scope", ["user", "system"])
def test_systemd(root: Path, scope: str) -> None:
    """A timer counts only while it is active, and the advice is how to make it so."""
    unit(root.parent / scope, root)
    program(root.parent / "bin/systemctl", 'echo "$*" >> "$HOME/asked"; echo active')
    assert look(root).what == (
        "cron has no entry for this workspace; systemd starts the beats (pulse.timer)"
    )
    assert (root.parent / "asked").read_text() == f"--{scope} is-active -- pulse.timer\n"
    program(root.parent / "bin/systemctl", "echo inactive; exit 3")
    found = look(root)
    assert (found.name, found.advice) == (
        "schedule-off", f"run: systemctl --{scope} enable --now pulse.timer",
    )  # fmt: skip
    program(root.parent / "bin/systemctl", "echo no bus >&2; exit 1")
    found = look(root)
    assert (found.level, "systemd cannot be asked (no bus)" in found.what) == ("unknown", True)
    cron(root.parent, f"echo '@hourly python -m doit -f {root}/dodo.py heartbeat'")
    assert look(root).what == "cron starts the beats (crontab -l); systemd cannot be asked (no bus)"


def test_systemd_that_does_not_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd is not what runs this system, its files start nothing."""
    unit(root.parent / "user", root)
    monkeypatch.setattr(systemctl, "RUNS", root / "nowhere")
    assert "systemd does not run here" in look(root).what


def test_no_program(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that is not installed, or not on the PATH, is unknown."""
    monkeypatch.setenv("PATH", str(root))
    found = look(root)
    assert (found.level, "(there is no program crontab)" in found.what) == ("unknown", True)


def test_no_answer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that does not answer is not waited for."""
    monkeypatch.setattr(asked, "_SECONDS", 0.2)
    cron(root.parent, "exec sleep 60")
    assert "crontab did not answer in 0.2 seconds" in look(root).what


def test_no_home(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home nobody can look into it."""
    monkeypatch.setattr(schedule_checks, "_UNITS", (("--user", "~nosuchuser/units"),))
    found = look(root)
    assert (found.level, "systemd cannot be asked (Could not determine" in found.what) == (
        "unknown", True,
    )  # fmt: skip


# --- macOS ----------------------------------------------------------------------------------------


def agent(root: Path, **changes: object) -> Path:
    """Write an agent of launchd; return its path."""
    folder = root.parent / "Library/LaunchAgents"
    folder.mkdir(parents=True, exist_ok=True)
    words = ["/usr/bin/python3", "-m", "doit", "-f", f"{root}/dodo.py", "heartbeat"]
    path = folder / "haios.plist"
    path.write_bytes(plistlib.dumps({"Label": "haios", "ProgramArguments": words} | changes))
    return path


def test_launchd(root: Path) -> None:
    """An agent counts when launchd has loaded it."""
    assert "launchd has no entry for this workspace" in look(root, "darwin").what
    path = agent(root)
    found = look(root, "darwin")
    assert (found.name, found.advice) == (
        "schedule-off", f"run: launchctl bootstrap gui/{os.getuid()} {path}",
    )  # fmt: skip
    asked = f'test "$*" = "print gui/{os.getuid()}/haios" && echo "state = not running"'
    program(root.parent / "bin/launchctl", asked)
    assert look(root, "darwin").what.endswith("launchd starts the beats (haios.plist)")
    (root.parent / "bin/launchctl").unlink()
    assert look(root, "darwin").level == "unknown"


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 40, b"<plist", b"<plist><string>x</string></plist>", b"bplist00" + b"\xff" * 40,
     b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "b">]><plist>&a;</plist>',
     b"<plist>" + b"<array>" * 5000],
)  # fmt: skip
def test_other_agents(root: Path, data: bytes) -> None:
    """Agents that are none, or of other programs, are passed over."""
    path = agent(root, ProgramArguments=["other"])
    path.with_name("a.plist").write_bytes(data)
    agent(root, Label=["x"], ProgramArguments=7)
    assert look(root, "darwin").name == "not-scheduled"


# --- Windows --------------------------------------------------------------------------------------

TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><URI>\\{name}</URI></RegistrationInfo>
  <Triggers><TimeTrigger><Enabled>false</Enabled></TimeTrigger></Triggers>
  <Settings>{settings}</Settings>
  <Actions><Exec><Command>pythonw.exe</Command><Arguments>{words}</Arguments></Exec></Actions>
</Task>
"""


def task(root: Path, name: str, settings: str = "", graph: str | None = None) -> str:
    """Return a task as `schtasks /query /xml` prints it."""
    words = escape(f'-m doit -f "{graph or root / "dodo.py"}" heartbeat', {'"': "&quot;"})
    return TASK.format(name=name, settings=settings, words=words)


def schtasks(root: Path, *tasks: str) -> None:
    """Let Task Scheduler have tasks."""
    (root.parent / "tasks").write_text("<Tasks>" + "\r\n".join(tasks) + "</Tasks>")
    program(root.parent / "bin/schtasks", 'test "$*" = "/query /xml" && cat "$HOME/tasks"')


def test_task_scheduler(root: Path) -> None:
    """A task counts unless it is disabled, which is not the same as one of its triggers."""
    assert look(root, "win32").level == "unknown"
    schtasks(root, task(root, "Other", graph="C:\\other\\dodo.py"))
    assert look(root, "win32").what.endswith("Task Scheduler has no entry for this workspace")
    schtasks(root, task(root, "Haios", "<Enabled>false</Enabled>"))
    found = look(root, "win32")
    assert (found.name, found.advice) == (
        "schedule-off", 'run: schtasks /change /enable /tn "\\Haios"',
    )  # fmt: skip
    schtasks(root, task(root, "Other", graph="C:\\o\\dodo.py"), task(root, "A &amp; B"))
    assert look(root, "win32").what == "Task Scheduler starts the beats (\\A & B)"


def test_task_of_a_path_with_marks(root: Path) -> None:
    """A path is found as XML writes it, in either case; one that is not ASCII may be misread."""
    odd = root.parent / "A & 'B' <c>"
    odd.mkdir()
    schtasks(root, task(odd, "x", graph=str(odd / "dodo.py").upper()))
    assert look(odd, "win32").level == "ok"
    far = root.parent / "žluť"
    far.mkdir()
    found = look(far, "win32")
    assert (found.level, "may be misread" in found.what) == ("unknown", True)
    schtasks(root, task(far, "x"))
    assert look(far, "win32").level == "ok"


def test_the_system_at_hand(root: Path) -> None:
    """Unless told otherwise, it looks where this system keeps its entries."""
    (found,) = schedule_checks.schedule(Workspace(root))
    assert ("systemd" in found.what) == (sys.platform == "linux")
