"""Files are held to their schemas, and nothing that is wrong or unreadable passes for valid."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
import workspaces
import yaml
from logs import heartbeat, simple
from workspaces import doit

from haios_dag import __main__, events, validate
from haios_dag.base import schema
from haios_dag.base.errors import InvalidError
from haios_dag.base.workspace import Workspace


@pytest.fixture(autouse=True)
def not_in_github(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print for people wherever the tests run."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def found(path: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[int, str, str]]:
    """Return the line, JSON path and level of each finding in a file; errors mean exit code 1."""
    code = __main__.main(["validate", "--json", str(path)])
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert not any(schema.problems("validate", one) for one in said)
    *findings, numbers = said
    assert all(one["file"] == str(path) and one["message"] for one in findings)
    for level in ("error", "warning"):
        assert numbers[f"{level}s"] == sum(one["level"] == level for one in findings)
    assert code == any(one["level"] == "error" for one in findings)
    return [(one["line"], one["path"], one["level"]) for one in findings]


def line(event: object) -> bytes:
    """Return an event as a line."""
    return json.dumps(event).encode() + b"\n"


GOOD = line(simple(1))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", []),
        (GOOD + line(heartbeat()), []),
        (GOOD.rstrip(), []),
        (line(simple(1) | {"type": "never_heard_of", "ts": "2026-01-31T12:00:00Z"}), []),
        (GOOD + line(heartbeat(new_insights=-1)), [(2, "$.new_insights", "error")]),
        (line({"type": "note"}) + GOOD, [(1, "$", "error")]),
        (GOOD + b"\n" + GOOD, [(2, "$", "error")]),
        (GOOD + b"{torn\n" + GOOD, [(2, "$", "error")]),
        (GOOD + b'{"ts":"20', [(2, "$", "error")]),
        (GOOD + b"[]\n", [(2, "$", "error")]),
        (GOOD + GOOD[:-2] + b',"a":1,"a":2}\n', [(2, "$", "error")]),
        (GOOD[:-2] + b',"a":NaN}\n', [(1, "$", "error")]),
        (GOOD + b"\0\0\0" + GOOD, [(2, "$", "error")]),
        (GOOD + 2 * (GOOD[:-1] + b"\r\n"), [(2, "$", "warning")]),
        (b"\xef\xbb\xbf" + GOOD, [(1, "$", "warning")]),
        (line(simple(1) | {"ts": "2026-01-31T12:00:00"}), [(1, "$", "warning")]),
        (
            line(heartbeat(ts="2026-01-31T12:00:00", seconds=-1)),
            [(1, "$.seconds", "error"), (1, "$", "warning")],
        ),
        (line(simple(1) | {"type": ["a"]}), [(1, "$.type", "error")]),
        (line(simple(1) | {"note": "\ud800"}), []),
    ],
)
def test_event_log(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    wanted: list[tuple[int, str, str]],
) -> None:
    """Each line of a log is judged, and placed by its number and JSON path."""
    path = tmp_path / "haios-events.jsonl"
    path.write_bytes(content)
    assert found(path, capsys) == wanted


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("haios.toml", "[bridge]\n\nbudget = 0\n", (3, "$.bridge.budget")),
        ("haios.toml", "[bridge]\nbudget = \n", (2, "$")),
        ("haios.toml", "[ingest]\nmax_megabytes = nan\n", (1, "$")),
        ("haios.toml", "\n[ingest]\nsurprise = 1\n", (3, "$.ingest.surprise")),
        (
            "x.schema.json",
            '{\n"properties": {\n"a": {"type": "text"}}}',
            (3, "$.properties.a.type"),
        ),
        ("x.schema.json", '{"type": "object",\n}', (2, "$")),
        ("haios-status.json", "{}", (1, "$")),
        ("haios-status-slim.json", '{"a": 1, "a": 2}', (1, "$")),
        ("traces/one.jsonl", '\n{"query": "q", "approach_taken": "a"}', (2, "$")),
        (
            "traces/one.jsonl",
            '{"query": " ", "approach_taken": "a", "outcome": "success"}',
            (1, "$"),
        ),
        ("traces/one.jsonl", '{"torn', (1, "$")),
        ("notes.txt", "", (1, "$")),
    ],
)
def test_other_files(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str,
    wanted: tuple[int, str],
) -> None:
    """What is wrong in each other kind of file is an error at its line and JSON path."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    (first, *_) = found(path, capsys)
    assert first == (*wanted, "error")


def test_unknown_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is missing, a pipe or a link to nowhere, and an empty folder, are no success."""
    pipe, link = tmp_path / "pipe.jsonl", tmp_path / "link.jsonl"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    for path in (pipe, link, tmp_path / "missing.jsonl", tmp_path / "empty"):
        assert found(path, capsys) == [(1, "$", "error")]


def test_workspace_after_a_beat(tmp_path: Path) -> None:
    """What a beat leaves is valid, archives included; one bad line in an archive fails the task."""
    root = workspaces.make(tmp_path / "space")
    assert doit(root).returncode == 0
    assert doit(root, "events-clear").returncode == 0
    assert doit(root).returncode == 0
    done = doit(root, "validate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 events: 0 errors, 0 warnings; 1 not there" in done.stdout
    archive = root / ".claude" / "haios-events.0001.jsonl"
    with archive.open("ab") as file:
        file.write(b"\n")
    done = doit(root, "validate")
    assert done.returncode == 1
    assert f"{archive}:2: $: blank line" in done.stdout


def test_github_annotations_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file name nor a message can begin a command of its own or end a property."""
    path = tmp_path / "a,line=9::b%0A\n::set-env x\x1b.jsonl"
    path.write_bytes(line(simple(1) | {"type": "%0A\n::error::\x1b[31m"}))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert __main__.main(["validate", str(path)]) == 1
    error, summary = capsys.readouterr().out.splitlines()
    properties, _, message = error.removeprefix("::error ").partition("::")
    assert properties.endswith("/a%2Cline=9%3A%3Ab%250A%0A%3A%3Aset-env x\\x1b.jsonl,line=1")
    assert "%250A" in message
    assert "\x1b" not in error
    assert summary.startswith("1 file checked")


def test_report_is_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People see the first findings of a file and the number of the others."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n" * 1000)
    with pytest.raises(InvalidError, match="1,000 errors"):
        validate.show(Workspace(tmp_path), [str(path)])
    assert f"and 980 more in {path}" in capsys.readouterr().out.splitlines()


def test_all_errors_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The errors that people are not shown are as many as those that JSON has."""
    path = tmp_path / "log.jsonl"
    events = [
        heartbeat(new_insights=-1, seconds=None),
        heartbeat(ts="2026-01-31T12:00:00", steps={"a": {}, "b": 1}),
        {"ts": "soon", "type": "heartbeat"},
        {"type": "note", "note": "\ud800"},
        {"ts": "2026-01-31T12:00:00Z", "type": 7},
        simple(1) | {"action": "stop"},
        simple(2),
    ]
    path.write_bytes(b"".join(map(line, events)) * 10 + b"{torn\n" * 5)
    assert __main__.main(["validate", "--json", str(path)]) == 1
    *findings, numbers = map(json.loads, capsys.readouterr().out.splitlines())
    errors = sum(one["level"] == "error" for one in findings)
    assert __main__.main(["validate", str(path)]) == 1
    *shown, more, summary = capsys.readouterr().out.splitlines()
    assert len(shown) == 20
    assert more == f"and {len(findings) - 20} more in {path}"
    assert summary == f"1 file checked, 70 events: {errors} errors, 1 warning"
    assert numbers == {
        "files": 1, "not_there": 0, "lines": 75, "events": 70, "errors": errors, "warnings": 1
    }  # fmt: skip


def test_hook_of_pre_commit(tmp_path: Path) -> None:
    """The hook is given each file that can be checked by its name and no other, and fails on it."""
    (hook,) = yaml.safe_load((workspaces.ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    workspace = Workspace(tmp_path)
    events.append(workspace, simple(1))
    events.clear(workspace)
    known = [str(target.file.relative_to(tmp_path)) for target in validate.of_workspace(workspace)]
    others = ["traces/a.jsonl", "sub/.claude/haios-events.0002.jsonl", "schemas/a.schema.json"]
    for name in [*known, *others]:
        assert re.search(hook["files"], name), name
        assert validate.named(tmp_path / name)
    for name in ("README.md", "data.jsonl", ".mcp.json", ".claude/haios-status.json.bad-1",
                 ".claude/haios-events.jsonl.torn", "haios.toml.md"):  # fmt: skip
        assert not re.search(hook["files"], name), name
    assert hook["language"] == "python"
    command = [sys.executable, *hook["entry"].split()[1:], *known[-1:]]
    assert workspaces.run(command, cwd=tmp_path).returncode == 0
    (tmp_path / known[-1]).write_bytes(GOOD + b"torn")
    done = workspaces.run(command, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == f"{known[-1]}:2: $: torn last line"
