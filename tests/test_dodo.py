"""The graph as a user meets it: `doit list`, help, loading."""

import subprocess
import sys
from pathlib import Path

import workspaces
from workspaces import doit

PUBLIC = {
    "heartbeat", "ingest", "embed", "synthesize", "bridge", "status", "event",
    "recall", "events", "events-since", "events-stats", "events-add", "events-clear",
    "resonance", "pulse", "vitals", "watch", "validate", "synthesis-undo", "synthesis-explain",
    "doctor", "schedule", "schedule:windows", "schedule:cron", "schedule:systemd",
    "schedule:launchd", "schedule:watchdog", "schedule-install", "schedule-remove",
    "schedule-status",
}  # fmt: skip


def test_list_shows_every_public_task(tmp_path: Path) -> None:
    """`doit list` names each public task with one helpful line, and no plumbing."""
    root = workspaces.make(tmp_path / "space")
    done = doit(root, "list")
    assert done.returncode == 0
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert shown.keys() == PUBLIC
    assert all(len(doc) > 15 for doc in shown.values())


def test_help_of_a_command(tmp_path: Path) -> None:
    """`doit help events` tells the options."""
    done = doit(workspaces.make(tmp_path / "space"), "help", "events")
    assert done.returncode == 0
    assert "--count" in done.stdout
    assert "--json" in done.stdout


def test_loading_reads_and_writes_nothing(tmp_path: Path) -> None:
    """Listing tasks leaves the workspace as it was, even with settings that are wrong."""
    root = workspaces.make(tmp_path / "space")
    (root / "haios.toml").write_text("not toml at all", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert doit(root, "list").returncode == 0
    after = [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts]
    assert after == before


def test_loading_imports_nothing_heavy() -> None:
    """Loading dodo.py imports nothing that only a step needs."""
    program = (
        "import sys; sys.argv = ['doit']\n"
        "import doit.doit_cmd; doit.doit_cmd.reset_vars()\n"
        "import runpy; runpy.run_path('dodo.py')\n"
        "heavy = {'numpy', 'yaml', 'jsonschema', 'jsonschema_rs', 'orjson', 'wordllama',"
        " 'markdown_it', 'dateutil', 'tqdm', 'dotenv', 'pydantic', 'tomllib'}\n"
        "heavy |= {f'haios_dag.{name}' for name in ('base.config', 'events', 'memory.store',"
        " 'pulse.liveness', 'recall.ranking', 'status.status_keys')}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=workspaces.ROOT,
        env=workspaces.environment(None),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_events_commands_on_a_new_workspace(tmp_path: Path) -> None:
    """The readers of the log answer before there is one."""
    root = workspaces.make(tmp_path / "space")
    for words in (["events"], ["events-since", "yesterday"], ["events-stats"], ["events-clear"]):
        done = doit(root, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no events yet" in done.stdout


def test_events_since_says_what_it_understood(tmp_path: Path) -> None:
    """A date that nobody can read is one sentence and exit code 1."""
    done = doit(workspaces.make(tmp_path / "space"), "events-since", "the day of the tentacle")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "yesterday" in done.stderr
