"""Why an insight exists, and what a synthesis would do: both only read."""

from pathlib import Path

import pytest
from memory_checks import Foreign, content_hash
from store_contract import forget
from themes import ALONE, LOCKING, PLANS, attempt, beat, each_in_its_own, write

from haios_dag.base.errors import HaiosError, MemoryUnavailableError
from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import embed_step, space, thresholds
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis import synthesize_step
from haios_dag.synthesis.explain import explain
from haios_dag.synthesis.synthesizer import Synthesizer

COPY = "SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock!"


@pytest.fixture
def told(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> "Told":
    """What explain prints of an id, once it is sure that nothing was written."""
    return Told(workspace, capsys)


class Told:
    """Asks for explanations."""

    def __init__(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        self.workspace = workspace
        self.capsys = capsys

    def __call__(self, *words: object) -> str:
        """Return what is printed of some words."""
        before = content_hash(self.workspace.memory)
        explain(self.workspace, [str(word) for word in words])
        assert content_hash(self.workspace.memory) == before
        return self.capsys.readouterr().out

    def first(self, kind: str) -> int:
        """Return the id of the first insight of a type of cluster."""
        with Foreign(self.workspace.memory) as foreign:
            return int(
                foreign.one(
                    "SELECT min(synthesized_concept_id) FROM synthesis_clusters"
                    " WHERE cluster_type = ?",
                    kind,
                )
            )


def test_insight(workspace: Workspace, told: Told) -> None:
    """An insight shows its text, method, threshold, leader, and each source with its place."""
    each_in_its_own(workspace, "lock", *LOCKING[:3], heading="Notes on busy databases")
    beat(workspace, "one")
    insight = told.first("concept")
    with Foreign(workspace.memory) as foreign:
        content = foreign.one("SELECT content FROM concepts WHERE id = ?", insight)
        leader = foreign.one("SELECT leader FROM dag_clusters")
        members = foreign.rows("SELECT id, similarity FROM dag_items WHERE leader = ?", leader)
    text = told(insight)
    title, body = content[1:].split("] ", 1)
    assert text.startswith(f"insight {insight}: {title}\n   {body}\nmethod: extractive\n")
    assert f"led by concept {leader};" in text
    assert f"from {thresholds.CLUSTER:.2f} on" in text
    assert "sources: 3 concepts in 3 documents" in text
    assert f"concept {leader}: leads the cluster\n" in text
    for item, similarity in members:
        if item != leader:
            assert f"concept {item}: similarity {similarity:.2f} to the leader" in text
    for number, sentence in enumerate(LOCKING[:3]):
        assert f"      docs/lock-{number}.md:1\n      {sentence}\n" in text
    assert "near-copy" not in text
    assert "revisions: 1\n" in text
    assert " UTC, beat one, 3 sources: 3 new concepts\n" in text


def test_grown_insight(workspace: Workspace, told: Told) -> None:
    """A grown insight shows its near-copies, and every earlier text with when, why and who."""
    each_in_its_own(workspace, "lock", *LOCKING[:2])
    beat(workspace, "one")
    insight = told.first("concept")
    with Foreign(workspace.memory) as foreign:
        earlier = foreign.one("SELECT content FROM concepts WHERE id = ?", insight)
        first = foreign.one("SELECT min(id) FROM concepts")
    each_in_its_own(workspace, "more", COPY, *LOCKING[2:])
    beat(workspace)
    with SqliteStore.open(workspace.memory, write=True) as store:
        forget(store, "docs/lock-1.md")
    text = told(insight)
    assert f"; a near-copy of concept {first} (" in text
    assert text.count("near-copy") == 1
    assert "revisions: 2\n" in text
    assert "beat one, 2 sources: 2 new concepts\n" in text
    assert f"      {earlier}\n" in text
    assert "a step run by hand, 6 sources: 4 new concepts\n" in text
    assert text.count("no document states it any more") == 1


def test_other_facts_are_no_copies(workspace: Workspace, told: Told) -> None:
    """Sources as near as copies that state another number are not called copies."""
    limits = [f"The limit is {number} members in one cluster of concepts." for number in (20, 200)]
    each_in_its_own(workspace, "limit", *limits)
    beat(workspace, "one")
    with SqliteStore.open(workspace.memory, write=False) as store:
        one, other = store.vectors.read(
            "concept", [1, 2], space.DEFAULT.model, space.DEFAULT.dimensions
        )
    assert one @ other >= thresholds.DUPLICATE
    text = told(told.first("concept"))
    assert limits[1] in text
    assert "near-copy" not in text


def test_trace_insight_and_bridge(workspace: Workspace, told: Told) -> None:
    """An insight of traces names traces; a bridge shows the concept, the trace, the similarity."""
    write(workspace, "docs/plan.md", PLANS[0])
    for number, text in enumerate(PLANS):
        write(workspace, f"docs/try-{number}.md", own=attempt(text, LOCKING[number]))
    beat(workspace, "one")
    text = told(told.first("trace"))
    assert "led by trace 1;" in text
    assert "sources: 3 traces in 3 documents" in text
    assert "docs/try-1.md:1" in text
    bridge = told.first("cross")
    with Foreign(workspace.memory) as foreign:
        concept, trace, similarity = foreign.rows(
            "SELECT concept_id, trace_id, similarity FROM dag_bridges WHERE insight_id = ?", bridge
        )[0]
    text = told(bridge)
    assert text.startswith(f"bridge {bridge}: ")
    assert f"similarity: {similarity:.2f};" in text
    assert f"from {thresholds.BRIDGE:.2f} on" in text
    assert f"   concept {concept}: the statement\n      docs/plan.md:1\n" in text
    assert f"   trace {trace}: the attempt\n      docs/try-" in text


def test_concepts(workspace: Workspace, told: Told) -> None:
    """A plain concept is one sentence about its cluster, and that cluster's insight."""
    each_in_its_own(workspace, "lock", *LOCKING[:2])
    write(workspace, "docs/alone.md", ALONE[0])
    assert "in no cluster yet" in told(1)
    beat(workspace, "one")
    insight = told.first("concept")
    assert told(1).startswith(f"concept 1 leads a cluster of 2, which made insight {insight}: ")
    assert f"which made insight {insight}: " in told(2)
    with Foreign(workspace.memory) as foreign:
        similarity = foreign.one("SELECT similarity FROM dag_items WHERE id = 2")
    assert told(2).startswith(
        f"concept 2 is in a cluster of 2 led by concept 1 (similarity {similarity:.2f}), "
    )
    assert told(3) == "concept 3 leads a cluster of 1, which has no insight.\n"


def test_insight_of_another_program(workspace: Workspace, told: Told) -> None:
    """What another program synthesized is explained as far as its tables tell."""
    with Foreign(workspace.memory) as foreign:
        own = [foreign.concept(f"Their statement of the number {n} \x1b[31m.") for n in range(2)]
        theirs = foreign.insight("Text without a title.", own)
        bare = foreign.insight("A bridge.", [own[0], foreign.trace("Why?")], "cross")
    beat(workspace)
    text = told(theirs)
    assert text.startswith(f"insight {theirs}: (no title)\n   Text without a title.\n")
    assert "another program wrote it" in text
    assert f"concept {own[0]}: similarity unknown to the leader" in text
    assert "\x1b" not in text
    assert "similarity: unknown" in told(bare)
    assert "taken by the synthesis of another program" in told(own[1])


@pytest.mark.parametrize(
    "words", [[], ["x"], ["-1"], ["1", "2"], ["²"], ["9" * 30], ["99"]], ids=str
)
def test_no_such_id(workspace: Workspace, words: list[str]) -> None:
    """Whatever is no id of a concept is one sentence."""
    beat(workspace)
    with pytest.raises(HaiosError, match="id"):
        explain(workspace, words)


def test_no_memory(tmp_path: Path) -> None:
    """Without a memory there is one sentence, and no file is made."""
    with pytest.raises(MemoryUnavailableError, match="no memory"):
        explain(Workspace(tmp_path), ["1"])
    assert list(tmp_path.iterdir()) == []


# --- the dry run ----------------------------------------------------------------------------------


def planned(workspace: Workspace) -> tuple[dict[str, object], list[str]]:
    """Return the numbers and notes of a plan, made by a reader that cannot write."""
    before = content_hash(workspace.memory)
    with SqliteStore.open(workspace.memory, write=False) as store:
        counts, notes = Counts(), list[str]()
        plan = Synthesizer(store, None, counts, notes=notes)
        plan.consider("concept")
        plan.consider("trace")
    assert content_hash(workspace.memory) == before
    return counts.event(), notes


def run(workspace: Workspace) -> dict[str, object]:
    """Synthesize and return the numbers."""
    counts = Counts()
    synthesize_step.run(BeatContext(workspace, id="real", counts=counts))
    return counts.event()


def sizes(foreign: Foreign) -> dict[tuple[str, int], int]:
    """Return how many members each cluster has, single leaders too."""
    found = foreign.rows(
        "SELECT kind, leader, count(*) FROM dag_items WHERE leader NOTNULL GROUP BY 1, 2"
    )
    return {(kind, leader): size for kind, leader, size in found}


def test_plan_is_what_happens(workspace: Workspace) -> None:
    """The numbers and titles of a plan are those of the run that follows, beat after beat."""
    for number, texts in enumerate([[*LOCKING[:2], *ALONE[:2]], [*LOCKING[2:], COPY, *PLANS]]):
        each_in_its_own(workspace, f"part{number}", *texts)
        write(workspace, "docs/same.md", ALONE[5], ALONE[5].replace("sun", "Sun"))
        write(workspace, f"docs/try-{number}.md", own=attempt(PLANS[number], LOCKING[number]))
        embed_step.run(BeatContext(workspace))
        said, notes = planned(workspace)
        with Foreign(workspace.memory) as foreign:
            before = sizes(foreign)
            done = run(workspace)
            assert {name: said[name] for name in done} == done
            after = sizes(foreign)
            titles = foreign.rows("SELECT content FROM concepts WHERE synthesized_at NOTNULL")
        told = [note.split(": ", 1)[1] for note in notes if not note.startswith("refused")]
        assert len(told) == int(str(done["new_insights"])) + int(str(done["revised_insights"]))
        assert {f"[{title}]" for title in told} <= {row[0].split("]")[0] + "]" for row in titles}
        formed = [size for leader, size in after.items() if leader not in before]
        assert said["alone"] == formed.count(1)
        assert said["clusters_formed"] == len(formed) - formed.count(1)
        assert said["clusters_grown"] == sum(after[one] != size for one, size in before.items())
    assert planned(workspace)[1] == []


def test_plan_of_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Without work a plan says so, also when there is no memory, and makes none."""
    synthesize_step.plan(workspace)
    assert "nothing to do: no new concepts or traces" in capsys.readouterr().out
    workspace.memory.unlink()
    synthesize_step.plan(workspace)
    assert "nothing to do: there is no memory" in capsys.readouterr().out
    assert not workspace.memory.exists()


def test_plan_tells_what_it_left_out(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has no vector yet is no part of a plan, and is counted."""
    each_in_its_own(workspace, "lock", *LOCKING[:2])
    embed_step.run(BeatContext(workspace))
    write(workspace, "docs/late.md", *ALONE[:3])
    synthesize_step.plan(workspace)
    out = capsys.readouterr().out
    assert "1 new insights" in out
    assert "2 concepts, " in out
    assert "not looked at: 3 concepts and traces without a vector" in out
