"""Whole beats over real small memories: what becomes an insight, what does not, and when."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import haios_databases
import numpy as np
import processes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_checks import Foreign, assert_invariants, blob, content_hash
from store_contract import concept, forget, recorded, trace
from themes import ALONE, LOCKING, PLANS, attempt, beat, each_in_its_own, idle, write

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import embed_step, space
from haios_dag.memory import database
from haios_dag.memory.records import Statement
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis import synthesize_step, synthesizer

MODEL = space.DEFAULT.model


def contents(workspace: Workspace) -> list[str]:
    """Return the texts of all insights and bridges, by id."""
    with Foreign(workspace.memory) as foreign:
        return [
            row[0]
            for row in foreign.rows(
                "SELECT content FROM concepts WHERE synthesized_at NOTNULL ORDER BY id"
            )
        ]


def sources(workspace: Workspace, insight: int) -> list[int]:
    """Return the ids of an insight's sources."""
    with Foreign(workspace.memory) as foreign:
        return [
            row[0]
            for row in foreign.rows(
                "SELECT source_id FROM synthesis_provenance WHERE synthesized_concept_id = ?"
                " ORDER BY source_id",
                insight,
            )
        ]


def test_case_a_group_behind_singles_is_found(workspace: Workspace) -> None:
    """Twenty statements alike to nothing do not hide the forty that stand behind them."""
    write(workspace, "docs/alone.md", *ALONE)
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "May")
    alike = [f"{text[:-1]} on {day}." for day in days for text in LOCKING]
    each_in_its_own(workspace, "lock", *alike)
    found = beat(workspace)
    assert found["concepts"] == 60
    assert found["new_insights"] >= 1
    with Foreign(workspace.memory) as foreign:
        assert foreign.one("SELECT max(member_count) FROM synthesis_clusters") > 20
        assert foreign.one("SELECT count(*) FROM synthesis_cluster_members") >= 38
    assert_invariants(workspace.memory, MODEL)
    assert idle(workspace)


def test_case_b_three_traces_three_beats(workspace: Workspace) -> None:
    """Traces alike make one insight, however often the heart beats."""
    for number, text in enumerate(LOCKING[:3]):
        write(workspace, f"docs/{number}.md", own=attempt(text, LOCKING[number + 2]))
    for _ in range(3):
        beat(workspace)
    with Foreign(workspace.memory) as foreign:
        assert foreign.rows("SELECT cluster_type, member_count FROM synthesis_clusters") == [
            ("trace", 3)
        ]
    assert_invariants(workspace.memory, MODEL)


def test_case_c_pair(workspace: Workspace) -> None:
    """Two statements alike in two documents make one insight; the second beat makes nothing."""
    each_in_its_own(workspace, "lock", *LOCKING[:2])
    assert beat(workspace)["new_insights"] == 1
    with Foreign(workspace.memory) as foreign:
        assert foreign.rows("SELECT cluster_type, member_count FROM synthesis_clusters") == [
            ("concept", 2)
        ]
        cluster = foreign.one("SELECT id FROM synthesis_clusters")
        assert foreign.rows("SELECT synthesis_cluster_id FROM concepts") == [(cluster,)] * 3
    assert_invariants(workspace.memory, MODEL)
    before = content_hash(workspace.memory)
    assert beat(workspace) == {}
    assert content_hash(workspace.memory) == before


@pytest.mark.parametrize("build", [haios_databases.v3, haios_databases.migrated])
def test_case_c_with_foreign_concepts(tmp_path: Path, build: Callable[[Path], None]) -> None:
    """In a HAIOS memory, concepts and traces that stand in no document are sources too."""
    build(tmp_path / "haios_memory.db")
    workspace = Workspace(tmp_path)
    with Foreign(workspace.memory) as foreign:
        for text in LOCKING[:2]:
            foreign.concept(text)
        for text in PLANS[:2]:
            foreign.trace(text, text)
    assert embed_step.idle(workspace) is None
    assert beat(workspace)["new_insights"] == 2
    assert_invariants(workspace.memory, MODEL)
    assert idle(workspace)


def test_second_run_of_every_step_writes_nothing(workspace: Workspace) -> None:
    """Run again without a probe, each step leaves every table as it was."""
    each_in_its_own(workspace, "lock", *LOCKING)
    write(workspace, "docs/plan.md", *PLANS, own=attempt(PLANS[0], LOCKING[1]))
    beat(workspace)
    before = content_hash(workspace.memory)
    counts = Counts()
    for step in (embed_step, synthesize_step):
        step.run(BeatContext(workspace, id="again", counts=counts))
    assert content_hash(workspace.memory) == before
    assert set(counts.event().values()) == {0}


def test_reasons_of_idle_steps(workspace: Workspace) -> None:
    """A step without work says why, also when there is no memory."""
    beat(workspace)
    assert synthesize_step.idle(workspace) == "no new concepts or traces"
    assert embed_step.idle(workspace) == "every concept and trace has a vector"
    workspace.memory.unlink()
    assert "no memory" in str(synthesize_step.idle(workspace))
    assert "no memory" in str(embed_step.idle(workspace))


def test_growth_is_a_revision_and_no_sibling(workspace: Workspace) -> None:
    """New members of a cluster extend its insight, beat after beat."""
    each_in_its_own(workspace, "lock", *LOCKING[:2])
    beat(workspace, "first")
    (first,) = contents(workspace)
    each_in_its_own(workspace, "more", LOCKING[2])
    found = beat(workspace, "second")
    assert (found["new_insights"], found["revised_insights"]) == (0, 1)
    each_in_its_own(workspace, "again", *LOCKING[3:])
    assert beat(workspace, "third")["revised_insights"] == 1
    assert len(contents(workspace)) == 1
    assert_invariants(workspace.memory, MODEL)
    with Foreign(workspace.memory) as foreign:
        assert foreign.rows("SELECT member_count FROM synthesis_clusters") == [(5,)]
        revisions = foreign.rows("SELECT revision, sources, beat, content FROM dag_revisions")
    assert [row[:3] for row in revisions] == [(1, 2, "first"), (2, 3, "second"), (3, 5, "third")]
    assert revisions[0][3] == first
    assert [revisions[-1][3]] == contents(workspace)
    with SqliteStore.open(workspace.memory, write=False) as store:
        assert store.insights.written_by("first") == (1, 0)
        assert store.insights.written_by("second") == (0, 0)


def test_refused_cluster_may_speak_when_it_grows(workspace: Workspace) -> None:
    """Statements of one document make no insight until another document joins them."""
    write(workspace, "docs/one.md", *LOCKING[:2])
    assert beat(workspace)["refused"] == 1
    assert contents(workspace) == []
    assert idle(workspace)
    write(workspace, "docs/two.md", LOCKING[2])
    assert beat(workspace)["new_insights"] == 1
    assert_invariants(workspace.memory, MODEL)
    with Foreign(workspace.memory) as foreign:
        assert foreign.one("SELECT member_count FROM synthesis_clusters") == 3


def test_orphan_is_not_quoted_but_stays_as_provenance(workspace: Workspace) -> None:
    """A statement that was deleted leaves the insight's text at its next revision, not its rows."""
    each_in_its_own(workspace, "lock", *LOCKING[:3])
    beat(workspace)
    (before,) = contents(workspace)
    gone = next(text for text in LOCKING[:3] if text in before)
    with SqliteStore.open(workspace.memory, write=True) as store:
        forget(store, f"docs/lock-{LOCKING.index(gone)}.md")
    assert idle(workspace)
    assert contents(workspace) == [before]
    each_in_its_own(workspace, "more", *LOCKING[3:])
    assert beat(workspace)["revised_insights"] == 1
    (after,) = contents(workspace)
    assert gone not in after
    with Foreign(workspace.memory) as foreign:
        insight, orphan = concept(foreign, after), concept(foreign, gone)
    assert orphan in sources(workspace, insight)
    assert len(sources(workspace, insight)) == 5
    assert_invariants(workspace.memory, MODEL)


def test_insight_outlives_its_sources(workspace: Workspace) -> None:
    """When all documents are gone, the insight and its provenance stay as they were."""
    each_in_its_own(workspace, "lock", *LOCKING[:3])
    beat(workspace)
    before = contents(workspace)
    with SqliteStore.open(workspace.memory, write=True) as store:
        for number in range(3):
            forget(store, f"docs/lock-{number}.md")
    assert idle(workspace)
    assert contents(workspace) == before
    assert_invariants(workspace.memory, MODEL)


def test_two_embeddings_count_once(workspace: Workspace) -> None:
    """A concept with several vectors is one member and one source."""
    each_in_its_own(workspace, "lock", *LOCKING[:2])
    counts = Counts()
    embed_step.run(BeatContext(workspace, counts=counts))
    with Foreign(workspace.memory) as foreign:
        for item in (1, 2):
            ((vector,),) = foreign.rows("SELECT vector FROM embeddings WHERE concept_id = ?", item)
            foreign.vector(item, vector, MODEL)
    synthesize_step.run(BeatContext(workspace, counts=counts))
    assert counts["concepts"] == 2
    with Foreign(workspace.memory) as foreign:
        assert foreign.rows("SELECT member_id FROM synthesis_cluster_members") == [(1,), (2,)]
    assert_invariants(workspace.memory, MODEL)


def test_two_models_are_never_mixed(workspace: Workspace) -> None:
    """Vectors of another model, however alike, bring nothing together."""
    each_in_its_own(workspace, "alone", *ALONE[:6])
    with Foreign(workspace.memory) as foreign:
        for item in range(1, 7):
            foreign.vector(item, blob(*[1.0] + [0.0] * 767), "gemini-embedding-001")
    beat(workspace)
    with Foreign(workspace.memory) as foreign:
        assert foreign.rows("SELECT DISTINCT leader = id FROM dag_items") == [(1,)]
    assert contents(workspace) == []


def test_boilerplate_makes_no_insight(workspace: Workspace) -> None:
    """Template lines, alike in many documents, are never considered."""
    for number in range(6):
        line = f"Verify that WORK-{number} was closed by the operator as the template of work says."
        write(workspace, f"docs/{number}.md", line)
    beat(workspace)
    assert contents(workspace) == []
    with Foreign(workspace.memory) as foreign:
        assert foreign.one("SELECT count(*) FROM dag_items WHERE leader NOTNULL") == 0


def test_insight_says_what_its_sources_say(workspace: Workspace) -> None:
    """Title and text of an insight were written by humans, in its own sources."""
    headings = ["Why the ingester crashed on a lock", "Busy timeouts for SQLite connections"]
    for number, text in enumerate(LOCKING[:2]):
        write(workspace, f"docs/{number}.md", text, heading=f"Notes > {headings[number]}")
    beat(workspace)
    (text,) = contents(workspace)
    title, said = text.removeprefix("[").split("] ")
    assert title in headings
    assert said in {" ".join(order) for order in itertools.permutations(LOCKING[:2])}


def test_locked_memory_keeps_the_work(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the lock, nothing is written; afterwards all of it is."""
    each_in_its_own(workspace, "lock", *LOCKING[:3])
    embed_step.run(BeatContext(workspace))
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    hold = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    before = content_hash(workspace.memory)
    with processes.start(hold, workspace.memory) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(MemoryUnavailableError, match="locked by another program"):
            synthesize_step.run(BeatContext(workspace))
        holder.communicate()
    assert content_hash(workspace.memory) == before
    assert synthesize_step.idle(workspace) is None
    assert beat(workspace)["new_insights"] == 1


def test_concepts_taken_while_we_think_are_not_ours(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another synthesis takes our candidates between reading and writing, it keeps them."""
    each_in_its_own(workspace, "lock", *LOCKING[:3])
    embed_step.run(BeatContext(workspace))
    with Foreign(workspace.memory) as foreign:
        taken = False
        think = space.embed

        def interrupted(texts: Sequence[str]) -> Any:  # noqa: ANN401 - as what it stands for
            nonlocal taken
            if not taken:
                taken = True
                foreign.insight("[Theirs] They were faster.", [1, 2])
            return think(texts)

        monkeypatch.setattr(space, "embed", interrupted)
        synthesize_step.run(BeatContext(workspace))
    assert taken
    assert_invariants(workspace.memory)
    monkeypatch.undo()
    beat(workspace)
    assert_invariants(workspace.memory, MODEL)
    assert contents(workspace) == ["[Theirs] They were faster."]


# --- beats, blocks and crashes -------------------------------------------------------------------


class Cut(BaseException):
    """A beat that ends here, as Ctrl-C and SIGTERM end one."""


class CuttingCounts(Counts):
    """Counts that end the beat when the n-th number is added."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def add(self, **numbers: int) -> None:
        """Add, or cut the beat short."""
        self.left -= 1
        if self.left < 0:
            raise Cut
        super().add(**numbers)


def vectors(number: int, seed: int) -> list[bytes]:
    """Return unit vectors in a few loose groups."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(4, 768))
    found = centres[random.integers(0, 4, number)] + 0.7 * random.normal(size=(number, 768))
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    return [vector.astype("<f4").tobytes() for vector in unit]


def fill(memory: Path, given: list[bytes], first: int, last: int) -> None:
    """Let memory read some statements and traces, each with its given vector."""
    with SqliteStore.open(memory, write=True, create=True) as store, store.transaction():
        for number in range(first, last):
            text = f"Statement {number} {ALONE[number % 20]}"
            said = [Statement(text, "Directive", "Notes", 1, text)]
            asked = [trace("", f"Trace {number} {PLANS[number % 3]}")]
            store.documents.replace(f"docs/{number}.md", recorded(text), said, asked, 99)
        store.vectors.use_space(MODEL)
        store.vectors.put(
            MODEL,
            [
                (item.kind, item.id, given[int(item.text.split()[1])])
                for item in store.vectors.unembedded(1000)
            ],
        )


def clusters(memory: Path) -> list[tuple[Any, ...]]:
    """Return which statement and which trace follows which leader."""
    with Foreign(memory) as foreign:
        return foreign.rows(
            "SELECT own.content, leader.content, similarity FROM dag_items"
            " JOIN concepts AS own ON own.id = dag_items.id JOIN concepts AS leader"
            " ON leader.id = dag_items.leader WHERE kind = 'concept' AND state = 'live'"
            " UNION ALL SELECT id, leader, similarity FROM dag_items WHERE kind = 'trace'"
            " ORDER BY 1"
        )


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, 16), max_size=2),
    after=st.lists(st.integers(0, 6), max_size=2),
    size=st.integers(1, 9),
)
def test_beats_blocks_and_crashes_change_no_cluster(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    cuts: list[int],
    after: list[int],
    size: int,
) -> None:
    """However the items arrive and wherever beats end, the clusters are those of one whole beat."""
    number, root = 16, tmp_path_factory.mktemp("beats")
    given_vectors = vectors(number, seed)
    fill(root / "whole.db", given_vectors, 0, number)
    synthesize_step.run(BeatContext(Workspace(root, "whole.db")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesizer, "BLOCK", size)
        patch.setattr(synthesizer, "_BATCH", 1 + size // 4)
        cut = Workspace(root, "cut.db")
        for first, last in itertools.pairwise([0, *sorted(cuts), number]):
            fill(cut.memory, given_vectors, first, last)
            for left in after:
                try:
                    synthesize_step.run(BeatContext(cut, counts=CuttingCounts(left)))
                except Cut:
                    assert_invariants(cut.memory, MODEL)
            synthesize_step.run(BeatContext(cut))
    assert clusters(cut.memory) == clusters(root / "whole.db")
    assert_invariants(cut.memory, MODEL)
    assert synthesize_step.idle(cut) is not None
