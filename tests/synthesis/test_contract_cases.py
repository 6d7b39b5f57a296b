"""What went wrong in HAIOS and must not here, each on a memory as HAIOS makes it.

Source: the HAIOS contract, section 1.7 (defects) and case 15, whose letters are in the names. Cases
A, B, C and E on memories of our own stand with the steps' other tests.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import haios_databases
import numpy as np
import processes
import pytest
from memory_checks import Foreign, assert_invariants, blob, content_hash
from themes import ALONE, LOCKING, PLANS, beat, idle

from haios_dag.base.errors import HaiosError, MemoryUnavailableError, ModelError
from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import embed_step, space
from haios_dag.memory import database
from haios_dag.recall import ranking
from haios_dag.synthesis import synthesize_step

MODEL = space.DEFAULT.model
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "May")
ALIKE = [f"{text[:-1]} on {day}." for day in DAYS for text in LOCKING]  # 40


@pytest.fixture(params=[haios_databases.v3, haios_databases.migrated])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """A workspace with the empty memory of another program, of either history."""
    build: Callable[[Path], None] = request.param
    build(tmp_path / "haios_memory.db")
    return Workspace(tmp_path)


def concepts(workspace: Workspace, *texts: str) -> list[int]:
    """Insert concepts as another program does; return their ids."""
    with Foreign(workspace.memory) as foreign:
        return [foreign.concept(text) for text in texts]


def traces(workspace: Workspace, *texts: str) -> None:
    """Insert traces as another program does."""
    with Foreign(workspace.memory) as foreign:
        for text in texts:
            foreign.trace(text, text)


def rows(workspace: Workspace, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    with Foreign(workspace.memory) as foreign:
        return foreign.rows(sql, *values)


def clusters(workspace: Workspace) -> list[tuple[Any, ...]]:
    """Return the type and size of each insight's cluster, by id."""
    return rows(workspace, "SELECT cluster_type, member_count FROM synthesis_clusters ORDER BY id")


def test_a_group_behind_singles_is_found_in_one_beat(workspace: Workspace) -> None:
    """Twenty statements at the lowest ids, alike to nothing, hide nothing (residual A)."""
    concepts(workspace, *ALONE, *ALIKE)
    found = beat(workspace)
    assert (found["concepts"], found["new_insights"]) == (60, 1)
    ((_, size),) = clusters(workspace)
    assert size > 20
    assert idle(workspace)
    assert_invariants(workspace.memory, MODEL)


def test_b_traces_make_one_insight_however_many_beats(workspace: Workspace) -> None:
    """Traces have a consumed mark too: each more beat makes nothing (residual B)."""
    traces(workspace, ALIKE[0], ALIKE[1], ALIKE[5])
    made = [beat(workspace).get("new_insights", 0) for _ in range(3)]
    assert made == [1, 0, 0]
    assert clusters(workspace) == [("trace", 3)]
    traces(workspace, ALIKE[10])
    assert beat(workspace)["revised_insights"] == 1
    assert clusters(workspace) == [("trace", 4)]
    assert_invariants(workspace.memory, MODEL)


def test_b_equal_traces_repeat_and_make_no_insight(workspace: Workspace) -> None:
    """The same trace three times is one statement repeated, in every beat."""
    traces(workspace, *[LOCKING[0]] * 3)
    assert beat(workspace)["refused"] == 1
    assert [beat(workspace), beat(workspace)] == [{}, {}]
    assert clusters(workspace) == []


def test_c_pair_marks_both_sources(workspace: Workspace) -> None:
    """A pair makes one product: two members, two provenance rows, both sources marked."""
    concepts(workspace, *LOCKING[:2])
    assert beat(workspace)["new_insights"] == 1
    assert clusters(workspace) == [("concept", 2)]
    ((cluster,),) = rows(workspace, "SELECT id FROM synthesis_clusters")
    assert (
        rows(
            workspace,
            "SELECT synthesis_cluster_id FROM concepts WHERE synthesized_at IS NULL",
        )
        == [(cluster,)] * 2
    )
    assert rows(workspace, "SELECT source_id, source_type FROM synthesis_provenance") == [
        (1, "concept"),
        (2, "concept"),
    ]
    assert_invariants(workspace.memory, MODEL)
    before = content_hash(workspace.memory)
    assert beat(workspace) == {}
    assert content_hash(workspace.memory) == before


def test_e_crossed_pairs_are_two_bridges(workspace: Workspace) -> None:
    """Concept 1 with trace 2 does not hide concept 2 with trace 1."""
    concepts(workspace, LOCKING[0], PLANS[0])
    traces(workspace, PLANS[1], LOCKING[1])
    found = beat(workspace)
    assert (found["compared"], found["new_bridges"]) == (4, 2)
    sources = rows(
        workspace, "SELECT source_id FROM synthesis_provenance WHERE source_type = 'cross'"
    )
    assert [one for (one,) in sources] in ([1, 2, 2, 1], [2, 1, 1, 2])  # each concept first
    assert_invariants(workspace.memory, MODEL)


class Junk:
    """A model that answers with something else than a finite row of its width for each text."""

    def __init__(self, shape: Callable[[int], tuple[int, int]], number: float) -> None:
        self.shape = shape
        self.number = number

    def embed(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - as the library's
        """Answer."""
        return np.full(self.shape(len(texts)), self.number, np.float32)


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(Junk(lambda texts: (texts, 256), float("nan")), id="not a number"),
        pytest.param(Junk(lambda texts: (texts, 256), float("inf")), id="infinite"),
        pytest.param(Junk(lambda texts: (texts, 255), 1.0), id="too narrow"),
        pytest.param(Junk(lambda texts: (texts, 1), 1.0), id="one column"),
        pytest.param(Junk(lambda _: (1, 256), 1.0), id="one row for all"),
        pytest.param(Junk(lambda _: (0, 256), 1.0), id="nothing"),
    ],
)
def test_i_junk_of_the_model_is_a_failure(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, junk: Junk
) -> None:
    """A model that answers with junk fails the step; nothing is kept, and later all is done."""
    concepts(workspace, *LOCKING[:2])
    monkeypatch.setattr(space, "_model", lambda: junk)
    with pytest.raises(ModelError, match="answered 2 texts"):
        embed_step.run(BeatContext(workspace))
    assert rows(workspace, "SELECT * FROM embeddings") == []
    assert embed_step.idle(workspace) is None
    monkeypatch.undo()
    assert beat(workspace)["new_insights"] == 1


def test_i_failure_while_writing_is_not_swallowed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in the midst of a synthesis fails the step; the next beat does the work."""
    concepts(workspace, *LOCKING[:2])
    embed_step.run(BeatContext(workspace))

    def fail(_: Sequence[str]) -> None:
        raise HaiosError("no answer")

    before = content_hash(workspace.memory)
    monkeypatch.setattr(space, "embed", fail)
    with pytest.raises(HaiosError, match="no answer"):
        synthesize_step.run(BeatContext(workspace))
    assert content_hash(workspace.memory) == before
    assert synthesize_step.idle(workspace) is None
    monkeypatch.undo()
    assert beat(workspace)["new_insights"] == 1


def test_n_locked_memory_costs_no_call_of_the_model(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process writes, embedding says so before it asks the model for anything."""
    concepts(workspace, *LOCKING[:2])
    with processes.start(_HOLD, workspace.memory) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        calls: list[Sequence[str]] = []
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
        monkeypatch.setattr(space, "embed", calls.append)
        with pytest.raises(MemoryUnavailableError, match="locked by another program"):
            embed_step.run(BeatContext(workspace))
        holder.communicate()
    assert calls == []
    monkeypatch.undo()
    assert beat(workspace)["new_insights"] == 1


_HOLD = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
    " c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
)


def test_two_embeddings_count_once_and_models_are_not_mixed(workspace: Workspace) -> None:
    """Vectors of other programs, repeated or alike, change neither members nor clusters."""
    ids = concepts(workspace, *LOCKING[:2], *ALONE[:4])
    with Foreign(workspace.memory) as foreign:
        for item in ids * 2:
            foreign.vector(item, blob(*[1.0] + [0.0] * 767), "gemini-embedding-001")
    beat(workspace)
    assert clusters(workspace) == [("concept", 2)]
    assert_invariants(workspace.memory, MODEL)


def test_products_without_a_vector_get_one(workspace: Workspace) -> None:
    """Insights that other programs left unsearchable can be recalled after a beat (E2-FIX-001)."""
    said = "[Zymurgy] The fermentation of zymurgy must be watched by two brewers at least."
    with Foreign(workspace.memory) as foreign:
        sources = [foreign.concept(text) for text in ALONE[:2]]
        product = foreign.insight(said, sources)
    beat(workspace)
    assert_invariants(workspace.memory, MODEL)
    answers, remarks = ranking.recall(workspace, "who watches zymurgy", 3)
    assert remarks == []
    assert answers[0].found.id == product
    assert answers[0].ranked.by_meaning
    assert answers[0].ranked.by_words


def test_consumed_concepts_are_never_selected_again(workspace: Workspace) -> None:
    """Consumed sources at the lowest ids do not keep a beat from what came last (INV-019)."""
    with Foreign(workspace.memory) as foreign:
        for one, other in zip(ALIKE[::2], ALIKE[1::2], strict=True):
            ids = [foreign.concept(one), foreign.concept(other)]
            foreign.insight(f"[Theirs] Of {ids[0]} and {ids[1]}.", ids)
    theirs = clusters(workspace)
    beat(workspace)
    assert clusters(workspace) == theirs
    new = concepts(workspace, *PLANS)
    assert beat(workspace)["concepts"] == len(new)
    assert clusters(workspace) == [*theirs, ("concept", 3)]
    assert idle(workspace)
    assert_invariants(workspace.memory)


def test_no_window_of_best_pairs_blocks_the_others(workspace: Workspace) -> None:
    """All pairs above the threshold are bridged, a budget a beat, none twice (residual C)."""
    (workspace.root / "haios.toml").write_text("[bridge]\nbudget = 4\n", encoding="utf-8")
    limited = Workspace(workspace.root)
    concepts(limited, *ALIKE[:15])
    traces(limited, *LOCKING[:2])
    made, waiting = [], []
    for _ in range(20):
        found = beat(limited)
        if not found:
            break
        made.append(found["new_bridges"])
        waiting.append(found["waiting"])
        assert_invariants(limited.memory, MODEL)
    assert len(made) >= 3
    assert all(one == 4 for one in made[:-1])
    assert waiting[-1] == 0
    ((bridged, pairs),) = rows(limited, "SELECT count(insight_id), count(*) FROM dag_bridges")
    assert bridged == pairs == sum(made)


def test_pairs_grow_and_breed_no_siblings(workspace: Workspace) -> None:
    """Statements that come two a beat end in one cluster, past HAIOS's cap of 20 (obs-e3-002)."""
    for start in range(0, len(ALIKE), 2):
        concepts(workspace, *ALIKE[start : start + 2])
        beat(workspace)
    ((kind, size),) = clusters(workspace)
    assert (kind, size > 20) == ("concept", True)
    assert_invariants(workspace.memory, MODEL)


def test_insights_do_not_crowd_out_what_they_are_made_of(workspace: Workspace) -> None:
    """Asked with its own words, a source comes before or right behind its insight (INV-010)."""
    concepts(workspace, *LOCKING, *PLANS, *ALONE)
    assert beat(workspace)["new_insights"] == 2
    for text in (*LOCKING, *PLANS):
        answers, _ = ranking.recall(workspace, text, 2)
        assert text in [answer.found.text for answer in answers]


def test_later_beats_compare_only_what_is_new(workspace: Workspace) -> None:
    """All pairs are compared once; one more concept costs one row of them (E2-102)."""
    concepts(workspace, *ALONE)
    traces(workspace, PLANS[0], LOCKING[0])
    assert beat(workspace)["compared"] == 20 * 2
    concepts(workspace, "A late statement about harbours and the pilots of their ferries.")
    assert beat(workspace)["compared"] == 2
    traces(workspace, "How were the ferries moored in the storm of that winter?")
    assert beat(workspace)["compared"] == 21
    assert beat(workspace) == {}


def test_other_programs_write_while_we_synthesize(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest in the midst of a synthesis crashes neither; the next beat takes it (INV-027)."""
    concepts(workspace, *LOCKING[:3])
    embed_step.run(BeatContext(workspace))
    think, late = space.embed, list(LOCKING[3:])

    def interrupted(texts: Sequence[str]) -> Any:  # noqa: ANN401 - as what it stands for
        if late:
            concepts(workspace, late.pop())
        return think(texts)

    monkeypatch.setattr(space, "embed", interrupted)
    counts = Counts()
    synthesize_step.run(BeatContext(workspace, counts=counts))
    assert counts["new_insights"] == 1
    monkeypatch.undo()
    assert beat(workspace)["revised_insights"] == 1
    assert clusters(workspace) == [("concept", 5 - len(late))]
    assert_invariants(workspace.memory, MODEL)
