"""The store's contract: which pairs are compared, which wait, and bridges."""

from pathlib import Path

from memory_checks import Foreign, assert_invariants
from store_contract import (
    MODEL,
    V3,
    Created,
    Migrated,
    StoreContract,
    bridge,
    forget,
    give_vectors,
    read,
    trace,
)

from haios_dag.memory.protocol import Store
from haios_dag.memory.records import Pair

TEXTS = [f"Statement number {number} says what no other statement says." for number in range(6)]


class BridgesContract(StoreContract):
    """Pairs and bridges."""

    def fill(self, store: Store) -> None:
        """Read three concepts and two traces, with vectors."""
        read(store, "docs/a.md", *TEXTS[:3])
        read(store, "traces/a.jsonl", traces=[trace("1", "One?"), trace("2", "Two?")])
        give_vectors(store)

    def test_items_are_compared_once(self, store: Store) -> None:
        """Each item waits for its pairs until they were compared, then takes part as an old one."""
        self.fill(store)
        assert store.bridges.has_unbridged()
        assert store.bridges.unbridged("concept") == [1, 2, 3]
        with store.transaction():
            store.bridges.mark_bridged("concept", [1, 2, 3])
            store.bridges.mark_bridged("trace", [1])
        assert store.bridges.unbridged("concept") == []
        assert store.bridges.unbridged("trace") == [2]
        with store.transaction():
            store.bridges.mark_bridged("trace", [2])
        assert not store.bridges.has_unbridged()
        assert store.bridges.bridgeable("concept", range(1, 99)) == [1, 2, 3]
        assert store.bridges.bridgeable("trace", range(1, 99)) == [1, 2]

    def test_best_pairs_come_first(self, store: Store) -> None:
        """Waiting pairs come by similarity, ties by concept, then trace; a known one stays."""
        self.fill(store)
        pairs = [Pair(2, 1, 0.7), Pair(1, 2, 0.7), Pair(3, 1, 0.9), Pair(1, 1, 0.7)]
        with store.transaction():
            store.bridges.put_pairs(pairs)
            store.bridges.put_pairs([Pair(2, 1, 0.99)])
        expected = [Pair(3, 1, 0.9), Pair(1, 1, 0.7), Pair(1, 2, 0.7), Pair(2, 1, 0.7)]
        assert store.bridges.waiting(9) == expected
        assert store.bridges.waiting(2) == expected[:2]
        assert store.bridges.waiting(0) == []
        assert store.counts()["waiting_pairs"] == 4

    def test_waiting_pair_is_work(self, store: Store) -> None:
        """A pair waits until it is bridged or dropped, and is not taken up again then."""
        self.fill(store)
        with store.transaction():
            store.bridges.mark_bridged("concept", [1, 2, 3])
            store.bridges.mark_bridged("trace", [1, 2])
            store.bridges.put_pairs([Pair(1, 1, 0.7), Pair(1, 2, 0.8)])
        assert store.bridges.has_unbridged()
        bridge(store, 1, 1)
        with store.transaction():
            store.bridges.drop(Pair(1, 2, 0.8))
        assert not store.bridges.has_unbridged()
        with store.transaction():
            store.bridges.put_pairs([Pair(1, 1, 0.7)])
        assert store.bridges.waiting(9) == []

    def test_crossed_pairs_are_two_bridges(
        self, store: Store, foreign: Foreign, path: Path
    ) -> None:
        """Concept 1 with trace 2 and concept 2 with trace 1 differ by the order of their rows."""
        self.fill(store)
        one, two = bridge(store, 1, 2), bridge(store, 2, 1)
        assert_invariants(path, MODEL)
        assert store.counts()["bridges"] == 2
        for insight, sources in ((one, [1, 2]), (two, [2, 1])):
            assert [
                row[0]
                for row in foreign.rows(
                    "SELECT source_id FROM synthesis_provenance WHERE synthesized_concept_id = ?"
                    " ORDER BY id",
                    insight,
                )
            ] == sources

    def test_bridge_consumes_nothing(self, store: Store, foreign: Foreign) -> None:
        """The concept of a bridge is not marked as consumed."""
        self.fill(store)
        bridge(store, 1, 2)
        assert foreign.one("SELECT synthesis_cluster_id FROM concepts WHERE id = 1") is None
        assert 1 in store.insights.unconsidered("concept")

    def test_pair_sleeps_while_a_side_is_an_orphan(self, store: Store) -> None:
        """A pair whose concept or trace no file has any more waits until it is back."""
        self.fill(store)
        with store.transaction():
            store.bridges.mark_bridged("concept", [1, 2, 3])
            store.bridges.mark_bridged("trace", [1, 2])
            store.bridges.put_pairs([Pair(1, 1, 0.7), Pair(2, 2, 0.8)])
        forget(store, "traces/a.jsonl")
        assert store.bridges.waiting(9) == []
        assert not store.bridges.has_unbridged()
        assert store.counts()["waiting_pairs"] == 0
        read(store, "traces/a.jsonl", traces=[trace("1", "One?"), trace("2", "Two?")])
        read(store, "docs/a.md", *TEXTS[1:3])
        assert store.bridges.waiting(9) == [Pair(2, 2, 0.8)]
        assert store.bridges.has_unbridged()
        read(store, "docs/a.md", *TEXTS[:3])
        assert store.counts()["waiting_pairs"] == 2

    def test_deleted_bridge_stays_deleted(self, store: Store, foreign: Foreign) -> None:
        """A pair whose bridge somebody deleted does not wait again."""
        self.fill(store)
        with store.transaction():
            store.bridges.mark_bridged("concept", [1, 2, 3])
            store.bridges.mark_bridged("trace", [1, 2])
        foreign.rows("DELETE FROM concepts WHERE id = ?", bridge(store, 1, 2))
        assert not store.bridges.has_unbridged()

    def test_pair_bridged_by_another_program(self, store: Store, foreign: Foreign) -> None:
        """What another program has bridged is bridged, whether the pair waits here or is new."""
        self.fill(store)
        with store.transaction():
            store.bridges.put_pairs([Pair(1, 2, 0.7), Pair(3, 1, 0.6)])
        first = foreign.insight("[Theirs] one", [1, 2], kind="cross")
        second = foreign.insight("[Theirs] two", [2, 1], kind="cross")
        with store.transaction():
            store.items.adopt()
            store.bridges.put_pairs([Pair(2, 1, 0.8)])
        assert store.bridges.waiting(9) == [Pair(3, 1, 0.6)]
        found = foreign.rows("SELECT concept_id, trace_id, insight_id FROM dag_bridges ORDER BY 1")
        assert found == [(1, 2, first), (2, 1, second), (3, 1, None)]

    def test_titles_of_traces(self, store: Store, foreign: Foreign) -> None:
        """A trace goes by its strategy's title, else by what it asked."""
        self.fill(store)
        untitled = foreign.trace("What else?", title="")
        assert store.items.trace_title(1) == "Release the lock late"
        assert store.items.trace_title(untitled) == "What else?"


class TestBridgesCreated(Created, BridgesContract):
    """In a memory that the product made."""


class TestBridgesV3(V3, BridgesContract):
    """In a memory from HAIOS's schema file."""


class TestBridgesMigrated(Migrated, BridgesContract):
    """In a memory that HAIOS's migrations made."""
