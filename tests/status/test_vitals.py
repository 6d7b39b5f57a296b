"""The vital signs are true, short and safe, with any content of the status."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import workspaces
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from processes import run
from statuses import LATE, NOW, PULSE, put, write
from workspaces import doit

from haios_dag.base.workspace import Workspace
from haios_dag.status import vitals


def shown(root: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m haios_dag vitals` as a hook does."""
    words = [sys.executable, "-m", "haios_dag", "vitals", str(root)]
    return workspaces.run(words, cwd=root)


def test_after_a_beat(beaten: Path) -> None:
    """Both ways say the same, in ten lines at most, and end with 0."""
    done = shown(beaten)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("status    of 20")
    assert [line.split()[0] for line in lines] == ["status", "pulse", "memory", "documents"]
    assert lines[3] == "documents 4; newest docs/checkpoint.md"
    by_doit = doit(beaten, "vitals")
    assert by_doit.returncode == 0
    assert by_doit.stdout.splitlines() == [*lines]


@freeze_time(NOW)
def test_every_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A workspace in which everything can be said gets ten lines."""
    workspace = Workspace(tmp_path)
    heads = {
        "docs/work/active/W-1/WORK.md": "status: active\nmilestone: M1-A\nblocked_by: [W-9]",
        "docs/work/active/W-2/WORK.md": "status: done\nmilestone: M1-A",
        "docs/work/active/W-3/WORK.md": "status: active\npriority: high",
    }
    for path, head in heads.items():
        put(tmp_path / path, f"---\n{head}\n---\n".encode())
    put(tmp_path / ".claude" / "session", b"7\n")
    state = {"work_id": "W-3", "active_cycle": "plan", "current_phase": "DO"}
    put(workspace.status_slim, json.dumps({"session_state": state, "context_pct": 41}).encode())
    pulse = PULSE | {"missed": 2, "outcomes": PULSE["outcomes"] | {"bridge": "failed"}}
    write(workspace, pulse=pulse)
    capsys.readouterr()  # the signals that came
    keys = json.loads(workspace.status_slim.read_bytes())
    keys["signals"] = [
        {"name": "BOTTLENECK", "says": "4 items are blocked: W-1, W-2, W-3, W-4"},
        *("ATTENTION", 3, {}, None),
    ]
    workspace.status_slim.write_text(json.dumps(keys), encoding="utf-8")
    assert vitals.show(workspace) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0] == f"status    of {NOW}"
    assert lines[1] == "signals   BOTTLENECK: 4 items are blocked; ATTENTION; 3; and 2 more"
    assert lines[2] == (
        "pulse     failed: bridge; 3 good before; 2 missed; next due 2026-01-31T13:00"
    )
    assert lines[3] == "memory    12 concepts, 3 traces, 2 insights, 1 bridges"
    assert lines[4].startswith("documents 3; newest docs/work/active/W-")
    assert lines[5:] == [
        "work      2 unfinished, 1 ready, 1 blocked; next W-3",
        "blocked   W-1 by W-9",
        "milestone M1-A 50%",
        "session   7",
        "cycle     W-3 · plan · DO · context 41%",
    ]


def test_a_stale_status_says_so_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond `stale_after` the first line says since when, and the exit code is 1."""
    workspace = Workspace(tmp_path)
    with freeze_time(NOW):
        write(workspace)
    with freeze_time(LATE):
        assert vitals.show(workspace) == 1
    said = "STALE: of 2026-01-31T12:00:00.000+00:00, not to be relied on since 2026-01-31T14:00\n"
    assert capsys.readouterr().out.startswith(said)
    done = shown(tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(said)
    put(workspace.status_slim, b'{"stale_after": "soon"}')
    assert shown(tmp_path).stdout == (
        "STALE: this status does not say how long it holds; run doit heartbeat\n"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "there is no status at"),
        (b"", "is not valid JSON"),
        (b"[1]", "is not a JSON object"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"\0\xff", "is not valid JSON"),
    ],
)
def test_no_status_is_one_sentence(
    beaten: Path, copy: Path, data: bytes | None, reason: str
) -> None:
    """A status that is missing or none is said in a sentence, with exit code 2, and left alone."""
    assert beaten != copy
    path = Workspace(copy).status_slim
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    for done in (shown(copy), doit(copy, "vitals")):
        assert done.returncode == 2
        assert reason in done.stdout + done.stderr  # doit has it on stdout
        assert "Traceback" not in done.stdout + done.stderr
    assert path.exists() == (data is not None)
    assert not list(path.parent.glob("*.bad-*"))


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """A link in the place of the status is not read."""
    secret = put(tmp_path / "secret", b'{"generated": "secret"}')
    (tmp_path / ".claude").mkdir()
    Workspace(tmp_path).status_slim.symlink_to(secret)
    done = shown(tmp_path)
    assert done.returncode == 2
    assert "symbolic link" in done.stderr
    assert "secret" not in done.stdout


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\x1b]0;x\x07"),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=3) | st.sampled_from(["total", "recent", "reason", "next"]),
                      inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from(
    ["generated", "stale_after", "signals", "pulse", "memory", "documents", "work", "blocked_items",
     "milestone", "session_delta", "session_state", "context_pct"]
)  # fmt: skip


@given(keys=st.dictionaries(KEYS, JSON))
def test_hostile_values_break_nothing(keys: dict[str, Any]) -> None:
    """Any JSON under any key makes at most ten printable lines."""
    lines = [*map(vitals.shown, vitals._lines(keys, vitals._stale_since(keys)))]
    assert 1 <= len(lines) <= 10
    assert all(line.isprintable() and len(line) <= 120 for line in lines)


def test_it_imports_nothing_heavy() -> None:
    """The hook's way loads no database, no schema validator, no YAML and no doit."""
    program = "import sys, haios_dag.__main__, haios_dag.status.vitals\n"
    program += "print({'sqlite3', 'yaml', 'jsonschema', 'jsonschema_rs', 'numpy', 'doit'}"
    program += " & sys.modules.keys())"
    assert run(program) == "set()\n"
