"""The pages say what is: generated parts, names, links and commands are held to the program."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import workspaces
from pages import DOCS, PAGES, blocks, generate, page, spans, table
from workspaces import ROOT

from haios_dag.base import schema
from haios_dag.base.step import BeatContext
from haios_dag.base.workspace import Workspace
from haios_dag.events import log_lines
from haios_dag.ingest import statements
from haios_dag.schedule import entry_files
from haios_dag.synthesis import insight_text

DOIT_COMMANDS = {"help", "info", "list", "run"}
SCRIPT_COMMANDS = {"init", "completion", "COMMAND"}


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


def test_every_attribute_of_a_beat_is_named() -> None:
    """The page of the beat explains each public attribute that a step finds in its beat."""
    beat = BeatContext(Workspace(ROOT))
    rows = table(page("beat"), "attribute", "what it is")
    assert {row[0].strip("`") for row in rows} == {*vars(beat), "config"}


def test_every_state_and_type_is_named() -> None:
    """The page of memory explains each state of an item and names each type of a statement."""
    text = page("memory")
    states = re.search(
        r"CHECK \(state IN \((.*?)\)\)", generate.migrations.script("migration_1.sql")
    )
    assert states is not None
    rows = table(text, "state", "what it means")
    assert [row[0].strip("`") for row in rows] == re.findall(r"'(\w+)'", states[1])
    types = {name for name, _ in statements._KINDS} | {statements.kind("")}
    assert [name for name in types if name not in text] == []


def test_every_refusal_is_explained() -> None:
    """The page of insights gives each reason for which a cluster makes none, and no other."""
    tree = ast.parse(Path(insight_text.__file__).read_text(encoding="utf-8"))
    reasons = {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == insight_text.Refusal.__name__
        and isinstance(call.args[0], ast.Constant)
    }
    rows = table(page("insights"), "refused because", "what it means")
    assert {row[0] for row in rows} == reasons


def test_every_oddity_of_a_line_is_named() -> None:
    """The page of events names each fault that a line can have, and why a line is not read."""
    tree = ast.parse(Path(log_lines.__file__).read_text(encoding="utf-8"))
    said = {log_lines._NOT_JSON, log_lines._TOO_DEEP, "torn last line"}
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


def shell_lines(text: str) -> Iterator[str]:
    """Yield what a page shows to be typed, comments aside."""
    yield from spans(text)
    for language in ("sh", "text", ""):
        for block in blocks(text, language):
            yield from (line.partition(" #")[0].removeprefix("$ ") for line in block.splitlines())


def doit_task(words: list[str]) -> str | None:
    """Return the task or command that a command line of doit or haios-dag names first."""
    rest = iter(words)
    for word in rest:
        if word in {"-f", "-r", "-d", "-C", "--memory"}:
            next(rest)
        elif not word.startswith("-") and "=" not in word:
            return word
    return None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_exist(path: Path) -> None:
    """Every task and subcommand that a page shows can be run."""
    tasks = set(generate.task_names())
    subtasks = {f"schedule:{name}" for name in entry_files.RENDERERS}
    for line in shell_lines(path.read_text(encoding="utf-8")):
        if line.startswith("usage:"):
            continue
        if found := re.search(r"(?:^|[/\\]|-m )doit (\S.*)$", line):
            task = doit_task(found[1].split())
            assert task is None or task in tasks | DOIT_COMMANDS | subtasks, line
        if found := re.search(r"(?:^|[/\\]|-m )haios[-_]dag (\S.*)$", line):
            command = doit_task(found[1].split())
            assert command is None or command in tasks | SCRIPT_COMMANDS | subtasks, line


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


def test_every_fault_is_named() -> None:
    """The page of reliability has a row for each fault of the suite and no other; none lost any."""
    sources = [
        path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "faults").glob("*.py")
    ]
    faults = {name for text in sources for name in re.findall(r'mark\.fault\("([^"]+)"\)', text)}
    rows = table(
        page("reliability"), "fault", "injected", "acknowledged before, and lost", "the next beat"
    )
    assert {row[0] for row in rows} == faults
    assert len(faults) >= 15
    for _, injected, lost, next_beat in rows:
        assert int(injected.replace(",", "")) > 0
        assert lost.endswith(", 0")
        assert next_beat
