"""Bridges over real small memories: which pairs, in which order, within a budget, and once."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_checks import Foreign, assert_invariants, content_hash
from store_contract import concept, forget, recorded, trace
from themes import ALONE, LOCKING, PLANS, attempt, beat, each_in_its_own, idle, made, write

from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import embed_step, space
from haios_dag.memory.records import Statement
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis import bridge_step, bridger

MODEL = space.DEFAULT.model
CRASHES = attempt(
    "Why does the ingester crash on a locked SQLite database?",
    "The synthesis held the SQLite write lock while the ingester had no busy timeout at all.",
)
REVIEWS = attempt(
    "Does reviewing a plan before the work starts save days of work?",
    "We reviewed the plan before the work started and found two wrong assumptions early.",
)


def bridged(workspace: Workspace) -> list[tuple[int, int]]:
    """Return the concept and the trace of each bridge, as HAIOS tells them apart."""
    with Foreign(workspace.memory) as foreign:
        rows = foreign.rows(
            "SELECT synthesized_concept_id, source_id FROM synthesis_provenance"
            " WHERE source_type = 'cross' ORDER BY id"
        )
    pairs: dict[int, list[int]] = {}
    for insight, source in rows:
        pairs.setdefault(insight, []).append(source)
    return [(one, other) for one, other in pairs.values()]


def test_case_e_crossed_pairs(workspace: Workspace) -> None:
    """Concept 1 with trace 2 does not hide concept 2 with trace 1: there are two bridges."""
    write(workspace, "docs/lock.md", LOCKING[0])
    write(workspace, "docs/plan.md", PLANS[0])
    write(workspace, "docs/attempt-1.md", own=REVIEWS)
    write(workspace, "docs/attempt-2.md", own=CRASHES)
    found = beat(workspace, "one")
    assert found["new_bridges"] == 2
    assert found["compared"] == 4
    assert sorted(bridged(workspace)) == [(1, 2), (2, 1)]
    assert_invariants(workspace.memory, MODEL)
    with SqliteStore.open(workspace.memory, write=False) as store:
        assert store.insights.written_by("one") == (0, 2)


def test_bridge_quotes_both_sides(workspace: Workspace) -> None:
    """A bridge says what the concept says and what the trace says of it, under its title."""
    write(workspace, "docs/lock.md", LOCKING[0])
    write(workspace, "docs/attempt.md", own=CRASHES)
    beat(workspace)
    with Foreign(workspace.memory) as foreign:
        text = foreign.one("SELECT content FROM concepts WHERE synthesized_at NOTNULL")
    assert CRASHES.query in text.partition("] ")[0]
    assert LOCKING[0] in text
    assert CRASHES.approach_taken in text


def test_second_run_writes_nothing(workspace: Workspace) -> None:
    """A pair is bridged once: run again, the step leaves every table as it was."""
    each_in_its_own(workspace, "lock", *LOCKING)
    write(workspace, "docs/attempt.md", own=CRASHES)
    assert beat(workspace)["new_bridges"] >= 2
    assert idle(workspace)
    before = content_hash(workspace.memory)
    counts = Counts()
    bridge_step.run(BeatContext(workspace, id="again", counts=counts))
    assert set(counts.event().values()) == {0}
    assert content_hash(workspace.memory) == before
    assert bridge_step.idle(workspace) == "no new pairs of concepts and traces"


def test_new_sides_meet_old_ones(workspace: Workspace) -> None:
    """A new concept meets the old traces, a new trace the old concepts, and no pair twice."""
    write(workspace, "docs/lock.md", LOCKING[0])
    write(workspace, "docs/attempt-1.md", own=CRASHES)
    assert beat(workspace)["new_bridges"] == 1
    write(workspace, "docs/more.md", LOCKING[2])
    assert beat(workspace)["new_bridges"] == 1
    write(workspace, "docs/attempt-2.md", own=attempt("What crashes the ingester?", LOCKING[1]))
    assert beat(workspace)["new_bridges"] >= 1
    pairs = bridged(workspace)
    assert len(set(pairs)) == len(pairs)
    assert {1, 2} == {one for _, one in pairs}


def test_changed_trace_revises_its_bridges(workspace: Workspace) -> None:
    """A pair is bridged once: when the trace says something else, its bridge gets a revision."""
    write(workspace, "docs/lock.md", LOCKING[0])
    write(workspace, "docs/plan.md", PLANS[0])
    write(workspace, "docs/attempt.md", own=CRASHES)
    assert beat(workspace, "one")["new_bridges"] == 1
    first = bridged(workspace)
    later = "A busy timeout on every SQLite connection ended the crash of the ingester at last."
    write(workspace, "docs/attempt.md", own=attempt(CRASHES.query, later))
    found = beat(workspace, "two")
    assert (found["new_bridges"], found["revised_bridges"]) == (0, 1)
    assert bridged(workspace) == first
    with Foreign(workspace.memory) as foreign:
        texts = foreign.rows("SELECT content, reason, beat FROM dag_revisions ORDER BY revision")
        current = foreign.one("SELECT content FROM concepts WHERE synthesized_at NOTNULL")
    assert [row[2] for row in texts] == ["one", "two"]
    assert CRASHES.approach_taken in texts[0][0]
    assert later in texts[1][0]
    assert texts[1][:2] == (current, "the trace changed")
    assert_invariants(workspace.memory, MODEL)
    write(workspace, "docs/attempt.md", own=REVIEWS)  # about something else: the bridge stays
    found = beat(workspace, "three")
    assert (found["new_bridges"], found["revised_bridges"]) == (1, 0)
    assert idle(workspace)


def test_insights_are_not_compared(workspace: Workspace) -> None:
    """Only what was read is a side of a pair: neither this beat's insights nor earlier ones."""
    each_in_its_own(workspace, "lock", *LOCKING)
    write(workspace, "docs/attempt.md", own=CRASHES)
    found = beat(workspace)
    assert found["new_insights"] >= 1
    assert found["compared"] == len(LOCKING)
    write(workspace, "docs/review.md", own=REVIEWS)
    assert beat(workspace)["compared"] == len(LOCKING)


def test_one_document_is_not_bridged_with_itself(workspace: Workspace) -> None:
    """What a document states explains the document's own trace, which is no news."""
    write(workspace, "docs/session.md", *LOCKING[:3], own=CRASHES)
    found = beat(workspace)
    assert (found["new_bridges"], found["waiting"]) == (0, 0)
    write(workspace, "docs/elsewhere.md", LOCKING[4])
    assert beat(workspace)["new_bridges"] == 1


def test_budget_delays_but_loses_nothing(tmp_path: Path) -> None:
    """With a budget of one, each beat writes the best pair that waits, until none does."""
    (tmp_path / "haios.toml").write_text("[bridge]\nbudget = 1\n", encoding="utf-8")
    workspace = made(tmp_path)
    each_in_its_own(workspace, "lock", *LOCKING)
    write(workspace, "docs/attempt.md", own=CRASHES)
    embed_step.run(BeatContext(workspace))
    waiting = []
    for _ in range(9):
        counts = Counts()
        bridge_step.run(BeatContext(workspace, counts=counts))
        waiting.append(counts["waiting"])
        assert counts["new_bridges"] == 1
        assert_invariants(workspace.memory)
        if bridge_step.idle(workspace):
            break
    assert waiting == list(reversed(range(len(waiting))))
    assert len(waiting) >= 2
    with Foreign(workspace.memory) as foreign:
        confidence = [
            row[0]
            for row in foreign.rows(
                "SELECT synthesis_confidence FROM concepts WHERE synthesized_at NOTNULL ORDER BY id"
            )
        ]
    assert confidence == sorted(confidence, reverse=True)


def test_pair_without_words_is_dropped(tmp_path: Path) -> None:
    """A pair that cannot be quoted is refused once and waits no longer, whatever the budget."""
    (tmp_path / "haios.toml").write_text("[bridge]\nbudget = 1\n", encoding="utf-8")
    workspace = made(tmp_path)
    with Foreign(workspace.memory) as foreign:
        for _ in range(3):
            foreign.concept("`sqlite3.connect(path, timeout=30)`")
        foreign.trace("`sqlite3.connect(path, timeout=30)`", "`sqlite3.connect(path, timeout=30)`")
    write(workspace, "docs/lock.md", LOCKING[0])
    write(workspace, "docs/attempt.md", own=CRASHES)
    found = beat(workspace)
    assert (found["new_bridges"], found["waiting"]) == (1, 0)
    assert idle(workspace)


def test_orphans_are_not_bridged(workspace: Workspace) -> None:
    """A pair found before its document was deleted is not written while it is gone."""
    write(workspace, "docs/lock.md", LOCKING[0])
    write(workspace, "docs/attempt.md", own=CRASHES)
    embed_step.run(BeatContext(workspace))
    with SqliteStore.open(workspace.memory, write=True) as store:
        bridger.Bridger(store, None, Counts()).search()
        forget(store, "docs/lock.md")
    assert bridge_step.idle(workspace) is not None
    assert bridged(workspace) == []
    write(workspace, "docs/back.md", LOCKING[0])
    assert beat(workspace)["new_bridges"] == 1


def test_insights_are_not_bridged(workspace: Workspace) -> None:
    """What the product wrote is no evidence: only concepts of documents are bridged."""
    each_in_its_own(workspace, "lock", *LOCKING[:3])
    beat(workspace)
    write(workspace, "docs/attempt.md", own=CRASHES)
    beat(workspace)
    with Foreign(workspace.memory) as foreign:
        insight = concept(
            foreign, foreign.one("SELECT min(content) FROM concepts WHERE synthesized_at NOTNULL")
        )
    assert bridged(workspace)
    assert insight not in {one for one, _ in bridged(workspace)}
    assert_invariants(workspace.memory, MODEL)


def fill(memory: Path, numbers: list[int], items: list[tuple[str, bytes]]) -> None:
    """Let memory read some of the items, each a statement or a trace with its given vector."""
    with SqliteStore.open(memory, write=True, create=True) as store, store.transaction():
        for number in numbers:
            kind, _ = items[number]
            text = f"Item {number} {ALONE[number % 20]}"
            said = [Statement(text, "Directive", "Notes", 1, text)] if kind == "concept" else []
            asked = [trace("", text)] if kind == "trace" else []
            store.documents.replace(f"docs/{number}.md", recorded(text), said, asked, 99)
        store.vectors.use_space(MODEL)
        store.vectors.put(
            MODEL,
            [
                (item.kind, item.id, items[int(item.text.split()[1])][1])
                for item in store.vectors.unembedded(1000)
            ],
        )


def found_pairs(memory: Path) -> set[tuple[str, str, float]]:
    """Return the pairs above the threshold by their texts, waiting or bridged."""
    with Foreign(memory) as foreign:
        return {
            (one, other, similarity)
            for one, other, similarity in foreign.rows(
                "SELECT content, query, similarity FROM dag_bridges"
                " JOIN concepts ON concepts.id = concept_id"
                " JOIN reasoning_traces ON reasoning_traces.id = trace_id"
            )
        }


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 99),
    order=st.permutations(range(12)),
    cuts=st.lists(st.integers(0, 12), max_size=2),
    size=st.integers(1, 5),
)
def test_any_order_of_arrival_finds_the_same_pairs(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    order: list[int],
    cuts: list[int],
    size: int,
) -> None:
    """Whichever side came first and however the products were blocked, the pairs are the same."""
    random = np.random.default_rng(seed)
    centre = random.normal(size=768)
    vectors = [centre + random.uniform(0.5, 1.2) * random.normal(size=768) for _ in order]
    items = [
        ("concept" if number % 3 else "trace", (v / np.linalg.norm(v)).astype("<f4").tobytes())
        for number, v in enumerate(vectors)
    ]
    root = tmp_path_factory.mktemp("pairs")
    fill(root / "whole.db", list(range(12)), items)
    with SqliteStore.open(root / "whole.db", write=True) as store:
        bridger.Bridger(store, None, Counts()).search()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bridger, "BLOCK", size)
        for first, last in itertools.pairwise([0, *sorted(cuts), 12]):
            fill(root / "cut.db", list(order[first:last]), items)
            with SqliteStore.open(root / "cut.db", write=True) as store:
                bridger.Bridger(store, None, Counts()).search()
    assert found_pairs(root / "cut.db") == found_pairs(root / "whole.db")
