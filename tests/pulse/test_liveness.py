"""How the pulse is judged: alive, late, down or never, at the stated times."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import statuses
import workspaces
from freezegun import freeze_time
from pages import page, table
from pulses import beat, log
from zones import local_time

from haios_dag.base import beat_lock, clock, files, schema
from haios_dag.base.workspace import Workspace
from haios_dag.pulse import liveness, watchdog

At = Callable[[datetime], None]
NOON = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)


def judged(root: Path, now: datetime) -> dict[str, Any]:
    """Return what `doit pulse --json` would say at an instant, held against its schema."""
    with freeze_time(now):
        said = watchdog.as_json(liveness.judge(Workspace(root)))
    schema.validate("pulse", said)
    return said


def state(root: Path, now: datetime) -> str:
    """Return the state at an instant."""
    return str(judged(root, now)["state"])


def minutes(count: float) -> timedelta:
    """Return a time span."""
    return timedelta(minutes=count)


# --- when it is late and down ---------------------------------------------------------------------


def test_late_and_down_come_at_the_stated_times(tmp_path: Path) -> None:
    """The first beat that was due makes it late, the third down, each when its grace is over."""
    log(tmp_path, beat(NOON))
    said = judged(tmp_path, NOON)
    assert said["expected_by"] == "2026-01-31T13:00:00.000+00:00"
    late, down = map(datetime.fromisoformat, (said["late_after"], said["down_after"]))
    assert late == datetime(2026, 1, 31, 13, 30, tzinfo=UTC)
    assert down == datetime(2026, 1, 31, 15, 30, tzinfo=UTC)
    just = timedelta(milliseconds=1)
    for at, wanted, missed in [
        (NOON, "alive", 0),
        (late - just, "alive", 0),
        (late, "late", 1),
        (late + minutes(60), "late", 2),
        (down - just, "late", 2),
        (down, "down", 3),
        (down + timedelta(days=20), "down", 3 + 20 * 24),
    ]:
        assert (state(tmp_path, at), judged(tmp_path, at)["missed"]) == (wanted, missed), at


def test_a_beat_makes_it_alive_again(tmp_path: Path) -> None:
    """The next beat ends any silence, and its outcome does not matter."""
    at = NOON + timedelta(days=3)
    for outcome in ("ok", "failed", "interrupted"):
        log(tmp_path, beat(NOON), beat(at, outcome))
        assert state(tmp_path, at + minutes(1)) == "alive"


@pytest.mark.parametrize(
    ("settings", "late"),
    [
        ("grace_minutes = 5", minutes(60 + 5)),
        ("time_limit_minutes = 90", minutes(60 + 90)),
        ("time_limit_minutes = 90\ngrace_minutes = 1", minutes(60 + 1)),
        ("every_minutes = 15", minutes(15 + 30)),
        ("every_minutes = 1440", minutes(12 * 60 + 30)),
        ('at = "11:00"', minutes(23 * 60 + 30)),
        ('hours = "8-12"', minutes(20 * 60 + 30)),
    ],
)
def test_the_settings_decide(tmp_path: Path, settings: str, late: timedelta) -> None:
    """The schedule says when beats are due; the grace is the time limit unless it is set."""
    (tmp_path / "haios.toml").write_text(f"[schedule]\n{settings}\n", encoding="utf-8")
    log(tmp_path, beat(NOON))
    at = NOON.replace(second=0) + late
    assert state(tmp_path, at - minutes(1)) == "alive"
    assert state(tmp_path, at) == "late"


CHANGES = [
    ("Europe/Riga", (2026, 3, 29), 23),
    ("Europe/Riga", (2026, 10, 25), 25),
    ("America/New_York", (2026, 3, 8), 23),
    ("America/New_York", (2026, 11, 1), 25),
    ("Australia/Lord_Howe", (2026, 10, 4), 24),  # 23.5 hours, from half past an hour to an hour
    ("Australia/Lord_Howe", (2026, 4, 5), 24),
]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Set the clock alone; freezegun has a local time of its own."""

    def set_clock(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant.astimezone(UTC))

    return set_clock


@pytest.mark.parametrize(("zone", "day", "count"), CHANGES)
def test_missed_beats_of_a_day_that_clocks_change(
    tmp_path: Path,
    at: At,
    zone: str,
    day: tuple[int, int, int],
    count: int,
) -> None:
    """Hourly beats are missed by the hours that passed; late and down do not move."""
    midnight = datetime(*day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    end = datetime(*day[:2], day[2] + 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    log(tmp_path, beat(midnight))
    with local_time(zone):
        at(end + minutes(30))
        found = liveness.judge(Workspace(tmp_path))
        assert (found.state, found.missed) == ("down", count)
        assert found.late_after is not None
        at(found.late_after)
        assert liveness.judge(Workspace(tmp_path)).state == "late"
        at(found.late_after - minutes(1))
        assert liveness.judge(Workspace(tmp_path)).state == "alive"


@pytest.mark.parametrize(("zone", "day", "_"), CHANGES)
@pytest.mark.parametrize("time_of_day", ["00:10", "01:40", "02:15", "03:30"])
def test_a_daily_beat_is_missed_once_a_day(
    tmp_path: Path,
    at: At,
    zone: str,
    day: tuple[int, int, int],
    _: int,
    time_of_day: str,
) -> None:
    """One beat a day is missed where a time comes twice or not at all; late at its first coming."""
    (tmp_path / "haios.toml").write_text(f'[schedule]\nat = "{time_of_day}"\n', encoding="utf-8")
    here = ZoneInfo(zone)
    hour, minute = map(int, time_of_day.split(":"))
    due = [
        datetime(*day, hour, minute, tzinfo=here) + timedelta(days=ahead) for ahead in range(-1, 5)
    ]
    log(tmp_path, beat(due[0]))
    with local_time(zone):
        for missed, slot in enumerate(due[1:], 1):
            wanted = "late" if missed < 3 else "down"
            after = slot.astimezone(UTC) + minutes(30)
            at(after)
            found = liveness.judge(Workspace(tmp_path))
            assert (found.state, found.missed) == (wanted, missed)
            at(after - minutes(1))
            assert liveness.judge(Workspace(tmp_path)).missed == missed - 1


# --- what the log may hold ------------------------------------------------------------------------


def test_without_any_beat_it_never_beat(tmp_path: Path) -> None:
    """No log, an empty one and one of other events say the same, and when a beat is due."""
    for events in ([], [{"ts": "2026-01-01T00:00:00Z", "type": "session", "action": "start"}]):
        said = judged(tmp_path, NOON)
        assert (said["state"], said["last"], said["missed"]) == ("never", None, None)
        assert said["next_due"] == "2026-01-31T13:00:00.000+00:00"
        log(tmp_path, *events)


def test_a_foreign_beat_is_a_beat(tmp_path: Path) -> None:
    """One without outcome or offset counts; whether it went well is unknown."""
    log(tmp_path, {"ts": "2026-01-31T12:00:05", "type": "heartbeat", "synthesis": True})
    with local_time("UTC"):
        said = judged(tmp_path, NOON + minutes(1))
    assert said["state"] == "alive"
    assert said["last"] == {"ts": clock.iso(NOON), "outcome": None, "beat": None}
    assert said["streak"] is None


@pytest.mark.parametrize(
    "event",
    [
        beat("yesterday"),
        {"type": "heartbeat"},
        {"ts": 5, "type": "heartbeat", "outcome": ["ok"], "beat": {}},
        beat("2031-01-01T00:00:00+00:00"),
    ],
)
def test_a_beat_that_says_nothing_of_when_is_left_out(tmp_path: Path, event: Any) -> None:  # noqa: ANN401
    """Undated, or dated ahead since the clock was wrong, it neither hides silence nor makes it."""
    log(tmp_path, event)
    said = judged(tmp_path, NOON)
    assert (said["state"], said["unplaced"]) == ("never", 1)
    log(tmp_path, beat(NOON), event)
    assert state(tmp_path, NOON + minutes(1)) == "alive"
    assert state(tmp_path, NOON + minutes(120)) == "late"
    log(tmp_path, event, beat(NOON))
    assert state(tmp_path, NOON + minutes(1)) == "alive"


def test_a_clock_that_was_put_right_a_little_changes_nothing(tmp_path: Path) -> None:
    """A beat dated ahead by less than the grace has just been."""
    log(tmp_path, beat(NOON + minutes(29)))
    said = judged(tmp_path, NOON)
    assert (said["state"], said["missed"], said["unplaced"]) == ("alive", 0, 0)


def test_the_streak_is_of_the_latest_beats(tmp_path: Path) -> None:
    """Good and idle beats are good, all others fail, and 50 are looked at."""
    log(tmp_path, *(beat(NOON, one) for one in ("failed", "ok", "degraded", "interrupted")))
    assert judged(tmp_path, NOON)["streak"] == {"outcome": "failing", "beats": 2}
    log(tmp_path, *(beat(NOON, one) for one in ("failed", "ok", "idle", "ok")))
    assert judged(tmp_path, NOON)["streak"] == {"outcome": "good", "beats": 3}
    log(tmp_path, *[beat(NOON)] * 70)
    assert judged(tmp_path, NOON)["streak"] == {"outcome": "good", "beats": 50}


def test_a_long_silence_is_counted_up_to_a_thousand(tmp_path: Path) -> None:
    """Years of missed minutes are no work."""
    (tmp_path / "haios.toml").write_text("[schedule]\nevery_minutes = 1\n", encoding="utf-8")
    log(tmp_path, beat("1999-01-01T00:00:00Z"))
    assert judged(tmp_path, NOON)["missed"] == 1000


# --- a beat under way -----------------------------------------------------------------------------


def test_a_beat_under_way_is_not_late(tmp_path: Path) -> None:
    """It is alive while it holds the lock, said so, and for a day at most."""
    log(tmp_path, beat(NOON))
    workspace = Workspace(tmp_path)
    begun = NOON + minutes(55)
    with files.lock(workspace.beat_lock, wait=False) as held:
        beat_lock.write(held, "20260131T125505-1a2b3c4d", begun)
        later = begun + timedelta(hours=23)
        said = judged(tmp_path, later)
        assert said["state"] == "alive"
        assert said["under_way"] == {
            "beat": "20260131T125505-1a2b3c4d",
            "started": clock.iso(begun),
        }
        with freeze_time(later):
            lines = list(watchdog._lines(liveness.judge(workspace)))
        assert "a beat is under way since" in lines[0]
        assert state(tmp_path, begun + timedelta(hours=25)) == "down"
    assert judged(tmp_path, later)["state"] == "down"  # its marker is left, and the lock is free
    assert judged(tmp_path, later)["under_way"] is None


@pytest.mark.parametrize(
    "content", [b"[1]", b"{", b"\0", b'{"started": "soon"}', b'{"started": 5}', b"[" * 200_000]
)
def test_a_marker_that_is_none_is_no_beat(tmp_path: Path, content: bytes) -> None:
    """The log is judged with any content of the lock file."""
    log(tmp_path, beat(NOON))
    (tmp_path / ".haios").mkdir()
    (tmp_path / ".haios" / "beat.lock").write_bytes(content)
    assert state(tmp_path, NOON + minutes(120)) == "late"


# --- the command ----------------------------------------------------------------------------------


def pulse_of(root: Path, *words: str) -> tuple[int, str, str]:
    """Run `doit pulse` as a process."""
    done = workspaces.doit(root, *words)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_exit_code_is_the_state(tmp_path: Path) -> None:
    """0 alive, 1 late, 2 down, 3 never, with nothing beside the answer, as the page says."""
    root = workspaces.make(tmp_path / "space")
    now = datetime.now(UTC)
    codes = {
        row[0].strip("`"): row[1] for row in table(page("pulse"), "code", "state", "what it means")
    }
    for code, ago in enumerate([minutes(0), minutes(100), timedelta(hours=9), None]):
        log(root, *([] if ago is None else [beat(now - ago)]))
        found, out, err = pulse_of(root, "pulse")
        assert (found, err) == (code, "")
        assert codes[str(code)] == f"`{liveness.STATES[code]}`"
        assert out.startswith(f"{liveness.STATES[code]}: ")
        found, out, err = pulse_of(root, "pulse", "--json")
        assert (found, err) == (code, "")
        said = json.loads(out)
        schema.validate("pulse", said)
        assert said["state"] == liveness.STATES[code]


def test_what_cannot_be_told_is_not_alive(tmp_path: Path) -> None:
    """Settings or a log that cannot be read give 2 and one sentence."""
    root = log(workspaces.make(tmp_path / "space"), beat(datetime.now(UTC)))
    (root / "haios.toml").write_text("[schedule]\nevery = 1\n", encoding="utf-8")
    code, _, err = pulse_of(root, "pulse")
    assert code == 2
    assert "haios.toml" in err
    (root / "haios.toml").unlink()
    (root / ".claude" / "haios-events.jsonl").unlink()
    (root / ".claude" / "haios-events.jsonl").mkdir()
    code, _, err = pulse_of(root, "pulse", "--notify")
    assert code == 2
    assert "event log could not be read" in err


def test_a_large_log_is_read_from_its_end(tmp_path: Path) -> None:
    """A log of a terabyte, nearly all of it a hole, is judged: it cannot be read whole."""
    log(tmp_path, beat(NOON))
    path = tmp_path / ".claude" / "haios-events.jsonl"
    whole = path.read_bytes()
    with path.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 40)
        file.write(b"\n" + whole)
    said = judged(tmp_path, NOON + minutes(1))
    assert said["state"] == "alive"


# --- the status -----------------------------------------------------------------------------------


def test_both_status_files_let_a_reader_judge(copy: Path) -> None:
    """They say from when on the pulse is late and down, as the log itself does after the beat."""
    assert workspaces.doit(copy).returncode == 0
    facts = watchdog.as_json(liveness.judge(Workspace(copy)))
    for keys in statuses.both(Workspace(copy)):
        for name in ("expected_by", "late_after", "down_after"):
            assert keys["pulse"][name] == facts[name]
        assert keys["pulse"]["missed"] == 0


def test_the_status_counts_the_beats_missed_before(tmp_path: Path) -> None:
    """A catch-up beat says how many were missed, and not the one that it makes up for."""
    workspace = Workspace(log(tmp_path, beat(NOON)))
    for later, missed in [(60, 0), (89, 0), (95, 1), (120, 1), (180, 2), (24 * 60, 23)]:
        began = NOON + minutes(later)
        with freeze_time(began):
            assert liveness.facts(workspace, "b", began, {})["missed"] == missed
    log(tmp_path)
    assert liveness.facts(workspace, "b", NOON, {})["missed"] is None
