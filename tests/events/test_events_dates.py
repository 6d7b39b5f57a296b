"""What an operator means by a date."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zones import local_time

from haios_dag.base.errors import EventError
from haios_dag.events import dates

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-23 01:30"),
        ("today", "2026-11-23 00:00"),
        ("Yesterday", "2026-11-22 00:00"),
        (" yesterday  14:00 ", "2026-11-22 14:00"),
        ("today 00:10", "2026-11-23 00:10"),
        ("2h", "2026-11-22 23:30"),
        ("2 H", "2026-11-22 23:30"),
        ("3d", "2026-11-20 01:30"),
        ("30m", "2026-11-23 01:00"),
        ("2w", "2026-11-09 01:30"),
        ("90s", "2026-11-23 01:28:30"),
        ("1.5h", "2026-11-23 00:00"),
        ("1d 12h", "2026-11-21 13:30"),
        ("2h30m", "2026-11-22 23:00"),
        ("2 hours ago", "2026-11-22 23:30"),
        ("1 day, 1 minute ago", "2026-11-22 01:29"),
        ("-2h", "2026-11-22 23:30"),
        ("2 weeks ago", "2026-11-09 01:30"),
        ("2026-01-31", "2026-01-31 00:00"),
        ("2026-01-31T10:00:05.25Z", "2026-01-31 10:00:05.25"),
        ("2026-01-31 10:00+05:30", "2026-01-31 04:30"),
        ("20260131", "2026-01-31 00:00"),
        ("2026-W05", "2026-01-26 00:00"),
        ("2026-1-2", "2026-01-02 00:00"),
        ("Sat Jan 31 10:36:28 2026", "2026-01-31 10:36:28"),
        ("31 Jan 14:00", "2026-01-31 14:00"),
        ("31 Dec", "2025-12-31 00:00"),
        ("13/02/2026", "2026-02-13 00:00"),
        ("01/02/2026", "2026-01-02 00:00"),
        ("2026", "2026-01-01 00:00"),
        ("2026-03", "2026-03-01 00:00"),
        ("March", "2026-03-01 00:00"),
        ("December", "2025-12-01 00:00"),
        ("29 Feb", "2024-02-29 00:00"),
        ("10", "2026-11-10 00:00"),
        ("31", "2026-10-31 00:00"),
        ("monday", "2026-11-23 00:00"),
        ("Sunday 10:00", "2026-11-22 10:00"),
        ("tuesday", "2026-11-17 00:00"),
        ("01:00", "2026-11-23 01:00"),
        ("10:30", "2026-11-22 10:30"),
        ("10 pm", "2026-11-22 22:00"),
        ("10:00 UTC", "2026-11-22 10:00"),
        ("2030-01-01", "2030-01-01 00:00"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    """Every form means what a person means by it: the latest such moment that has passed."""
    with local_time("UTC"):
        found = dates.since(text, NOW)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t",
        "soon",
        "last monday",
        "2026-02-30",
        "2026-13-01",
        "25:00",
        "10:00 EST",
        "10:00 +99:99",
        "999999999w",
        "9" * 90,
        "9" * 5000,
        "2h" * 1000,
        "0001-01-01T00:00:00+10:00",
        "\x1b]0;title\x07",
        "\ud800",
        "in 2h",
        "now 10:00",
    ],
)
def test_refusal_names_the_forms(text: str) -> None:
    """What cannot be read is refused in one printable sentence that says what can be written."""
    with (
        local_time("UTC"),
        pytest.raises(EventError, match=r"is not a date I can read; write .*2026-01-31.*2h") as no,
    ):
        dates.since(text, NOW)
    assert str(no.value).isprintable()
    assert len(str(no.value)) < 400


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("Europe/Riga", "today", "2026-11-22T22:00:00+00:00"),
        ("Europe/Riga", "2026-07-01", "2026-06-30T21:00:00+00:00"),
        ("America/St_Johns", "today", "2026-11-22T03:30:00+00:00"),
        ("America/St_Johns", "monday", "2026-11-16T03:30:00+00:00"),
        ("America/St_Johns", "2026-07-01 12:00", "2026-07-01T14:30:00+00:00"),
        ("Asia/Kathmandu", "yesterday", "2026-11-21T18:15:00+00:00"),
        ("Asia/Kathmandu", "06:00", "2026-11-23T00:15:00+00:00"),
    ],
)
def test_local_time(zone: str, text: str, expected: str) -> None:
    """A date without offset is local, with the offset of its own day."""
    with local_time(zone):
        assert dates.since(text, NOW).isoformat() == expected


def test_yesterday_across_summer_time() -> None:
    """`yesterday` is local midnight also when the day between had 23 hours; `1d` is 24 hours."""
    now = datetime(2026, 3, 30, 9, 0, tzinfo=UTC)  # clocks went forward on the 29th
    with local_time("Europe/Riga"):
        assert dates.since("yesterday", now).isoformat() == "2026-03-28T22:00:00+00:00"
        assert dates.since("today", now).isoformat() == "2026-03-29T21:00:00+00:00"
    assert dates.since("1d", now) == now - timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "since Sunday 2026-11-22 00:00:00+02:00"),
        (
            "01/02/2026",
            "2026-01-02 00:00:00+02:00 (read month first; for the other way write '1 Feb",
        ),
        ("01/02", "(read month first; for the other way write '1 February')"),
        ("2030-01-01", "2030-01-01 00:00:00+02:00, which is yet to come"),
    ],
)
def test_understanding_is_said(text: str, said: str) -> None:
    """The day, the offset, and anything ambiguous or in the future are said."""
    with local_time("Europe/Riga"):
        assert said in dates.understood(text, dates.since(text, NOW), NOW)


@pytest.mark.parametrize(
    "text", ["2026-01-02", "2026-1-2", "13/02/2026", "2h", "today", "2/2/2026"]
)
def test_no_doubt_is_said_where_there_is_none(text: str) -> None:
    """A date that can be read in one way only is not called ambiguous."""
    assert "other way" not in dates.understood(text, dates.since(text, NOW), NOW)


WORDS = [
    "10",
    "31",
    "99",
    "2026",
    "jan",
    "mon",
    ":",
    "-",
    "/",
    "+",
    ",",
    ".",
    "T",
    "Z",
    "UTC",
    "am",
    "pm",
    "h",
    "m",
    "d",
    "2h",
    "ago",
    "today",
    "yesterday",
    "now",
    "th",
    "of",
]


@settings(max_examples=300)
@given(
    text=st.text(max_size=30)
    | st.lists(st.sampled_from([*WORDS, " ", "\0", "\u0661", "\xb2", "GMT+3"])).map("".join)
)
def test_any_text(text: str) -> None:
    """Any text is either a date that can be shown, or refused."""
    try:
        instant = dates.since(text, NOW)
    except EventError:
        return
    assert instant.tzinfo is UTC
    assert dates.understood(text, instant, NOW).startswith("since ")


@given(instant=st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_iso_is_exact(instant: datetime) -> None:
    """An ISO 8601 time with offset is understood exactly."""
    assert dates.since(instant.isoformat(), NOW) == instant
