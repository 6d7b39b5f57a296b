"""The watchdog, `doit pulse --notify`: it notifies once of a missed beat; the log remembers."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import processes
import pulses
import pytest
import workspaces
from freezegun import freeze_time
from pulses import Server, beat, log

from haios_dag import events
from haios_dag.base import beat_lock, files, schema
from haios_dag.base.workspace import Workspace
from haios_dag.pulse import watchdog

NOON = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)
LATE = datetime(2026, 1, 31, 13, 30, tzinfo=UTC)
DOWN = datetime(2026, 1, 31, 15, 30, tzinfo=UTC)
STEP = timedelta(minutes=5)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on this computer."""
    with pulses.serving() as one:
        yield one


@pytest.fixture
def root(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that pings the server, whose last beat was at noon."""
    monkeypatch.setattr(watchdog, "_SECOND_LOOK", 0)
    (tmp_path / "haios.toml").write_text(f'[notify]\nping = "{server.url}"\n', encoding="utf-8")
    return log(tmp_path, beat(NOON))


def look(root: Path, at: datetime) -> int:
    """Let the watchdog look at an instant; return its exit code."""
    with freeze_time(at):
        return watchdog.show(Workspace(root), json=False, notify=True)


def pulse_events(root: Path) -> list[dict[str, Any]]:
    """Return the events of the pulse in the log, which are valid."""
    found = [event for event in workspaces.log(root) if event["type"] == "pulse"]
    for event in found:
        schema.validate("event-pulse", event)
    return found


def test_a_beat_that_begins_at_the_same_moment(
    root: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a sleep: the second look finds the beat that was made up for."""
    late = NOON + timedelta(hours=9)
    monkeypatch.setattr(time, "sleep", lambda _: log(root, beat(NOON), beat(late)))
    assert look(root, late) == 0
    assert server.heard == []
    assert pulse_events(root) == []


def test_the_scheduler_stops(root: Path, server: Server) -> None:
    """Looked at every five minutes for a day: told once at the time of late and once of down."""
    at, heard, codes = NOON, {}, []
    while at < NOON + timedelta(days=1):
        before = len(server.heard)
        codes.append(look(root, at))
        for request in server.heard[before:]:
            heard[at] = request
        at += STEP
    assert server.paths == ["/fail", "/fail"]
    late, down = heard
    assert LATE <= late < LATE + STEP
    assert DOWN <= down < DOWN + STEP
    assert heard[late].body == (
        "late: the last beat was at 2026-01-31 12:00:05, and one was due at 2026-01-31 13:00:00;"
        " 1 missed"
    )
    assert heard[down].body.startswith("down: ")
    assert codes == sorted(codes)
    assert set(codes) == {0, 1, 2}
    found = pulse_events(root)
    assert [event["state"] for event in found] == ["late", "down"]
    assert [event["missed"] for event in found] == [1, 3]
    assert found[0]["last"] == "2026-01-31T12:00:05.000+00:00"


def test_a_beat_ends_what_was_told(root: Path, server: Server) -> None:
    """The next silence is notified again."""
    assert [look(root, LATE), look(root, LATE + STEP)] == [1, 1]
    events.append(Workspace(root), beat(LATE + 2 * STEP))
    assert look(root, LATE + 3 * STEP) == 0
    assert len(server.heard) == 1
    later = LATE + timedelta(hours=1)
    assert [look(root, later), look(root, later + STEP)] == [1, 1]
    assert len(server.heard) == 2


def test_a_failed_notification_is_retried(root: Path, server: Server) -> None:
    """As long as it takes, and then no more; the log has no line for each attempt."""
    server.answer = lambda _: 503
    for number in range(3):
        assert look(root, LATE + number * STEP) == 1
    assert len(server.heard) == 3
    (event,) = pulse_events(root)
    assert event["notifications"] == [
        {"to": "ping", "about": "late", "ok": False, "error": "HTTP 503"}
    ]
    server.answer = lambda _: 200
    for number in range(3, 6):
        look(root, LATE + number * STEP)
    assert len(server.heard) == 4
    assert [one["ok"] for event in pulse_events(root) for one in event["notifications"]] == [
        False,
        True,
    ]


def test_only_targets_not_reached_are_notified_again(root: Path, server: Server) -> None:
    """Of several, each hears of it once."""
    pytest.importorskip("apprise", reason="the extra haios-dag[notify] is not installed")
    url = server.url.replace("http://", "json://")
    with (root / "haios.toml").open("a", encoding="utf-8") as file:
        file.write(f'apprise = ["{url}/a", "{url}/b"]\n')
    server.answer = lambda path: 500 if path == "/a" else 200
    look(root, LATE)
    assert sorted(server.paths) == ["/a", "/b", "/fail"]
    look(root, LATE + STEP)
    assert server.paths[3:] == ["/a"]
    server.answer = lambda _: 200
    for number in range(2, 5):
        look(root, LATE + number * STEP)
    assert server.paths[3:] == ["/a", "/a"]
    assert len(pulse_events(root)) == 2
    said = json.loads(server.heard[-1].body)
    assert said["title"] == f"haios-dag: {root.name}: late"


def test_a_heart_that_never_beat(root: Path, server: Server) -> None:
    """The first look takes note; a beat that was due since, and its grace over, is told once."""
    log(root)
    assert look(root, NOON) == 3
    assert server.heard == []
    assert [event["notifications"] for event in pulse_events(root)] == [[]]
    for at in (NOON + STEP, LATE - STEP, LATE, LATE + STEP, LATE + timedelta(days=3)):
        assert look(root, at) == 3
        assert len(server.heard) == (at >= LATE)
    assert (
        server.heard[0].body == "never: no beat in the log, and one was due at 2026-01-31 13:00:00"
    )
    assert [event["state"] for event in pulse_events(root)] == ["never", "never"]


def test_a_beat_under_way_is_no_alarm(root: Path, server: Server) -> None:
    """A beat that takes long is not told of while it holds the lock."""
    with files.lock(root / ".haios" / "beat.lock", wait=False) as held:
        beat_lock.write(held, "20260131T125505-1a2b3c4d", NOON)
        assert look(root, DOWN) == 0
    assert server.heard == []
    assert look(root, DOWN) == 2
    assert server.paths == ["/fail"]


def test_without_targets_the_log_has_it(root: Path) -> None:
    """The events of the pulse are there for readers of the log, one for each state."""
    (root / "haios.toml").unlink()
    for at in (LATE, LATE + STEP, DOWN, DOWN + STEP):
        look(root, at)
    found = [(event["state"], event["notifications"]) for event in pulse_events(root)]
    assert found == [("late", []), ("down", [])]


@pytest.mark.parametrize(
    "foreign",
    [
        {"notifications": "x"},
        {"notifications": [5, {"to": ["ping"], "ok": True}, {"to": "ping", "ok": "yes"}]},
        {"state": ["late"], "notifications": [{"to": "ping", "ok": True}]},
        {},
    ],
)
def test_a_foreign_event_of_that_type_silences_no_alarm(
    root: Path, server: Server, foreign: dict[str, Any]
) -> None:
    """Only a clear statement that the ping was delivered counts."""
    log(
        root, beat(NOON), {"ts": "2026-01-31T13:00:00Z", "type": "pulse", "state": "late"} | foreign
    )
    assert look(root, LATE) == 1
    assert server.paths == ["/fail"]


def test_several_at_once_tell_once(tmp_path: Path, server: Server) -> None:
    """Five watchdogs started together, as real processes: one ping, one event."""

    def slowly(_: str) -> int:
        time.sleep(1)  # so that they meet
        return 200

    server.answer = slowly
    root = log(
        workspaces.make(tmp_path / "space"), beat(datetime.now(UTC) - timedelta(minutes=100))
    )
    (root / "haios.toml").write_text(f'[notify]\nping = "{server.url}"\n', encoding="utf-8")
    running = [workspaces.start(root, "pulse", "--notify") for _ in range(5)]
    for one in running:
        one.communicate()
    assert [one.returncode for one in running] == [1] * 5
    assert server.paths == ["/fail"]
    assert len(pulse_events(root)) == 1


def test_a_failure_is_said(tmp_path: Path) -> None:
    """On stderr, without the address; the exit code is that of the pulse."""
    root = log(
        workspaces.make(tmp_path / "space"), beat(datetime.now(UTC) - timedelta(minutes=100))
    )
    (root / ".env").touch(mode=0o600)
    (root / ".env").write_text(f"HAIOS_PING_URL={pulses.closed()}/secret\n", encoding="utf-8")
    done = workspaces.doit(root, "pulse", "--notify", "--json")
    assert done.returncode == 1
    assert done.stderr == (
        "   ping was not delivered: ConnectionRefusedError; the next run tries again\n"
    )
    schema.validate("pulse", json.loads(done.stdout))


@pytest.mark.skipif(sys.platform == "win32", reason="a folder is no file there either")
def test_a_lock_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    """Nothing is told that could not be remembered by one watchdog alone."""
    root = log(
        workspaces.make(tmp_path / "space"), beat(datetime.now(UTC) - timedelta(minutes=100))
    )
    (root / ".haios" / "pulse.lock").mkdir(parents=True)
    done = workspaces.doit(root, "pulse", "--notify")
    assert done.returncode == 2
    assert "pulse.lock cannot be used" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_looking_needs_no_network(tmp_path: Path) -> None:
    """`doit pulse` alone loads no client with any settings."""
    log(tmp_path, beat(NOON))
    (tmp_path / "haios.toml").write_text('[notify]\nping = "http://x.invalid"\n', encoding="utf-8")
    program = (
        "import sys; from pathlib import Path; from haios_dag.pulse import watchdog\n"
        "from haios_dag.base.workspace import Workspace\n"
        "watchdog.show(Workspace(Path(sys.argv[1])), json=True, notify=False)\n"
        "assert not {'urllib.request', 'ssl', 'apprise'} & sys.modules.keys()\n"
    )
    assert json.loads(processes.run(program, tmp_path))["state"] == "down"
