"""No room, no inodes, no right, no descriptors, no output: said in one sentence, and survived."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import workspaces
from faulting import Fault, Next, events, learn
from forks import BEAT, Forks

from haios_dag import commands

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the limits of POSIX"),
]
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount or change the user"
)


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs of some size; skip where that is not allowed."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def refused(code: int, out: str) -> None:
    """Check that a beat has failed in order: with its exit code and sentences."""
    assert code in {1, 2}, out
    assert "Traceback" not in out
    assert "failed" in out or "no beat was begun" in out, out


@needs_root
@pytest.mark.fault("disk full, with 0 to 160 kB left")
def test_disk_full(beaten: Path, tmp_path: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """Whatever step the disk is full at, all that was there is there, and the work waits."""
    with mounted(tmp_path / "disk", "size=2m") as disk:
        for left in (0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160):
            root = Path(shutil.copytree(beaten, disk / "space"))
            learn(root)
            before = events(root)
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(b"x" * 4096):
                    pass
            os.truncate(filler, max(0, filler.stat().st_size - left * 1024))
            done = forks.beat(root)
            if done.code:
                refused(done.code, done.out)
                fault.inject()
            filler.unlink()
            fault.next_beat(root, beat)
            fault.keep(before, events(root))
            shutil.rmtree(root)
    assert fault.injected > 5


@needs_root
@pytest.mark.fault("no inodes left, 0 to 5")
def test_no_inodes(beaten: Path, tmp_path: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """Where no file can be made, the same holds."""
    with mounted(tmp_path / "disk", "size=4m,nr_inodes=60") as disk:
        for left in range(6):
            root = Path(shutil.copytree(beaten, disk / "space"))
            learn(root)
            before = events(root)
            fillers = disk / "fillers"
            fillers.mkdir()
            with contextlib.suppress(OSError):
                for number in range(100):
                    (fillers / str(number)).touch()
            for path in list(fillers.iterdir())[:left]:
                path.unlink()
            done = forks.beat(root)
            if done.code:
                refused(done.code, done.out)
                fault.inject()
            shutil.rmtree(fillers)
            fault.next_beat(root, beat)
            fault.keep(before, events(root))
            shutil.rmtree(root)
    assert fault.injected > 1


@needs_root
@pytest.mark.fault("file system mounted read-only")
def test_read_only(beaten: Path, tmp_path: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """No beat is begun on a read-only file system, and reading works all the same."""
    with mounted(tmp_path / "disk", "size=4m") as disk:
        root = Path(shutil.copytree(beaten, disk / "space"))
        learn(root)
        before = events(root)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = forks.beat(root)
        refused(done.code, done.out)
        assert "Read-only file system" in done.out
        assert forks.beat(root, "events").code == 0
        fault.inject()
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        fault.next_beat(root, beat)
        fault.keep(before, events(root))


AS_NOBODY = "os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"


@needs_root
@pytest.mark.fault("no permission: a beat of another user")
@pytest.mark.parametrize("theirs", [[], [".haios"], [".haios", ".claude"]])
def test_another_user(
    theirs: list[str], copy: Path, forks: Forks, fault: Fault, beat: Next
) -> None:
    """Whatever part of a workspace may not be used, it is named."""
    learn(copy)
    before = events(copy)
    with workspaces.reachable(copy.parent, workspaces.ROOT):
        for name in theirs:
            for path in (copy / name, *(copy / name).iterdir()):
                os.chown(path, 65534, 65534)
        done = forks.run(AS_NOBODY + BEAT, copy)
    refused(done.code, done.out)
    assert "Permission denied" in done.out or "cannot be opened" in done.out
    fault.inject()
    fault.next_beat(copy, beat)
    fault.keep(before, events(copy))


@pytest.mark.fault("too many open files")
def test_open_files(beaten: Path, tmp_path: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """However few files a beat may open, if it can begin at all it ends in order."""
    limit = (
        "import resource\nfree = os.dup(0)\nos.close(free)\nn = free + int(sys.argv.pop())\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))\n"
    )
    outcomes = set()
    for spare in range(1, 14):  # with 0, dodo.py itself cannot be read
        root = Path(shutil.copytree(beaten, tmp_path / f"space-{spare}"))
        learn(root)
        before = events(root)
        done = forks.run(limit + BEAT.replace("sys.argv[2:] or ", ""), root, spare)
        outcomes.add(done.code)
        if done.code == 3:  # doit's own
            continue
        if done.code:
            refused(done.code, done.out)
            fault.inject()
        fault.next_beat(root, beat)
        fault.keep(before, events(root))
    assert outcomes >= {0, 1}


COMMANDS = """
    heartbeat ingest status event events events-since=2h events-stats recall=lock events-clear
    resonance vitals events-add=--type=note pulse pulse=--notify synthesis-undo synthesis-explain=1
    doctor schedule validate list schedule:watchdog schedule-install=cron schedule-remove=cron
    schedule-status=cron
""".split()
SHOWING = ("events", "recall", "resonance")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.fault("standard output full, for each command")
@pytest.mark.parametrize("unbuffered", ["", "1"])
# `doit list` is doit's own: while it prints, nothing of this package has run but a dodo.py's load,
# which leaves the streams of the process as they are.
@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "list"])
def test_output_full(command: str, unbuffered: str, copy: Path, fault: Fault, beat: Next) -> None:
    """One sentence on stderr; the work is done, and only what was to be shown has failed."""
    before = events(copy)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            workspaces.command(copy, *command.split("=")),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=copy.parent,
            env=workspaces.environment({"PYTHONUNBUFFERED": unbuffered}),
        )
    assert done.stderr == "the output could not be written: No space left on device\n"
    unknown = {2} if command.startswith("schedule-status") else set()  # where there is no crontab
    own_codes = command.startswith(("pulse", "vitals"))
    wanted = {1} if command.startswith(SHOWING) else {2} if own_codes else {0, 1}
    assert done.returncode in wanted | unknown
    if command in {"heartbeat", "event"}:
        assert done.returncode == 0
        assert len(events(copy)) == len(before) + 1
    fault.inject()
    fault.next_beat(copy, beat)
    fault.keep(before, events(copy))


@pytest.mark.fault("standard output, input and error closed, for each command")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
# `doit list` takes its output before it reads dodo.py, so nothing here can give it another.
@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "list"])
def test_output_closed(command: str, closed: str, copy: Path, fault: Fault, beat: Next) -> None:
    """Where there is nothing to write to, the work is done all the same."""
    before = events(copy)
    words = workspaces.command(copy, *command.split("="))
    done = workspaces.run(["sh", "-c", f'exec "$@" {closed}', "sh", *words], cwd=copy.parent)
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1, 2}
    if command in {"heartbeat", "event"}:
        assert done.returncode == 0
        assert len(events(copy)) == len(before) + 1
    fault.inject()
    fault.next_beat(copy, beat)
    fault.keep(before, events(copy))


def test_every_command_is_tried() -> None:
    """The list above leaves none out."""
    tried = {command.partition("=")[0] for command in COMMANDS}
    table = {command.name for command in commands.COMMANDS if command.in_doit}
    alike = {"embed", "synthesize", "bridge"}  # as `ingest`
    alike |= {f"schedule:{name}" for name in ("cron", "systemd", "launchd", "windows")}
    endless = {"watch"}  # tried in tests/pulse/test_watch.py
    assert table - alike - endless == tried - {"list"}
