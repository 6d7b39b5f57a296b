"""The ground of the store's contract tests: a back end, and the words to speak to it with."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import haios_databases
import pytest
from memory_checks import Foreign, blob

from haios_dag.ingest.statements import form
from haios_dag.memory.protocol import Store
from haios_dag.memory.records import (
    ClusterMember,
    Draft,
    Kind,
    Pair,
    Recorded,
    Statement,
    Trace,
)
from haios_dag.memory.store import SqliteStore

MODEL = "test-4"


class StoreContract:
    """Behaviour that every back end shows, through the protocol alone.

    A subclass says how a memory comes to be, and how it is opened.
    """

    def make(self, path: Path) -> None:
        """Make an empty memory."""
        raise NotImplementedError

    def open(self, path: Path, *, write: bool = True) -> Store:
        """Open a memory."""
        return SqliteStore.open(path, write=write)

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Where an empty memory is."""
        path = tmp_path / "memory.db"
        self.make(path)
        return path

    @pytest.fixture
    def store(self, path: Path) -> Iterator[Store]:
        """The memory, open for writing."""
        with self.open(path) as store:
            yield store

    @pytest.fixture
    def foreign(self, path: Path) -> Iterator[Foreign]:
        """Another program at the same memory."""
        with Foreign(path) as foreign:
            yield foreign


class Created(StoreContract):
    """A memory that the product makes."""

    def make(self, path: Path) -> None:
        """Let the first writer create it."""
        with SqliteStore.open(path, write=True, create=True):
            pass


class V3(StoreContract):
    """A memory from HAIOS's schema file."""

    def make(self, path: Path) -> None:
        """Build the 16 tables."""
        haios_databases.v3(path)


class Migrated(StoreContract):
    """A memory that HAIOS's migrations made."""

    def make(self, path: Path) -> None:
        """Build the tables step by step."""
        haios_databases.migrated(path)


def recorded(content: str) -> Recorded:
    """Return what memory knows of a file with this content."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    return Recorded((len(content), 1_700_000_000_000_000_000, 5), digest)


def trace(key: str, query: str = "How was the lock released?", **fields: Any) -> Trace:  # noqa: ANN401
    """Return a trace with this key."""
    given: dict[str, Any] = {
        "approach_taken": "Read the code of the beat",
        "outcome": "success",
        "failure_reason": None,
        "strategy_title": "Release the lock late",
        "strategy_description": "",
        "strategy_content": "",
        "timestamp": "2026-01-02 03:04:05",
    }
    return Trace(key=key, query=query, **(given | fields))


def read(
    store: Store,
    path: str,
    *texts: str,
    traces: Sequence[Trace] = (),
    boilerplate: int = 5,
    heading: str = "Notes > Locking",
) -> int:
    """Let memory read a document that says these texts, one a line; return the new concepts."""
    statements = [
        Statement(text, "Directive", heading, line, form(text))
        for line, text in enumerate(texts, start=1)
    ]
    with store.transaction():
        content = recorded("\n".join(texts) + repr(traces))
        return store.documents.replace(path, content, statements, traces, boilerplate)


def forget(store: Store, path: str, boilerplate: int = 5) -> None:
    """Let memory hear that a document is gone."""
    with store.transaction():
        store.documents.remove(path, boilerplate)


def waiting(store: Store) -> list[tuple[str, int]]:
    """Return the kinds and ids of what waits for a vector."""
    return [(item.kind, item.id) for item in store.vectors.unembedded(1000)]


def give_vectors(
    store: Store,
    vector: Callable[[str], bytes] = lambda _: blob(1, 0, 0, 0),
    model: str = MODEL,
) -> None:
    """Embed everything that waits."""
    with store.transaction():
        store.items.adopt()
        if store.vectors.space() != model:
            store.vectors.use_space(model)
        store.vectors.put(
            model,
            [(item.kind, item.id, vector(item.text)) for item in store.vectors.unembedded(1000)],
        )


def concept(foreign: Foreign, text: str) -> int:
    """Return the id of the only concept with this text."""
    return int(foreign.one("SELECT id FROM concepts WHERE content = ?", text))


def join(store: Store, kind: Kind, leader: int, *members: int, beat: str | None = None) -> None:
    """Record that items form a cluster under its leader."""
    with store.transaction():
        store.insights.put_members(
            kind, [ClusterMember(one, leader, 1.0) for one in (leader, *members)], beat
        )


def draft(content: str, *sources: int) -> Draft:
    """Return an insight about to be written."""
    return Draft(
        content=content,
        sources=[(one, 0.9) for one in sources],
        confidence=0.75,
        model=MODEL,
        vector=blob(0, 1, 0, 0),
        method="extractive",
        reason="a test",
    )


def speak(store: Store, kind: Kind, content: str, *members: int, beat: str | None = None) -> int:
    """Form a cluster of the members, led by the first, and write its insight; return its id."""
    join(store, kind, *members, beat=beat)
    with store.transaction():
        store.items.adopt()
        insight = store.insights.add(kind, draft(content, *members), beat)
        store.insights.lead(kind, members[0], insight)
    return insight


def bridge(store: Store, concept: int, of: int, beat: str | None = None) -> int:
    """Write the bridge of a concept and a trace; return its id."""
    pair = Pair(concept, of, 0.75)
    with store.transaction():
        store.items.adopt()
        store.bridges.put_pairs([pair])
        insight = store.insights.add("cross", draft(f"[Bridge] {concept}-{of}", concept, of), beat)
        store.bridges.link(pair, insight)
    return insight
