"""What the last beat's synthesis did is taken back exactly, or not at all."""

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import haios_databases
import processes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_checks import Foreign, assert_invariants, connected, content_hash
from store_contract import forget
from themes import ALONE, LOCKING, PLANS, attempt, beat, each_in_its_own, made, write

from haios_dag.base import files
from haios_dag.base.errors import HaiosError, UndoError
from haios_dag.base.step import BeatContext
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import embed_step, space
from haios_dag.memory.records import Undone
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis import bridge_step, synthesize_step, take_back

MODEL = space.DEFAULT.model
TIMES = {"created_at", "synthesized_at", "beat"}


def embedded(workspace: Workspace) -> None:
    """Embed what waits, as the beat does before it synthesizes."""
    if embed_step.idle(workspace) is None:
        embed_step.run(BeatContext(workspace))


def rows(workspace: Workspace, *, record: bool = True) -> dict[str, str]:
    """Return a digest of each table, sqlite_sequence included, with or without the record.

    But for the list of the beats that were taken back, which stays when all else is as before.
    """
    found = content_hash(workspace.memory)
    del found["dag_undone"]
    return {name: digest for name, digest in found.items() if record or name != "dag_undo"}


def said(workspace: Workspace) -> dict[str, list[Any]]:
    """Return the rows of every table without what tells when and in which beat."""
    found = {}
    with connected(workspace.memory) as connection:
        for name in rows(workspace, record=False):
            columns = [
                f'"{column[1]}"'
                for column in connection.execute(f'PRAGMA table_info("{name}")')
                if column[1] not in TIMES
            ]
            wanted = connection.execute(f'SELECT {", ".join(columns)} FROM "{name}"')
            found[name] = sorted(wanted, key=repr)
    return found


def undo(workspace: Workspace) -> Undone:
    """Take back the last synthesis; whatever comes of it, the memory is sound."""
    with SqliteStore.open(workspace.memory, write=True) as store:
        try:
            return store.undo.take_back()
        finally:
            assert store.database.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
            with connected(workspace.memory) as connection:
                assert_invariants(connection, "*")
                # The words are those of the texts that are there; FTS5 raises when they are not.
                connection.execute(
                    "INSERT INTO dag_text (dag_text, rank) VALUES ('integrity-check', 1)"
                )


def first(workspace: Workspace) -> None:
    """Let memory read what makes an insight of concepts, one of traces, and bridges."""
    each_in_its_own(workspace, "lock", *LOCKING[:3])
    write(workspace, "docs/alone.md", *ALONE[:3])
    for number, text in enumerate(PLANS):
        write(workspace, f"docs/try-{number}.md", own=attempt(text, LOCKING[number]))


def second(workspace: Workspace) -> None:
    """Let memory read what makes those insights grow, and another one."""
    each_in_its_own(workspace, "more", *LOCKING[3:], *PLANS)
    write(workspace, "docs/try-9.md", own=attempt(PLANS[1] + " Really.", LOCKING[4]))


BUILDS: list[Callable[[Path], None] | None] = [
    None, haios_databases.v3, haios_databases.migrated
]  # fmt: skip


@pytest.mark.parametrize("build", BUILDS)
def test_first_synthesis(tmp_path: Path, build: Callable[[Path], None] | None) -> None:
    """Undone, a first synthesis leaves every table, the counters too, as it was before."""
    if build:
        build(tmp_path / "haios_memory.db")
        workspace = Workspace(tmp_path)
        SqliteStore.open(workspace.memory, write=True).database.close()
    else:
        workspace = made(tmp_path)
    first(workspace)
    embedded(workspace)
    before = rows(workspace)
    found = beat(workspace, "one")
    assert found["new_insights"] == 2
    assert found["new_bridges"] > 1
    assert rows(workspace) != before
    assert undo(workspace) == Undone("one", 2, 0, found["new_bridges"], 6, 3)
    assert rows(workspace) == before


def test_beat_that_grew_clusters_and_bridged(workspace: Workspace) -> None:
    """Undone, a later beat leaves earlier texts, sources, counts, vectors and pairs as before."""
    first(workspace)
    beat(workspace, "one")
    second(workspace)
    embedded(workspace)
    before = rows(workspace, record=False)
    found = beat(workspace, "two")
    assert found["revised_insights"] == 2
    assert found["new_insights"] == 1
    assert found["new_bridges"] > 0
    undone = undo(workspace)
    assert undone == Undone("two", 1, 2, found["new_bridges"], 5, 1)
    assert rows(workspace, record=False) == before
    assert_invariants(workspace.memory, MODEL)


def test_next_beat_does_the_same_again(workspace: Workspace) -> None:
    """After an undo, the next beat makes the same rows, ids included."""
    first(workspace)
    beat(workspace, "one")
    second(workspace)
    found = beat(workspace, "two")
    after = said(workspace)
    undo(workspace)
    again = beat(workspace, "three")
    assert said(workspace) == after
    assert {name: found[name] for name in again if name in found} == {
        name: again[name] if name != "vectors" else found[name] for name in again if name in found
    }
    assert_invariants(workspace.memory, MODEL)


def test_only_the_last_beat(workspace: Workspace) -> None:
    """A second undo refuses, and changes nothing."""
    first(workspace)
    beat(workspace, "one")
    second(workspace)
    beat(workspace, "two")
    undo(workspace)
    before = rows(workspace)
    with pytest.raises(UndoError, match="no synthesis to take back"):
        undo(workspace)
    assert rows(workspace) == before


def test_nothing_to_undo(workspace: Workspace, tmp_path: Path) -> None:
    """Without a synthesis, or a memory, undo refuses in one sentence, and makes no file."""
    with pytest.raises(UndoError, match="no synthesis to take back"):
        undo(workspace)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UndoError, match="no memory at"):
        take_back.undo(Workspace(empty))
    assert list(empty.iterdir()) == []


def test_idle_beats_keep_the_record(workspace: Workspace) -> None:
    """Beats that synthesize nothing leave the last synthesis to be undone."""
    first(workspace)
    embedded(workspace)
    before = rows(workspace)
    beat(workspace, "one")
    assert beat(workspace, "idle") == {}
    for step in (synthesize_step, bridge_step):
        step.run(BeatContext(workspace, id="also idle"))
    assert undo(workspace).beat == "one"
    assert rows(workspace) == before


def test_the_record_is_that_of_one_beat(workspace: Workspace) -> None:
    """A beat with little work leaves a small record, whatever the beat before had to do."""
    first(workspace)
    beat(workspace, "one")
    with Foreign(workspace.memory) as foreign:
        large = foreign.one("SELECT count(*) FROM dag_undo")
        write(workspace, "docs/one-more.md", ALONE[5])
        beat(workspace, "two")
        assert foreign.one("SELECT count(*) FROM dag_undo") < large / 4
        assert foreign.rows("SELECT DISTINCT field FROM dag_undo WHERE change = 'step'") == [
            ("two",)
        ]


def test_steps_run_by_hand(workspace: Workspace) -> None:
    """By hand, a bridge belongs to the synthesize before it, and each synthesize is its own."""
    first(workspace)
    embedded(workspace)
    start = rows(workspace)
    beat(workspace)
    assert undo(workspace).beat is None
    assert rows(workspace) == start
    beat(workspace)
    second(workspace)
    embedded(workspace)
    before = rows(workspace, record=False)
    beat(workspace)
    assert undo(workspace).concepts == 5
    assert rows(workspace, record=False) == before


def test_bridging_after_a_beat(workspace: Workspace) -> None:
    """A bridge step by hand after a beat is taken back alone."""
    first(workspace)
    embedded(workspace)
    synthesize_step.run(BeatContext(workspace, id="one"))
    before = rows(workspace, record=False)
    bridge_step.run(BeatContext(workspace))
    undone = undo(workspace)
    assert (undone.beat, undone.insights, undone.concepts) == (None, 0, 0)
    assert undone.bridges > 0
    assert rows(workspace, record=False) == before


def test_documents_read_later_stay(workspace: Workspace) -> None:
    """What was ingested and embedded after the synthesis stays, and waits to be clustered."""
    first(workspace)
    beat(workspace, "one")
    second(workspace)
    with SqliteStore.open(workspace.memory, write=True) as store:
        forget(store, "docs/lock-0.md")
    embedded(workspace)
    with Foreign(workspace.memory) as foreign:
        wanted = "SELECT * FROM concept_occurrences ORDER BY id"
        read = foreign.rows(wanted)
        undo(workspace)
        assert foreign.rows(wanted) == read
        assert foreign.one("SELECT count(*) FROM dag_items WHERE leader IS NOT NULL") == 0
    assert beat(workspace, "two")["concepts"] == 10
    assert_invariants(workspace.memory, MODEL)


def test_trace_that_changed_later(workspace: Workspace) -> None:
    """A pair of an earlier beat whose trace has changed since does not wait with its old number."""
    first(workspace)
    (workspace.root / "haios.toml").write_text("[bridge]\nbudget = 1\n", encoding="utf-8")
    limited = Workspace(workspace.root)
    assert beat(limited, "one")["waiting"] > 0
    bridge_step.run(BeatContext(limited, id="two"))
    for number, text in enumerate(PLANS):
        write(limited, f"docs/try-{number}.md", own=attempt(text, ALONE[number]))
    undo(limited)
    with Foreign(limited.memory) as foreign:
        assert foreign.one("SELECT count(*) FROM dag_bridges WHERE insight_id IS NULL") == 0
    beat(limited, "three")


def insight(foreign: Foreign) -> int:
    """Return the id of the first insight."""
    return int(foreign.one("SELECT min(id) FROM concepts WHERE synthesized_at NOTNULL"))


def as_a_statement(foreign: Foreign) -> None:
    """State an insight in a document."""
    foreign.occurrence("theirs.md", insight(foreign))


def as_a_source(foreign: Foreign) -> None:
    """Synthesize from an insight."""
    own = foreign.concept("Something that they know and we have never read anywhere.")
    foreign.insight("[Theirs] Something.", [own, insight(foreign)])


def as_a_text(foreign: Foreign) -> None:
    """Edit an insight."""
    foreign.rows("UPDATE concepts SET content = '[x] y' WHERE id = ?", insight(foreign))


def its_sources(foreign: Foreign) -> None:
    """Synthesize from the sources of an insight, and so take them over."""
    ids = "SELECT source_id FROM synthesis_provenance WHERE synthesized_concept_id = ?"
    foreign.insight("[Theirs] More.", [row[0] for row in foreign.rows(ids, insight(foreign))])


def its_cluster(foreign: Foreign) -> None:
    """Add a member to a cluster."""
    own = foreign.concept("Something that they know and we have never read anywhere.")
    foreign.rows(
        "INSERT INTO synthesis_cluster_members (cluster_id, member_type, member_id)"
        " SELECT synthesis_cluster_id, 'concept', ? FROM concepts WHERE id = ?",
        own,
        insight(foreign),
    )


def as_a_side(foreign: Foreign) -> None:
    """Bridge an insight with a trace."""
    foreign.insight("[Theirs] A bridge.", [insight(foreign), foreign.trace("Why?")], "cross")


def in_provenance(foreign: Foreign) -> None:
    """Name an insight as where a concept of their own came from."""
    own = foreign.concept("Something that they know and we have never read anywhere.")
    foreign.rows(
        "INSERT INTO synthesis_provenance (synthesized_concept_id, source_type, source_id)"
        " VALUES (?, 'concept', ?)",
        own,
        insight(foreign),
    )


def in_its_group(foreign: Foreign) -> None:
    """Give a concept of their own the cluster of an insight."""
    own = foreign.concept("Something that they know and we have never read anywhere.")
    foreign.rows(
        "UPDATE concepts SET synthesis_cluster_id ="
        " (SELECT synthesis_cluster_id FROM concepts WHERE id = ?) WHERE id = ?",
        insight(foreign),
        own,
    )


def in_a_table_of_their_own(foreign: Foreign) -> None:
    """Refer to an insight from a table that only they know."""
    foreign.rows("CREATE TABLE notes (concept REFERENCES concepts (id) ON DELETE CASCADE)")
    foreign.rows("INSERT INTO notes VALUES (?)", insight(foreign))


USES = [
    as_a_statement, as_a_source, as_a_text, as_a_side, its_sources, its_cluster, in_provenance,
    in_its_group, in_a_table_of_their_own,
]  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_refuses_what_others_use(workspace: Workspace, use: Callable[[Foreign], None]) -> None:
    """An insight that another program rests on is not taken away from under it."""
    first(workspace)
    beat(workspace, "one")
    with Foreign(workspace.memory) as foreign:
        use(foreign)
    before = rows(workspace)
    with (
        SqliteStore.open(workspace.memory, write=True) as store,
        pytest.raises(UndoError, match="nothing was taken back"),
    ):
        store.undo.take_back()
    assert rows(workspace) == before


def test_refuses_in_another_space(workspace: Workspace) -> None:
    """Once the model has changed, the vectors of the record belong to nothing any more."""
    first(workspace)
    beat(workspace, "one")
    with SqliteStore.open(workspace.memory, write=True) as store, store.transaction():
        store.vectors.use_space("another")
    before = rows(workspace)
    with pytest.raises(UndoError, match="another model"):
        undo(workspace)
    assert rows(workspace) == before


def test_work_of_others_stays(workspace: Workspace) -> None:
    """Concepts and insights that another program has added since stay, and keep their ids."""
    first(workspace)
    beat(workspace, "one")
    with Foreign(workspace.memory) as foreign:
        own = [foreign.concept(f"Their own statement of the number {n} here.") for n in range(2)]
        theirs = foreign.insight("[Theirs] A text.", own)
        foreign.vector(theirs, b"\0" * 8, "theirs")
        undo(workspace)
        assert foreign.rows("SELECT id FROM concepts WHERE synthesized_at NOTNULL") == [(theirs,)]
        assert foreign.one("SELECT count(*) FROM synthesis_clusters") == 1
    beat(workspace, "two")
    assert_invariants(workspace.memory)
    with Foreign(workspace.memory) as foreign:
        assert foreign.rows("SELECT DISTINCT state FROM dag_items WHERE id IN (?, ?)", *own) == [
            ("consumed",)
        ]


def test_counters_stay_above_the_ids_of_others(workspace: Workspace) -> None:
    """An id that another program took between two steps of the beat is below the next one."""
    first(workspace)
    embedded(workspace)
    synthesize_step.run(BeatContext(workspace, id="one"))
    with Foreign(workspace.memory) as foreign:
        own = foreign.concept("Their own statement, which arrives between two steps of a beat.")
        bridge_step.run(BeatContext(workspace, id="one"))
        undo(workspace)
        assert foreign.one("SELECT seq FROM sqlite_sequence WHERE name = 'concepts'") == own


def test_pair_that_others_bridged(workspace: Workspace) -> None:
    """A pair that another program has bridged since is not bridged a second time."""
    first(workspace)
    (workspace.root / "haios.toml").write_text("[bridge]\nbudget = 1\n", encoding="utf-8")
    limited = Workspace(workspace.root)
    beat(limited, "one")
    with Foreign(limited.memory) as foreign:
        pair = foreign.rows(
            "SELECT concept_id, trace_id FROM dag_bridges WHERE insight_id IS NULL"
        )[0]
        theirs = foreign.insight("[Theirs] A bridge.", pair, "cross")
        foreign.vector(theirs, b"\0" * 8, "theirs")
        with SqliteStore.open(limited.memory, write=True) as store, store.transaction():
            store.items.adopt()
        undo(limited)
        assert foreign.rows("SELECT concept_id, trace_id, insight_id FROM dag_bridges") == [
            (*pair, theirs)
        ]
    beat(limited, "two")
    assert_invariants(limited.memory)


def test_record_is_data(workspace: Workspace) -> None:
    """A record that names a table or a column that is none is refused, not executed."""
    first(workspace)
    beat(workspace, "one")
    for name, field in (("artifacts", "id"), ("dag_items", 'id" = 1; --')):
        with Foreign(workspace.memory) as foreign:
            foreign.rows("DELETE FROM dag_undo WHERE number > 9000")
            foreign.rows(
                "INSERT INTO dag_undo VALUES (9001, ?, '[\"concept\",1]', 'update', ?, 1, 2)",
                name,
                field,
            )
        before = rows(workspace)
        with pytest.raises(UndoError, match="nothing was taken back"):
            undo(workspace)
        assert rows(workspace) == before


def test_waits_for_no_beat(workspace: Workspace) -> None:
    """While a beat holds the lock, undo refuses and leaves the memory alone."""
    first(workspace)
    beat(workspace, "one")
    before = rows(workspace)
    with files.lock(workspace.beat_lock, wait=False), pytest.raises(HaiosError, match="running"):
        take_back.undo(workspace)
    assert rows(workspace) == before


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_any_split(split: list[int]) -> None:
    """However texts are spread over beats, undoing the last one leaves what was before it."""
    texts = [*LOCKING, *PLANS]
    with tempfile.TemporaryDirectory() as folder:
        workspace = made(Path(folder))
        write(workspace, "docs/try.md", own=attempt(PLANS[0], LOCKING[1]))
        before = rows(workspace, record=False)
        for number in sorted(set(split)):
            for place, text in enumerate(texts):
                if split[place] == number:
                    write(workspace, f"docs/{place}.md", text)
            embedded(workspace)
            before = rows(workspace, record=False)
            beat(workspace, str(number))
        undo(workspace)
        assert rows(workspace, record=False) == before


_UNDO = """
import os, signal, sys
from pathlib import Path
from haios_dag.memory.store import SqliteStore
statements = 0
def count(_):
    global statements
    statements += 1
    if statements == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
with SqliteStore.open(Path(sys.argv[1]), write=True) as store:
    store.database.connection.set_trace_callback(count)
    store.undo.take_back()
    store.database.connection.set_trace_callback(None)
print(statements)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a POSIX signal")
def test_killed_undo(workspace: Workspace, tmp_path: Path) -> None:
    """Killed anywhere, an undo has done nothing; repeated, it does everything."""
    first(workspace)
    embedded(workspace)
    before = rows(workspace)
    beat(workspace, "one")
    after = rows(workspace)
    copy = tmp_path / "copy.db"
    with connected(workspace.memory) as connection, connected(copy) as other:
        connection.backup(other)
    total = int(processes.run(_UNDO, copy, -1))
    for point in (2, total // 3, total * 2 // 3, total - 3, total - 1):
        with processes.start(_UNDO, workspace.memory, point) as process:
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert rows(workspace) == after
    undo(workspace)
    assert rows(workspace) == before


def test_other_writers_are_not_recorded(workspace: Workspace) -> None:
    """Adoption of another program's concepts during a synthesis is not taken back with it."""
    first(workspace)
    embedded(workspace)
    with Foreign(workspace.memory) as foreign:
        own = foreign.concept("Their own statement, which arrives between two steps of a beat.")
        synthesize_step.run(BeatContext(workspace, id="one"))
        undo(workspace)
        assert foreign.rows("SELECT state FROM dag_items WHERE id = ?", own)


def test_vector_of_a_revised_insight_is_back(workspace: Workspace) -> None:
    """The embedding that a revision replaced is there again, bit by bit and under its id."""
    each_in_its_own(workspace, "lock", *LOCKING[:2])
    beat(workspace, "one")
    wanted = "SELECT * FROM embeddings WHERE concept_id IN (SELECT insight_id FROM dag_revisions)"
    with Foreign(workspace.memory) as foreign:
        before = foreign.rows(wanted)
        each_in_its_own(workspace, "more", *LOCKING[2:])
        beat(workspace, "two")
        assert foreign.rows(wanted) != before
        undo(workspace)
        assert foreign.rows(wanted) == before
