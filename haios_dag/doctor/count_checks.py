"""Whether the counts in the event log match the memory.

Each heartbeat claims insights, bridges and revisions, and the memory knows which beat wrote each.
The log and its archives are read once; memory use grows with the beats that wrote something, not
with the log.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from haios_dag import events
from haios_dag.base import beat_lock, clock
from haios_dag.base.json_values import as_object
from haios_dag.base.workspace import Workspace
from haios_dag.doctor.findings import Finding, found, ok
from haios_dag.memory.protocol import Store
from haios_dag.memory.records import WrittenRows

_NOTHING: WrittenRows = (0, 0, 0, 0)
_SHOWN = 3
_KEPT = 1000


class _Comparison:
    """What the log claims, compared with what the memory has.

    `ended` are beats that are known to have ended before, so that all their rows are there.
    """

    def __init__(self, workspace: Workspace, store: Store, ended: Iterable[str] = ()) -> None:
        self._ended = frozenset(ended)
        self.exact = self.undone = 0
        self.numbers: Counter[str] = Counter()  # of beats, by what is wrong with them
        self.first: dict[str, list[str]] = {}  # the ids of some, likewise
        # Read before the rows: a beat that ends after them is this one, or starts later.
        self._now = clock.stamp(clock.now())
        self._under_way = beat_lock.read(workspace).get("beat")
        with store.snapshot():
            health = store.health()
            self._written = health.written()
            self._taken_back = health.undone()
        unseen = set(self._written)
        first = None
        for entry in events.read(workspace):
            event = entry.event
            if event is None or event.get("type") != "heartbeat":
                continue
            beat = event.get("beat")
            if not isinstance(beat, str) or not beat_lock.BEAT_ID.fullmatch(beat):
                continue
            unseen.discard(beat)
            first = min(first or beat, beat)
            self._compare(beat, event)
        for beat in sorted(unseen):
            if not self._may_end_meanwhile(beat):
                reached = first is not None and beat > first
                self._add("beats-unlogged" if reached else "log-too-short", beat)

    def _compare(self, beat: str, event: dict[str, Any]) -> None:
        if beat in self._taken_back:
            self.undone += 1
            return
        rows = self._written.get(beat, _NOTHING)
        claims = _claims(event, rows)
        if claims == rows:
            self.exact += 1
        elif self._may_end_meanwhile(beat):
            self._add("beats-meanwhile", beat)
        else:
            fewer = any(map(int.__lt__, claims, rows))
            self._add("claims-fewer" if fewer else "claims-more", beat)

    def _add(self, wrong: str, beat: str) -> None:
        self.numbers[wrong] += 1
        if len(ids := self.first.setdefault(wrong, [])) < _KEPT:
            ids.append(beat)

    def _may_end_meanwhile(self, beat: str) -> bool:
        return beat not in self._ended and (beat == self._under_way or beat >= self._now)


def claims(workspace: Workspace, store: Store) -> Iterator[Finding]:
    """Compare what each heartbeat claims with the rows of its beat."""
    compared = _Comparison(workspace, store)
    if meanwhile := compared.first.get("beats-meanwhile"):
        compared = _Comparison(workspace, store, meanwhile)
    for name, number in compared.numbers.items():
        beats = ", ".join(compared.first[name][:_SHOWN]) + (", …" if number > _SHOWN else "")
        yield found(name, workspace.events, number=number, beats=beats)
    if not compared.numbers:
        undone = f"; {compared.undone:,} more were taken back" if compared.undone else ""
        yield ok(f"{compared.exact:,} heartbeats claim exactly the rows that memory has{undone}")


def _claims(event: dict[str, Any], rows: WrittenRows) -> WrittenRows:
    """Return the counts of an event; for what it does not record, those of `rows`."""
    # A step that was interrupted between a commit and its count has fewer than it wrote.
    steps = {} if event.get("outcome") == "interrupted" else as_object(event.get("steps"))

    def number(of: object, name: str, default: int) -> int:
        value = as_object(of).get(name)
        return value if type(value) is int else default

    return (
        number(event, "new_insights", rows[0]),
        number(event, "new_bridges", rows[1]),
        number(steps.get("synthesize"), "revised_insights", rows[2]),
        number(steps.get("bridge"), "revised_bridges", rows[3]),
    )
