"""The store's contract: documents, what they state, and their traces."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_checks import Foreign
from store_contract import (
    V3,
    Created,
    Migrated,
    StoreContract,
    concept,
    forget,
    give_vectors,
    join,
    read,
    recorded,
    trace,
    waiting,
)

from haios_dag.memory.protocol import Store
from haios_dag.memory.records import Pair
from haios_dag.memory.store import SqliteStore

LOCK = "A lock must be held by the kernel so that it dies with the process."
BEAT = "A beat must say what it did even when a step of it has failed."
LOG = "The event log must never lose a line that was acknowledged to anyone."


class DocumentsContract(StoreContract):
    """Documents and what they state."""

    def test_ledger_knows_each_file_as_it_was_read(self, store: Store) -> None:
        """What was recorded for each path comes back, the last reading of it."""
        read(store, "docs/a.md", LOCK)
        read(store, "docs/b.md", BEAT)
        read(store, "docs/a.md", LOG)
        for path, text in (("docs/a.md", LOG), ("docs/b.md", BEAT)):
            state, sha256, _ = recorded(text + "()")
            assert store.documents.recorded()[path] == state
            assert store.documents.recorded_hash(path) == sha256
        assert len(store.documents.recorded()) == 2
        assert store.documents.recorded_hash("docs/c.md") is None

    def test_ledger_keeps_the_head_of_each_file(self, store: Store) -> None:
        """The head stands beside the state, goes with the content, and stays when only touched."""
        assert store.documents.heads() == []
        for text, head in (("a", '{"id": "A"}'), ("b", '{"id": "B"}')):
            with store.transaction():
                known = recorded(text)._replace(head=head)
                store.documents.replace("docs/a.md", known, [], [], 5)
            assert store.documents.heads() == [("docs/a.md", known.state, head)]
        with store.transaction():
            store.documents.touch("docs/a.md", (9, 8, 7))
        assert store.documents.heads() == [("docs/a.md", (9, 8, 7), '{"id": "B"}')]

    def test_artifact_counts_its_versions(self, store: Store, foreign: Foreign) -> None:
        """An artifact's version grows when its content changed, and only then."""
        for text in (LOCK, LOCK, BEAT, BEAT, LOG):
            read(store, "docs/a.md", text)
        assert foreign.rows("SELECT file_path, version FROM artifacts") == [("docs/a.md", 3)]

    def test_touched_file_keeps_its_content(self, store: Store) -> None:
        """New time stamps replace the old ones and nothing else."""
        read(store, "docs/a.md", LOCK)
        sha256 = store.documents.recorded_hash("docs/a.md")
        with store.transaction():
            store.documents.touch("docs/a.md", (9, 8, 7))
        assert store.documents.recorded() == {"docs/a.md": (9, 8, 7)}
        assert store.documents.recorded_hash("docs/a.md") == sha256

    def test_removed_document_leaves_the_ledger_and_its_concepts(
        self, store: Store, foreign: Foreign
    ) -> None:
        """A deleted file is forgotten; what it said stays, without a place."""
        read(store, "docs/a.md", LOCK)
        forget(store, "docs/a.md")
        assert store.documents.recorded() == {}
        assert store.items.places("concept", concept(foreign, LOCK)) == []
        read(store, "docs/a.md", LOCK)
        assert foreign.rows("SELECT count(*) FROM artifacts") == [(1,)]
        assert len(store.items.places("concept", concept(foreign, LOCK))) == 1

    def test_equal_texts_are_one_concept(self, store: Store, foreign: Foreign) -> None:
        """A text stated again, here or elsewhere, is a further place of the same concept."""
        assert read(store, "docs/b.md", LOCK, BEAT, LOCK) == 2
        assert read(store, "docs/a.md", LOG, LOCK, heading="Other") == 1
        places = store.items.places("concept", concept(foreign, LOCK))
        assert [(place.path, place.heading, place.line) for place in places] == [
            ("docs/a.md", "Other", 2),
            ("docs/b.md", "Notes > Locking", 1),
            ("docs/b.md", "Notes > Locking", 3),
        ]

    def test_texts_that_differ_at_all_are_two_concepts(self, store: Store) -> None:
        """Case, numbers and a negation make another concept."""
        texts = (LOCK, LOCK.upper(), LOCK.replace("must", "must not"), "In 20 days", "In 200 days")
        assert read(store, "docs/a.md", *texts) == len(texts)
        assert store.counts()["concepts"] == len(texts)

    def test_changed_document_replaces_its_occurrences(
        self, store: Store, foreign: Foreign
    ) -> None:
        """After a change only the statements that the file still has stand in it."""
        read(store, "docs/a.md", LOCK, BEAT)
        read(store, "docs/b.md", BEAT)
        read(store, "docs/a.md", LOG, LOCK)
        assert [place.line for place in store.items.places("concept", concept(foreign, LOCK))] == [
            2
        ]
        (place,) = store.items.places("concept", concept(foreign, BEAT))
        assert place.path == "docs/b.md"

    def test_concept_that_no_document_states_is_no_work(
        self, store: Store, foreign: Foreign
    ) -> None:
        """An orphan waits for nothing, and is work again as soon as a document states it."""
        read(store, "docs/a.md", LOCK, BEAT)
        read(store, "docs/a.md", BEAT)
        assert store.counts()["orphans"] == 1
        assert waiting(store) == [("concept", concept(foreign, BEAT))]
        read(store, "docs/b.md", LOCK)
        assert store.counts()["orphans"] == 0
        assert len(waiting(store)) == 2

    def test_template_text_is_no_work(self, store: Store) -> None:
        """Statements of one form in too many documents are boilerplate, and only then."""
        for number in range(3):
            line = f"Verify WORK-{number} in {number} days as the template of plans says."
            read(store, f"docs/{number}.md", line, boilerplate=3)
            assert store.counts()["boilerplate"] == (3 if number == 2 else 0)
        assert waiting(store) == []
        forget(store, "docs/1.md", boilerplate=3)
        assert store.counts()["boilerplate"] == 0
        assert len(waiting(store)) == 2

    def test_repeats_in_one_document_are_no_template(self, store: Store) -> None:
        """Boilerplate counts documents, not occurrences."""
        lines = [f"Verify WORK-{number} as the template of plans says." for number in range(9)]
        read(store, "docs/a.md", *lines, boilerplate=2)
        assert store.counts()["boilerplate"] == 0

    def test_considered_items_stay_considered(self, store: Store, foreign: Foreign) -> None:
        """Turning orphan and back is not new work: the item keeps its vector and its cluster."""
        read(store, "docs/a.md", LOCK)
        give_vectors(store)
        join(store, "concept", concept(foreign, LOCK))
        forget(store, "docs/a.md")
        read(store, "docs/b.md", LOCK)
        assert not store.vectors.has_unembedded()
        assert not store.insights.has_unconsidered()

    def test_reading_the_same_again_is_no_work(self, store: Store) -> None:
        """Reading an unchanged document again makes no concept, no trace, nothing to embed."""
        given_trace = trace("k")
        read(store, "docs/a.md", LOCK, BEAT, traces=[given_trace])
        give_vectors(store)
        before = store.counts()
        assert read(store, "docs/a.md", LOCK, BEAT, traces=[given_trace]) == 0
        assert store.counts() == before
        assert not store.vectors.has_unembedded()


class TracesContract(StoreContract):
    """Reasoning traces of files."""

    def ids(self, foreign: Foreign) -> dict[str, int]:
        """Return the ids of all traces by their query."""
        return dict(foreign.rows("SELECT query, id FROM reasoning_traces ORDER BY id"))

    def test_trace_is_updated_in_place(self, store: Store, foreign: Foreign) -> None:
        """A changed trace keeps its row and waits for a new vector; an equal one does not."""
        read(store, "traces/a.jsonl", traces=[trace("1", "first"), trace("2", "second")])
        before = self.ids(foreign)
        give_vectors(store)
        read(store, "traces/a.jsonl", traces=[trace("2", "second"), trace("1", "first, again")])
        assert self.ids(foreign) == {"first, again": before["first"], "second": before["second"]}
        assert waiting(store) == [("trace", before["first"])]
        assert store.vectors.unembedded(1)[0].text.startswith("first, again\n")

    def test_every_field_of_a_trace_is_kept(self, store: Store, foreign: Foreign) -> None:
        """HAIOS's columns hold what the trace says, and an update replaces all of it."""
        columns = (
            "query", "approach_taken", "outcome", "failure_reason", "strategy_title",
            "strategy_description", "strategy_content", "timestamp",
        )  # fmt: skip
        for outcome in ("failure", "partial_success"):
            values = {name: f"{name} in {outcome}" for name in columns}
            values |= {"outcome": outcome, "timestamp": "2025-12-06 07:08:09"}
            read(store, "traces/a.jsonl", traces=[trace("1", **values)])
            assert foreign.rows(f"SELECT {', '.join(columns)} FROM reasoning_traces") == [
                tuple(values[name] for name in columns)
            ]

    def test_removed_trace_is_no_work_and_comes_back(self, store: Store, foreign: Foreign) -> None:
        """A trace that its file lost becomes an orphan with its row kept; back, it is live."""
        read(store, "traces/a.jsonl", traces=[trace("1", "first"), trace("2", "second")])
        before = self.ids(foreign)
        read(store, "traces/a.jsonl", traces=[trace("2", "second")])
        assert waiting(store) == [("trace", before["second"])]
        forget(store, "traces/a.jsonl")
        assert waiting(store) == []
        assert store.counts()["orphans"] == 2
        read(store, "traces/a.jsonl", traces=[trace("1", "first"), trace("2", "second")])
        assert self.ids(foreign) == before
        assert len(waiting(store)) == 2

    def test_key_is_of_its_file(self, store: Store, foreign: Foreign) -> None:
        """Two files may use the same key for two traces."""
        read(store, "traces/a.jsonl", traces=[trace("1", "of a")])
        read(store, "traces/b.jsonl", traces=[trace("1", "of b")])
        assert len(self.ids(foreign)) == 2
        (place,) = store.items.places("trace", self.ids(foreign)["of b"])
        assert place.path == "traces/b.jsonl"
        assert place.heading == "Release the lock late"

    def test_changed_trace_is_bridged_anew(self, store: Store, foreign: Foreign) -> None:
        """The pairs of a trace whose text changed are compared again, old waiting ones dropped."""
        read(store, "docs/a.md", LOCK, traces=[trace("", "first")])
        give_vectors(store)
        read_trace = self.ids(foreign)["first"]
        with store.transaction():
            store.bridges.put_pairs([Pair(concept(foreign, LOCK), read_trace, 0.9)])
            store.bridges.mark_bridged("trace", [read_trace])
        read(store, "docs/a.md", LOCK, traces=[trace("", "something else")])
        give_vectors(store)
        assert store.bridges.unbridged("trace") == [read_trace]
        assert store.bridges.waiting(9) == []


class TestDocumentsCreated(Created, DocumentsContract, TracesContract):
    """In a memory that the product made."""


class TestDocumentsV3(V3, DocumentsContract, TracesContract):
    """In a memory from HAIOS's schema file."""


class TestDocumentsMigrated(Migrated, DocumentsContract, TracesContract):
    """In a memory that HAIOS's migrations made."""


# --- the order of arrival ------------------------------------------------------------------------

_SAID = [LOCK, BEAT, LOG, *(f"Run step {number} of the plan as written." for number in range(4))]
_DOCUMENTS = st.dictionaries(
    st.sampled_from("abcde"), st.lists(st.sampled_from(_SAID), max_size=4), max_size=5
)


def _states(path: Path) -> dict[str, str]:
    """Return the states of all concepts that a document states."""
    with Foreign(path) as foreign:
        return dict(
            foreign.rows(
                "SELECT content, state FROM concepts JOIN dag_items USING (id)"
                " WHERE kind = 'concept' AND state != 'orphan'"
            )
        )


@settings(max_examples=25, deadline=None)
@given(before=_DOCUMENTS, after=_DOCUMENTS, seed=st.integers(0, 1000))
def test_states_do_not_depend_on_the_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    seed: int,
) -> None:
    """Whatever memory knew before and in whatever order files change, only what they say counts."""

    def states(*steps: dict[str, list[str]], shuffle: random.Random) -> dict[str, str]:
        path = tmp_path_factory.mktemp("order") / "memory.db"
        with SqliteStore.open(path, write=True, create=True) as store:
            for documents in steps:
                everyone = sorted(documents.keys() | store.documents.recorded().keys())
                shuffle.shuffle(everyone)
                for name in everyone:
                    if name in documents:
                        read(store, name, *documents[name], boilerplate=3)
                    else:
                        forget(store, name, boilerplate=3)
        return _states(path)

    shuffle = random.Random(seed)  # noqa: S311 - an order, not a secret
    assert states(before, after, shuffle=shuffle) == states(after, shuffle=shuffle)
