"""What the pages show works: their examples are run, and their tables compared with real beats."""

import json
import re
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import workspaces
from pages import blocks, names, page, spans, table
from workspaces import ROOT, doit, log
from zones import local_time

import haios_dag
from haios_dag import events
from haios_dag.base import config, files, schema
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space, thresholds
from haios_dag.events import dates, show_events
from haios_dag.ingest import traces


def test_every_table_of_ours_is_named(beaten: Path) -> None:
    """The page of memory names each table that a beat adds to those of HAIOS, and its columns."""
    rows = {row[0].strip("`"): row[2] for row in table(page("memory"), "table", "holds", "columns")}
    with closing(sqlite3.connect(beaten / "memory.db")) as memory:
        made = memory.execute(
            "SELECT name FROM pragma_table_list WHERE type != 'shadow' AND name GLOB 'dag_*'"
        ).fetchall()
        assert rows.keys() == {name for (name,) in made}
        for name, columns in rows.items():
            found = memory.execute("SELECT name FROM pragma_table_info(?)", (name,)).fetchall()
            assert spans(columns) == [column for (column,) in found]


def with_own_step(root: Path) -> None:
    """Do what the page of the beat says about a step of one's own."""
    module, tasks = blocks(page("beat"), "python")
    (root / "digest.py").write_text(module, encoding="utf-8")
    path = root / "dodo.py"
    graph = path.read_text(encoding="utf-8")
    old = re.search(r"^def task_status\(\).*?(?=\n\n\n)", graph, re.DOTALL | re.MULTILINE)
    assert old is not None
    graph = graph.replace(old[0], tasks.rstrip())
    above = "from haios_dag import commands\n"
    path.write_text(graph.replace(above, f"import digest\n{above}"), encoding="utf-8")


def test_own_step(copy: Path) -> None:
    """The step that the page of the beat adds runs in a beat, is skipped in the next, may fail."""
    with_own_step(copy)
    done = doit(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (copy / "digest.txt").read_text(encoding="utf-8")
    assert "busy timeout" in text
    event = log(copy)[-1]
    assert list(event["steps"]) == ["ingest", "embed", "synthesize", "bridge", "digest", "status"]
    assert event["steps"]["digest"]["outcome"] == "ran"
    assert event["steps"]["digest"]["lines"] == len(text.splitlines())
    assert event["outcome"] == "ok"
    assert "-- digest" in doit(copy).stdout
    assert log(copy)[-1]["outcome"] == "idle"
    (copy / "digest.txt").unlink()
    (copy / "digest.txt").mkdir()
    assert doit(copy).returncode == 1
    event = log(copy)[-1]
    assert event["outcome"] == "degraded"
    assert event["steps"]["digest"]["outcome"] == "failed"
    assert event["steps"]["status"]["outcome"] == "ran"


def test_reasons_of_an_idle_beat(copy: Path) -> None:
    """The page of the beat gives each step's reason in the very words of an idle beat."""
    assert doit(copy).returncode == 0
    given = table(page("beat"), "step", "what its probe asks", "reason when there is nothing to do")
    skipped = {
        name: step["reason"]
        for name, step in log(copy)[-1]["steps"].items()
        if step["outcome"] == "skipped"
    }
    assert {row[0].strip("`"): row[2] for row in given} == skipped


def test_exit_codes(copy: Path) -> None:
    """A beat ends with each of the codes in the table for the reason that stands there."""
    codes = [row[0].strip("`") for row in table(page("beat"), "code", "what it means")]
    assert codes == ["0", "1", "2", "3", "128+n"]  # the last one is shown by the tests of the beat
    assert doit(copy).returncode == 0
    with files.lock(copy / ".haios" / "beat.lock", wait=False):
        assert doit(copy).returncode == 1
    (copy / "docs" / "bad.md").write_bytes(b"\0")
    assert doit(copy).returncode == 1
    assert doit(copy, "event").returncode == 0
    kept = (copy / ".claude" / "haios-events.jsonl").rename(copy / "kept")
    (copy / ".claude" / "haios-events.jsonl").mkdir()
    assert doit(copy).returncode == 2
    (copy / ".claude" / "haios-events.jsonl").rmdir()
    kept.rename(copy / ".claude" / "haios-events.jsonl")
    assert doit(copy, "no-such-task").returncode == 3
    (copy / "dodo.py").write_text("import no_such_module\n", encoding="utf-8")
    assert doit(copy).returncode == 3


def test_what_is_not_a_step_breaks_the_beat(copy: Path) -> None:
    """A plain task of doit that raises inside the graph ends the beat as the page says."""
    path = copy / "dodo.py"
    graph = path.read_text(encoding="utf-8").replace('after="bridge"', 'after="broken"')
    broken = '\n\ndef task_broken() -> Task:\n    return {"actions": [lambda: 1 / 0]}\n'
    path.write_text(graph + broken, encoding="utf-8")
    assert doit(copy).returncode == 2
    assert log(copy)[-1]["outcome"] == "failed"


def test_queries_on_memory(copy: Path) -> None:
    """Each query of the page of memory runs on a memory after its first beat and finds rows."""
    queries = blocks(page("memory"), "sql")
    assert len(queries) == 4
    with closing(sqlite3.connect(f"file:{copy / 'memory.db'}?mode=ro", uri=True)) as memory:
        for query in queries:
            assert memory.execute(query).fetchall(), query


def test_example_of_recall(beaten: Path) -> None:
    """The search that the page of memory shows prints what stands there."""
    (shown,) = (block for block in blocks(page("memory"), "text") if "doit" in block)
    command, _, printed = shown.partition("\n")
    done = doit(beaten, *command.removeprefix("$ doit ").split())
    assert done.stdout == printed


def test_backup(copy: Path) -> None:
    """The command that the page of memory gives makes a whole copy."""
    (command,) = blocks(page("memory"), "sh")
    program = re.fullmatch(r'python -c "(.*)"\n', command)
    assert program is not None
    subprocess.run([sys.executable, "-c", program[1]], cwd=copy, check=True)
    counted = []
    for name in ("memory.db", "copy.db"):
        with closing(sqlite3.connect(copy / name)) as memory:
            assert memory.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            counted.append(memory.execute("SELECT count(*) FROM concepts").fetchone())
    assert counted[0] == counted[1]


def test_memory_is_where_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to name the memory wins over those below it on the page."""
    haios = tmp_path / ".claude" / "haios" / "config" / "haios.yaml"
    haios.parent.mkdir(parents=True)
    listed = re.findall(r"^(\d)\. (.*)$", page("memory"), re.MULTILINE)
    assert [number for number, _ in listed] == ["1", "2", "3", "4", "5", "6"]
    found = [Workspace(tmp_path).memory.name]
    (tmp_path / "haios_memory.db").touch()
    found.append(Workspace(tmp_path).memory.name)
    haios.write_text("paths:\n  memory_db: four.db\n", encoding="utf-8")
    found.append(Workspace(tmp_path).memory.name)
    (tmp_path / "haios.toml").write_text('[memory]\npath = "three.db"\n', encoding="utf-8")
    found.append(Workspace(tmp_path).memory.name)
    monkeypatch.setenv("DB_PATH", "two.db")
    found.append(Workspace(tmp_path).memory.name)
    found.append(Workspace(tmp_path, "one.db").memory.name)
    assert found == ["memory.db", "haios_memory.db", "four.db", "three.db", "two.db", "one.db"]
    wanted = [
        "memory=PATH",
        "DB_PATH",
        "[memory] path",
        "paths.memory_db",
        "haios_memory.db",
        "memory.db",
    ]
    assert [name in text for name, (_, text) in zip(wanted, listed, strict=True)] == [True] * 6


def test_trace_line() -> None:
    """The trace that the page of memory shows is one."""
    (shown,) = blocks(page("memory"), "json")
    found, problems = traces.from_lines(shown.encode())
    assert problems == []
    assert [trace.key for trace in found] == ["7"]
    named = re.search(r"has `template: (\w+)`, `(\w+)` or `(\w+)`", page("memory"))
    assert named is not None
    assert set(named.groups()) == set(traces._TEMPLATES)


def test_example_settings(tmp_path: Path) -> None:
    """The settings that the page shows are valid and change what it says."""
    (shown,) = blocks(page("configuration"), "toml")
    assert tomllib.loads(shown).keys() == {"ingest", "schedule"}
    (tmp_path / "haios.toml").write_text(shown, encoding="utf-8")
    found = config.load(tmp_path / "haios.toml")
    assert "notes" in found.ingest.folders
    assert found.ingest.exclude
    assert found.schedule.every_minutes == 30


def test_example_insight(beaten: Path) -> None:
    """A beat makes the insight that the page quotes, of five sources in four documents."""
    quote = re.findall(r"^> (.*)$", page("insights"), re.MULTILINE)
    query = (
        "SELECT count(DISTINCT source_id), count(DISTINCT artifact_id) FROM concepts"
        " JOIN synthesis_provenance ON synthesized_concept_id = concepts.id"
        " JOIN concept_occurrences ON concept_id = source_id"
        " WHERE source_type = 'concept' AND content = ?"
    )
    with closing(sqlite3.connect(beaten / "memory.db")) as memory:
        assert memory.execute(query, (" ".join(quote),)).fetchall() == [(5, 4)]


def test_cosines_of_near_statements() -> None:
    """The pairs that the page of insights warns of pass for near copies, with those cosines."""
    rows = table(page("insights"), "one statement", "another", "cosine")
    for one, other, shown in rows:
        vectors = space.embed([one, other])
        found = float(vectors[0] @ vectors[1])
        assert f"{found:.2f}" == shown
        assert found >= thresholds.DUPLICATE


def test_status_keys(beaten: Path) -> None:
    """The page of the status names every number under `memory`, and its program runs."""
    slim = json.loads((beaten / ".claude" / "haios-status-slim.json").read_text(encoding="utf-8"))
    rows = table(page("status"), "key", "what it counts")
    assert names([row[0] for row in rows]) == slim["memory"].keys() - {"present"}
    rows = table(page("status"), "key", "written by", "meaning")
    assert names([row[0] for row in rows]) >= slim.keys()
    assert names([row[0] for row in rows]) == schema.load("status-slim")["properties"].keys()
    (program,) = blocks(page("status"), "python")
    done = workspaces.run([sys.executable, "-c", program], cwd=beaten)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{slim['counts']['concepts']} concepts;")


def test_numbers_of_steps(beaten: Path) -> None:
    """The page of events names exactly the numbers that the steps of a beat report."""
    rows = table(page("events"), "step", "its numbers")
    own = schema.load("event-heartbeat")["$defs"]["step"]["properties"].keys()
    reported = {name: step.keys() - own for name, step in log(beaten)[0]["steps"].items()}
    assert {row[0].strip("`"): names([row[1]]) for row in rows} == {
        name: numbers for name, numbers in reported.items() if numbers
    }


def test_example_event(tmp_path: Path) -> None:
    """The event that the page shows is valid, of this release, and shown as it says."""
    text = page("events")
    (shown,) = blocks(text, "json")
    event = json.loads(shown)
    assert schema.problems("event-heartbeat", event) == []
    assert event["version"] == haios_dag.__version__
    events.append(Workspace(tmp_path), event)
    with local_time("UTC"):
        (entry,) = events.read(Workspace(tmp_path))
        assert show_events.line(entry) + "\n" in blocks(text, "text")


def test_example_of_writing(copy: Path) -> None:
    """The program that appends an event does so, and refuses one that is not valid."""
    (program,) = blocks(page("events"), "python")
    done = workspaces.run([sys.executable, "-c", program.replace("DIR", str(copy))], cwd=copy)
    assert done.returncode == 0, done.stderr
    assert log(copy)[-1]["type"] == "session"
    wrong = program.replace('"session", "action"', '"No Such", "action"').replace("DIR", str(copy))
    done = workspaces.run([sys.executable, "-c", wrong], cwd=copy)
    assert "the event is refused: type" in done.stderr
    assert len(log(copy)) == 2


def test_example_dates() -> None:
    """Each date in the table means what the page says, at the moment that the page names."""
    rows = table(page("events"), "you write", "it means")
    now = datetime(2026, 1, 15, 12, tzinfo=UTC)
    assert f"{now:%A}, {now.day} {now:%B}\n{now.year}, at noon" in page("events")
    with local_time("UTC"):
        found = {row[0].strip("`"): dates.since(row[0].strip("`"), now) for row in rows}
    assert {text: f"{instant:%Y-%m-%d %H:%M}" for text, instant in found.items()} == {
        row[0].strip("`"): row[1] for row in rows
    }


def test_init_as_shown(tmp_path: Path) -> None:
    """The three lines that make a workspace work one after the other."""
    shown = blocks(page("commands"), "sh")[0]
    folder = tmp_path / "notes of mine"
    for line in shown.splitlines():
        words = [word.replace("DIR", str(folder)) for word in line.partition(" #")[0].split()]
        assert words[0] == "haios-dag"
        done = workspaces.run([sys.executable, "-m", "haios_dag", *words[1:]], cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "heartbeat" in done.stdout


def test_changelog() -> None:
    """The newest dated entry of the changelog is this release; what comes next may stand above."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert versions[0][0] == haios_dag.__version__
    assert text.count("\n## ") - len(versions) == text.count("\n## [Unreleased]\n") <= 1
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
