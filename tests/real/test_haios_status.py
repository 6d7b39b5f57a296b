"""The status of a real HAIOS workspace, at known moments: the contract's acceptance cases."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import workspaces
from freezegun import freeze_time
from statuses import PULSE, both

from haios_dag.base.step import BeatContext
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import ingest_step
from haios_dag.memory.store import SqliteStore
from haios_dag.status import document_summary, known_documents, status_writer

pytestmark = pytest.mark.real
THEN = "2026-02-25 15:03:24"  # when the committed full status was written
LATER = "2026-03-11 00:12:36"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the real workspace whose full status has every list, written at LATER."""
    target = tmp_path_factory.mktemp("real") / "haios"
    shutil.copytree(workspaces.REAL, target, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (target / "haios.toml").write_text("[status]\ndetail = true\n", encoding="utf-8")
    with freeze_time(LATER):
        assert status_writer.write(Workspace(target), memory=None, pulse=PULSE) == []
    return target


@pytest.fixture
def full(root: Path) -> dict[str, Any]:
    """The full status."""
    return next(both(Workspace(root)))


@pytest.fixture
def slim(root: Path) -> dict[str, Any]:
    """The slim status."""
    return list(both(Workspace(root)))[1]


def gathered(root: Path) -> list[known_documents.KnownDocument]:
    """Return the documents, read without a memory."""
    found, warnings = known_documents.gather(Workspace(root), has_looked=False)
    assert warnings == []
    return found


def test_case_1_live_documents(root: Path, full: dict[str, Any]) -> None:
    """620 documents stand directly in HAIOS's folders."""
    folders = [one.folder for one in document_summary.live(gathered(root))]
    assert {folder: folders.count(folder) for folder in set(folders)} == {
        "docs/checkpoints": 444,
        "docs/plans": 94,
        "docs/investigations": 45,
        "docs/ADR": 19,
        "docs/reports": 17,
        "docs/work/active": 1,
    }
    assert full["workspace"]["total_files"] == len(full["live_files"]) == 620


def test_case_2_front_matter(root: Path) -> None:
    """607 live documents have fields, 12 have none, one is not YAML; of all below docs likewise."""
    found = gathered(root)

    def read(some: list[known_documents.KnownDocument]) -> tuple[int, int, list[str]]:
        bad = [one.path for one in some if one.problem]
        good = [one for one in some if one.fields]
        return len(good), len(some) - len(good) - len(bad), bad

    assert read(document_summary.live(found)) == (607, 12, ["docs/work/active/WORK.md"])
    below = [one for one in found if one.path.startswith("docs/")]
    good, absent, bad = read(below)
    assert (len(below), good, absent, len(bad)) == (
        1854,
        1698 + 2,
        151 - 2,
        5,
    )  # two open behind comments


def test_case_3_kinds_and_statuses(full: dict[str, Any]) -> None:
    """The counts by template and by status are those of the contract."""
    assert full["workspace"]["by_template"] == {
        "checkpoint": 443,
        "implementation_plan": 92,
        "investigation": 45,
        "architecture_decision_record": 19,
        "unknown": 14,
        "implementation_report": 4,
        "report": 3,
    }
    assert full["workspace"]["by_status"] == {
        "unknown": 279,
        "complete": 192,
        "active": 118,
        "accepted": 18,
        "approved": 6,
        "completed": 2,
        "draft": 2,
        "final": 1,
        "proposed": 1,
        "ready": 1,
    }


@pytest.mark.parametrize(("at", "stale"), [(THEN, 397), (LATER, 496)])
def test_case_4_staleness(root: Path, at: str, stale: int) -> None:
    """More than 30 days old at each moment; 13 have no date; finished ones are told apart."""
    found = gathered(root)
    now = known_documents.instant(at)
    assert now is not None
    told = document_summary.workspace(found, document_summary.live(found), now, detail=True)
    assert (told["stale_count"], told["undated"]) == (stale, 13)
    assert len(told["stale"]["items"]) == told["stale"]["count"] == told["summary"]["stale_items"]
    assert 0 < told["stale"]["count"] < stale / 3


def test_case_5_work_items(slim: dict[str, Any], full: dict[str, Any]) -> None:
    """342 work items, 33 of them ready."""
    work = slim["work"]
    assert (work["items"], work["unfinished"], work["ready"]) == (342, 52, 33)
    assert work["by_status"] == {"complete": 290, "active": 51, "open": 1}
    assert work["by_queue"] == {"done": 285, "backlog": 33, "parked": 19, "ready": 4, "none": 1}
    assert len(full["work"]["open"]) == 52


def test_case_6_milestones(slim: dict[str, Any], full: dict[str, Any]) -> None:
    """Six milestones, all complete; the first of the sorted paths is the current one."""
    found = full["milestones"]
    assert found["M8-Memory"]["complete"] == [
        "E2-017", "E2-018", "E2-019", "E2-028", "E2-124", "INV-014", "INV-015", "INV-023",
        "INV-045", "TD-003",
    ]  # fmt: skip
    assert {name: (len(one["complete"]), len(one["items"])) for name, one in found.items()} == {
        "M8-Memory": (10, 10),
        "M7b-WorkInfra": (9, 9),
        "M7e-Hygiene": (3, 3),
        "Epoch3-FORESIGHT": (2, 2),
        "M7c-Governance": (1, 1),
        "M9-Agent": (1, 1),
    }
    assert all(one["progress"] == 100 for one in found.values())
    assert slim["milestone"] == {
        "id": "M8-Memory",
        "name": "Memory",
        "progress": 100,
        "prior_progress": 100,
        "delta_source": None,
    }


def test_case_7_finished_blockers_do_not_block(slim: dict[str, Any]) -> None:
    """WORK-071 names WORK-069, which is complete, so nothing is blocked."""
    assert slim["blocked_items"] == {}


def test_case_8_sessions(slim: dict[str, Any], full: dict[str, Any]) -> None:
    """The current session is that of .claude/session, wherever a reader looks for it."""
    delta = slim["session_delta"]
    assert (delta["current_session"], delta["prior_session"]) == (486, 485)
    assert (delta["checkpoints"], delta["prior_date"]) == ([484, 485], "2026-03-10")
    assert delta["added"] == [f"WORK-{number}" for number in range(300, 306)]
    assert (delta["added_count"], delta["completed"], delta["completed_count"]) == (6, [], 0)
    assert full["session_delta"] == delta
    assert full["last_session"] == 486
    for keys in (slim, full):
        assert keys["pm"]["last_session"] == keys["system"]["last_session"] == 486


def test_case_9_nothing_is_under_way(slim: dict[str, Any]) -> None:
    """A complete item is not under way, whatever node it was left in."""
    assert slim["work_cycle"] is None
    assert "E2-279" not in slim["active_work"]


def test_case_10_and_11_offers_and_live_state(slim: dict[str, Any], full: dict[str, Any]) -> None:
    """What the workspace offers is counted, and what hooks wrote is as it was."""
    offered = slim["infrastructure"]
    assert [len(offered[kind]) for kind in ("commands", "skills", "agents")] == [19, 33, 14]
    assert len(full["templates"]) == len(full["valid_templates"]) == 10
    assert full["hooks"] == {}
    before = json.loads((workspaces.REAL / ".claude/haios-status-slim.json").read_bytes())
    assert slim["session_state"] == before["session_state"]
    assert slim["session_state"]["work_id"] == "WORK-289"
    assert slim["context_pct"] == 13.0
    assert before.keys() <= slim.keys()


def test_case_12_alignment_and_spawn_map(full: dict[str, Any]) -> None:
    """141 documents belong to an item, no plan to none; no parent is called null."""
    assert len(full["alignment"]["aligned"]) == 141
    assert full["alignment"]["orphan_files"] == []
    assert "null" not in full["spawn_map"]
    assert len(full["spawn_map"]) == 30
    assert sum(map(len, full["spawn_map"].values())) == 45


def test_the_dashboard_is_served(full: dict[str, Any]) -> None:
    """What HAIOS's command /haios reads is there; nobody wrote it."""
    assert full["last_updated"] == full["generated"]
    assert full["pm"] == {"last_session": 486, "active_count": 52, "urgent": 0, "high": 2,
                          "medium": 29, "low": 21}  # fmt: skip
    assert full["lifecycle"]["live_files"] == 620
    assert full["lifecycle"]["by_status"]["unknown"] == 279
    assert full["lifecycle"]["alignment_issues"] == 0


def test_case_13_tree_reader(full: dict[str, Any]) -> None:
    """A reader of milestones finds what it prints."""
    name, one = next(iter(full["milestones"].items()))
    line = f"{name}: {one['progress']}% ({len(one['complete'])}/{len(one['items'])} complete)"
    assert line == "M8-Memory: 100% (10/10 complete)"


def test_case_16_only_times_differ(root: Path) -> None:
    """Written again at once, both files differ only in when that was; ages grow by the day."""
    workspace = Workspace(root)
    texts = []
    for at in (LATER, f"{LATER}.5"):
        with freeze_time(at):
            status_writer.write(workspace, memory=None, pulse=PULSE)
        texts.append(
            [
                [
                    line
                    for line in path.read_text("utf-8").splitlines()
                    if '"generated"' not in line and '"last_updated"' not in line[:20]
                ]
                for path in (workspace.status, workspace.status_slim)
            ]
        )
    assert texts[0] == texts[1]
    assert len(texts[0][1]) < 100


def test_small_by_default(root: Path) -> None:
    """Without the lists, the full status is a fifteenth of HAIOS's, and has no stale list left."""
    plain = Workspace(root.parent / "plain")
    shutil.copytree(root, plain.root)
    (plain.root / "haios.toml").unlink()
    shutil.copyfile(workspaces.REAL / ".claude" / "haios-status.json", plain.status)
    assert status_writer.write(plain, memory=None, pulse=PULSE) == []
    assert (
        plain.status.stat().st_size * 10
        < (workspaces.REAL / ".claude" / "haios-status.json").stat().st_size
    )
    assert "live_files" not in next(both(plain))


@pytest.mark.slow
def test_the_ledger_says_what_the_files_say(root: Path) -> None:
    """The status by ingest's ledger is the one by parsing all files, byte for byte."""
    workspace = Workspace(root)
    by_files = list(_texts(workspace))
    ingest_step.run(BeatContext(workspace))
    with SqliteStore.open(workspace.memory, write=False) as store:
        assert len(store.documents.heads()) > 2000
    assert list(_texts(workspace)) == by_files
    assert gathered(root) == known_documents.gather(workspace, has_looked=True)[0]


def _texts(workspace: Workspace) -> Iterator[dict[str, Any]]:
    with freeze_time(LATER):
        assert status_writer.write(workspace, memory=None, pulse=PULSE) == []
    for keys in both(workspace):
        del keys["memory"]
        yield keys
