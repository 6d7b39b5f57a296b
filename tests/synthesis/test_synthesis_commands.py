"""`doit synthesize --dry-run`, `synthesis-undo` and `synthesis-explain`, as a user meets them."""

import re
from pathlib import Path

import pytest
import workspaces
from memory_checks import Foreign, content_hash
from workspaces import doit, log


def files(root: Path) -> list[tuple[Path, bytes]]:
    """Return every file that is there, but for what a reader of the database leaves."""
    left = {"__pycache__", "memory.db-shm", "memory.db-wal"}
    return sorted(
        (path, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and not left & set(path.parts)
    )


def test_dry_run_writes_nothing(root: Path) -> None:
    """With and without a memory, new documents and pending work, a dry run changes no file."""
    before = files(root)
    done = doit(root, "synthesize", "--dry-run")
    assert (done.returncode, files(root)) == (0, before)
    assert "nothing to do: there is no memory" in done.stdout
    assert doit(root, "embed").returncode == 0
    (root / "docs" / "new.md").write_text("# More\n\nA statement that was not read yet.\n")
    before = files(root)
    done = doit(root, "synthesize", "--dry-run")
    assert (done.returncode, files(root)) == (0, before)
    said = re.search(r"(\d+ concepts, \d+ traces), (\d+ new insights.*); nothing was", done.stdout)
    assert said is not None
    assert "ingest" not in done.stdout
    (root / "docs" / "new.md").unlink()
    done = doit(root, "synthesize")
    assert done.returncode == 0
    assert f"{said[1]}, {said[2]}" in done.stdout
    before = files(root)
    done = doit(root, "synthesize", "--dry-run")
    assert (done.returncode, files(root)) == (0, before)
    assert "nothing to do: no new concepts or traces" in done.stdout


@pytest.mark.parametrize(
    "words",
    ["heartbeat --dry-run", "bridge --dry-run", "ingest synthesize --dry-run",
     "heartbeat synthesize --dry-run", "synthesize --dry-run heartbeat"],
)  # fmt: skip
def test_dry_run_is_of_synthesize_alone(root: Path, words: str) -> None:
    """Together with a step that would write, a dry run is refused before anything is done."""
    before = files(root)
    done = doit(root, *words.split())
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    left = [(path, data) for path, data in files(root) if ".haios" not in path.parts]
    assert left == before


def test_dry_run_cut_short(root: Path) -> None:
    """Doit takes an option that is cut short, and so does the dry run."""
    before = files(root)
    assert doit(root, "synthesize", "--dry").returncode == 0
    assert files(root) == before


def test_dry_run_by_configuration(root: Path) -> None:
    """Where doit's own configuration sets the option, nothing is written, and a beat says why."""
    assert doit(root, "embed").returncode == 0
    (root / "pyproject.toml").write_text("[tool.doit.tasks.synthesize]\ndry_run = true\n")
    done = workspaces.run(workspaces.command(root, "synthesize"), cwd=root)
    assert "nothing was written" in done.stdout
    done = workspaces.run(workspaces.command(root), cwd=root)
    assert done.returncode == 1
    assert "--dry-run works for one step alone" in done.stdout
    assert workspaces.log(root) == []
    with Foreign(root / "memory.db") as foreign:
        assert foreign.one("SELECT count(*) FROM dag_items WHERE leader NOTNULL") == 0


def test_explain_then_undo(root: Path) -> None:
    """A beat's insight is explained; undone, the counts printed are those of the rows that went."""
    assert doit(root, "embed").returncode == 0
    memory = root / "memory.db"
    before = content_hash(memory)
    assert doit(root).returncode == 0
    with Foreign(memory) as foreign:
        insights, bridges = foreign.rows(
            "SELECT total(cluster_type != 'cross'), total(cluster_type = 'cross')"
            " FROM synthesis_clusters"
        )[0]
        concepts, traces = foreign.rows(
            "SELECT total(kind = 'concept'), total(kind = 'trace') FROM dag_items"
            " WHERE leader NOTNULL"
        )[0]
        insight = foreign.one("SELECT min(id) FROM concepts WHERE synthesized_at NOTNULL")
    done = doit(root, "synthesis-explain", str(insight))
    assert done.returncode == 0
    assert done.stdout.startswith(f"insight {insight}: ")
    done = doit(root, "synthesis-undo")
    assert done.returncode == 0, done.stdout
    assert (
        f"made: {insights:.0f} insights, 0 revisions, {bridges:.0f} bridges;"
        f" {concepts:.0f} concepts and {traces:.0f} traces wait again"
    ) in done.stdout
    with Foreign(memory) as foreign:
        assert foreign.rows("SELECT beat FROM dag_undone") == [(log(root)[-1]["beat"],)]
        foreign.rows("DELETE FROM dag_undone")
    assert content_hash(memory) == before
    done = doit(root, "synthesis-undo")
    assert done.returncode == 1
    assert "there is no synthesis to take back" in done.stderr
    done = doit(root, "synthesis-explain", str(insight))
    assert done.returncode == 1
    assert "no concept or insight has the id" in done.stderr
