"""When beats are due: the arithmetic of `[schedule]`, also right on days that clocks change.

Intervals up to an hour are counted in UTC, so a day of 23, 24 or 25 hours has as many hourly slots.
What is given in local time (`at`, `hours`, longer intervals) is due once at each such time of every
day: not again in a repeated hour, and as much later as the clock jumped if the time is skipped.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from haios_dag.base.config import Schedule
from haios_dag.base.errors import ConfigError

ANCHOR = datetime(2024, 1, 1, tzinfo=UTC)  # the start of all intervals: a Monday's midnight
HOUR, DAY = 60, 24 * 60  # minutes
_COUNTED = 1000  # slots


@dataclass(frozen=True)
class Slots:
    """When beats are due, `offset` minutes after what the settings say."""

    schedule: Schedule
    offset: int = 0

    @functools.cached_property
    def local(self) -> bool:
        """Whether local time counts rather than the minutes that passed."""
        every = self.schedule.every_minutes
        by_day = every > HOUR and DAY % every == 0
        return (
            by_day or self.schedule.at is not None or len(_hours(self.schedule.hours)) < DAY / HOUR
        )

    @functools.cached_property
    def times(self) -> Sequence[int]:
        """The times of each day, in minutes after midnight, in UTC unless `local`.

        Empty if the interval does not divide a day. Raise ConfigError if no time is left.
        """
        one = self.schedule
        if one.at is not None:
            hour, _, minute = one.at.partition(":")
            named = [int(hour) * HOUR + int(minute)]
        elif DAY % one.every_minutes == 0:
            hours = _hours(one.hours)
            named = [t for t in range(0, DAY, one.every_minutes) if t // HOUR in hours]
        elif self.local:
            raise ConfigError(
                f"schedule.every_minutes: {one.every_minutes} does not divide a day, so it cannot"
                " be limited to schedule.hours; choose one that does"
            )
        else:
            return ()
        if not named:
            raise ConfigError(
                f"schedule.hours: no beat of every {one.every_minutes} minutes after midnight"
                f" is in {one.hours}; set schedule.at instead"
            )
        return sorted((t + self.offset) % DAY for t in named)

    @property
    def hours_of_minutes(self) -> dict[tuple[int, ...], list[int]]:
        """The hours of a day that have the same beats, by the minutes of these."""
        minutes: dict[int, list[int]] = {}
        for time in self.times:
            minutes.setdefault(time // HOUR, []).append(time % HOUR)
        found: dict[tuple[int, ...], list[int]] = {}
        for hour, those in minutes.items():
            found.setdefault(tuple(those), []).append(hour)
        return found

    def after(self, instant: datetime, zone: tzinfo | None = None) -> Iterator[datetime]:
        """Yield, in UTC, each slot after an instant; local times are of `zone` or this computer."""
        if not self.local:
            every = timedelta(minutes=self.schedule.every_minutes)
            first = ANCHOR + timedelta(minutes=self.offset)
            slot = first + ((instant - first) // every + 1) * every
            while True:
                yield slot
                slot += every
        day = instant.astimezone(zone).date() - timedelta(days=1)
        last = instant
        while True:
            for slot in sorted(_instant(day, time, zone) for time in self.times):
                if slot > last:
                    yield slot
                    last = slot
            day += timedelta(days=1)

    def between(
        self, start: datetime, end: datetime, zone: tzinfo | None = None
    ) -> Iterator[datetime]:
        """Yield, in UTC, every slot later than `start` and not later than `end`."""
        for slot in self.after(start, zone):
            if slot > end:
                return
            yield slot

    def count(self, start: datetime, end: datetime) -> int:
        """Return how many slots lie between two instants, up to 1,000."""
        return sum(1 for _ in itertools.islice(self.between(start, end), _COUNTED))


def _hours(said: str) -> frozenset[int]:
    """Return the hours of "8-18", which are 8 to 17; "22-6" goes over midnight."""
    start, end = map(int, said.split("-"))
    return frozenset((start + hour) % 24 for hour in range((end - start - 1) % 24 + 1))


def _instant(day: date, time: int, zone: tzinfo | None) -> datetime:
    """Return the first instant of a local time that day; a skipped one is later by the skip."""
    hour, minute = divmod(time, HOUR)
    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    # A naive time is this computer's; astimezone() would place a skipped one too early.
    return datetime.fromtimestamp(wall.timestamp(), UTC)
