"""Reading a date as an operator writes it: `yesterday`, `2h`, or anything python-dateutil reads."""

import re
import warnings
from datetime import UTC, datetime, timedelta

from haios_dag.base.errors import EventError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = (
    r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*"
    r"(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:eeks?)?)"
)
_SPAN = re.compile(rf"-?(?:{_PART}[\s,]*)+(?:ago)?", re.IGNORECASE)
_FORMS = (
    "write a date such as 2026-01-31, '31 Jan 14:00' or monday; now, today or yesterday; "
    "or a span back such as 30m, 2h, 3d, 2w or '2 hours ago'"
)
_LONGEST = 100
_DAYS_BACK = 8 * 366  # finds 29 February even across a year such as 2100
_UNREADABLE = (ValueError, ArithmeticError, OSError, Warning)

# dateutil takes the parts that a text leaves out from a default. What differs between these two was
# left out; a weekday gives them different days of the month.
_ONE, _TWO = datetime(2000, 3, 3), datetime(2004, 5, 5)  # noqa: DTZ001 - moments of no clock


def since(text: str, now: datetime) -> datetime:
    """Return the instant, in UTC, that `text` means at the instant `now`.

    `text` is `now`; `today` or `yesterday` (their midnight, or a time that follows); a span back in
    seconds, minutes, hours, days of 24 hours or weeks (`2h`, `1d 12h`, `30 minutes ago`); or
    anything that python-dateutil reads. Without an offset it is local time. Parts left out give
    the start of the year if the year is known (2026 is 1 January), otherwise the latest such moment
    that has passed. Raise EventError, which says what can be written.
    """
    wanted = " ".join(text.split())
    try:
        if not wanted or len(wanted) > _LONGEST:
            raise ValueError
        instant = _moment(wanted, now).astimezone(UTC)
        instant.astimezone()  # the end of year 9999 has no local time east of Greenwich
    except _UNREADABLE:
        raise EventError(f"{text[:_LONGEST]!a} is not a date I can read; {_FORMS}") from None
    return instant


def understood(text: str, instant: datetime, now: datetime) -> str:
    """Return a line that says how `since` understood `text`, for which it returned `instant`."""
    here = instant.astimezone()
    said = f"since {here:%A} {here.isoformat(sep=' ', timespec='seconds')}"
    if instant > now:
        said += ", which is yet to come"
    if other := _day_first(text):
        said += f" (read month first; for the other way write '{other}')"
    return said


def _moment(text: str, now: datetime) -> datetime:
    """Return the moment that a text means, naive if it is local time."""
    if _SPAN.fullmatch(text):
        parts = re.findall(_PART, text, re.IGNORECASE)
        return now - timedelta(seconds=sum(float(n) * _SECONDS[u[0].lower()] for n, u in parts))
    word, _, time = text.lower().partition(" ")
    if word == "now" and not time:
        return now
    if word in ("today", "yesterday"):
        midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        day = midnight - timedelta(days=word == "yesterday")
        return _parse(time, day) if time else day
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _latest(text, now)


def _latest(text: str, now: datetime) -> datetime:
    one, two = _parse(text, _ONE), _parse(text, _TWO)
    if one.year == two.year:
        return _parse(text, _ONE.replace(month=1, day=1))
    month = one.month if one.month == two.month else None
    day = one.day if one.day == two.day else None
    weekday = None
    if day is None and (one.day, two.day) != (_ONE.day, _TWO.day):
        weekday = one.weekday()
    elif day is None and month:
        day = 1
    here = now.astimezone(one.tzinfo)
    for back in range(_DAYS_BACK):
        date = here - timedelta(days=back)
        moment = datetime.combine(date, one.timetz())
        if (
            month in (None, date.month)
            and day in (None, date.day)
            and weekday in (None, date.weekday())
            and moment <= (here if one.tzinfo else here.replace(tzinfo=None))
        ):
            return moment
    raise ValueError(text)


def _parse(text: str, default: datetime, *, day_first: bool = False) -> datetime:
    from dateutil.parser import UnknownTimezoneWarning, parse  # 30 ms

    with warnings.catch_warnings():
        # dateutil would ignore an unknown zone, and the time would pass for a local one
        warnings.simplefilter("error", UnknownTimezoneWarning)
        return parse(text, default=default, dayfirst=day_first)


def _day_first(text: str) -> str | None:
    try:
        one, other = _parse(text, _ONE), _parse(text, _ONE, day_first=True)
    except _UNREADABLE:
        return None
    if one == other or re.match(r"\s*[0-9]{4}", text):
        return None
    return f"{other.day} {other:%B}" + (f" {other.year}" if other.year != _ONE.year else "")
