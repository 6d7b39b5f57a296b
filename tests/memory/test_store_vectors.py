"""The store's contract: which items have a vector in which space, and the vectors themselves."""

import numpy as np
import pytest
from memory_checks import Foreign, blob
from store_contract import (
    MODEL,
    V3,
    Created,
    Migrated,
    StoreContract,
    concept,
    forget,
    give_vectors,
    read,
    trace,
    waiting,
)

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.protocol import Store
from haios_dag.memory.records import EMBEDDED_CHARACTERS

LOCK = "A lock must be held by the kernel so that it dies with the process."
BEAT = "A beat must say what it did even when a step of it has failed."


class VectorsContract(StoreContract):
    """Vectors."""

    def test_everything_waits_until_it_has_a_vector(self, store: Store) -> None:
        """Concepts and traces wait in the order of their ids, with the text that is embedded."""
        read(store, "docs/a.md", LOCK, BEAT, traces=[trace("", "How?")])
        found = store.vectors.unembedded(9)
        assert [(item.kind, item.id, item.text) for item in found] == [
            ("concept", 1, LOCK),
            ("concept", 2, BEAT),
            ("trace", 1, "How?\nRead the code of the beat\nRelease the lock late\n\n"),
        ]
        assert [item.id for item in store.vectors.unembedded(1)] == [1]
        assert store.counts()["unembedded"] == 3
        give_vectors(store)
        assert store.vectors.unembedded(9) == []
        assert store.counts()["unembedded"] == 0
        assert not store.vectors.has_unembedded()

    def test_new_work_of_another_program_is_noticed(self, store: Store, foreign: Foreign) -> None:
        """A concept or trace that another program adds wakes the embedding, each by itself."""
        foreign.concept(LOCK)
        assert store.vectors.has_unembedded()
        give_vectors(store)
        assert not store.vectors.has_unembedded()
        foreign.trace("How?")
        assert store.vectors.has_unembedded()

    def test_vectors_come_back_in_the_order_asked(self, store: Store) -> None:
        """Rows follow the ids asked for, whatever their order, and repeat with them."""
        read(store, "docs/a.md", "one", "two", "three", traces=[trace("", "one")])
        give_vectors(store, lambda text: blob(len(text), 1, 0, -1))
        found = store.vectors.read("concept", [3, 1, 2, 1], MODEL, 4)
        assert found.dtype == np.float32
        assert found.tolist() == [[5, 1, 0, -1], [3, 1, 0, -1], [3, 1, 0, -1], [3, 1, 0, -1]]
        assert store.vectors.read("trace", [1], MODEL, 4)[0, 0] > 5
        assert store.vectors.read("concept", [], MODEL, 4).shape == (0, 4)

    @pytest.mark.parametrize("cached", [False, True])
    def test_blocks_cover_all_items(self, store: Store, *, cached: bool) -> None:
        """Blocks are no longer than asked, and hold each item once, with a cache or without."""
        read(store, "docs/a.md", "one", "two", "three", traces=[trace("1")])
        give_vectors(store, lambda text: blob(len(text), 0, 0, 0))
        if cached:
            assert store.vectors.refresh_cache(MODEL, 4) == []
        blocks = list(store.vectors.blocks("concept", MODEL, 4, 2))
        assert [ids.tolist() for ids, _ in blocks] == [[1, 2], [3]]
        assert [vectors[:, 0].tolist() for _, vectors in blocks] == [[3, 3], [5]]
        assert [ids.tolist() for ids, _ in store.vectors.blocks("trace", MODEL, 4, 2)] == [[1]]

    def test_vectors_of_two_models_never_mix(self, store: Store, foreign: Foreign) -> None:
        """Only the model asked for answers, wherever other models' vectors stand."""
        read(store, "docs/a.md", LOCK, BEAT)
        foreign.vector(1, blob(9, 9, 9, 9), "gemini")
        give_vectors(store, lambda _: blob(1, 2, 3, 4))
        foreign.vector(1, blob(8, 8, 8, 8), "gemini")
        assert store.vectors.read("concept", [1], MODEL, 4).tolist() == [[1, 2, 3, 4]]
        assert store.vectors.read("concept", [1], "gemini", 4).tolist() == [[8, 8, 8, 8]]
        with pytest.raises(MemoryUnavailableError, match="concept 2"):
            store.vectors.read("concept", [1, 2], "gemini", 4)

    def test_foreign_vector_is_no_vector_of_ours(self, store: Store, foreign: Foreign) -> None:
        """A concept with another model's embedding waits for one in the space in use."""
        foreign.vector(foreign.concept(LOCK), blob(1, 0, 0, 0), "gemini")
        with store.transaction():
            store.items.adopt()
        assert waiting(store) == [("concept", 1)]

    def test_latest_vector_wins(self, store: Store, foreign: Foreign) -> None:
        """Of several embeddings of one concept and model, the one added last counts."""
        read(store, "docs/a.md", LOCK)
        give_vectors(store)
        for number in (5, 6, 7):
            foreign.vector(1, blob(number, 0, 0, 0), MODEL)
        assert store.vectors.read("concept", [1], MODEL, 4).tolist() == [[7, 0, 0, 0]]
        assert store.vectors.of_text(store_hash(foreign, 1), MODEL) == blob(7, 0, 0, 0)

    def test_repeated_embedding_makes_one_item(self, store: Store, foreign: Foreign) -> None:
        """A concept with several embeddings is considered once."""
        read(store, "docs/a.md", LOCK, BEAT)
        give_vectors(store)
        foreign.vector(1, blob(1, 0, 0, 0), MODEL)
        assert store.insights.unconsidered("concept") == [1, 2]

    @pytest.mark.parametrize("damaged", [b"", b"\0" * 15, b"\0" * 12, b"\0" * 20])
    def test_vector_of_another_length_is_refused(
        self, store: Store, foreign: Foreign, damaged: bytes
    ) -> None:
        """A vector that is too short or too long is named, never padded or cut."""
        read(store, "docs/a.md", LOCK, traces=[trace("")])
        give_vectors(store, lambda _: damaged)
        for kind in ("concept", "trace"):
            with pytest.raises(MemoryUnavailableError, match=f"{kind} 1 is missing or damaged"):
                store.vectors.read(kind, [1], MODEL, 4)
        assert foreign.one("SELECT count(*) FROM embeddings") == 1

    def test_new_space_lets_everything_wait_again(self, store: Store, foreign: Foreign) -> None:
        """After a change of model all items wait, and the old vectors are kept, not compared."""
        read(store, "docs/a.md", LOCK, traces=[trace("")])
        give_vectors(store)
        give_vectors(store, lambda _: blob(0, 0, 0, 2), model="another")
        assert store.vectors.space() == "another"
        assert foreign.rows("SELECT model FROM embeddings ORDER BY id") == [(MODEL,), ("another",)]
        assert store.vectors.read("concept", [1], "another", 4).tolist() == [[0, 0, 0, 2]]
        assert store.vectors.read("trace", [1], "another", 4).tolist() == [[0, 0, 0, 2]]
        with pytest.raises(MemoryUnavailableError):
            store.vectors.read("trace", [1], MODEL, 4)

    def test_no_space_before_the_first_beat(self, store: Store) -> None:
        """A memory that nothing was embedded into has no space."""
        assert store.vectors.space() is None

    def test_embedding_again_replaces_the_vector(self, store: Store, foreign: Foreign) -> None:
        """One item has one vector of ours a model, however often it is embedded."""
        read(store, "docs/a.md", LOCK, traces=[trace("")])
        for number in (1, 2):
            with store.transaction():
                store.vectors.put(
                    MODEL,
                    [("concept", 1, blob(number, 0, 0, 0)), ("trace", 1, blob(number, 0, 0, 0))],
                )
        assert foreign.rows("SELECT concept_id, model, dimensions FROM embeddings") == [
            (1, MODEL, 4)
        ]
        assert store.vectors.read("trace", [1], MODEL, 4).tolist() == [[2, 0, 0, 0]]

    def test_equal_text_has_its_vector_already(self, store: Store, foreign: Foreign) -> None:
        """The vector of a text is found again by another item with that text, in that model."""
        read(store, "docs/a.md", LOCK)
        give_vectors(store, lambda _: blob(3, 1, 4, 1))
        foreign.concept(LOCK)
        foreign.concept(BEAT)
        with store.transaction():
            store.items.adopt()
        same, other = store.vectors.unembedded(9)
        assert store.vectors.of_text(same.text_hash, MODEL) == blob(3, 1, 4, 1)
        assert store.vectors.of_text(same.text_hash, "another") is None
        assert store.vectors.of_text(other.text_hash, MODEL) is None

    def test_no_more_text_is_embedded_than_haios_embeds(
        self, store: Store, foreign: Foreign
    ) -> None:
        """A long text is embedded by its first 8,000 characters."""
        foreign.concept("ü" * 20_000)
        with store.transaction():
            store.items.adopt()
        (item,) = store.vectors.unembedded(9)
        assert item.text == "ü" * EMBEDDED_CHARACTERS
        assert EMBEDDED_CHARACTERS == 8_000

    def test_orphan_keeps_its_vector(self, store: Store, foreign: Foreign) -> None:
        """What is no work any more loses nothing."""
        read(store, "docs/a.md", LOCK)
        give_vectors(store)
        forget(store, "docs/a.md")
        assert store.vectors.read("concept", [concept(foreign, LOCK)], MODEL, 4).shape == (1, 4)


def store_hash(foreign: Foreign, item: int) -> bytes:
    """Return the identity of a concept's text as the store keeps it."""
    found = foreign.one("SELECT text_hash FROM dag_items WHERE kind = 'concept' AND id = ?", item)
    assert isinstance(found, bytes)
    return found


class TestVectorsCreated(Created, VectorsContract):
    """In a memory that the product made."""


class TestVectorsV3(V3, VectorsContract):
    """In a memory from HAIOS's schema file."""


class TestVectorsMigrated(Migrated, VectorsContract):
    """In a memory that HAIOS's migrations made."""
