"""The store's contract: the word index, and which concepts may answer."""

import math
import sqlite3
from pathlib import Path

import pytest
from memory_checks import Foreign, blob, connected
from store_contract import (
    MODEL,
    V3,
    Created,
    Migrated,
    StoreContract,
    concept,
    draft,
    forget,
    give_vectors,
    read,
    speak,
    trace,
)

from haios_dag.memory import word_index
from haios_dag.memory.protocol import Store
from haios_dag.memory.store import SqliteStore

LOCK = "A lock must be held by the kernel so that it dies with the process."
BEAT = "A beat must say what it did even when a step of it has failed."
LOG = "The event log must never lose a line that was acknowledged to anyone."


def vectored(store: Store) -> list[int]:
    """Return the ids of all concepts that may answer and have a vector."""
    return store.search.answering(range(1, 99), MODEL)


def check(foreign: Foreign) -> None:
    """Let FTS5 compare its index with the texts of the concepts; it raises when they differ."""
    foreign.rows("INSERT INTO dag_text (dag_text, rank) VALUES ('integrity-check', 1)")


class SearchContract(StoreContract):
    """What is found, in any memory."""

    def test_words_find_what_was_read_or_adopted(self, store: Store, foreign: Foreign) -> None:
        """A concept is found by its words from the commit on that takes it into memory."""
        read(store, "docs/a.md", LOCK, BEAT)
        theirs = foreign.concept(LOG)
        assert store.search.by_words(["kernel"], 9) == [concept(foreign, LOCK)]
        assert store.search.by_words(["log"], 9) == []
        with store.transaction():
            store.items.adopt()
        assert store.search.by_words(["log"], 9) == [theirs]
        assert store.search.by_words(["LOSE", "kernel"], 1) != []
        check(foreign)

    def test_best_words_first(self, store: Store, foreign: Foreign) -> None:
        """More and rarer words of the query rank higher, and the limit is kept."""
        read(store, "docs/a.md", LOCK, BEAT, LOG)
        found = store.search.by_words(["must", "event", "log"], 9)
        assert found[0] == concept(foreign, LOG)
        assert len(found) == 3
        assert store.search.by_words(["must", "event", "log"], 1) == found[:1]

    def test_rare_terms_tell_more(self, store: Store) -> None:
        """The fewer concepts have a term, the more it tells; one that all have tells little."""
        read(store, "docs/a.md", LOCK, BEAT, LOG)
        rare, common, unknown = store.search.rarity(["log", "must", 'no "such" term'])
        assert 0 < common < rare < unknown
        assert (rare, unknown) == (math.log(1 + 2.5 / 1.5), math.log(1 + 3.5 / 0.5))
        assert store.search.rarity([]) == []

    def test_insight_is_found_by_its_current_words(self, store: Store, foreign: Foreign) -> None:
        """A revision changes the words in its own commit; the earlier ones find nothing."""
        read(store, "docs/a.md", LOCK, BEAT)
        give_vectors(store)
        insight = speak(store, "concept", "[Zebra] First text.", 1, 2)
        assert store.search.by_words(["zebra"], 9) == [insight]
        for content in ("[Okapi] Second text.", "[Panda] Third text."):
            with store.transaction():
                store.insights.revise("concept", insight, draft(content, 1, 2), None)
        assert store.search.by_words(["zebra", "okapi"], 9) == []
        assert store.search.by_words(["panda"], 9) == [insight]
        check(foreign)

    def test_other_programs_texts_do_not_break_the_index(
        self, store: Store, foreign: Foreign
    ) -> None:
        """An insight that somebody rewrote is revised all the same; one deleted is not found."""
        read(store, "docs/a.md", LOCK, BEAT)
        give_vectors(store)
        insight = speak(store, "concept", "[Zebra] First text.", 1, 2)
        foreign.rows("UPDATE concepts SET content = 'Okapi' WHERE id = ?", insight)
        with store.transaction():
            store.insights.revise("concept", insight, draft("[Panda] Text.", 1, 2), None)
        assert store.search.by_words(["zebra", "okapi"], 9) == []
        check(foreign)
        foreign.rows("DELETE FROM concepts WHERE id = ?", insight)
        assert store.search.by_words(["panda"], 9) == []
        assert vectored(store) == [1, 2]

    def test_orphans_and_boilerplate_do_not_answer(self, store: Store, foreign: Foreign) -> None:
        """What no document states any more, or too many do, is found neither way; or again."""
        read(store, "docs/a.md", LOCK)
        for number in range(3):
            read(store, f"docs/{number}.md", BEAT, boilerplate=3)
        forget(store, "docs/a.md")
        read(store, "docs/b.md", LOG)
        give_vectors(store)
        with store.transaction():
            every = [(item, blob(1, 0, 0, 0)) for item in (1, 2)]
            store.vectors.put(MODEL, [("concept", *one) for one in every])
        assert vectored(store) == [concept(foreign, LOG)]
        assert store.search.by_words(["must"], 9) == [concept(foreign, LOG)]
        read(store, "docs/a.md", LOCK)
        assert vectored(store) == [1, concept(foreign, LOG)]

    @pytest.mark.parametrize("kind", ["concept", "cross"])
    def test_insight_answers_while_a_source_is_stated(self, store: Store, kind: str) -> None:
        """With all its sources orphaned an insight is silent; one of them back, it answers."""
        other = [BEAT] if kind == "concept" else []
        traces = [] if kind == "concept" else [trace("")]
        read(store, "docs/a.md", LOCK)
        read(store, "docs/b.md", *other, traces=traces)
        give_vectors(store)
        with store.transaction():
            store.items.adopt()
            sources = (1, 2) if kind == "concept" else (1, 1)
            text = draft("[Zebra] Text.", *sources)
            insight = store.insights.add("concept" if kind == "concept" else "cross", text, None)
        forget(store, "docs/a.md")
        assert store.search.by_words(["zebra"], 9) == [insight]
        forget(store, "docs/b.md")
        assert store.search.by_words(["zebra"], 9) == []
        assert insight not in vectored(store)
        read(store, "docs/b.md", *other, traces=traces)
        assert store.search.by_words(["zebra"], 9) == [insight]
        assert insight in vectored(store)

    def test_insight_revised_in_the_commit_that_adds_it(
        self, store: Store, foreign: Foreign
    ) -> None:
        """The index then holds its last text alone."""
        read(store, "docs/a.md", LOCK, BEAT)
        give_vectors(store)
        with store.transaction():
            first, second = draft("[Zebra] Text.", 1, 2), draft("[Gnu] Text.", 1, 2)
            insight = store.insights.add("concept", first, None)
            store.insights.revise("concept", insight, second, None)
        assert store.search.by_words(["gnu"], 9) == [insight]
        assert store.search.by_words(["zebra"], 9) == []
        check(foreign)

    def test_sources_with_their_places(self, store: Store) -> None:
        """A bridge shows its concept and its trace, never the two kinds of ids confused."""
        read(store, "docs/a.md", BEAT, LOCK)
        read(store, "docs/b.md", traces=[trace("")])
        give_vectors(store)
        with store.transaction():
            bridge = store.insights.add("cross", draft("[B] C.", 2, 1), None)
        found = store.search.found(bridge)
        assert found.insight
        assert found.places == []
        assert [(one.kind, one.id) for one in found.sources] == [("concept", 2), ("trace", 1)]
        places = [(place.path, place.line) for one in found.sources for place in one.places]
        assert places == [("docs/a.md", 2), ("docs/b.md", 1)]
        theirs = store.search.found(2)
        assert not theirs.insight
        assert [place.heading for place in theirs.places] == ["Notes > Locking"]

    def test_memory_without_the_index_gets_it_once(self, store: Store, foreign: Foreign) -> None:
        """The next writer indexes an older memory whole and changes no other row."""
        read(store, "docs/a.md", LOCK, BEAT)
        give_vectors(store)
        insight = speak(store, "concept", "[Zebra] Text.", 1, 2)
        foreign.rows("DROP TABLE dag_text")
        foreign.concept(LOG)
        before = foreign.rows("SELECT * FROM dag_items"), foreign.rows("SELECT * FROM concepts")
        with self.open(store.path, write=False) as reader:
            assert "next beat" in str(reader.search.lacks_words())
        with self.open(store.path, write=True) as writer:
            assert writer.search.lacks_words() is None
            assert writer.search.by_words(["zebra"], 9) == [insight]
            assert before == (
                foreign.rows("SELECT * FROM dag_items"),
                foreign.rows("SELECT * FROM concepts"),
            )
            with writer.transaction():
                writer.items.adopt()
            assert len(writer.search.by_words(["log"], 9)) == 1
        check(foreign)

    def test_writer_without_fts5(
        self, store: Store, foreign: Foreign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A Python without FTS5 writes all the same, and the next one with it makes up for it."""
        read(store, "docs/a.md", LOCK, BEAT)
        give_vectors(store)
        insight = speak(store, "concept", "[Zebra] Text.", 1, 2)
        with monkeypatch.context() as without:
            without.setattr(word_index, "has_fts5", lambda: False)
            with self.open(store.path, write=True) as other:
                assert "no FTS5" in str(other.search.lacks_words())
                read(other, "docs/b.md", LOG)
                with other.transaction():
                    other.insights.revise("concept", insight, draft("[Okapi] T.", 1, 2), None)
        assert store.search.lacks_words() is not None
        with self.open(store.path, write=True) as again:
            assert again.search.lacks_words() is None
            assert again.search.by_words(["zebra"], 9) == []
            assert again.search.by_words(["okapi"], 9) == [insight]
            assert again.search.by_words(["log"], 9) == [concept(foreign, LOG)]
        check(foreign)


class TestSearchCreated(Created, SearchContract):
    """In a memory that the product made."""


class TestSearchV3(V3, SearchContract):
    """In a memory from HAIOS's schema file."""


class TestSearchMigrated(Migrated, SearchContract):
    """In a memory that HAIOS's migrations made."""


def test_integrity_check_notices(tmp_path: Path) -> None:
    """The comparison that these tests rely on fails for an index that is wrong."""
    path = tmp_path / "memory.db"
    with SqliteStore.open(path, write=True, create=True) as store:
        read(store, "docs/a.md", LOCK)
    with connected(path) as connection:
        connection.execute("UPDATE concepts SET content = 'Okapi'")
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(
                "INSERT INTO dag_text (dag_text, rank) VALUES ('integrity-check', 1)"
            )
