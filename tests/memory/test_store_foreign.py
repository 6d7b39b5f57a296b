"""The store's contract: what other programs add, take and delete in the same memory."""

from memory_checks import Foreign
from store_contract import (
    V3,
    Created,
    Migrated,
    StoreContract,
    forget,
    give_vectors,
    join,
    read,
    trace,
    waiting,
)

from haios_dag.memory.protocol import Store

LOCK = "A lock must be held by the kernel so that it dies with the process."
BEAT = "A beat must say what it did even when a step of it has failed."
LOG = "The event log must never lose a line that was acknowledged to anyone."


class ForeignContract(StoreContract):
    """What other programs put into the same memory."""

    def test_foreign_items_are_adopted_once(self, store: Store, foreign: Foreign) -> None:
        """Each concept and trace of another program is taken in by the first beat that sees it."""
        foreign.concept(LOCK)
        foreign.trace("How?")
        assert store.vectors.has_unembedded()
        with store.transaction():
            assert store.items.adopt() == 2
        with store.transaction():
            assert store.items.adopt() == 0
        assert waiting(store) == [("concept", 1), ("trace", 1)]

    def test_items_added_between_our_transactions_are_adopted(
        self, store: Store, foreign: Foreign
    ) -> None:
        """However the writers take turns, every item waits exactly once and none is lost."""
        for number in range(4):
            foreign.concept(f"Theirs number {number} was added by an ingester at work.")
            foreign.trace(f"Query number {number} of an agent at work?")
            read(
                store,
                f"docs/{number}.md",
                f"Ours is number {number}, and it says something else.",
                traces=[trace("", f"Our own query number {number}?")],
            )
        found = waiting(store)
        assert len(found) == len(set(found)) == 16
        assert len(store.vectors.unembedded(100)) == 16

    def test_products_of_others_are_no_new_work(self, store: Store, foreign: Foreign) -> None:
        """Another program's insights get a vector and are never clustered, nor their sources."""
        sources = [foreign.concept(LOCK), foreign.concept(BEAT)]
        insight = foreign.insight("[Care] Hold locks, say what was done.", sources)
        single = foreign.concept(LOG)
        give_vectors(store)
        assert store.insights.unconsidered("concept") == [single]
        assert insight not in store.bridges.bridgeable("concept", range(1, 99))
        assert store.bridges.bridgeable("concept", range(1, 99)) == [*sources, single]
        assert not store.vectors.has_unembedded()

    def test_concept_consumed_by_another_program_later_is_no_work(
        self, store: Store, foreign: Foreign
    ) -> None:
        """What another synthesis took after we saw it is not clustered again by ours."""
        taken = [foreign.concept(LOCK), foreign.concept(BEAT)]
        single = foreign.concept(LOG)
        give_vectors(store)
        foreign.insight("[Care] Hold locks, say what was done.", taken)
        give_vectors(store)
        assert store.insights.unconsidered("concept") == [single]

    def test_mark_alone_says_consumed(self, store: Store, foreign: Foreign) -> None:
        """A concept with a cluster id is taken, even when its cluster is not there any more."""
        taken, single = foreign.concept(LOCK), foreign.concept(BEAT)
        foreign.rows("UPDATE concepts SET synthesis_cluster_id = 77 WHERE id = ?", taken)
        give_vectors(store)
        assert store.insights.unconsidered("concept") == [single]

    def test_member_consumed_by_another_program_is_no_source(
        self, store: Store, foreign: Foreign
    ) -> None:
        """A cluster's member that another synthesis has taken is not quoted by ours."""
        ours = [foreign.concept(LOCK), foreign.concept(BEAT)]
        give_vectors(store)
        join(store, "concept", *ours)
        foreign.insight("[Care] One of them is ours.", [ours[0], foreign.concept(LOG)])
        give_vectors(store)
        assert [member.id for member in store.insights.live_members("concept", ours[0])] == [
            ours[1]
        ]

    def test_foreign_concept_is_reused_by_a_document(self, store: Store, foreign: Foreign) -> None:
        """A document that states another program's concept makes no second one."""
        theirs = foreign.concept(LOCK)
        assert read(store, "docs/a.md", LOCK) == 0
        assert [place.path for place in store.items.places("concept", theirs)] == ["docs/a.md"]

    def test_foreign_concept_without_a_document_is_work(
        self, store: Store, foreign: Foreign
    ) -> None:
        """A concept that never stood in a document is live all the same."""
        foreign.concept(LOCK)
        read(store, "docs/a.md", BEAT)
        assert store.counts()["live"] == 2

    def test_insight_is_no_concept_of_a_document(self, store: Store, foreign: Foreign) -> None:
        """A document that quotes an insight word by word makes a concept of its own."""
        insight = foreign.insight(LOCK, [foreign.concept(BEAT), foreign.concept(LOG)])
        assert read(store, "docs/a.md", LOCK) == 1
        assert store.items.places("concept", insight) == []

    def test_foreign_occurrences_are_kept(self, store: Store, foreign: Foreign) -> None:
        """Replacing or removing what we read of a file leaves what others say of it."""
        theirs = foreign.concept("An ingester extracted this from the same file.")
        foreign.occurrence("docs/a.md", theirs)
        before = store.items.places("concept", theirs)
        assert [(place.heading, place.line) for place in before] == [("their snippet", 7)]
        read(store, "docs/a.md", LOCK)
        read(store, "docs/a.md", BEAT)
        assert store.items.places("concept", theirs) == before
        forget(store, "docs/a.md")
        assert store.items.places("concept", theirs) == before

    def test_concept_deleted_by_another_program_is_forgotten(
        self, store: Store, foreign: Foreign
    ) -> None:
        """Rows that another program deleted neither wait for anything nor take part in anything."""
        gone, kept = foreign.concept(LOCK), foreign.concept(BEAT)
        gone_trace, kept_trace = foreign.trace("Gone?"), foreign.trace("Kept?")
        with store.transaction():
            store.items.adopt()
        foreign.rows("DELETE FROM concepts WHERE id = ?", gone)
        foreign.rows("DELETE FROM reasoning_traces WHERE id = ?", gone_trace)
        assert waiting(store) == [("concept", kept), ("trace", kept_trace)]
        give_vectors(store)
        foreign.rows("DELETE FROM concepts WHERE id = ?", kept)
        foreign.rows("DELETE FROM reasoning_traces WHERE id = ?", kept_trace)
        give_vectors(store)
        for kind in ("concept", "trace"):
            assert store.insights.unconsidered(kind) == []
            assert store.bridges.bridgeable(kind, range(1, 99)) == []

    def test_text_that_is_not_utf8_is_read(self, store: Store, foreign: Foreign) -> None:
        """A foreign text in another encoding is adopted and shown with replacement marks."""
        foreign.rows(
            "INSERT INTO concepts (type, content) VALUES ('techne', CAST(x'4f6bff' AS TEXT)),"
            " ('techne', x'4f6b')"
        )
        give_vectors(store)
        assert store.items.text("concept", 1) == "Ok\ufffd"
        assert store.items.text("concept", 2) == "Ok"


class TestForeignCreated(Created, ForeignContract):
    """In a memory that the product made."""


class TestForeignV3(V3, ForeignContract):
    """In a memory from HAIOS's schema file."""


class TestForeignMigrated(Migrated, ForeignContract):
    """In a memory that HAIOS's migrations made."""
