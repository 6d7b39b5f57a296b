"""Installing, removing and examining entries, where programs of the schedulers' names answer.

The real crontab, cron and systemd have the same done to them in tests/real.
"""

import os
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
import workspaces
from doctors import program
from jobs import CRON, PLIST, TASK, on_windows, posix
from workspaces import doit, log

from haios_dag.base.errors import ScheduleError
from haios_dag.base.workspace import Workspace
from haios_dag.schedule import (
    cron,
    crontab,
    entry_files,
    launchctl,
    launchd,
    schtasks,
    systemctl,
    systemd,
    windows,
)
from haios_dag.schedule import external_program as asked
from haios_dag.schedule.installation import Managed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are written for sh")

TABLE = b"# mine\nMAILTO=nobody\n5 4 * * * true 50\\% \xe9\n"


@pytest.fixture
def root(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that has beaten, and schedulers that have nothing of it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    table = tmp_path / "table"
    program(
        tools / "crontab",
        f'case "$1" in -l) cat {table} 2>/dev/null || {{ echo no crontab for me >&2; exit 1; }};;'
        f" -r) rm {table};; -) cat > {table};; esac",
    )
    monkeypatch.setattr(crontab, "_runs", lambda: True)
    return copy


def table(root: Path) -> Path:
    """Return what the false crontab keeps."""
    return root.parent / "table"


def managed(root: Path, name: str = "cron") -> Managed:
    """Return the manager of a workspace as it is now."""
    return Managed(Workspace(root), name)


def install(root: Path, name: str = "cron") -> list[str]:
    """Install, and return what was said."""
    return list(managed(root, name).install(really=True))


# --- cron -----------------------------------------------------------------------------------------


def test_a_preview_changes_nothing(root: Path) -> None:
    """Without --yes nothing is written, and no beat is made."""
    table(root).write_bytes(TABLE)
    said = "\n".join(managed(root).install(really=False))
    assert "this would run the job once, as cron starts it" in said
    assert f"  +0 * * * * umask 077; cd {root} && " in said
    assert said.count("nothing was changed; add --yes to do it") == 1
    assert table(root).read_bytes() == TABLE
    assert len(log(root)) == 1
    assert not (root / "scheduler").exists()
    assert list(managed(root).remove(really=True)) == ["haios-heartbeat is not installed in cron"]


@pytest.mark.parametrize("before", [None, b"", TABLE, b"\n\n", b"# END other\n"])
def test_twice_is_once_and_removed_is_as_before(root: Path, before: bytes | None) -> None:
    """Installing again changes nothing; removing leaves the very bytes that were there."""
    if before is not None:
        table(root).write_bytes(before)
    assert install(root)[-2:-1] != []
    once = table(root).read_bytes()
    assert once.startswith(before or b"")
    assert once.count(b"# BEGIN haios-heartbeat\n") == 1
    assert log(root)[-1]["outcome"] == "idle"
    assert len(log(root)) == 2
    assert install(root) == ["haios-heartbeat is installed in cron and up to date"]
    assert table(root).read_bytes() == once
    assert len(log(root)) == 2
    assert managed(root).status()[0]
    preview = "\n".join(managed(root).remove(really=False))
    assert "  -# BEGIN haios-heartbeat" in preview
    assert table(root).read_bytes() == once
    list(managed(root).remove(really=True))
    left = table(root).read_bytes() if table(root).exists() else None
    assert left == (before or None)


def test_the_block_keeps_its_place(root: Path) -> None:
    """A block that differs is replaced where it stands; of two, one is left."""
    install(root)
    block = table(root).read_bytes()
    changed = block.replace(b" 30m ", b" 3m ")
    table(root).write_bytes(b"# a\n" + changed + block + b"# b\n")
    assert not managed(root).status()[0]
    install(root)
    assert table(root).read_bytes() == b"# a\n" + block + b"# b\n"
    list(managed(root).remove(really=True))
    assert table(root).read_bytes() == b"# a\n# b\n"


@pytest.mark.parametrize(
    "torn", [b"# BEGIN haios-heartbeat\n", b"# END haios-heartbeat\n# x\n",
             b"# BEGIN haios-heartbeat\n# BEGIN haios-heartbeat\n# END haios-heartbeat\n"],
)  # fmt: skip
def test_marks_that_do_not_fit_are_refused(root: Path, torn: bytes) -> None:
    """Where nobody can tell what is ours, nothing is touched."""
    table(root).write_bytes(torn)
    for act in (managed(root).install, managed(root).remove):
        with pytest.raises(ScheduleError, match="crontab -e"):
            list(act(really=True))
    assert table(root).read_bytes() == torn


def test_a_carriage_return_is_refused(root: Path) -> None:
    """Debian's crontab prints one as two characters, so nobody can tell what the table has."""
    table(root).write_bytes(b"5 4 * * * printf 'a\\r'\n")
    with pytest.raises(ScheduleError, match="carriage return"):
        list(managed(root).install(really=False))
    assert table(root).read_bytes() == b"5 4 * * * printf 'a\\r'\n"


def test_a_crontab_that_keeps_something_else(root: Path) -> None:
    """What was written is read again."""
    program(
        root.parent / "bin" / "crontab",
        f'[ "$1" = -l ] && {{ cat {table(root)}; exit; }}\nsed s/heartbeat/x/ > {table(root)}',
    )
    table(root).touch()
    with pytest.raises(ScheduleError, match="prints another"):
        install(root)


@pytest.mark.parametrize("position", range(0, 400, 7))
def test_any_byte_that_changes_is_drift(root: Path, position: int) -> None:
    """A change of any byte of the block is noticed, and its line shown beside the wanted one."""
    block = write_block(root)
    at = position % (len(block) - 1)
    if block[at : at + 1] == b"\n" or block[at] in b"#" or b"BEGIN" in line_at(block, at):
        return  # a mark: then it is no block of ours, or no table of cron's
    if b"END" in line_at(block, at):
        return
    changed = block[:at] + (b"~" if block[at : at + 1] != b"~" else b"-") + block[at + 1 :]
    table(root).write_bytes(changed)
    good, lines = managed(root).status()
    assert not good
    shown = changes(lines)
    is_now = line_at(changed, at).decode("utf-8", "backslashreplace")
    assert f"-{is_now}" in shown
    assert f"+{line_at(block, at).decode()}" in shown
    assert len(shown) == 2


def changes(lines: list[str], file: str = CRON) -> list[str]:
    """Return the lines of the difference that a status shows of a file."""
    (found,) = (line for line in lines if line.startswith(f"  {file} (- installed, + wanted):\n"))
    return [line.removeprefix("    ") for line in found.split("\n")[1:]]


def write_block(root: Path) -> bytes:
    """Put our block into the table, and return it."""
    (block,) = cron.render(managed(root).job).values()
    table(root).write_bytes(block)
    return block


def line_at(data: bytes, at: int) -> bytes:
    """Return the line in which a byte stands."""
    return data[data.rfind(b"\n", 0, at) + 1 : data.find(b"\n", at)]


def test_drift_is_named(root: Path) -> None:
    """Settings that changed since, another interpreter, a line commented out: each by its line."""
    block = write_block(root)
    when, at_boot = block.decode().split("\n")[2:4]
    (root / "haios.toml").write_text("[schedule]\nevery_minutes = 15\n")
    good, lines = managed(root).status()
    assert not good
    assert lines[0] == "haios-heartbeat is installed in cron, but has drifted"
    assert changes(lines) == [f"-{when}", f"+0,15,30,45{when[1:]}"]
    assert lines[-1] == "to correct it, run: doit schedule-install cron"
    (root / "haios.toml").unlink()
    table(root).write_bytes(block.replace(sys.executable.encode(), b"/gone/python"))
    assert changes(managed(root).status()[1]) == [
        *(f"-{line.replace(sys.executable, '/gone/python')}" for line in (when, at_boot)),
        f"+{when}",
        f"+{at_boot}",
    ]
    table(root).write_bytes(block.replace(b"\n0 ", b"\n#0 "))
    assert changes(managed(root).status()[1]) == [f"-#{when}", f"+{when}"]
    table(root).write_bytes(block.replace(b"# haios-dag", b"# haios-\xe9"))
    assert changes(managed(root).status()[1])[0].startswith("-# haios-\\xe9: ")


def test_exit_codes(root: Path) -> None:
    """0 as it should be, 1 where it is not, 2 where the scheduler cannot be asked."""
    done = doit(root, "schedule-status", "cron")
    assert (done.returncode, "run: doit schedule-install cron" in done.stdout) == (1, True)
    program(root.parent / "bin/crontab", "echo not allowed to use this program >&2; exit 1")
    done = doit(root, "schedule-status", "cron")
    assert done.returncode == 2
    assert "not allowed to use this program" in done.stdout + done.stderr
    done = doit(root, "schedule-install", "--yes", "cron")
    assert done.returncode == 1
    assert "not allowed to use this program" in done.stdout + done.stderr
    for words in (["schedule-status", "at"], ["schedule-install", "cron", "systemd"]):
        done = doit(root, *words)
        assert done.returncode in {1, 2}
        assert "Traceback" not in done.stdout + done.stderr


def test_a_cron_that_does_not_run_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that nobody reads is not enough."""
    write_block(root)
    monkeypatch.setattr(crontab, "_runs", lambda: False)
    good, lines = managed(root).status()
    assert (good, "but off: cron is not running" in lines[0]) == (False, True)
    assert any("sudo systemctl enable --now cron" in line for line in managed(root).client.advice(
        managed(root).job))  # fmt: skip


def test_processes_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cron is found by its name among the processes; where there are none to see, it is not."""
    monkeypatch.setattr(crontab, "_PROCESSES", tmp_path)
    assert crontab._runs()  # nobody can tell
    (tmp_path / "self").mkdir()
    assert not crontab._runs()
    (tmp_path / "17").mkdir()
    (tmp_path / "17" / "comm").write_text("crond\n")
    assert crontab._runs()


# --- whose it is ----------------------------------------------------------------------------------


def test_two_workspaces_of_one_user(root: Path) -> None:
    """The entry of another workspace is refused, and left alone; with a name of its own it fits."""
    other = workspaces.make(root.parent / "other")
    install(other)
    theirs = table(root).read_bytes()
    for act in (managed(root).install, managed(root).remove):
        with pytest.raises(ScheduleError, match=rf"{other}; choose .* \[schedule\] name"):
            list(act(really=True))
    assert table(root).read_bytes() == theirs
    (root / "haios.toml").write_text('[schedule]\nname = "notes"\n')
    install(root)
    assert table(root).read_bytes().startswith(theirs)
    assert b"# BEGIN haios-heartbeat-notes\n" in table(root).read_bytes()
    assert managed(root).status()[0]
    assert managed(other).status()[0]
    list(managed(root).remove(really=True))
    assert table(root).read_bytes() == theirs


def test_whose_entry_it_is_is_read_from_every_scheduler(
    hostile: tuple[Path, Path], win: Path, mac: Path
) -> None:
    """Each client reads the workspace back from its own entry, however that has to quote it."""
    home = win.parent
    units = home / ".config" / "systemd" / "user"
    agents = home / "Library" / "LaunchAgents"
    units.mkdir(parents=True)
    agents.mkdir(parents=True)
    program(home / "bin" / "systemctl", "exit 0")
    names = " ends blank ", "ends\\", "a && mkdir -p .haios && b"
    for folder in (hostile[0], mac, *(home / name for name in names)):
        one = posix(folder)
        table(win).write_bytes(cron.render(one)[CRON])
        for name, data in systemd.render(one).items():
            (units / name).write_bytes(data)
        (agents / PLIST).write_bytes(launchd.render(one)[PLIST])
        for client in (crontab, systemctl, launchctl):
            root = client.state(one).root
            assert root is not None
            assert Path(root) == folder, client.__name__
    (home / "kept.xml").write_bytes(windows.render(posix(win))[TASK].decode("utf-16").encode())
    assert schtasks.state(posix(win)).root == str(win)


@pytest.mark.parametrize("broken", [b"", b"\xff\xfe", b"cd '", b"bplist00\xff", b"<!DOCTYPE x>"])
def test_an_entry_that_says_nothing_belongs_to_no_workspace(mac: Path, broken: bytes) -> None:
    """What cannot be read is drift, and is replaced."""
    path = mac.parent / "Library" / "LaunchAgents" / PLIST
    path.parent.mkdir(parents=True)
    path.write_bytes(broken)
    assert launchctl.state(posix(mac)).root is None
    begin, end = cron.marks(posix(mac))
    line = b"0 * * * * umask 077; " + broken + b" && mkdir -p .haios && true\n"
    table(mac).write_bytes(f"{begin}\n".encode() + line + f"{end}\n".encode())
    assert crontab.state(posix(mac)).root is None
    assert not managed(mac).status()[0]


def test_a_workspace_that_moved_takes_its_entry_along(root: Path) -> None:
    """The entry of a workspace that is gone is drift, and replaced."""
    other = workspaces.make(root.parent / "other")
    install(other)
    moved = other.rename(root.parent / "moved")
    good, lines = managed(moved).status()
    assert not good
    removed, _, added, _ = changes(lines)
    assert f"cd {other} " in removed
    assert f"cd {moved} " in added
    install(moved)
    assert managed(moved).status()[0]


# --- the trial ------------------------------------------------------------------------------------


def test_what_would_not_work_is_not_installed(hostile: tuple[Path, Path], root: Path) -> None:
    """A doit that only this shell's environment finds is missing where cron begins it."""
    _, python = hostile
    bare = root.parent / "bare"
    doit(root)  # has beaten before, so that only the interpreter is at fault
    words = [str(python), "-I", "-m", "venv", "--without-pip", str(bare)]
    assert workspaces.run(words, cwd=root).returncode == 0
    found = os.pathsep.join([str(workspaces.ROOT), *(p for p in sys.path if "site-packages" in p)])
    before = len(log(root))
    done = workspaces.run(
        [str(bare / "bin" / "python"), "-m", "doit", "-f", str(root / "dodo.py"),
         "schedule-install", "--yes", "cron"],
        cwd=root, env={"PYTHONPATH": found},
    )  # fmt: skip
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "not installed: the trial run, as cron starts it, failed" in said
    assert "No module named doit" in said
    assert not table(root).exists()
    assert len(log(root)) == before


def test_a_beat_that_fails_is_not_installed(root: Path) -> None:
    """The errors of the steps are the reason."""
    (root / "memory.db").write_bytes(b"no database")
    with pytest.raises(ScheduleError, match=r"exit code 1: ingest: .*memory\.db"):
        install(root)
    assert not table(root).exists()


def test_a_beat_under_way_is_not_proof(root: Path) -> None:
    """Where cron's own guard passes over the trial, that is said, not taken for a beat."""
    import fcntl  # not on Windows

    with (root / ".haios" / "cron.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ScheduleError, match="no beat in the event log"):
            install(root)
    assert not table(root).exists()


def test_the_trial_has_next_to_no_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this shell has set reaches no trial."""
    monkeypatch.setenv("DB_PATH", str(root.parent / "elsewhere.db"))
    install(root)
    assert not (root.parent / "elsewhere.db").exists()


# --- launchd --------------------------------------------------------------------------------------


@pytest.fixture
def mac(root: Path) -> Path:
    """A launchctl that keeps what is loaded as a file of its label."""
    loaded = root.parent / "loaded"
    program(
        root.parent / "bin" / "launchctl",
        f'echo "$*" >> {root.parent}/said\n'
        f'case "$1" in\n'
        f'print) [ -e {loaded} ] || {{ echo "Could not find service" >&2; exit 113; }}\n'
        f'  echo "state = not running"; echo "last exit code = 0";;\n'
        f"bootstrap) touch {loaded};;\nbootout) rm {loaded};;\nesac",
    )
    return root


def test_launchd(mac: Path) -> None:
    """The file is put where launchd looks, loaded, replaced when it differs, and taken away."""
    agents = mac.parent / "Library" / "LaunchAgents"
    agents.mkdir(parents=True)
    (agents / "mine.plist").write_bytes(b"mine")
    assert "not installed" in managed(mac, "launchd").status()[1][0]
    install(mac, "launchd")
    path = agents / PLIST
    assert plistlib.loads(path.read_bytes())["WorkingDirectory"] == str(mac)
    assert log(mac)[-1]["outcome"] == "idle"
    good, lines = managed(mac, "launchd").status()
    assert good
    assert "  ended with  exit code 0" in lines
    path.write_bytes(path.read_bytes().replace(b"<integer>0</integer>", b"<integer>5</integer>", 1))
    good, lines = managed(mac, "launchd").status()
    assert not good
    assert [line.replace("\t", "") for line in changes(lines, PLIST)] == [
        " <key>Minute</key>", "-<integer>5</integer>", "+<integer>0</integer>", " </dict>",
    ]  # fmt: skip
    install(mac, "launchd")
    said = [line.split()[0] for line in (mac.parent / "said").read_text().splitlines()]
    assert [word for word in said if word != "print"] == [
        "enable", "bootstrap", "bootout", "enable", "bootstrap",
    ]  # fmt: skip
    (mac.parent / "loaded").unlink()
    assert "launchd has not loaded it" in managed(mac, "launchd").status()[1][0]
    list(managed(mac, "launchd").remove(really=True))
    assert [one.name for one in agents.iterdir()] == ["mine.plist"]
    path.write_bytes(b"garbage")
    good, lines = managed(mac, "launchd").status()
    assert (good, changes(lines, PLIST)[0]) == (False, "-garbage")


def test_protected_folders_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What macOS keeps from launchd is said before it fails."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert launchctl.advice(posix(tmp_path / "notes")) == []
    said = launchctl.advice(posix(tmp_path / "Documents" / "notes"))
    assert len(said) == 2  # the workspace, and the interpreter in it
    assert "Full Disk Access" in said[0]


# --- Windows --------------------------------------------------------------------------------------


@pytest.fixture
def win(root: Path) -> Path:
    """A schtasks that keeps the last file it was given, and prints it as Windows does."""
    kept = root.parent / "kept.xml"
    row = (
        '"PC","\\HAIOS-Heartbeat","25.11.2026 05:00","Ready","Interactive only",'
        '"25.11.2026 04:00","0"'
    )
    program(
        root.parent / "bin" / "schtasks",
        f'case "$1" in\n'
        f'/create) iconv -f UTF-16 -t UTF-8 "$6" > {kept};;\n'
        f"/delete) rm {kept};;\n"
        f"/query) [ -e {kept} ] || exit 0\n"
        f"  case \"$2\" in /v) printf '%s\\n' '{row}';;\n"
        f"  *) sed 's|<RunLevel>LeastPrivilege</RunLevel>|<UserId>S-1</UserId>|' {kept};; esac;;"
        f"\nesac",
    )
    return root


def test_task_scheduler(win: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is registered from its file; what Windows adds and leaves out is no drift."""
    monkeypatch.setattr(windows, "_without_console", str)
    assert "not installed" in managed(win, "windows").status()[1][0]
    install(win, "windows")
    assert (win / "scheduler" / TASK).exists()
    good, lines = managed(win, "windows").status()
    assert good, lines
    assert "  next run    25.11.2026 05:00" in lines
    assert "  ended with  result 0" in lines
    kept = win.parent / "kept.xml"
    text = kept.read_text()
    kept.write_text(text.replace("PT30M", "PT3H"))
    good, lines = managed(win, "windows").status()
    assert not good
    field = "Settings/ExecutionTimeLimit"
    assert changes(lines, TASK) == [f"-{field}: PT3H", f"+{field}: PT30M"]
    kept.write_text("<!DOCTYPE x>")
    good, lines = managed(win, "windows").status()
    assert (good, changes(lines, TASK)) == (False, ["it is not a task"])
    kept.write_text(re.sub(r"true(</Enabled>\s*<Hidden>)", r"false\1", text))
    assert "it is disabled" in managed(win, "windows").status()[1][0]
    kept.write_text(text)
    list(managed(win, "windows").remove(really=True))
    assert not kept.exists()


def test_a_task_of_many_triggers() -> None:
    """Each trigger is compared; what Windows may omit in all of them is no difference."""
    wanted = windows.render(on_windows(hours="8-11"))[TASK]
    printed = wanted.decode("utf-16").replace("\r\n", "\n")

    def differences(changed: str) -> list[str]:
        assert changed != printed
        return schtasks.differences(changed.encode(), wanted)

    start = "Triggers/CalendarTrigger/StartBoundary"
    assert differences(printed.replace("<Enabled>true</Enabled>", "")) == []
    assert differences(printed.replace("T09:00", "T09:30")) == [
        f"-{start}: 2024-01-01T09:30:00", f"+{start}: 2024-01-01T09:00:00",
    ]  # fmt: skip
    trigger = printed[printed.index("<CalendarTrigger>") : printed.index("</CalendarTrigger>") + 18]
    assert f"+{start}: 2024-01-01T08:00:00" in differences(printed.replace(trigger, ""))
    assert f"-{start}: 2024-01-01T08:00:00" in differences(printed.replace(trigger, trigger * 2))
    off = differences(printed.replace("<Enabled>true", "<Enabled>false", 1))
    assert off[0] == "-Triggers/CalendarTrigger/Enabled: false"


def test_a_task_without_a_session(win: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Windows refuses it to a standard user, the way out is said."""
    monkeypatch.setattr(windows, "_without_console", str)
    (win / "haios.toml").write_text("[schedule]\nlogged_on_only = false\n")
    assert b"S4U".decode().encode("utf-16-le") in windows.render(managed(win, "windows").job)[TASK]
    program(
        win.parent / "bin" / "schtasks",
        '[ "$1" = /query ] || { echo Access is denied. >&2; exit 1; }',
    )
    with pytest.raises(ScheduleError, match=r"Access is denied.*logged_on_only = true"):
        install(win, "windows")


# --- programs -------------------------------------------------------------------------------------


def test_a_program_that_does_not_answer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, silent or refusing: each is one sentence."""
    monkeypatch.setattr(asked, "_SECONDS", 0.2)
    program(root.parent / "bin/crontab", "exec sleep 60")
    with pytest.raises(ScheduleError, match=r"crontab did not answer in 0\.2 seconds"):
        managed(root).status()
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(ScheduleError, match="there is no program crontab"):
        managed(root).status()


def test_what_cannot_be_read_is_named(root: Path) -> None:
    """A unit file that is a folder, or in the way, is one sentence."""
    units = root.parent / ".config" / "systemd"
    units.mkdir(parents=True)
    (units / "user").write_text("in the way")
    assert not managed(root, "systemd").status()[0]
    program(root.parent / "bin/systemctl", "exit 0")
    with pytest.raises(ScheduleError, match=r"^write .*haios-heartbeat\.service: "):
        install(root, "systemd")


def test_a_user_without_a_home_or_a_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: one sentence, no traceback."""
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    with pytest.raises(ScheduleError, match="no name"):
        install(root)
    monkeypatch.delenv("HOME")
    with pytest.raises(ScheduleError, match="no home"):
        managed(root, "launchd").status()


def test_the_scheduler_of_this_system(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux it is systemd where that runs and answers, else cron."""
    if sys.platform != "linux":
        pytest.skip("other systems have one scheduler")
    monkeypatch.setattr(systemctl, "RUNS", root)
    program(root.parent / "bin/systemctl", "exit 1")
    assert Managed(Workspace(root), None).name == "cron"
    program(root.parent / "bin/systemctl", "echo Version=252")
    assert Managed(Workspace(root), None).name == "systemd"
    monkeypatch.setattr(systemctl, "RUNS", root / "nowhere")
    assert Managed(Workspace(root), None).name == "cron"


def test_what_cannot_be_expressed_is_refused_before_the_trial(win: Path) -> None:
    """No beat runs for an entry that could not be written."""
    (win / "haios.toml").write_text('[schedule]\nevery_minutes = 10\nhours = "8-18"\n')
    with pytest.raises(ScheduleError, match="accepts 48 triggers"):
        next(managed(win, "windows").install(really=True))


def test_the_words_of_a_trial(hostile: tuple[Path, Path]) -> None:
    """Each scheduler's trial is the command of its entry, with nothing of this environment."""
    one = posix(*hostile)
    for client in (systemctl, launchctl):
        trial = client.trial(one)
        assert trial.words[-1] == "heartbeat"
        assert trial.folder == hostile[0]
        assert "VIRTUAL_ENV" not in trial.environment
        assert len(trial.environment) <= 3
    assert set(schtasks.trial(one).environment) <= {*schtasks._KEPT, "PATH"}


# --- the watchdog ---------------------------------------------------------------------------------


def test_the_watchdog_is_a_job_of_its_own(root: Path) -> None:
    """It stands beside the beat, at the time at which that is late, and makes up for nothing."""
    install(root)
    beat = table(root).read_bytes()
    list(Managed(Workspace(root), "cron", "watchdog").install(really=True))
    assert table(root).read_bytes().startswith(beat)
    assert b"\n30 * * * * " in table(root).read_bytes()
    assert table(root).read_bytes().count(b"@reboot") == 1
    assert b".haios/watchdog.lock" in table(root).read_bytes()
    for name, wanted in {
        "systemd": b"Persistent=false",
        "launchd": b"<key>RunAtLoad</key>\n\t<false/>",
        "windows": "<StartWhenAvailable>false".encode("utf-16-le"),
    }.items():
        entry = entry_files.render(name, Managed(Workspace(root), name, "watchdog").job)
        assert wanted in b"".join(entry.values())
        assert all("watchdog" in file.lower() for file in entry)
    list(Managed(Workspace(root), "cron", "watchdog").remove(really=True))
    assert table(root).read_bytes() == beat


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture
def cron_runs(root: Path) -> Iterator[None]:
    """A process of the name, as far as one looks at names."""
    path = root.parent / "bin" / "cron"
    shutil.copy("/bin/sleep", path)
    with subprocess.Popen([path, "300"]) as process:
        yield
        process.kill()


PAGE = pages.page("scheduling")
BLOCKS = pages.blocks(PAGE, "sh") + pages.blocks(PAGE, "bat")


@pytest.mark.usefixtures("cron_runs")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition("\n")[0])
def test_every_command_of_the_page(block: str, win: Path, mac: Path) -> None:
    """What the page tells to type installs, proves and examines."""
    assert win == mac
    tools = win.parent / "bin"
    program(tools / "doit", f'exec {sys.executable} -m doit "$@"')
    program(tools / "systemctl", "echo UnitFileState=enabled; echo ActiveState=active")
    for line in block.splitlines():
        done = workspaces.run(["/bin/sh", "-c", line], cwd=win)
        assert done.returncode == 0, line + done.stdout + done.stderr
    assert log(win)[-1]["outcome"] in {"ok", "idle"}


@pytest.mark.parametrize("name", ["systemd", "cron", "launchd", "windows"])
def test_five_lines_from_install_to_proof(name: str) -> None:
    """For each system the page has one such block."""
    (block,) = (one for one in BLOCKS if one.startswith(f"doit schedule-install {name}\n"))
    assert len(block.splitlines()) == 5
    assert f"doit schedule-install --yes {name}" in block
