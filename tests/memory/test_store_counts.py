"""What memory says it holds is what it holds, after every change, and costs no scan to say."""

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_checks import Foreign
from store_contract import (
    MODEL,
    draft,
    forget,
    give_vectors,
    join,
    read,
    recorded,
    trace,
)

from haios_dag.base.errors import UndoError
from haios_dag.memory.protocol import Store
from haios_dag.memory.store import SqliteStore

LOCK = "Release the lock before the process ends."
BEAT = "A beat reads what is new and nothing else."
LOG = "The log keeps every event that was acknowledged."

_THERE = (
    "(kind = 'concept' AND id IN (SELECT id FROM concepts)"
    " OR kind = 'trace' AND id IN (SELECT id FROM reasoning_traces))"
)
_WHAT = {
    "live": "state = 'live'",
    "boilerplate": "state = 'boilerplate'",
    "orphans": "state = 'orphan'",
    "embedded": "model IS NOT NULL",
}


def check(store: Store, foreign: Foreign) -> None:
    """Compare what the store counts with a count from outside, row by row."""
    counts = store.counts()
    for name, where in _WHAT.items():
        counted = foreign.one(f"SELECT count(*) FROM dag_items WHERE {_THERE} AND {where}")
        assert counts[name] == counted, name
    for name, table in (("concepts", "concepts"), ("traces", "reasoning_traces")):
        assert counts[name] == foreign.one(f"SELECT count(*) FROM {table} NOT INDEXED"), name
    for name, sign in (("bridges", "="), ("insights", "!=")):
        assert counts[name] == foreign.one(
            f"SELECT count(*) FROM synthesis_clusters NOT INDEXED WHERE cluster_type {sign} 'cross'"
        )


def kept(foreign: Foreign) -> list[tuple[object, ...]]:
    """Return the kept counts that are not zero."""
    return foreign.rows("SELECT * FROM dag_counts WHERE number != 0 ORDER BY 1, 2, 3")


def counted(foreign: Foreign) -> list[tuple[object, ...]]:
    """Return what the kept counts must be."""
    return foreign.rows(
        "SELECT kind, state, model IS NOT NULL, count(*) FROM dag_items"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )


def _insight(store: Store, foreign: Foreign, number: int) -> None:
    """Write an insight of the first two live concepts, in a way that can be taken back."""
    pair = [row[0] for row in foreign.rows(
        "SELECT id FROM dag_items WHERE kind = 'concept' AND state = 'live' AND model NOT NULL"
        " AND leader IS NULL AND id IN (SELECT id FROM concepts) ORDER BY id LIMIT 2"
    )]  # fmt: skip
    with store.undo.record("synthesize", str(number)):
        if len(pair) == 2:
            store.insights.add("concept", draft(f"[A {number}] B.", *pair), str(number))
    if len(pair) == 2:
        join(store, "concept", pair[0], pair[1])


def _rolled_back(store: Store) -> None:
    """Read a document in a transaction that comes to nothing."""
    with contextlib.suppress(KeyError), store.transaction():
        store.documents.replace("docs/a.md", recorded("x"), [], [], 5)
        raise KeyError


def _apply(store: Store, foreign: Foreign, number: int, operation: str, of: int) -> None:
    """Let one thing happen to a memory."""
    name = f"docs/{'abc'[of % 3]}.md"
    if operation == "read":
        texts = [*[LOCK, BEAT, LOG][: of % 4], f"Statement {of} says something of its own here."]
        traces = [trace("", f"question {of}")] if of % 2 else []
        read(store, name, *texts, traces=traces, boilerplate=3)
    elif operation == "forget" and name in store.documents.recorded():
        forget(store, name, boilerplate=3)
    elif operation == "embed":
        give_vectors(store, model=MODEL if of % 3 else "another:4")
    elif operation == "synthesize":
        _insight(store, foreign, number)
    elif operation == "undo":
        with contextlib.suppress(UndoError):
            store.undo.take_back()
    elif operation == "roll back":
        _rolled_back(store)
    elif operation == "others add":
        foreign.concept(f"another program's concept {number}")
        foreign.trace(f"another program's trace {number}")
    elif operation == "others delete":
        table = "concepts" if of % 2 else "reasoning_traces"
        foreign.rows(
            f"DELETE FROM {table} WHERE id = (SELECT id FROM {table} WHERE id NOT IN (SELECT"
            " member_id FROM synthesis_cluster_members) AND id NOT IN (SELECT"
            " synthesized_concept_id FROM synthesis_clusters) LIMIT 1 OFFSET ?)",
            of % 4,
        )


_OPERATIONS = ("read", "forget", "embed", "synthesize", "undo", "roll back", "others add",
               "others delete")  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_OPERATIONS), st.integers(0, 11)), max_size=12))
def test_counts_are_exact_after_any_change(
    tmp_path_factory: pytest.TempPathFactory, happened: list[tuple[str, int]]
) -> None:
    """Reading, embedding, synthesis, undo, rollbacks and other programs leave the counts exact."""
    path = tmp_path_factory.mktemp("counts") / "memory.db"
    with SqliteStore.open(path, write=True, create=True) as store, Foreign(path) as foreign:
        read(store, "docs/a.md", LOCK, BEAT, LOG)
        give_vectors(store)
        for number, (operation, of) in enumerate(happened):
            _apply(store, foreign, number, operation, of)
            check(store, foreign)
            assert kept(foreign) == counted(foreign)


def test_undo_and_deletion_are_reached(tmp_path: Path) -> None:
    """The operations above do what their names say, so the property is about them."""
    path = tmp_path / "memory.db"
    with SqliteStore.open(path, write=True, create=True) as store, Foreign(path) as foreign:
        read(store, "docs/a.md", LOCK, BEAT, LOG)
        give_vectors(store)
        before = store.counts()
        _apply(store, foreign, 1, "synthesize", 0)
        assert store.counts()["insights"] == 1
        _apply(store, foreign, 2, "undo", 0)
        assert store.counts()["insights"] == 0
        assert store.counts()["embedded"] == before["embedded"]
        _apply(store, foreign, 3, "others delete", 1)
        assert store.counts()["live"] == before["live"] - 1


def test_counting_reads_no_table_of_texts(tmp_path: Path) -> None:
    """The counts come from the small indexes and from the kept numbers, never from the rows."""
    path = tmp_path / "memory.db"
    with SqliteStore.open(path, write=True, create=True) as store, Foreign(path) as foreign:
        read(store, "docs/a.md", LOCK, BEAT, LOG, traces=[trace("")])
        give_vectors(store)
        asked: list[str] = []
        store.database.connection.set_trace_callback(asked.append)
        store.counts()
        store.database.connection.set_trace_callback(None)
        plans = [foreign.rows(f"EXPLAIN QUERY PLAN {sql}") for sql in asked if "SELECT" in sql]
        steps = [str(row[3]) for row in itertools.chain.from_iterable(plans)]
    assert any("dag_count_concepts" in step for step in steps)
    assert any("dag_count_traces" in step for step in steps)
    big = ("concepts", "reasoning_traces", "synthesis_clusters", "dag_items")
    scans = [step for step in steps if any(step == f"SCAN {table}" for table in big)]
    assert scans == []
