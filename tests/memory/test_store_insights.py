"""The store's contract: clusters, insights with their sources and revisions, undo."""

import sqlite3
from pathlib import Path

import pytest
from memory_checks import Foreign, assert_invariants, blob, content_hash
from store_contract import (
    MODEL,
    V3,
    Created,
    Migrated,
    StoreContract,
    bridge,
    draft,
    forget,
    give_vectors,
    join,
    read,
    recorded,
    speak,
    trace,
    waiting,
)

from haios_dag.memory.protocol import Store
from haios_dag.memory.records import ClusterMember, Pair, Recorded, Statement, Trace

TEXTS = [f"Statement number {number} says what no other statement says." for number in range(6)]


class InsightsContract(StoreContract):
    """Clusters, insights and revisions."""

    def test_items_are_considered_once(self, store: Store) -> None:
        """An item with a vector waits for its cluster until it has one."""
        read(store, "docs/a.md", *TEXTS, traces=[trace("")])
        assert not store.insights.has_unconsidered()
        give_vectors(store)
        assert store.insights.has_unconsidered()
        assert store.insights.unconsidered("concept") == [1, 2, 3, 4, 5, 6]
        join(store, "concept", 1, 4, 2)
        assert store.insights.unconsidered("concept") == [3, 5, 6]
        for single in (3, 5, 6):
            join(store, "concept", single)
        assert store.insights.has_unconsidered()
        join(store, "trace", 1)
        assert not store.insights.has_unconsidered()

    def test_leaders_and_members(self, store: Store) -> None:
        """Those lead that are their own leader; members come by id with their similarity."""
        read(store, "docs/a.md", *TEXTS, traces=[trace("1"), trace("2", "Else?")])
        give_vectors(store)
        with store.transaction():
            members = [
                ClusterMember(4, 1, 0.625),
                ClusterMember(1, 1, 1.0),
                ClusterMember(2, 1, 0.75),
                ClusterMember(3, 3, 1),
            ]
            store.insights.put_members("concept", members, "b")
            store.insights.put_members(
                "trace", [ClusterMember(1, 1, 1.0), ClusterMember(2, 1, 0.5)], "b"
            )
        assert store.insights.leading("concept", range(1, 99)) == [1, 3]
        assert store.insights.leading("trace", range(1, 99)) == [1]
        assert store.insights.live_members("concept", 1) == sorted(
            members[:3], key=lambda one: one.id
        )
        assert store.insights.live_members("trace", 1) == [
            ClusterMember(1, 1, 1.0),
            ClusterMember(2, 1, 0.5),
        ]
        assert store.insights.live_members("concept", 2) == []

    def test_orphan_leads_but_is_no_live_member(self, store: Store) -> None:
        """A leader that no document states any more still leads, and is not quoted."""
        read(store, "docs/a.md", TEXTS[0])
        read(store, "docs/b.md", TEXTS[1])
        give_vectors(store)
        join(store, "concept", 1, 2)
        forget(store, "docs/a.md")
        assert store.insights.leading("concept", range(1, 99)) == [1]
        assert [one.id for one in store.insights.live_members("concept", 1)] == [2]

    def test_insight_is_written_as_haios_writes_it(
        self, store: Store, foreign: Foreign, path: Path
    ) -> None:
        """The rows of an insight are those of section 1.6, its sources are marked."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        insight = speak(store, "concept", "[Title] Text.", 2, 5, 3)
        assert_invariants(path, MODEL)
        assert foreign.rows(
            "SELECT type, content, source_adr, synthesis_source_count, synthesis_confidence"
            " FROM concepts WHERE id = ?",
            insight,
        ) == [("SynthesizedInsight", "[Title] Text.", "virtual:synthesis", 3, 0.75)]
        ((cluster, *rest),) = foreign.rows(
            "SELECT id, cluster_type, member_count, status, centroid_embedding"
            " FROM synthesis_clusters"
        )
        assert rest == ["concept", 3, "synthesized", None]
        assert foreign.rows(
            "SELECT id, synthesis_cluster_id, synthesized_at NOTNULL FROM concepts"
            " WHERE synthesis_cluster_id NOTNULL ORDER BY id"
        ) == [(2, cluster, 0), (3, cluster, 0), (5, cluster, 0), (insight, cluster, 1)]
        assert foreign.rows("SELECT DISTINCT contribution_weight FROM synthesis_provenance") == [
            (1.0,)
        ]
        assert store.insights.of_cluster("concept", 2) == insight
        assert store.insights.of_cluster("concept", 5) is None
        assert store.insights.of_cluster("trace", 2) is None

    def test_time_of_an_insight_is_local_and_naive(self, store: Store, foreign: Foreign) -> None:
        """`synthesized_at` reads like HAIOS's: local time with a T and no offset."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        insight = speak(store, "concept", "[Title] Text.", 1, 2)
        pattern = "????-??-??T??:??:??.??????"
        assert foreign.one("SELECT synthesized_at FROM concepts WHERE id = ?", insight).count("T")
        assert foreign.rows(
            "SELECT count(*) FROM concepts JOIN synthesis_clusters USING (synthesized_at)"
            f" WHERE synthesized_at GLOB '{pattern}'"
        ) == [(1,)]

    def test_insight_from_traces_marks_no_concept(
        self, store: Store, foreign: Foreign, path: Path
    ) -> None:
        """Traces are sources without a mark of their own; equal ids of concepts stay unmarked."""
        read(store, "docs/a.md", *TEXTS, traces=[trace("1"), trace("2", "Else?")])
        give_vectors(store)
        speak(store, "trace", "[Title] Text.", 1, 2)
        assert_invariants(path, MODEL)
        assert foreign.rows("SELECT id FROM concepts WHERE synthesis_cluster_id NOTNULL") == [(7,)]

    def test_insight_is_never_work(self, store: Store) -> None:
        """A product is embedded, and neither clustered, bridged nor adopted."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        insight = speak(store, "concept", "[Title] Text.", 1, 2)
        with store.transaction():
            assert store.items.adopt() == 0
        assert waiting(store) == []
        assert insight not in store.insights.unconsidered("concept")
        assert insight not in store.bridges.bridgeable("concept", range(1, 99))
        assert insight not in store.bridges.unbridged("concept")
        assert store.vectors.read("concept", [insight], MODEL, 4).tolist() == [[0, 1, 0, 0]]

    def test_insight_gets_a_vector_in_a_new_space(self, store: Store, path: Path) -> None:
        """When the space changes, products are embedded again like their sources."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        speak(store, "concept", "[Title] Text.", 1, 2)
        give_vectors(store, model="another")
        assert_invariants(path, MODEL)
        assert_invariants(path, "another")

    def test_growth_is_a_revision(self, store: Store, foreign: Foreign, path: Path) -> None:
        """A grown cluster keeps its insight: new text, more sources, the earlier text kept."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        insight = speak(store, "concept", "[One] Two sources.", 1, 3, beat="first")
        join(store, "concept", 1, 2, 5)
        with store.transaction():
            grown = draft("[Two] Four sources.", 1, 2, 3, 5)
            store.insights.revise("concept", insight, grown, "second")
        assert_invariants(path, MODEL)
        assert store.insights.of_cluster("concept", 1) == insight
        assert store.counts()["insights"] == 1
        assert foreign.rows("SELECT member_id FROM synthesis_cluster_members ORDER BY id") == [
            (1,),
            (3,),
            (2,),
            (5,),
        ]
        assert foreign.rows(
            "SELECT revision, content, sources, method, reason, beat FROM dag_revisions"
            " WHERE insight_id = ? ORDER BY revision",
            insight,
        ) == [
            (1, "[One] Two sources.", 2, "extractive", "a test", "first"),
            (2, "[Two] Four sources.", 4, "extractive", "a test", "second"),
        ]
        assert foreign.one("SELECT content FROM concepts WHERE id = ?", insight) == (
            "[Two] Four sources."
        )

    def test_lost_source_stays_as_provenance(
        self, store: Store, foreign: Foreign, path: Path
    ) -> None:
        """A revision that quotes fewer sources than before takes none of them away."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        insight = speak(store, "concept", "[One] Two sources.", 1, 2)
        join(store, "concept", 1, 3)
        with store.transaction():
            gained = draft("[Two] Others.", 2, 3)
            store.insights.revise("concept", insight, gained, None)
        assert_invariants(path, MODEL)
        assert foreign.one("SELECT count(*) FROM synthesis_provenance") == 3

    def test_written_by_counts_what_a_beat_added(self, store: Store) -> None:
        """Only new insights and bridges of that beat count, not its revisions."""
        read(store, "docs/a.md", *TEXTS, traces=[trace("1"), trace("2", "Else?")])
        give_vectors(store)
        first = speak(store, "concept", "[One] First.", 1, 2, beat="one")
        speak(store, "trace", "[Two] Second.", 1, 2, beat="two")
        bridge(store, 3, 1, beat="two")
        with store.transaction():
            store.insights.revise("concept", first, draft("[One] Again.", 1, 2), "two")
        assert store.insights.written_by("one") == (1, 0)
        assert store.insights.written_by("two") == (1, 1)
        assert store.insights.written_by("three") == (0, 0)

    def test_insight_that_was_deleted_can_be_written_again(
        self, store: Store, foreign: Foreign
    ) -> None:
        """When somebody deleted an insight, its cluster has none, and may get a new one."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        gone = speak(store, "concept", "[One] Two sources.", 1, 2)
        foreign.rows("DELETE FROM concepts WHERE id = ?", gone)
        assert store.insights.of_cluster("concept", 1) is None
        again = speak(store, "concept", "[One] Two sources.", 1, 2)
        assert store.insights.of_cluster("concept", 1) == again

    def test_text_of_an_insight_may_come_twice(self, store: Store, path: Path) -> None:
        """Two clusters may say the same: two insights, each with its own rows."""
        read(store, "docs/a.md", *TEXTS)
        give_vectors(store)
        first = speak(store, "concept", "[One] Text.", 1, 2)
        assert speak(store, "concept", "[One] Text.", 3, 4) != first
        assert_invariants(path, MODEL)


def everything_then_fail(store: Store) -> None:
    """Change rows of every kind in one transaction that fails in the end."""
    with store.transaction():
        store.documents.replace("docs/b.md", *arguments(TEXTS[5], "New."))
        store.documents.remove("docs/a.md", 5)
        store.insights.put_members(
            "concept", [ClusterMember(1, 1, 1.0), ClusterMember(2, 1, 0.9)], "b"
        )
        insight = store.insights.add("concept", draft("[One] Text.", 1, 2), "b")
        store.insights.lead("concept", 1, insight)
        store.insights.revise("concept", insight, draft("[Two] Text.", 1, 2, 3), "b")
        store.vectors.put(MODEL, [("concept", 3, blob(9, 9, 9, 9))])
        store.bridges.put_pairs([Pair(1, 1, 0.9)])
        store.bridges.mark_bridged("concept", [1])
        raise RuntimeError("in the middle")


def put_vector_of_nothing(store: Store) -> None:
    """Change a vector, then violate a foreign key."""
    with store.transaction():
        store.vectors.put(MODEL, [("concept", 1, blob(9, 9, 9, 9))])
        store.vectors.put(MODEL, [("concept", 99, blob(9, 9, 9, 9))])


class TransactionsContract(StoreContract):
    """All or nothing."""

    def test_failed_transaction_leaves_nothing(
        self, store: Store, path: Path, foreign: Foreign
    ) -> None:
        """An error in a transaction undoes everything in it, and the store works on."""
        read(store, "docs/a.md", *TEXTS, traces=[trace("1"), trace("2", "Else?")])
        give_vectors(store)
        foreign.concept("Theirs, to be adopted.")
        before = content_hash(path)
        with pytest.raises(RuntimeError, match="in the middle"):
            everything_then_fail(store)
        assert content_hash(path) == before
        assert speak(store, "concept", "[One] Text.", 1, 2)
        assert_invariants(path, MODEL)

    def test_failed_statement_leaves_nothing(self, store: Store, path: Path) -> None:
        """The same for an error that the database itself raises."""
        read(store, "docs/a.md", *TEXTS)
        before = content_hash(path)
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            put_vector_of_nothing(store)
        assert content_hash(path) == before

    def test_readers_see_whole_transactions(self, store: Store, path: Path) -> None:
        """Until a transaction is committed, another connection sees the state before it."""
        read(store, "docs/a.md", TEXTS[0])
        with self.open(path, write=False) as reader:
            with store.transaction():
                store.documents.replace("docs/a.md", *arguments(*TEXTS))
                assert reader.counts()["concepts"] == 1
            assert reader.counts()["concepts"] == 6


def arguments(*texts: str) -> tuple[Recorded, list[Statement], list[Trace], int]:
    """Return the arguments of `replace_document` for a document that says these texts."""
    statements = [Statement(text, "Directive", "A > B", 1, text) for text in texts]
    return recorded("\n".join(texts)), statements, [], 5


class TestInsightsCreated(Created, InsightsContract, TransactionsContract):
    """In a memory that the product made."""


class TestInsightsV3(V3, InsightsContract, TransactionsContract):
    """In a memory from HAIOS's schema file."""


class TestInsightsMigrated(Migrated, InsightsContract, TransactionsContract):
    """In a memory that HAIOS's migrations made."""
