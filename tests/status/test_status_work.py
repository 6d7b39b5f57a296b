"""The rules of the workspace's state, each on a workspace that is only what the rule needs."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from statuses import OURS, PULSE, both, put, write

from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import document_head, front_matter, ingest_step
from haios_dag.memory.store import SqliteStore
from haios_dag.status import known_documents, work_items
from haios_dag.status.known_documents import FINISHED, KnownDocument


def item(workspace: Workspace, name: str, **fields: Any) -> Path:  # noqa: ANN401
    """Write a work item as HAIOS does."""
    return paper(workspace, f"docs/work/active/{name}/WORK.md", id=name, **fields)


def paper(workspace: Workspace, path: str, **fields: Any) -> Path:  # noqa: ANN401
    """Write a document with fields; JSON is YAML."""
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in fields.items()]
    return put(workspace.root / path, f"---\n{''.join(lines)}---\n# Text\n".encode())


def slim(workspace: Workspace) -> dict[str, Any]:
    """Write the status and return the slim one."""
    assert write(workspace) == []
    return list(both(workspace))[1]


def full(workspace: Workspace) -> dict[str, Any]:
    """Write the status and return the full one."""
    assert write(workspace) == []
    return next(both(workspace))


# --- a folder of notes ----------------------------------------------------------------------------


def test_a_folder_of_notes_has_no_key_of_haios(workspace: Workspace) -> None:
    """Notes are counted by folder, the newest named with its date; nothing speaks of milestones."""
    for number, path in enumerate(
        ["README.md", "docs/a.md", "docs/deep/er/b.md", "docs/deep/c.md"]
    ):
        os.utime(put(workspace.root / path, b"# A note\n"), (1_700_000_000 + number,) * 2)
    found = slim(workspace)
    assert found.keys() == OURS
    assert found["documents"] == {
        "total": 4,
        "with_front_matter": 0,
        "unusable_front_matter": 0,
        "unusable": [],
        "by_folder": {"docs/deep": 2, ".": 1, "docs": 1},
        "by_kind": {},
        "recent": [
            {"path": "docs/deep/c.md", "changed": "2023-11-14T22:13:23.000+00:00"},
            {"path": "docs/deep/er/b.md", "changed": "2023-11-14T22:13:22.000+00:00"},
            {"path": "docs/a.md", "changed": "2023-11-14T22:13:21.000+00:00"},
            {"path": "README.md", "changed": "2023-11-14T22:13:20.000+00:00"},
        ],
    }
    assert full(workspace).keys() == OURS


@pytest.mark.parametrize("seconds", [-40_000_000_000, -1, 2**33, 300_000_000_000])
def test_any_time_stamp_makes_a_status(workspace: Workspace, seconds: int) -> None:
    """A file's time stamp may lie before every calendar, or behind it."""
    try:
        os.utime(put(workspace.root / "docs" / "a.md", b"# A note\n"), (seconds, seconds))
    except OSError:
        pytest.skip("this file system does not keep such a time")
    assert slim(workspace)["documents"]["recent"][0]["path"] == "docs/a.md"


def test_empty_keys_of_an_earlier_release_go(workspace: Workspace) -> None:
    """Where only nulls of HAIOS's keys were written, they go; one that says something stays."""
    nulls: dict[str, Any] = {
        "milestone": None,
        "active_work": [],
        "session_state": {"work_id": None},
    }
    put(workspace.status_slim, json.dumps(nulls).encode())
    assert slim(workspace).keys() == OURS
    put(workspace.status_slim, json.dumps(nulls | {"session_state": {"work_id": "W-1"}}).encode())
    found = slim(workspace)
    assert found["session_state"] == {"work_id": "W-1"}
    assert found["milestone"] is None
    assert "milestones" in next(both(workspace)) or full(workspace)["milestones"] == {}


# --- work items -----------------------------------------------------------------------------------


def test_ready_is_neither_finished_nor_parked_nor_blocked(workspace: Workspace) -> None:
    """Of items in every state, the ready ones are those that can be taken up, urgent ones first."""
    item(workspace, "W-1", status="active", priority="low")
    item(workspace, "W-2", status="complete")
    item(workspace, "W-3", status="active", queue_position="parked")
    item(workspace, "W-4", status="active", blocked_by=["W-1"])
    item(workspace, "W-5", status="active", blocked_by=["W-2"], priority="high")
    item(workspace, "W-6", status="blocked")
    item(workspace, "W-7", status="COMPLETE")
    found = slim(workspace)
    assert found["work"] == {
        "items": 7,
        "unfinished": 5,
        "ready": 2,
        "next": ["W-5", "W-1"],
        "blocked": 1,
        "by_status": {"active": 4, "complete": 2, "blocked": 1},
        "by_queue": {"none": 6, "parked": 1},
        "completed_since": [],
    }
    assert found["blocked_items"] == {"W-4": ["W-1"]}
    assert found["active_work"] == ["W-5"]
    assert found["counts"]["backlog_pending"] == 0


def test_older_forms_and_strays(workspace: Workspace) -> None:
    """A file of its own is an item too; a template, an archive of other times are none."""
    paper(workspace, "docs/work/active/E2-1-title.md", template="work_item", id="E2-1")
    paper(workspace, "docs/work/archive/E2-2/WORK.md", id="E2-2", status="complete")
    paper(workspace, "docs/work/active/notes.md", template="report", id="R-1")
    paper(workspace, "docs/work/_legacy-archive/E2-3/WORK.md", id="E2-3", status="active")
    put(workspace.root / "docs/work/active/WORK.md", b"---\nid: {{ID}}\n---\n")
    put(workspace.root / "docs/work/active/E2-4/WORK.md", b"no front matter")
    found = full(workspace)
    assert found["work"]["open"] == ["E2-1", "E2-4"]
    assert found["work"]["items"] == 3
    assert found["documents"]["unusable"] == ["docs/work/active/WORK.md"]


def test_blockers_from_every_source(workspace: Workspace) -> None:
    """Plans name blockers too; whether one is finished any document can say, an item above all."""
    paper(workspace, "docs/plans/a.md", backlog_id="E-1", status="approved", blocked_by="E-2")
    paper(workspace, "docs/plans/b.md", backlog_id="E-2", status="complete")
    paper(workspace, "docs/plans/c.md", backlog_id="E-3", status="draft", blocked_by=["W-1", "E-9"])
    paper(workspace, "docs/plans/d.md", backlog_id="W-1", status="complete")
    paper(workspace, "docs/plans/e.md", backlog_id="E-5", status="complete", blocked_by=["W-1"])
    item(workspace, "W-1", status="active")
    assert slim(workspace)["blocked_items"] == {"E-3": ["E-9", "W-1"]}


def test_what_is_under_way(workspace: Workspace) -> None:
    """The first unfinished item out of the backlog is under way."""
    item(workspace, "W-1", status="complete", current_node="do")
    item(workspace, "W-2", status="active", current_node="backlog")
    assert slim(workspace)["work_cycle"] is None
    item(workspace, "W-3", status="active", current_node="do", title="T", cycle_phase="DO")
    assert slim(workspace)["work_cycle"] == {
        "id": "W-3",
        "title": "T",
        "current_node": "do",
        "cycle_type": None,
        "lifecycle_phase": "DO",
    }


def test_completed_since_the_status_before(workspace: Workspace) -> None:
    """An item that is finished now and was not is told once; its milestone says what moved it."""
    for number in range(54):
        done = "complete" if number < 48 else "active"
        item(workspace, f"W-{number:02}", status=done, milestone="M1-First")
    first = slim(workspace)
    assert (first["milestone"]["progress"], first["milestone"]["prior_progress"]) == (89, None)
    item(workspace, "W-50", status="complete", milestone="M1-First")
    moved = slim(workspace)
    assert moved["work"]["completed_since"] == ["W-50"]
    assert moved["milestone"] == {
        "id": "M1-First",
        "name": "First",
        "progress": 91,
        "prior_progress": 89,
        "delta_source": "W-50",
    }
    for _ in range(2):
        same = slim(workspace)
        assert same["work"]["completed_since"] == []
        assert (same["milestone"]["progress"], same["milestone"]["prior_progress"]) == (91, 91)
        assert same["milestone"]["delta_source"] is None


@given(complete=st.integers(0, 400), left=st.integers(0, 400))
def test_progress_is_100_only_when_all_is_complete(complete: int, left: int) -> None:
    """Rounding never says that a milestone is complete that is not."""
    items = {
        f"W-{number}": KnownDocument("x", 0, {"milestone": "M", "status": status}, None)
        for number, status in enumerate(["done"] * complete + ["active"] * left)
    }
    found = work_items.milestones(items, {})
    if items:
        assert 0 <= found["M"]["progress"] <= 100
        assert (found["M"]["progress"] == 100) == (left == 0)
        assert abs(found["M"]["progress"] - 100 * complete / len(items)) < 1
    else:
        assert found == {}


def test_the_furthest_unfinished_milestone_is_the_current_one(workspace: Workspace) -> None:
    """Complete milestones are behind, and of the others the furthest is told."""
    item(workspace, "A", status="complete", milestone="M1-Done")
    for name, status in {"B": "complete", "C": "active", "D": "complete"}.items():
        item(workspace, name, status=status, milestone="M2-Far")
    item(workspace, "E", status="active", milestone="M3-New")
    assert slim(workspace)["milestone"]["id"] == "M2-Far"
    assert [*full(workspace)["milestones"]] == ["M1-Done", "M2-Far", "M3-New"]


# --- sessions -------------------------------------------------------------------------------------


def test_the_session_is_never_below_its_file(workspace: Workspace) -> None:
    """The larger of the file and the newest checkpoint is the session; a status cannot raise it."""
    put(workspace.root / ".claude" / "session", b"# generated\n12\n")
    assert slim(workspace)["session_delta"]["current_session"] == 12
    assert slim(workspace)["session_delta"]["prior_session"] is None
    paper(workspace, "docs/checkpoints/2026-01-01-SESSION-9-x.md", backlog_ids=["W-1"])
    paper(
        workspace, "docs/checkpoints/SESSION-11-x.md", backlog_ids=["W-2", "W-1"], date="2026-01-05"
    )
    item(workspace, "W-1", status="complete")
    delta = slim(workspace)["session_delta"]
    assert (delta["current_session"], delta["prior_session"]) == (12, 11)
    assert (delta["added"], delta["completed"]) == (["W-2"], ["W-1"])
    assert (delta["prior_date"], delta["checkpoints"]) == ("2026-01-05", [9, 11])
    paper(workspace, "docs/checkpoints/checkpoint-20.md")
    found = full(workspace)
    assert found["last_session"] == found["session_delta"]["current_session"] == 20


@pytest.mark.parametrize("content", [b"", b"none", b"\xff\xfe\x00", b"1" * 5000, b"-3\n"])
def test_a_session_file_that_says_nothing(workspace: Workspace, content: bytes) -> None:
    """A session file without a number is no session, and no error."""
    put(workspace.root / ".claude" / "session", content)
    assert slim(workspace).keys() == OURS


# --- staleness and lists --------------------------------------------------------------------------


@freeze_time("2026-02-15 12:00:00")
def test_finished_documents_are_not_stale_for_signals(workspace: Workspace) -> None:
    """Both numbers are told; on the thirtieth day a document is not stale yet."""
    paper(workspace, "docs/plans/a.md", status="active", date="2026-01-01")
    paper(workspace, "docs/plans/b.md", status="complete", date="2026-01-01")
    paper(workspace, "docs/plans/c.md", status="active", last_updated="2026-01-16T12:00:00")
    paper(workspace, "docs/plans/d.md", status="active", last_updated="2026-01-16T11:59:59")
    paper(workspace, "docs/ADR/e.md", template="architecture_decision_record", status="accepted",
          date="2020-01-01")  # fmt: skip
    paper(workspace, "docs/plans/f.md", status="active", date="soon")
    paper(workspace, "docs/plans/README.md", status="active", date="2020-01-01")
    found = full(workspace)["workspace"]
    assert (found["stale_count"], found["undated"], found["total_files"]) == (4, 1, 6)
    assert found["stale"]["count"] == 2
    assert [(one["path"], one["days_stale"]) for one in found["stale"]["items"]] == [
        ("docs/plans/a.md", 45),
        ("docs/plans/d.md", 30),
    ]


def test_detail_adds_the_lists_and_without_it_they_go(workspace: Workspace) -> None:
    """`[status] detail` writes the lists; switched off, none is left to grow old."""
    paper(workspace, "docs/plans/a.md", template="implementation_plan", status="approved")
    paper(workspace, "docs/plans/b.md", backlog_id="E-1", spawned_by="null", status="done")
    paper(workspace, "docs/plans/c.md", backlog_id="E-2", spawned_by="E-1", status="draft")
    put(workspace.root / "haios.toml", b"[status]\ndetail = true\n")
    found = full(workspace)
    assert found["spawn_map"] == {"E-1": ["E-2"]}
    assert found["alignment"]["orphan_files"] == ["docs/plans/a.md"]
    assert [one["id"] for one in found["outstanding_items"]] == [None, "E-2"]
    assert len(found["live_files"]) == 3
    assert found["workspace"]["outstanding"]["plans"] == ["docs/plans/a.md"]
    put(workspace.root / "haios.toml", b"")
    assert full(Workspace(workspace.root)).keys().isdisjoint({"spawn_map", "live_files"})


# --- heads ----------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.dates()
    | st.datetimes() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


@given(fields=st.dictionaries(st.sampled_from(document_head.KEPT) | st.text(), VALUES))
def test_any_field_makes_a_status(fields: dict[str, Any]) -> None:
    """Whatever YAML can hold is kept as JSON, and no rule stumbles over it."""
    kept = document_head.load(document_head.of(fields, None))
    assert kept is None or isinstance(kept, dict)
    one = KnownDocument("docs/work/active/A/WORK.md", 0, kept or {}, None)
    items = work_items.items([one])
    waiting = work_items.blocked([one], [one], items)
    json.dumps(
        [
            work_items.summary(items, waiting, []),
            work_items.cycle(items),
            work_items.milestones(items, {}),
        ]
    )
    assert one.when() is None or isinstance(one.when(), dt.datetime)
    assert (one.status in FINISHED) <= one.is_finished


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", '"why"', "[" * 100_000])
def test_a_ledger_that_others_wrote_into(text: str) -> None:
    """A damaged head leaves those of other documents intact."""
    known = [("a.md", (1, 2, 3), '{"id": "A"}'), ("b.md", (1, 0, 3), text)]
    first, second = known_documents._documents(known)
    assert first.fields == {"id": "A"}
    assert (second.fields, second.changed) == ({}, 3)


# --- with and without a ledger --------------------------------------------------------------------


def test_only_changed_files_are_parsed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ingest nothing is parsed; without it, only what the ledger does not know."""
    for number in range(5):
        item(workspace, f"W-{number}", status="active")
        os.utime(workspace.root / f"docs/work/active/W-{number}/WORK.md", (1e9, 1e9))
    ingest_step.run(BeatContext(workspace))
    parsed: list[str] = []
    split = front_matter.split

    def counting(text: str) -> Any:  # noqa: ANN401
        parsed.append(text)
        return split(text)

    monkeypatch.setattr(front_matter, "split", counting)
    by_ledger = known_documents.gather(workspace, has_looked=True)
    assert parsed == []
    assert known_documents.gather(workspace, has_looked=False) == by_ledger
    assert parsed == []
    item(workspace, "W-3", status="complete")
    found, _ = known_documents.gather(workspace, has_looked=False)
    assert len(parsed) == 1
    assert [one.path for one in found if one.is_finished] == ["docs/work/active/W-3/WORK.md"]
    put(workspace.root / "haios.toml", b"[ingest]\nenabled = false\n")
    assert known_documents.gather(Workspace(workspace.root), has_looked=True)[0] == found


def test_a_failed_ingest_does_not_make_the_status_old(workspace: Workspace) -> None:
    """What ingest could not take in is read by the status itself."""
    item(workspace, "W-1", status="active")
    ingest_step.run(BeatContext(workspace))
    item(workspace, "W-1", status="complete")
    write(workspace, pulse=PULSE | {"outcomes": {"ingest": "failed"}})
    assert list(both(workspace))[1]["work"]["unfinished"] == 0


def test_a_ledger_of_an_earlier_release_is_read_again(workspace: Workspace) -> None:
    """A memory without heads gets them at the next beat, once, and no concept twice."""
    item(workspace, "W-1", status="active")
    put(workspace.root / "docs/gone.md", b"# Gone\n\nThis will be deleted between two releases.\n")
    ingest_step.run(BeatContext(workspace))
    with SqliteStore.open(workspace.memory, write=True) as store:
        concepts = store.counts()["concepts"]
        store.database.execute("UPDATE dag_documents SET head = NULL")
        store.database.execute("UPDATE dag_meta SET value = '1' WHERE key = 'version'")
    (workspace.root / "docs/gone.md").unlink()
    assert ingest_step.idle(workspace) is None
    assert known_documents.gather(workspace, has_looked=False)[0][0].text("id") == "W-1"
    counts = Counts()
    ingest_step.run(BeatContext(workspace, counts=counts))
    assert (counts["documents"], counts["removed"], counts["new_concepts"]) == (1, 1, 0)
    assert ingest_step.idle(workspace) == "no document changed"
    with SqliteStore.open(workspace.memory, write=False) as store:
        assert [path for path, *_ in store.documents.heads()] == ["docs/work/active/W-1/WORK.md"]
        assert store.counts()["concepts"] == concepts
