"""A beat is a beat: no option of doit, from a flag or a file, makes it something else."""

from pathlib import Path

import pytest
from workspaces import doit, log

PINNED = {
    "single": "true", "num_process": "1", "num_process 2": "2", "num_process 4": "4",
    "par_type": '"thread"', "always": "true", "continue": "true", "pdb": "false",
    "verbosity": "0", "dep_file": '"x.db"', "backend": '"dbm"', "reporter": '"json"',
    "default_tasks": '["events-clear"]', "outfile": '"elsewhere.txt"',
    "check_file_uptodate": '"timestamp"', "codec_cls": '"x"',
}  # fmt: skip


@pytest.mark.parametrize("file", ["pyproject.toml", "doit.cfg"])
@pytest.mark.parametrize("name", PINNED)
def test_a_file_of_the_workspace_changes_no_beat(copy: Path, name: str, file: str) -> None:
    """A setting of doit in the workspace leaves an ordinary beat with its event."""
    key, value = name.split(maxsplit=1)[0], PINNED[name]
    section = "[tool.doit]" if file == "pyproject.toml" else "[GLOBAL]"
    plain = value if file == "pyproject.toml" else value.strip('"')
    if file == "doit.cfg" and plain.startswith("["):
        pytest.skip("doit.cfg knows no lists")
    (copy / file).write_text(f"{section}\n{key} = {plain}\n", encoding="utf-8")
    done = doit(copy, cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-- ingest\n" in done.stdout
    assert [event["outcome"] for event in log(copy)] == ["ok", "idle"]


@pytest.mark.parametrize("both", [{"num_process": "2", "par_type": '"thread"'}])
def test_two_settings_at_once(copy: Path, both: dict[str, str]) -> None:
    """The ones that would run the tasks side by side are pinned together, too."""
    text = "".join(f"{key} = {value}\n" for key, value in both.items())
    (copy / "pyproject.toml").write_text(f"[tool.doit]\n{text}", encoding="utf-8")
    assert doit(copy, cwd=copy).returncode == 0
    assert log(copy)[-1]["outcome"] == "idle"


@pytest.mark.parametrize("task", ["heartbeat", "event"])
def test_single_is_refused_in_a_sentence(copy: Path, task: str) -> None:
    """`doit -s heartbeat` runs one task and no beat: it fails and says so, and leaves no event."""
    done = doit(copy, "-s", task)
    assert done.returncode == 1
    assert "no beat was begun" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(log(copy)) == 1


@pytest.mark.parametrize(
    "words", [["-n", "1"], ["-n", "2"], ["-n", "4"], ["-n", "2", "-P", "thread"]]
)
@pytest.mark.parametrize("task", ["heartbeat", "ingest"])
def test_side_by_side_is_refused_in_a_sentence(copy: Path, words: list[str], task: str) -> None:
    """`-n` fails in one sentence, whatever its number and kind, and leaves no event."""
    (copy / "docs" / "week-0.md").unlink()
    done = doit(copy, *words, task)
    assert done.returncode in (1, 2), done.stdout
    assert "a beat runs in one process" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(log(copy)) == 1
    assert doit(copy).returncode == 0


def test_a_step_alone_is_a_step(copy: Path) -> None:
    """`doit -s ingest` runs that step, which needs no beat."""
    (copy / "docs" / "week-0.md").unlink()
    done = doit(copy, "-s", "ingest")
    assert done.returncode == 0, done.stdout
    assert "1 removed" in done.stdout
