"""`doit recall`: any query is safe, the best comes first, and every answer says where it stands."""

import json
import sys
from pathlib import Path

import haios_databases
import pytest
import workspaces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_checks import Foreign, content_hash
from themes import ALONE, LOCKING, beat, each_in_its_own, made
from workspaces import ROOT, doit

from haios_dag.base import schema
from haios_dag.base.errors import HaiosError
from haios_dag.base.step import BeatContext
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space
from haios_dag.memory import word_index
from haios_dag.memory.store import SqliteStore
from haios_dag.recall import ranking, show_recall
from haios_dag.synthesis import synthesize_step

sys.path.insert(0, str(ROOT / "benchmarks"))

import quality_recall


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A memory with a theme, its insight, and statements that belong to nothing."""
    workspace = made(tmp_path_factory.mktemp("recall"))
    each_in_its_own(workspace, "lock", *LOCKING, heading="Findings > The locked database")
    each_in_its_own(workspace, "alone", *ALONE)
    beat(workspace)
    return workspace


@pytest.mark.parametrize("text", ALONE)
def test_statement_answers_its_own_words_first(planted: Workspace, text: str) -> None:
    """Asked with some of its words, in another order, a statement is the first answer."""
    asked = " ".join(reversed(text.rstrip(".").split()[:5]))
    answers, remarks = ranking.recall(planted, asked, 3)
    assert remarks == []
    assert answers[0].found.text == text
    assert answers[0].ranked.by_meaning == answers[0].ranked.by_words == 1


def test_insight_is_found_with_its_sources(planted: Workspace) -> None:
    """An insight is among the answers, and leads to the file and line of each source."""
    answers, _ = ranking.recall(planted, "busy timeout for the SQLite lock of synthesis", 10)
    (insight,) = (answer.found for answer in answers if answer.found.insight)
    assert len(insight.sources) == len(LOCKING)
    places = [(place.path, place.line) for one in insight.sources for place in one.places]
    assert sorted(places) == [(f"docs/lock-{number}.md", 1) for number in range(len(LOCKING))]


def test_same_question_same_answers(planted: Workspace) -> None:
    """Nothing about the order of the answers is left to chance."""
    first = ranking.recall(planted, "the ingester and the lock", 20)
    assert ranking.recall(planted, "the ingester and the lock", 20) == first
    assert [one.ranked.score for one in first[0]] == sorted(
        (one.ranked.score for one in first[0]), reverse=True
    )


@pytest.mark.parametrize("limit", [1, 2, 5, 20])
def test_nearest_are_exact(planted: Workspace, limit: int) -> None:
    """The best few by meaning are the first of all of them, and their cosines are exact."""
    (vector,) = space.embed(["the ingester and the lock of an old map"])
    with SqliteStore.open(planted.memory, write=False) as store:
        few, every = (ranking._by_meaning(store, vector, most) for most in (limit, 1000))
        assert few == every[:limit]
        assert len(few) == limit
        for concept, cosine in few:
            (text,) = space.embed([store.items.text("concept", concept)])
            assert cosine == pytest.approx(float(text @ vector), abs=1e-5)


def test_rare_words_weigh_more_by_meaning(tmp_path: Path) -> None:
    """Of a query's words, the one that few texts have decides which is nearest."""
    workspace = made(tmp_path)
    common = [f"The plan of the work names the {what} of the week." for what in ALONE]
    each_in_its_own(workspace, "plan", *common, "The plan of the work names the ferrets.")
    each_in_its_own(workspace, "rare", "Ferrets were seen in a barn at night.")
    beat(workspace)
    answers, _ = ranking.recall(workspace, "the work, the plan, the week: ferrets", 30)
    nearest = sorted(answers, key=lambda answer: answer.ranked.by_meaning or 99)
    assert ["errets" in answer.found.text for answer in nearest[:3]] == [True, True, False]
    with SqliteStore.open(workspace.memory, write=False) as store:
        (evenly,) = space.embed(["the work, the plan, the week: ferrets"])
        ids = [concept for concept, _ in ranking._by_meaning(store, evenly, 30)]
    rare = next(answer.found.id for answer in answers if "barn" in answer.found.text)
    assert ids.index(rare) > 1  # else the texts would prove nothing


HOSTILE = [
    '"', '""', "'", "*", "a*", "^a", "a AND", "NOT", "NEAR(a b)", "content:a", "a OR OR b", "-a",
    "(", ")", "{a}", "+", "\0", "lo\0ck", "\ud800", "lock \udcff", "\x1b]0;x\x07", "\u202e", "☃",
    "%", " ", "\n", "lock" * 25_000, "lock " * 20_000,
    " ".join(map(str, range(20_000))), '"' * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_queries(
    planted: Workspace, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What means something to FTS5, to a terminal or to nobody is text, of any length."""
    before = content_hash(planted.memory)
    if query.strip():
        show_recall.show(planted, [query], 3)
        assert "\x1b" not in capsys.readouterr().out
    else:
        with pytest.raises(HaiosError, match="empty query; usage"):
            show_recall.show(planted, [query], 3)
    assert content_hash(planted.memory) == before


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=st.text(st.characters(), max_size=60))
def test_any_text_is_a_query(planted: Workspace, query: str) -> None:
    """No text raises, whichever its characters, and each answer is valid JSON of the schema."""
    answers, _ = ranking.recall(planted, query, 5)
    for rank, answer in enumerate(answers, start=1):
        assert schema.problems("recall", json.loads(show_recall._json(rank, answer))) == []


@settings(deadline=None)
@given(near=st.permutations(range(8)), wordy=st.permutations(range(4, 12)))
def test_fusion(near: list[int], wordy: list[int]) -> None:
    """The score is the sum of reciprocal ranks, and first in both is first."""
    found = ranking.fuse([(id_, 0.5) for id_ in near], wordy)
    assert {one.id for one in found} == set(range(12))
    for one in found:
        wanted = sum(1 / (61 + ranks.index(one.id)) for ranks in (near, wordy) if one.id in ranks)
        assert one.score == pytest.approx(wanted)
    keys = [(-one.score, one.id) for one in found]
    assert keys == sorted(keys)


def test_without_fts5_by_meaning_only(
    planted: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Python without FTS5 answers by vectors, and says on stderr that it did."""
    monkeypatch.setattr(word_index, "has_fts5", lambda: False)
    show_recall.show(planted, ["saffron is picked by hand"], 1)
    said = capsys.readouterr()
    assert "Saffron" in said.out
    assert "by meaning only, the SQLite of this Python has no FTS5" in said.err


def test_vectors_of_another_space_are_not_compared(tmp_path: Path) -> None:
    """Before a beat has renewed the vectors, words alone answer, and a remark says so."""
    workspace = made(tmp_path)
    each_in_its_own(workspace, "alone", *ALONE)
    beat(workspace)
    with SqliteStore.open(workspace.memory, write=True) as store, store.transaction():
        store.vectors.use_space("another model")
    answers, (remark,) = ranking.recall(workspace, "saffron", 5)
    assert [answer.found.text.split()[0] for answer in answers] == ["Saffron"]
    assert answers[0].ranked.similarity is None
    assert "next beat" in remark


@pytest.mark.parametrize("database", ["v3", "migrated"])
def test_memory_that_no_beat_has_read(tmp_path: Path, database: str) -> None:
    """Without our bookkeeping there is one sentence, and the database stays as it was."""
    workspace = Workspace(tmp_path)
    with pytest.raises(HaiosError, match="no memory"):
        ranking.recall(workspace, "lock", 5)
    assert list(tmp_path.iterdir()) == []
    getattr(haios_databases, database)(workspace.memory)
    with Foreign(workspace.memory) as foreign:
        foreign.concept("A lock must be held.")
    before = content_hash(workspace.memory)
    with pytest.raises(HaiosError, match="no beat has worked"):
        ranking.recall(workspace, "lock", 5)
    assert content_hash(workspace.memory) == before


def test_synthesis_does_not_hide_evidence(tmp_path: Path) -> None:
    """Search finds at least as much evidence of planted questions after a synthesis as before."""
    found = quality_recall.measure(*quality_recall.plant(tmp_path / "space"))
    assert (found["queries"], found["statements"]) == (24, 72)
    assert 0.5 < found["before"] <= found["after"]
    assert found["words_alone_after"] < found["after"]  # else the vectors would be in the way


def test_hidden_evidence_is_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The measure can fall: it does, and says so, after a synthesis that hides its sources."""

    def hide(beat: BeatContext) -> None:
        with Foreign(beat.workspace.memory) as foreign:
            foreign.rows("UPDATE dag_items SET state = 'orphan' WHERE id % 5 = 0")

    monkeypatch.setattr(synthesize_step, "run", hide)
    assert quality_recall.main([]) == 1
    assert "queries worse" in capsys.readouterr().out


# --- as a command --------------------------------------------------------------------------------


def test_command_prints_answers(beaten: Path) -> None:
    """An answer has its text, its file and its line; of an insight, those of its sources."""
    done = doit(beaten, "recall", "-n", "5", "slim", "status", "atomically")
    assert done.returncode == 0, done.stderr
    assert "atomically" in done.stdout.splitlines()[0]
    assert "docs/week-0.md:9" in done.stdout
    done = doit(beaten, "recall", "the busy timeout of SQLite and the ingester crash")
    assert "insight" in done.stdout
    assert "from docs/week-" in done.stdout


def test_command_prints_json(beaten: Path) -> None:
    """With --json and a silent doit, each line of stdout is an answer of the schema."""
    done = doit(beaten, "recall", "--json", "busy timeout")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["rank"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["kind"] for line in lines} == {"concept", "insight"}
    assert [problem for line in lines for problem in schema.problems("recall", line)] == []


@pytest.mark.parametrize("words", [[], [" "], ["-n", "0", "lock"]])
def test_command_says_what_is_wrong(beaten: Path, words: list[str]) -> None:
    """Nothing asked, or no answer wanted, is one sentence and exit code 1."""
    done = doit(beaten, "recall", *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "usage" in done.stdout + done.stderr or "ask for 1 or more" in done.stdout + done.stderr


def test_words_that_doit_takes_for_variables(beaten: Path) -> None:
    """A word with `=` belongs to the query, though doit takes it from the command line."""
    done = doit(beaten, "recall", "-n", "1", "kind=14")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fruit of kind 14" in done.stdout


def test_no_match(tmp_path: Path) -> None:
    """An empty memory answers nothing, says so, and that is no failure."""
    root = workspaces.make(tmp_path / "space")
    with (
        SqliteStore.open(root / "memory.db", write=True, create=True) as store,
        store.transaction(),
    ):
        store.vectors.use_space(space.DEFAULT.model)
    done = doit(root, "recall", "anything")
    assert done.returncode == 0
    assert "nothing in memory answers this" in done.stdout
    done = doit(root, "recall", "--json", "anything")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing in memory" in done.stderr


def test_no_number_of_answers_is_too_high(
    planted: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asks for more than SQLite can count gets all there are."""
    show_recall.show(planted, ["lock"], 10**23)
    every = capsys.readouterr()
    show_recall.show(planted, ["lock"], 10_000)
    assert capsys.readouterr() == every
    assert "  1  " in every.out
