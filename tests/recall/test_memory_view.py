"""The view of the memory for steps of one's own: only read, and empty where there is nothing."""

import datetime as dt
from pathlib import Path

import haios_databases
import pytest
import themes
from memory_checks import Foreign
from themes import ALONE, LOCKING, PLANS, attempt, beat, each_in_its_own, made, write

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.base.workspace import Workspace
from haios_dag.memory import open_memory
from haios_dag.recall.memory_view import MemoryView


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a folder."""
    return {one.name: one.read_bytes() for one in sorted(folder.iterdir()) if one.is_file()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two insights, the later about locking, and a bridge."""
    workspace = made(tmp_path_factory.mktemp("planted"))
    each_in_its_own(workspace, "plan", *PLANS, heading="Plans that were reviewed")
    beat(workspace, "one")
    each_in_its_own(workspace, "lock", *LOCKING, heading="Locks of the ingester")
    write(workspace, "docs/try.md", ALONE[0], own=attempt(LOCKING[1], LOCKING[3]))
    assert beat(workspace, "two")["new_bridges"] > 0
    return workspace


def test_it_says_what_memory_holds(planted: Workspace) -> None:
    """Counts are the status's, answers are those of recall, and nothing is changed."""
    before = snapshot(planted.root)
    view = MemoryView(planted)
    with open_memory(planted, write=False) as store:
        assert view.counts() == store.counts()
    assert view.recall("bananas beside apples", 1)[0].found.text == ALONE[0]
    assert len(view.recall("the ingester and the lock", 3)) == 3
    assert view.recall(" ") == []
    view.newest_insights()
    assert snapshot(planted.root) == before


def test_newest_insights_come_first(planted: Workspace) -> None:
    """Each has its title and text apart, and the instant it was written; bridges are left out."""
    found = MemoryView(planted).newest_insights()
    assert [one.title for one in found] == ["Locks of the ingester", "Plans that were reviewed"]
    assert MemoryView(planted).newest_insights(1) == found[:1]
    assert MemoryView(planted).newest_insights(10**23) == found
    with Foreign(planted.memory) as foreign:
        for one in found:
            stored = foreign.one("SELECT content FROM concepts WHERE id = ?", one.id)
            assert stored == f"[{one.title}] {one.text}"
    for one in found:
        assert one.confidence is not None
        assert 0 < one.confidence < 1
        assert one.written is not None
        assert abs(dt.datetime.now(dt.UTC) - one.written) < dt.timedelta(minutes=10)


def test_a_revised_insight_is_the_newest(tmp_path: Path) -> None:
    """What counts is when an insight got its text; one of another program has its own time."""
    workspace = themes.made(tmp_path)
    each_in_its_own(workspace, "lock", *LOCKING[:3])
    beat(workspace, "one")
    with Foreign(workspace.memory) as foreign:
        pair = [foreign.concept("One said so."), foreign.concept("Two said so.")]
        theirs = foreign.insight("No title here.", pair)
    each_in_its_own(workspace, "more", *LOCKING[3:])
    assert beat(workspace, "two")["revised_insights"] == 1
    ours, other = MemoryView(workspace).newest_insights()
    assert (other.id, other.title, other.text) == (theirs, "", "No title here.")
    assert other.written is not None
    assert other.written.astimezone().replace(tzinfo=None) == dt.datetime(2026, 1, 19, 10)  # noqa: DTZ001 - local
    assert ours.written is not None
    assert ours.written > other.written


def test_without_a_memory_all_is_empty(tmp_path: Path) -> None:
    """Where there is no memory, there is nothing to see, and none is made."""
    view = MemoryView(Workspace(tmp_path))
    assert (view.counts(), view.recall("lock"), view.newest_insights()) == ({}, [], [])
    assert snapshot(tmp_path) == {}


def test_before_the_first_beat_nothing_answers(tmp_path: Path) -> None:
    """A memory of HAIOS that no beat has worked on is counted, and not changed."""
    workspace = Workspace(tmp_path)
    haios_databases.v3(workspace.memory)
    before = snapshot(tmp_path)
    view = MemoryView(workspace)
    assert view.counts() == {"concepts": 0, "entities": 0, "traces": 0}
    assert (view.recall("lock"), view.newest_insights()) == ([], [])
    assert snapshot(tmp_path) == before


def test_a_memory_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    """What is there and is not a memory is no empty memory."""
    workspace = Workspace(tmp_path)
    workspace.memory.write_bytes(b"not a database " * 500)
    with pytest.raises(MemoryUnavailableError, match="is not a database"):
        MemoryView(workspace).counts()
