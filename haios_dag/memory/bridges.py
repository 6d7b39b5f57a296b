"""Pairs of a concept and a trace: which are to be compared, which wait, which are bridged."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from haios_dag.memory.database import meaning
from haios_dag.memory.insights import AMONG, Insights
from haios_dag.memory.vectors import THERE, Kind

_TO_BRIDGE = f"bridged = 0 AND model IS NOT NULL AND state IN ('live', 'consumed') AND {THERE}"
# A pair with a side that no document states any more sleeps until it is back.
WAITING_PAIR = (
    "dag_bridges INDEXED BY dag_bridges_waiting WHERE insight_id IS NULL"
    " AND EXISTS (SELECT 1 FROM dag_items WHERE kind = 'concept' AND id = concept_id"
    "   AND state IN ('live', 'consumed'))"
    " AND EXISTS (SELECT 1 FROM dag_items WHERE kind = 'trace' AND id = trace_id"
    "   AND state IN ('live', 'consumed'))"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A concept and a trace above the bridge threshold."""

    concept: int
    trace: int
    similarity: float


class Bridges(Insights):
    """The part of the store that bridge uses. Writers run in a transaction."""

    def has_unbridged(self) -> bool:
        """Tell whether any pair waits to be compared or bridged."""
        return self._exists(f"dag_items WHERE {_TO_BRIDGE}") or self._exists(WAITING_PAIR)

    def unbridged(self, kind: Kind) -> list[int]:
        """Return the ids of items whose pairs have not been compared, ascending."""
        return self._ids(f"kind = ? AND {_TO_BRIDGE}", kind)

    def bridgeable(self, kind: Kind, ids: Sequence[int]) -> list[int]:
        """Return those of the items that take part in bridges, ascending."""
        where = f"model IS NOT NULL AND state IN ('live', 'consumed') AND {THERE}"
        return self._ids(f"{AMONG} AND {where}", kind, ids)

    def count_bridgeable(self, kind: Kind) -> int:
        """Return how many items take part in bridges, those that another program removed too."""
        with meaning(self.path):
            (number,) = self.connection.execute(
                "SELECT sum(number) FROM dag_counts"
                " WHERE kind = ? AND state IN ('live', 'consumed') AND embedded",
                (kind,),
            ).fetchone()
        return int(number)

    def put_pairs(self, pairs: Sequence[Pair]) -> None:
        """Keep pairs to be bridged; one that is known already stays as it is."""
        self.connection.executemany(
            "INSERT OR IGNORE INTO dag_bridges (concept_id, trace_id, similarity) VALUES (?, ?, ?)",
            [(pair.concept, pair.trace, pair.similarity) for pair in pairs],
        )

    def mark_bridged(self, kind: Kind, ids: Sequence[int]) -> None:
        """Record that all pairs of these items have been compared."""
        self.connection.execute(
            f"UPDATE dag_items SET bridged = 1 WHERE {AMONG}", (kind, json.dumps(list(ids)))
        )

    def bridges_of(self, trace: int) -> dict[int, int]:
        """Return the bridges of a trace that a beat wrote: insight ids by concept."""
        with meaning(self.path):
            return dict(
                self.connection.execute(
                    "SELECT concept_id, insight_id FROM dag_bridges WHERE trace_id = ?"
                    " AND insight_id IN (SELECT insight_id FROM dag_revisions)",
                    (trace,),
                ).fetchall()
            )

    def waiting_pairs(self, limit: int) -> list[Pair]:
        """Return pairs not bridged yet, the most similar first, ties by id."""
        with meaning(self.path):
            return [
                Pair(*row)
                for row in self.connection.execute(
                    f"SELECT concept_id, trace_id, similarity FROM {WAITING_PAIR}"
                    " ORDER BY similarity DESC, concept_id, trace_id LIMIT ?",
                    (limit,),
                )
            ]

    def count_waiting_pairs(self) -> int:
        """Return how many pairs are not bridged yet."""
        with meaning(self.path):
            return int(
                self.connection.execute(f"SELECT count(*) FROM {WAITING_PAIR}").fetchone()[0]
            )

    def drop_pair(self, pair: Pair) -> None:
        """Forget a pair that cannot be put in words; it stays compared."""
        self.connection.execute(
            "DELETE FROM dag_bridges WHERE concept_id = ? AND trace_id = ?",
            (pair.concept, pair.trace),
        )

    def link(self, pair: Pair, insight: int) -> None:
        """Record the insight that bridges a pair."""
        self.connection.execute(
            "UPDATE dag_bridges SET insight_id = ? WHERE concept_id = ? AND trace_id = ?",
            (insight, pair.concept, pair.trace),
        )
