"""Whether the counts in the event log match the memory.

Each heartbeat claims insights, bridges and revisions, and the memory knows which beat wrote each.
The log and its archives are read once; memory use grows with the beats that wrote something, not
with the log.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from haios_dag import events
from haios_dag.base import beat_lock, clock
from haios_dag.base.workspace import Workspace
from haios_dag.doctor.findings import Finding, found, ok
from haios_dag.memory.protocol import Store
from haios_dag.memory.records import WrittenRows

_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_NOTHING: WrittenRows = (0, 0, 0, 0)
_SHOWN = 3
_KEPT = 1000


class _Beats:
    """A number of beats, and the ids of the first ones."""

    def __init__(self) -> None:
        self.number = 0
        self.first: list[str] = []

    def add(self, beat: str) -> None:
        self.number += 1
        if len(self.first) < _KEPT:
            self.first.append(beat)

    def __str__(self) -> str:
        return ", ".join(self.first[:_SHOWN]) + (", …" if self.number > _SHOWN else "")


class _Comparison:
    """What the log claims, compared with what the memory has.

    `ended` are beats that are known to have ended before, so that all their rows are there.
    """

    def __init__(self, workspace: Workspace, store: Store, ended: Iterable[str] = ()) -> None:
        self._ended = frozenset(ended)
        self.exact = self.undone = 0
        self.wrong = {name: _Beats() for name in (
            "claims-fewer", "claims-more", "beats-unlogged", "log-too-short", "beats-meanwhile"
        )}  # fmt: skip
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
            if not isinstance(beat, str) or not _ID.fullmatch(beat):
                continue
            unseen.discard(beat)
            first = min(first or beat, beat)
            self._compare(beat, event)
        for beat in sorted(unseen):
            if not self._may_end_meanwhile(beat):
                reached = first is not None and beat > first
                self.wrong["beats-unlogged" if reached else "log-too-short"].add(beat)

    def _compare(self, beat: str, event: dict[str, Any]) -> None:
        if beat in self._taken_back:
            self.undone += 1
            return
        rows = self._written.get(beat, _NOTHING)
        claims = _claims(event, rows)
        if claims == rows:
            self.exact += 1
        elif self._may_end_meanwhile(beat):
            self.wrong["beats-meanwhile"].add(beat)
        else:
            fewer = any(map(int.__lt__, claims, rows))
            self.wrong["claims-fewer" if fewer else "claims-more"].add(beat)

    def _may_end_meanwhile(self, beat: str) -> bool:
        return beat not in self._ended and (beat == self._under_way or beat >= self._now)


def claims(workspace: Workspace, store: Store) -> Iterator[Finding]:
    """Compare what each heartbeat claims with the rows of its beat."""
    compared = _Comparison(workspace, store)
    if compared.wrong["beats-meanwhile"].number:
        compared = _Comparison(workspace, store, compared.wrong["beats-meanwhile"].first)
    wrong = {name: beats for name, beats in compared.wrong.items() if beats.number}
    for name, beats in wrong.items():
        yield found(name, workspace.events, number=beats.number, beats=beats)
    if not wrong:
        undone = f"; {compared.undone:,} more were taken back" if compared.undone else ""
        yield ok(f"{compared.exact:,} heartbeats claim exactly the rows that memory has{undone}")


def _claims(event: dict[str, Any], rows: WrittenRows) -> WrittenRows:
    """Return the counts of an event; for what it does not record, those of `rows`."""
    # A step that was interrupted between a commit and its count has fewer than it wrote.
    steps = None if event.get("outcome") == "interrupted" else event.get("steps")

    def number(of: object, name: str, default: int) -> int:
        value = of.get(name) if isinstance(of, dict) else None
        return value if type(value) is int else default

    def step(name: str) -> object:
        return steps.get(name) if isinstance(steps, dict) else None

    return (
        number(event, "new_insights", rows[0]),
        number(event, "new_bridges", rows[1]),
        number(step("synthesize"), "revised_insights", rows[2]),
        number(step("bridge"), "revised_bridges", rows[3]),
    )
