"""The one clock: every instant is an aware UTC datetime."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def iso(instant: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with milliseconds and offset, as events carry it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")


def stamp(instant: datetime) -> str:
    """Return the beginning of the id of a beat, which sorts by time.

    UTC to the second, and the microseconds as five hexadecimal digits.
    """
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%S}-{instant.microsecond:05x}"


def local_naive(instant: datetime) -> str:
    """Return an instant as HAIOS stores `synthesized_at`: naive local time with a `T`.

    Source: HAIOS writes that one column with `datetime.now().isoformat()`.
    """
    return instant.astimezone().replace(tzinfo=None).isoformat(timespec="microseconds")


def utc_sql(instant: datetime) -> str:
    """Return an instant as SQLite's CURRENT_TIMESTAMP writes it: UTC `YYYY-MM-DD HH:MM:SS`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
