"""When beats are due."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import POSIX, settings
from zones import local_time

from haios_dag.base.errors import ConfigError
from haios_dag.schedule import job
from haios_dag.schedule.due_times import ANCHOR, Slots

# The days of 2026 on which clocks change, with the hours of each.
CHANGES = [
    ("Europe/Riga", date(2026, 3, 29), 23),
    ("Europe/Riga", date(2026, 10, 25), 25),
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
]
_NAMES = "UTC Europe/Riga America/New_York Australia/Lord_Howe Asia/Kolkata Pacific/Apia".split()
ZONES = st.sampled_from(_NAMES).map(ZoneInfo)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
DAYS = st.dates(date(2020, 1, 1), date(2035, 1, 1))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def on(day: date, zone: ZoneInfo, slots: Slots) -> list[datetime]:
    """Return the slots from the beginning of a local day to before that of the next."""
    start, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    return list(slots.between(start - timedelta.resolution, end - timedelta.resolution, zone))


@pytest.mark.parametrize(("name", "day", "hours"), CHANGES)
def test_an_hourly_beat_on_days_that_clocks_change(name: str, day: date, hours: float) -> None:
    """There are as many hourly slots as the day has hours, the half ones of Lord Howe aside."""
    zone = ZoneInfo(name)
    length = midnight(day + timedelta(days=1), zone) - midnight(day, zone)
    assert length == timedelta(hours=hours)
    found = on(day, zone, Slots(settings()))
    assert len(found) == {23: 23, 23.5: 23, 24.5: 25, 25: 25}[hours]
    assert {later - one for one, later in pairwise(found)} == {timedelta(hours=1)}
    assert len(on(day + timedelta(days=2), zone, Slots(settings()))) == 24


@given(INSTANTS, st.integers(1, 44640), st.integers(0, 59), ZONES)
def test_slots_after_an_instant_are_in_order_and_none_is_left_out(
    instant: datetime, every: int, offset: int, zone: ZoneInfo
) -> None:
    """The next slots are later, in order, and the same from wherever one begins to look."""
    slots = Slots(settings(every_minutes=every), min(offset, every - 1))
    found = list(islice(slots.after(instant, zone), 5))
    assert instant < found[0]
    assert all(one < later for one, later in pairwise(found))
    assert list(islice(slots.after(found[1], zone), 3)) == found[2:]
    assert list(slots.between(instant, found[4], zone)) == found
    assert found[0] - timedelta(minutes=max(every, 1440) + 60) <= instant
    if not slots.local:
        assert (found[0] - ANCHOR) % timedelta(minutes=every) == timedelta(minutes=slots.offset)


@given(DAYS, ZONES, st.times())
def test_a_daily_beat_comes_once_on_every_day(day: date, zone: ZoneInfo, time: datetime) -> None:
    """Also where its time comes twice; where there is no such time, later by the clock's jump."""
    slots = Slots(settings(at=f"{time:%H:%M}"))
    found = on(day, zone, slots)
    skipped = midnight(day, zone) == midnight(day + timedelta(days=1), zone)  # Apia, 2011
    assert len(found) == (0 if skipped else 1)
    local = found[0].astimezone(zone)
    wall = datetime(day.year, day.month, day.day, time.hour, time.minute, tzinfo=zone)
    exists = wall.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
    assert (f"{local:%H:%M}" == f"{time:%H:%M}") == exists
    assert local.fold == 0 or not exists


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"at": "07:30"}, ["07:30"]),
        ({"every_minutes": 720}, ["00:00", "12:00"]),
        ({"hours": "8-11"}, ["08:00", "09:00", "10:00"]),
        ({"hours": "22-1"}, ["00:00", "22:00", "23:00"]),
        ({"hours": "22-0"}, ["22:00", "23:00"]),
        ({"hours": "22-24"}, ["22:00", "23:00"]),
        ({"hours": "9-10", "every_minutes": 20}, ["09:00", "09:20", "09:40"]),
        ({"hours": "9-15", "every_minutes": 120}, ["10:00", "12:00", "14:00"]),
    ],
)
def test_local_times(changes: dict[str, object], times: list[str]) -> None:
    """What goes by the clock on the wall is due at these times, in summer and in winter."""
    slots = Slots(settings(**changes))
    assert slots.local
    zone = ZoneInfo("Europe/Riga")
    for day in (date(2026, 1, 15), date(2026, 7, 15)):
        assert [f"{slot.astimezone(zone):%H:%M}" for slot in on(day, zone, slots)] == times


@pytest.mark.parametrize("hours", ["0-24", "8-8", "0-0"])
def test_all_hours_are_no_local_hours(hours: str) -> None:
    """Hours that leave nothing out are counted as none."""
    assert not Slots(settings(hours=hours)).local


def test_this_computers_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a zone, the wall clock is this computer's, on both sides of a change."""
    monkeypatch.delenv("TZ", raising=False)
    slots = Slots(settings(at="07:30"))
    with local_time("America/New_York"):
        found = list(
            slots.between(datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
        )
    assert [f"{slot:%d %H:%M}" for slot in found] == ["07 12:30", "08 11:30"]


@pytest.mark.parametrize(("name", "day"), [change[:2] for change in CHANGES])
def test_this_computers_zone_is_as_good_as_a_named_one(name: str, day: date) -> None:
    """Every half hour of a day that clocks change is due at the same instant either way."""
    zone = ZoneInfo(name)
    with local_time(name):
        for half_hours in range(48):
            slots = Slots(settings(at=f"{half_hours // 2:02}:{half_hours % 2 * 3}0"))
            start = midnight(day, zone) - timedelta(hours=1)
            here, there = (list(islice(slots.after(start, one), 2)) for one in (None, zone))
            assert here == there, slots.schedule.at


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"every_minutes": 720, "hours": "8-10"}, "schedule.hours: no beat"),
        ({"every_minutes": 7, "hours": "8-10"}, "schedule.every_minutes: 7 does not divide"),
    ],
)
def test_what_is_never_due_is_refused(changes: dict[str, object], key: str) -> None:
    """Settings that leave no slot are an error that names the key."""
    with pytest.raises(ConfigError, match=key):
        next(Slots(settings(**changes)).after(ANCHOR))


def test_jitter() -> None:
    """One workspace on one computer has one offset; others have others; never a whole interval."""

    def offset(host: str, root: str = "space", **changes: int) -> int:
        return job.slots(POSIX / root, settings(**changes), host).offset

    hosts = [f"host-{number}" for number in range(2000)]
    assert {offset(host) for host in hosts} == {0}
    spread = [offset(host, jitter_minutes=20) for host in hosts]
    assert spread == [offset(host, jitter_minutes=20) for host in hosts]
    assert set(spread) == set(range(21))
    assert {offset(host, jitter_minutes=59, every_minutes=5) for host in hosts} == set(range(5))
    assert len({offset("one", f"space-{n}", jitter_minutes=59) for n in range(2000)}) == 60


@given(DAYS, ZONES, st.integers(0, 59), st.sampled_from(["0-24", "8-18", "22-6"]))
def test_jitter_moves_slots_and_loses_none(
    day: date, zone: ZoneInfo, offset: int, hours: str
) -> None:
    """Half a year of slots with an offset has as many as without, give or take the ends."""
    start = midnight(day, zone)
    end = start + timedelta(days=180)
    still = list(Slots(settings(hours=hours)).between(start, end, zone))
    moved = list(Slots(settings(hours=hours), offset).between(start, end, zone))
    assert abs(len(still) - len(moved)) <= 1
