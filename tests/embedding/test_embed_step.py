"""The step `embed` gives every text a vector once, and finds nothing to do the second time."""

from pathlib import Path

import haios_databases
import numpy as np
import pytest
from memory_checks import Foreign, content_hash
from store_contract import forget, read, trace

from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import embed_step, space
from haios_dag.memory.store import SqliteStore

LOCK = "A lock must be held by the kernel so that it dies with the process."
BEAT = "A beat must say what it did even when a step of it has failed."
DONE = "every concept and trace has a vector"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with two concepts and a trace."""
    workspace = Workspace(tmp_path)
    with SqliteStore.open(workspace.memory, write=True, create=True) as store:
        read(store, "docs/a.md", LOCK, BEAT, traces=[trace("")])
    return workspace


def run(workspace: Workspace) -> tuple[int, int]:
    """Run the step; return the vectors made and reused."""
    counts = Counts()
    embed_step.run(BeatContext(workspace, counts=counts))
    return counts["vectors"], counts["reused"]


def test_everything_gets_its_vector(workspace: Workspace) -> None:
    """Concepts and traces get the vectors of their texts, as HAIOS stores vectors."""
    assert embed_step.idle(workspace) is None
    assert run(workspace) == (3, 0)
    with SqliteStore.open(workspace.memory, write=False) as store:
        found = store.vectors.read("concept", [1, 2], space.DEFAULT.model, 768)
        assert np.array_equal(found, space.embed([LOCK, BEAT]))
        found = store.vectors.read("trace", [1], space.DEFAULT.model, 768)
        assert np.array_equal(found, space.embed([store.items.text("trace", 1)]))
    with Foreign(workspace.memory) as foreign:
        assert (
            foreign.rows("SELECT dimensions, length(vector), model FROM embeddings")
            == [(768, 3072, space.DEFAULT.model)] * 2
        )


def test_second_run_does_nothing(workspace: Workspace) -> None:
    """With nothing new the step is idle, and run all the same it writes nothing."""
    run(workspace)
    assert embed_step.idle(workspace) == DONE
    before = content_hash(workspace.memory)
    assert run(workspace) == (0, 0)
    assert content_hash(workspace.memory) == before


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_same_text_is_embedded_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Equal texts share a vector, in one batch or in several, in one run or in the next."""
    monkeypatch.setattr(embed_step, "_BATCH", batch)
    with Foreign(workspace.memory) as foreign:
        for text in (LOCK, "Theirs alone.", "Theirs alone."):
            foreign.concept(text)
    assert run(workspace) == (4, 2)
    with Foreign(workspace.memory) as foreign:
        foreign.concept(BEAT)
        assert embed_step.idle(workspace) is None
        assert run(workspace) == (0, 1)
        rows = foreign.rows(
            "SELECT content, count(*), count(DISTINCT vector) FROM concepts"
            " JOIN embeddings ON concepts.id = concept_id GROUP BY content ORDER BY content"
        )
    assert rows == [(BEAT, 2, 1), (LOCK, 2, 1), ("Theirs alone.", 2, 1)]


@pytest.mark.parametrize("kind", ["concept", "trace"])
def test_another_programs_item_wakes_it(workspace: Workspace, kind: str) -> None:
    """A concept or trace that another program adds is work, once."""
    run(workspace)
    with Foreign(workspace.memory) as foreign:
        getattr(foreign, kind)("Something that an agent has just put into memory.")
    assert embed_step.idle(workspace) is None
    assert run(workspace) == (1, 0)
    assert embed_step.idle(workspace) == DONE


@pytest.mark.parametrize("build", ["v3", "migrated"])
def test_memory_of_haios_is_work(tmp_path: Path, build: str) -> None:
    """A HAIOS memory that no beat has seen is asked without a change, and then embedded."""
    path = tmp_path / "haios_memory.db"
    getattr(haios_databases, build)(path)
    with Foreign(path) as foreign:
        foreign.vector(foreign.concept(LOCK), b"\0" * 3072, "text-embedding-004")
        foreign.insight("[Theirs] Hold it.", [1, foreign.concept(BEAT)])
    before = path.read_bytes()
    workspace = Workspace(tmp_path)
    assert embed_step.idle(workspace) is None
    assert path.read_bytes() == before
    assert run(workspace) == (3, 0)
    assert embed_step.idle(workspace) == DONE


def test_text_without_words_is_done_too(workspace: Workspace) -> None:
    """Texts that give no or little to embed do not wait for ever."""
    with Foreign(workspace.memory) as foreign:
        for text in ("", " ", "!!!", "\0", "\u202e"):
            foreign.concept(text)
    run(workspace)
    assert embed_step.idle(workspace) == DONE


def test_orphans_are_not_embedded(workspace: Workspace) -> None:
    """What no document states any more costs nothing."""
    with SqliteStore.open(workspace.memory, write=True) as store:
        forget(store, "docs/a.md")
    assert run(workspace) == (0, 0)


def test_kept_batches_are_not_made_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a run is cut short, the next one makes only the vectors that are missing."""
    monkeypatch.setattr(embed_step, "_BATCH", 1)
    counts = Counts()

    def cut(**numbers: int) -> None:
        monkeypatch.undo()
        counts.add(**numbers)
        raise KeyboardInterrupt

    ending = Counts()
    monkeypatch.setattr(ending, "add", cut)
    with pytest.raises(KeyboardInterrupt):
        embed_step.run(BeatContext(workspace, counts=ending))
    assert counts["vectors"] == 1
    assert run(workspace) == (2, 0)
