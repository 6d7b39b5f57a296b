"""Every instant is written in one of three fixed shapes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from zones import local_time

from haios_dag.base import clock

RIGA_SUMMER = timezone(timedelta(hours=3))


@freeze_time("2026-01-31 12:00:00.123456")
def test_now_is_aware_and_utc() -> None:
    """The current instant carries its offset, which is zero."""
    assert clock.now() == datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize(
    ("instant", "written"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00.000+00:00"),
        (datetime(2026, 7, 1, 1, 2, 3, 999999, RIGA_SUMMER), "2026-06-30T22:02:03.999+00:00"),
        (datetime(2100, 2, 28, tzinfo=UTC), "2100-02-28T00:00:00.000+00:00"),
    ],
)
def test_iso(instant: datetime, written: str) -> None:
    """An event's time is UTC with milliseconds and offset, wherever the instant came from."""
    assert clock.iso(instant) == written


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_iso_sorts_as_time(one: datetime, other: datetime) -> None:
    """Texts of instants compare as the instants do, to the millisecond."""
    assert (one <= other) or (clock.iso(one) >= clock.iso(other))
    assert abs(datetime.fromisoformat(clock.iso(one)) - one) < timedelta(milliseconds=1)


def test_local_naive() -> None:
    """HAIOS's own column has local time with a `T`, six digits and no offset."""
    with local_time("Europe/Riga"):
        winter, summer = datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 7, 1, 12, tzinfo=UTC)
        assert clock.local_naive(winter) == "2026-01-31T14:00:00.000000"
        assert clock.local_naive(summer) == "2026-07-01T15:00:00.000000"


def test_utc_sql() -> None:
    """Other columns have what SQLite's CURRENT_TIMESTAMP writes."""
    instant = datetime(2026, 7, 1, 1, 2, 3, 999999, RIGA_SUMMER)
    assert clock.utc_sql(instant) == "2026-06-30 22:02:03"


def test_stamp() -> None:
    """The id of a beat begins with the second and, in five digits, the microsecond."""
    assert (
        clock.stamp(datetime(2026, 7, 1, 1, 2, 3, 999999, RIGA_SUMMER)) == "20260630T220203-f423f"
    )
    assert clock.stamp(datetime(2026, 1, 31, 12, tzinfo=UTC)) == "20260131T120000-00000"


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(min_value=0, max_value=2_000_000),
)
def test_stamps_sort_as_time(one: datetime, microseconds: int) -> None:
    """Beats that begin one after another, in one second too, have ids in that order."""
    other = one + timedelta(microseconds=microseconds)
    assert (clock.stamp(one) < clock.stamp(other)) == (one < other)
