"""The pages say what is: generated parts, names, links and examples are held to the program."""

import ast
import importlib.util
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
import workspaces
from workspaces import ROOT, doit, log
from zones import local_time

import haios_dag
from haios_dag import config, events, files, schema, statements, traces
from haios_dag.embedding import space
from haios_dag.events import dates, lines
from haios_dag.synthesis import extract
from haios_dag.workspace import Workspace

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]
DOIT_COMMANDS = {"help", "info", "list", "run"}


def load_generator() -> ModuleType:
    """Return `docs/generate.py` as a module."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


def page(name: str) -> str:
    """Return the text of a page."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a page that are in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def prose(text: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def spans(text: str) -> list[str]:
    """Return the code spans of a page."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def table(text: str, *head: str) -> list[list[str]]:
    """Return the rows, by their cells, of the only table with this head."""
    start = f"| {' | '.join(head)} |\n"
    assert text.count(start) == 1
    body = text.partition(start)[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in body.splitlines()[1:]]


def names(cells: list[str]) -> set[str]:
    """Return the code spans of some cells."""
    return {name for cell in cells for name in spans(cell)}


# --- generated parts ------------------------------------------------------------------------------


def test_generated_parts_are_up_to_date() -> None:
    """What stands between the marks of a page is what the program says of itself now."""
    assert [path.name for path, _ in generate.stale(DOCS)] == []


def test_every_part_stands_in_a_page() -> None:
    """Each part that can be generated is shown once, and no mark is left open."""
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    marks = re.findall(r"<!-- generated: ([\w-]+) -->", text)
    assert sorted(marks) == sorted(generate.PARTS)
    assert text.count("<!-- end -->") == len(marks)


def test_generator_checks_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails for a page that drifted and leaves it; without it the page is made right."""
    good = page("configuration")
    drifted = good.replace("| `10` |", "| `11` |")
    assert drifted != good
    path = tmp_path / "configuration.md"
    path.write_text(drifted, encoding="utf-8")
    assert generate.main(["--check", str(tmp_path)]) == 1
    assert str(path) in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == drifted
    assert generate.main([str(tmp_path)]) == 0
    assert path.read_text(encoding="utf-8") == good
    assert generate.main(["--check", str(tmp_path)]) == 0


def test_generator_is_a_program() -> None:
    """`python docs/generate.py --check` works as it is written in its message."""
    done = workspaces.run([sys.executable, str(DOCS / "generate.py"), "--check"], cwd=DOCS)
    assert done.returncode == 0, done.stdout + done.stderr


# --- names ----------------------------------------------------------------------------------------


def test_every_task_is_named() -> None:
    """The page of commands names each public task in its prose or its list."""
    text = page("commands")
    assert [task for task in generate.task_names() if not re.search(rf"\b{task}\b", text)] == []


def test_every_setting_is_named() -> None:
    """The page of settings has each key, once, under its section."""
    text = page("configuration")
    for name, section in schema.load("config")["properties"].items():
        part = text.partition(f"### `[{name}]`\n")[2].partition("\n###")[0]
        rows = table(part, "key", "default", "meaning")
        assert {row[0].strip("`") for row in rows} >= section["properties"].keys()


def test_every_key_of_an_event_is_named() -> None:
    """The page of events names each key of a heartbeat and of its steps."""
    heartbeat = schema.load("event-heartbeat")
    keys = heartbeat["properties"].keys() | heartbeat["$defs"]["step"]["properties"].keys()
    assert keys <= set(spans(page("events")))


def test_every_outcome_is_explained() -> None:
    """The page of the beat explains the outcomes of steps and of beats, and no others."""
    heartbeat = schema.load("event-heartbeat")
    wanted = [
        heartbeat["$defs"]["step"]["properties"]["outcome"]["enum"],
        heartbeat["properties"]["outcome"]["enum"],
    ]
    sections = page("beat").split("\n## ")
    found = [
        [row[0].strip("`") for row in table(part, "outcome", "what it means")]
        for part in sections
        if "| outcome | what it means |" in part
    ]
    assert found == wanted


def test_every_table_of_ours_is_named(beaten: Path) -> None:
    """The page of memory names each table that a beat adds to those of HAIOS, and its columns."""
    rows = {row[0].strip("`"): row[2] for row in table(page("memory"), "table", "holds", "columns")}
    with closing(sqlite3.connect(beaten / "memory.db")) as memory:
        made = memory.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 4) = 'dag_'"
        ).fetchall()
        assert rows.keys() == {name for (name,) in made}
        for name, columns in rows.items():
            found = memory.execute("SELECT name FROM pragma_table_info(?)", (name,)).fetchall()
            assert spans(columns) == [column for (column,) in found]


def test_every_state_and_type_is_named() -> None:
    """The page of memory explains each state of an item and names each type of a statement."""
    text = page("memory")
    states = re.search(r"CHECK \(state IN \((.*?)\)\)", generate.tables.BOOKKEEPING)
    assert states is not None
    rows = table(text, "state", "what it means")
    assert [row[0].strip("`") for row in rows] == re.findall(r"'(\w+)'", states[1])
    types = {name for name, _ in statements._KINDS} | {statements.kind("")}
    assert [name for name in types if name not in text] == []


def test_every_refusal_is_explained() -> None:
    """The page of insights gives each reason for which a cluster makes none, and no other."""
    tree = ast.parse(Path(extract.__file__).read_text(encoding="utf-8"))
    reasons = {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == extract.Refusal.__name__
        and isinstance(call.args[0], ast.Constant)
    }
    rows = table(page("insights"), "refused because", "what it means")
    assert {row[0] for row in rows} == reasons


def test_every_oddity_of_a_line_is_named() -> None:
    """The page of events names whatever can be odd about a line, and why one is not read."""
    tree = ast.parse(Path(lines.__file__).read_text(encoding="utf-8"))
    said = {lines._NOT_JSON, lines._TOO_DEEP, "torn last line"}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {
            "self._odd.add",
            "_UnreadableError",
        }:
            inside = [node for arg in call.args for node in ast.walk(arg)]
            tests = {id(n) for node in inside if isinstance(node, ast.IfExp)
                     for n in ast.walk(node.test)}  # fmt: skip
            said |= {
                str(node.value)
                for node in inside
                if isinstance(node, ast.Constant) and id(node) not in tests
            }
    assert len(said) > 15
    text = " ".join(page("events").split())
    assert [words for words in said if words not in text] == []


# --- nothing that is not there --------------------------------------------------------------------


def slug(heading: str) -> str:
    """Return the anchor that a heading gets in a rendered page."""
    plain = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower())
    return plain.strip().replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link between pages leads to a page, and to a heading where it names one."""
    text = prose(path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        other = (path.parent / name) if name else path
        assert other.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), target


def shell_lines(text: str) -> Iterator[str]:
    """Yield what a page shows to be typed, comments aside."""
    yield from spans(text)
    for language in ("sh", "text", ""):
        for block in blocks(text, language):
            yield from (line.partition(" #")[0].removeprefix("$ ") for line in block.splitlines())


def doit_task(words: list[str]) -> str | None:
    """Return the task or command that a doit command line names first."""
    rest = iter(words)
    for word in rest:
        if word in {"-f", "-r", "-d"}:
            next(rest)
        elif not word.startswith("-") and "=" not in word:
            return word
    return None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_exist(path: Path) -> None:
    """Every task and subcommand that a page shows can be run."""
    tasks = set(generate.task_names())
    for line in shell_lines(path.read_text(encoding="utf-8")):
        if found := re.search(r"(?:^|[/\\]|-m )doit (\S.*)$", line):
            task = doit_task(found[1].split())
            assert task is None or task in tasks | DOIT_COMMANDS, line
        if found := re.search(r"python -m haios_dag (\w+)", line):
            assert found[1] == "init", line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_settings_and_files_exist(path: Path) -> None:
    """Every setting, module and schema that a page names is there."""
    sections = schema.load("config")["properties"]
    for span in spans(path.read_text(encoding="utf-8")):
        if found := re.fullmatch(r"\[(\w+)\](?: (\w+))?", span):
            assert found[1] in sections, span
            assert found[2] is None or found[2] in sections[found[1]]["properties"], span
        if re.match(r"(?:haios_dag|schemas|docs|tests)/", span) and "*" not in span:
            assert (ROOT / span).exists(), span


# --- examples -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def beaten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after its first beat; nothing here changes it."""
    root = workspaces.make(tmp_path_factory.mktemp("docs") / "space")
    done = doit(root)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def copy(beaten: Path, tmp_path: Path) -> Path:
    """A copy of a workspace after its first beat."""
    return Path(shutil.copytree(beaten, tmp_path / "space"))


def with_own_step(root: Path) -> None:
    """Do what the page of the beat says about a step of one's own."""
    module, tasks = blocks(page("beat"), "python")
    (root / "digest.py").write_text(module, encoding="utf-8")
    path = root / "dodo.py"
    graph = path.read_text(encoding="utf-8")
    old = re.search(r"^def task_status\(\).*?(?=\n\n\n)", graph, re.DOTALL | re.MULTILINE)
    assert old is not None
    graph = graph.replace(old[0], tasks.rstrip())
    below = "from doit import get_var\n"
    path.write_text(graph.replace(below, f"{below}import digest\n"), encoding="utf-8")


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
        assert found >= space.DEFAULT.duplicate


def test_status_keys(beaten: Path) -> None:
    """The page of the status names every number under `memory`, and its program runs."""
    slim = json.loads((beaten / ".claude" / "haios-status-slim.json").read_text(encoding="utf-8"))
    rows = table(page("status"), "key", "what it counts")
    assert names([row[0] for row in rows]) == slim["memory"].keys() - {"present"}
    rows = table(page("status"), "key", "written by", "meaning")
    assert names([row[0] for row in rows]) == slim.keys() | {"context_pct"}
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
        assert events.report.line(entry) + "\n" in blocks(text, "text")


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
        start = [sys.executable, "-m", "doit"] if words[0] == "doit" else [sys.executable]
        done = workspaces.run([*start, *words[1:]], cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "heartbeat" in done.stdout


def test_changelog() -> None:
    """The newest entry of the changelog is this release, with a date, and entries under kinds."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert versions[0][0] == haios_dag.__version__
    assert len(versions) == text.count("\n## ")
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
