"""Writing the entries into a workspace: `doit schedule`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
import workspaces
from jobs import CRON, PLIST, SERVICE, agent, as_windows_splits, at, on_windows, posix, settings
from jobs import task as parsed
from workspaces import doit, log

from haios_dag import init
from haios_dag.base.errors import ScheduleError
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import schedule_checks
from haios_dag.schedule import cron, entry_files, job, launchd, systemctl, systemd

FILES = {
    "HAIOS-Heartbeat.xml",
    "haios-heartbeat.cron",
    "haios-heartbeat.service",
    "haios-heartbeat.timer",
    "com.haios.heartbeat.plist",
}


def became(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return what became of each file: `written` or `up to date`."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"(\S+/scheduler/)(\S+) (written|up to date)$", done.stdout, re.MULTILINE)
    return {name: said for _, name, said in found}


def test_all_of_them(root: Path) -> None:
    """All files are written, say how to install them, and are then up to date by content."""
    done = doit(root, "schedule")
    assert became(done) == dict.fromkeys(FILES, "written")
    folder = root / "scheduler"
    assert {path.name for path in folder.iterdir()} == FILES
    shown = {"cron": "linux", "systemd": "linux", "launchd": "darwin", "windows": "win32"}
    for name, platform in shown.items():
        command = f"to install it, run: doit schedule-install {name}\n"
        assert (command in done.stdout) == (platform == sys.platform)
    assert became(doit(root, "schedule")) == dict.fromkeys(FILES, "up to date")
    (folder / "haios-heartbeat.timer").unlink()
    with (folder / "haios-heartbeat.cron").open("a") as file:
        file.write("# a line more\n")
    stale = {"haios-heartbeat.cron", "haios-heartbeat.timer"}
    found = became(doit(root, "schedule"))
    assert {name for name, said in found.items() if said == "written"} == stale
    (root / "haios.toml").write_text("[schedule]\nevery_minutes = 30\n")
    assert "haios-heartbeat.cron" in became(doit(root, "schedule"))
    shutil.rmtree(root / ".haios")
    assert doit(root, "schedule").returncode == 0
    assert (root / ".haios").is_dir()


def test_one_of_them(root: Path) -> None:
    """The command of one scheduler writes its own files and no other's."""
    assert doit(root, "schedule:systemd").returncode == 0
    assert {path.name for path in (root / "scheduler").iterdir()} == {
        "haios-heartbeat.service",
        "haios-heartbeat.timer",
    }


def test_each_scheduler_is_listed(root: Path) -> None:
    """`doit list` shows one for each scheduler, with the files that it writes."""
    shown = dict(line.split(maxsplit=1) for line in doit(root, "list").stdout.splitlines())
    assert {name for name in shown if name.startswith("schedule:")} == {
        f"schedule:{name}" for name in (*entry_files.RENDERERS, "watchdog")
    }
    for name, one in entry_files.RENDERERS.items():
        assert one.files(posix())[0] in shown[f"schedule:{name}"]


def test_what_one_cannot_say_is_refused_and_the_others_come(root: Path) -> None:
    """The reason is said, an entry that says something else is gone, the others are written."""
    assert doit(root, "schedule").returncode == 0
    (root / "haios.toml").write_text("[schedule]\nevery_minutes = 45\n")
    done = doit(root, "schedule")
    assert done.returncode == 0
    assert done.stdout.count("not written: ") == 2
    assert "cron cannot express every 45 minutes" in done.stdout
    left = {"HAIOS-Heartbeat.xml", "haios-heartbeat.service", "haios-heartbeat.timer"}
    assert {path.name for path in (root / "scheduler").iterdir()} == left
    done = doit(root, "schedule:cron")
    assert done.returncode == 1
    assert "cron cannot express every 45 minutes" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('at = "7:30"', "[schedule] at must be"),
        ('at = "24:00"', "[schedule] at must be"),
        (
            'at = "07:30"\nevery_minutes = 30',
            "[schedule] every_minutes must be left out where at is set",
        ),
        ('at = "07:30"\nhours = "8-18"', "[schedule] hours must be left out where at is set"),
        ('hours = "8"', "[schedule] hours must be"),
        ('hours = "8-25"', "[schedule] hours must be"),
        ('hours = "8-10"\nevery_minutes = 720', "schedule.hours: no beat"),
        ("jitter_minutes = 60", "[schedule] jitter_minutes must be"),
        ("time_limit_minutes = 0", "[schedule] time_limit_minutes must be"),
    ],
)
def test_wrong_settings_are_named(root: Path, text: str, said: str) -> None:
    """A setting that cannot be is one sentence with its key, here and in the beat's event."""
    (root / "haios.toml").write_text(f"[schedule]\n{text}\n")
    done = doit(root, "schedule")
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (root / "scheduler").exists()
    assert doit(root).returncode == 1
    assert said in log(root)[-1]["steps"]["status"]["error"]


def test_a_disk_that_cannot_be_written_is_named(root: Path) -> None:
    """What is in the way is one sentence with its path."""
    (root / "scheduler").write_text("in the way")
    done = doit(root, "schedule:cron")
    assert done.returncode == 1
    assert f"{root / 'scheduler'} cannot be written" in done.stdout + done.stderr


def test_the_entries_are_ignored_by_git(tmp_path: Path) -> None:
    """What is written into a new workspace is never committed by accident."""
    root = tmp_path / "space"
    init.make(root)
    assert doit(root, "schedule").returncode == 0
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    listed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "scheduler" not in listed
    assert ".haios" not in listed


def test_the_interpreter_is_the_one_that_runs(hostile: tuple[Path, Path]) -> None:
    """The entries name the Python that wrote them, of its virtual environment and not behind it."""
    root, python = hostile
    done = workspaces.run(
        [str(python), "-m", "doit", "-f", str(root / "dodo.py"), "schedule"], cwd=root
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("not written: ") == 1  # Windows could put variables into this name
    content = (root / "scheduler" / PLIST).read_bytes()
    assert content == launchd.render(posix(root, python))[PLIST]
    assert agent(posix(root, python))["ProgramArguments"][0] == str(python)
    assert python.is_symlink()


def test_a_beat_without_any_stream(hostile: tuple[Path, Path]) -> None:
    """What Windows starts without a console has no streams at all, and beats all the same."""
    root, python = hostile
    plain = on_windows(PurePosixPath("/srv/space"))
    words = as_windows_splits(at(parsed(plain), "Actions/Exec/Arguments"))
    words[words.index("-f") + 1] = str(root / "dodo.py")
    (root / ".haios").mkdir(exist_ok=True)
    before = len(log(root))
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", str(python), *words],
        cwd=root, env={}, check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert [event["outcome"] in {"ok", "idle"} for event in log(root)[before:]] == [True]
    assert "heartbeat" in (root / ".haios" / "beat.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "bad", ["\n", "\r", "\0", "\t", "\x1b", "\x7f", "\x85", "\udcff", "\uffff"]
)
def test_what_no_entry_can_hold_is_refused(bad: str) -> None:
    """A character that would end a line, or that no encoding has, is refused by name."""
    for root, python in (("/a" + bad, "/b/python"), ("/a", f"/b{bad}/python")):
        with pytest.raises(ScheduleError, match="rename that folder") as caught:
            job.make(PurePosixPath(python), PurePosixPath(root), settings(), "host")
        assert str(caught.value).isprintable()
    with pytest.raises(ScheduleError, match="whole path"):
        posix(PurePosixPath("space"))


def test_the_doctor_knows_the_entries(
    hostile: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed entry is found by its path, however that has to be written there."""
    root, python = hostile
    one = posix(root, python)
    units = tmp_path / ".config" / "systemd" / "user"
    agents = tmp_path / "Library" / "LaunchAgents"
    entries = {
        tmp_path / "table": cron.render(one)[CRON],
        units / SERVICE: systemd.render(one)[SERVICE],
        agents / PLIST: launchd.render(one)[PLIST],
    }
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, said in {
        "crontab": f"[ -e {tmp_path}/table ] || exit 0; exec cat {tmp_path}/table",
        "systemctl": "echo active",
        "launchctl": "echo running",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{said}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(systemctl, "RUNS", tmp_path)
    monkeypatch.setattr(schedule_checks, "_CRON", ())
    for platform, installed in zip(("linux", "linux", "darwin"), entries, strict=True):
        for path, data in entries.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for path in entries.keys() - {installed}:
            path.unlink()
        (found,) = schedule_checks.schedule(Workspace(root), platform)
        # the false systemctl does not say that the timer is enabled
        assert found.name in ({"schedule-drift"} if installed.suffix == ".service" else {""})
        installed.unlink()
        (found,) = schedule_checks.schedule(Workspace(root), platform)
        assert (found.level, found.name) == ("warning", "not-scheduled")


def test_a_long_output_is_set_aside(copy: Path) -> None:
    """What beats print is kept in two files of about a megabyte at most."""
    output = Workspace(copy).output
    output.write_bytes(b"x" * 1_000_000)
    assert doit(copy).returncode == 0
    assert output.stat().st_size == 1_000_000
    for content in (b"1", b"2"):
        output.write_bytes(content * 1_000_001)
        assert doit(copy).returncode == 0
        assert not output.exists()
        assert output.with_name("beat.log.1").read_bytes() == content * 1_000_001
    watchdog = Workspace(copy).watchdog_output
    watchdog.write_bytes(b"y" * 1_000_001)
    assert doit(copy, "pulse", "--notify").returncode == 0
    assert watchdog.with_name("watchdog.log.1").stat().st_size == 1_000_001
