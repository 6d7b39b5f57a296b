"""Beats without a scheduler: `doit watch` as a real process, and what becomes of its beats."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import pytest
import workspaces
from pulses import beat, log
from workspaces import Process

from haios_dag.base import clock, files
from haios_dag.base.workspace import Workspace
from haios_dag.pulse import watch

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows ends a process without a signal"
)
Start = Callable[..., Process]


@pytest.fixture
def watching() -> Iterator[Start]:
    """Start watches, as containers do: in a session of their own; end what is left of them."""
    running: list[Process] = []
    # What is heard here is at its default there, also where the tests themselves run as by nohup.
    heard = (signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in heard}

    def start(
        root: Path, *words: str, stdout: int | IO[Any] = subprocess.PIPE, **env: str
    ) -> Process:
        process = subprocess.Popen(
            [*words, *workspaces.command(root, "watch")],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root.parent,
            env=workspaces.environment({"PYTHONUNBUFFERED": "1", **env}),
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for number, handler in before.items():
        signal.signal(number, handler)
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(ValueError):  # the test has done so
            process.communicate()


def until(done: Callable[[], object], process: Process) -> None:
    """Wait until something has come to be, while the watch runs."""
    while not done():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def stop(process: Process, number: int = signal.SIGTERM) -> list[str]:
    """Stop a watch and return its lines; it ends with 0 and no complaint."""
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, ""), out
    return str(out).splitlines()


def beats(root: Path) -> list[dict[str, Any]]:
    """Return the heartbeats in the log."""
    return [event for event in workspaces.log(root) if event["type"] == "heartbeat"]


def slow(root: Path, seconds: int = 600, *, deaf: bool = False) -> None:
    """Put a step into the graph that takes so long, and says where it is."""
    with (root / "dodo.py").open("a", encoding="utf-8") as file:
        file.write(
            "\nimport os, signal, time\nclass Slow:\n    @staticmethod\n    def run(*_):\n"
            f"        deaf = {deaf}\n"
            "        deaf and signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            f"        open({str(root / 'reached')!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
            f"        time.sleep({seconds})\n"
            "_slow = beat.step('slow', Slow, 'takes long', after='bridge')\n"
            "def task_slow() -> Task:\n    return _slow\n"
            "def task_status() -> Task:\n"
            "    return beat.step('status', status_step, 'write it', after='slow')\n"
        )


def reached(root: Path) -> list[int]:
    """Return the processes that came to the slow step."""
    path = root / "reached"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


# --- when it beats --------------------------------------------------------------------------------


def test_it_beats_at_once_where_none_ever_was(tmp_path: Path, watching: Start) -> None:
    """The first beat is made up for; one line says what came of it, and the rest is kept."""
    root = workspaces.make(tmp_path / "space")
    process = watching(root)
    output = root / ".haios" / "beat.log"
    until(lambda: beats(root) and ".  heartbeat" in output.read_text(), process)
    lines = stop(process)
    assert len(lines) == 3
    assert lines[0] == "watching; stop it with Ctrl-C or SIGTERM"
    assert "heartbeat  ok, " in lines[1]
    assert lines[2] == "stopped"
    assert len(beats(root)) == 1
    assert output.stat().st_mode & 0o777 == 0o600


def test_it_makes_up_for_one_missed_beat_and_waits_for_the_next(
    copy: Path, watching: Start
) -> None:
    """However many were missed, one beat makes up for them."""
    log(copy, beat(datetime.now(UTC) - timedelta(days=2)))
    process = watching(copy)
    until(lambda: len(beats(copy)) == 2, process)
    time.sleep(2.5)
    assert len(stop(process)) == 3
    assert len(beats(copy)) == 2


def test_it_does_not_beat_before_it_is_due(copy: Path, watching: Start) -> None:
    """After a beat nothing happens until the next slot."""
    (copy / "haios.toml").write_text("[schedule]\nevery_minutes = 44640\n", encoding="utf-8")
    process = watching(copy)
    assert process.stdout is not None
    assert "watching" in process.stdout.readline()
    time.sleep(2.5)
    stop(process)
    assert len(beats(copy)) == 1


@pytest.mark.slow
def test_it_keeps_the_schedule(tmp_path: Path, watching: Start) -> None:
    """With a beat a minute, each is a process of its own and none comes before it is due."""
    root = workspaces.make(tmp_path / "space")
    (root / "haios.toml").write_text("[schedule]\nevery_minutes = 1\n", encoding="utf-8")
    process = watching(root)
    until(lambda: len(beats(root)) == 3, process)
    stop(process)
    made = [(event["started"], event["ts"]) for event in beats(root)]
    for (_, ended), (started, _) in pairwise(made):
        assert ended[:16] < started[:16]  # a minute has begun between them


def test_slots_are_kept_when_the_clock_is_set(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put forward or asleep: one beat at once. Put back: it waits for the next slot from there."""
    now = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)
    log(copy, beat(now))
    made: list[datetime] = []
    script = iter(
        [timedelta(minutes=10)] * 6  # the beat of 13:00
        + [timedelta(hours=9)]  # suspended: one beat for nine slots
        + [timedelta(hours=-7)]  # set back: nothing at once
        + [timedelta(minutes=10)] * 6  # and the next slot from there
    )

    def sleep(seconds: float) -> None:
        nonlocal now
        assert 0 < seconds <= watch._STEP
        try:
            now += next(script)
        except StopIteration:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(watch._Watch, "beat", lambda _: made.append(now))
    before = signal.getsignal(signal.SIGTERM)
    watch.run(Workspace(copy))
    assert [f"{one:%H:%M}" for one in made] == ["13:00", "22:00", "16:00"]
    assert signal.getsignal(signal.SIGTERM) is before


# --- how it ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_beat_at_work_in_order(
    tmp_path: Path, watching: Start, number: signal.Signals
) -> None:
    """The beat leaves its event as interrupted, and the watch ends with 0."""
    root = workspaces.make(tmp_path / "space")
    slow(root)
    process = watching(root)
    until(lambda: reached(root), process)
    lines = stop(process, number)
    (event,) = beats(root)
    assert event["outcome"] == "interrupted"
    assert event["steps"]["slow"]["outcome"] == "interrupted"
    assert "interrupted" in lines[1]
    assert lines[2] == "stopped"
    assert workspaces.doit(root, "ingest").returncode == 0  # the lock is free


def test_a_signal_that_is_ignored_remains_so(copy: Path, watching: Start) -> None:
    """`nohup doit watch` outlives its terminal."""
    process = watching(copy, "nohup")
    assert process.stdout is not None
    while "watching" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert process.returncode == 0


def test_a_beat_that_is_killed_ends_only_itself(tmp_path: Path, watching: Start) -> None:
    """After kill -9 of the beat the watch says so and goes on; the next one records it."""
    root = workspaces.make(tmp_path / "space")
    slow(root)
    process = watching(root)
    until(lambda: reached(root), process)
    os.kill(reached(root)[0], signal.SIGKILL)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines[1].startswith("a beat left no event: signal 9; see ")
    assert stop(process) == ["stopped"]
    shutil.copy(workspaces.ROOT / "dodo.py", root / "dodo.py")
    process = watching(root)
    until(lambda: len(beats(root)) == 2, process)
    stop(process)
    lost, last = beats(root)
    assert (lost["outcome"], lost["seconds"]) == ("interrupted", None)
    assert last["outcome"] in {"ok", "idle"}


def test_a_beat_that_is_refused_the_lock_is_no_error(copy: Path, watching: Start) -> None:
    """The watch says what it knows, and goes on."""
    log(copy)
    with files.lock(copy / ".haios" / "beat.lock", wait=False):
        process = watching(copy)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
    assert lines[1].startswith("a beat left no event: exit code 1; see ")
    assert "another beat is running" in (copy / ".haios" / "beat.log").read_text()
    assert stop(process) == ["stopped"]


@pytest.mark.parametrize("deaf", [False, True])
def test_the_time_limit_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], deaf: bool
) -> None:
    """A beat that takes longer is told to end; one that does not listen is killed."""
    root = workspaces.make(tmp_path / "space")
    slow(root, deaf=deaf)
    (root / "haios.toml").write_text("[schedule]\ntime_limit_minutes = 1\n", encoding="utf-8")
    monkeypatch.setattr(watch, "_MINUTE", 12)
    monkeypatch.setattr(watch, "_PATIENCE", 1 if deaf else 60)
    monkeypatch.setenv("PYTHONPATH", str(workspaces.ROOT))
    watch._Watch(Workspace(root)).beat()
    assert "ended after 1 minutes" in capsys.readouterr().out
    assert [event["outcome"] for event in beats(root)] == ([] if deaf else ["interrupted"])
    with pytest.raises(ProcessLookupError):
        os.kill(reached(root)[0], 0)


# --- settings and output --------------------------------------------------------------------------


def test_settings_that_cannot_be_used_are_said_first(copy: Path) -> None:
    """A watch that could never beat does not begin."""
    (copy / "haios.toml").write_text('[schedule]\nevery_minutes = "often"\n', encoding="utf-8")
    done = workspaces.doit(copy, "watch")
    assert done.returncode == 1
    assert "every_minutes" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_settings_are_read_again_for_each_beat(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change holds from the next beat on; one that is wrong is said, and the watch goes on."""
    monkeypatch.setattr(watch._Watch, "_run", lambda _: 0)
    one = watch._Watch(Workspace(copy))
    now = datetime(2026, 1, 31, 12, 10, tzinfo=UTC)
    assert one.seconds_to_beat(now, now) == 50 * 60
    (copy / "haios.toml").write_text("[schedule]\nevery_minutes = 15\n", encoding="utf-8")
    one.beat()
    assert one.seconds_to_beat(now, now) == 5 * 60
    (copy / "haios.toml").write_text("[schedule]\nevery = 15\n", encoding="utf-8")
    one.beat()
    assert "a beat could not start: " in capsys.readouterr().out
    assert one.seconds_to_beat(now, now) == 5 * 60


def test_the_memory_of_the_command_line_is_that_of_the_beats(tmp_path: Path) -> None:
    """`doit memory=PATH watch` means every beat of it."""
    root = workspaces.make(tmp_path / "space")
    process = subprocess.Popen(
        workspaces.command(root, f"memory={tmp_path / 'mine.db'}", "watch"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=workspaces.environment(None),
    )
    until(lambda: beats(root), process)
    stop(process)
    assert (tmp_path / "mine.db").exists()
    assert not (root / "memory.db").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_output_that_cannot_be_written_ends_nothing(tmp_path: Path, watching: Start) -> None:
    """Beats go on, and one sentence at the end says what was lost."""
    root = workspaces.make(tmp_path / "space")
    with Path("/dev/full").open("wb") as full:
        process = watching(root, stdout=full)
        until(lambda: beats(root), process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 0
    assert err == "the output could not be written: No space left on device\n"
    assert json.loads((root / ".claude" / "haios-status-slim.json").read_bytes())
