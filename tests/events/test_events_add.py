"""`doit events-add`: events that hooks and other programs hand over."""

import json
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
import workspaces
from logs import TS, simple
from workspaces import ROOT, doit, log

from haios_dag import events
from haios_dag.base import clock
from haios_dag.base.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a workspace without a memory, with one event and a torn line in its log."""
    root = workspaces.make(tmp_path / "space")
    events.append(Workspace(root), simple(0))
    return root


def piped(root: Path, data: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run `doit events-add` with some bytes on standard input."""
    return subprocess.run(
        [sys.executable, "-m", "doit", "-f", str(root / "dodo.py"), "events-add", *words],
        input=data,
        capture_output=True,
        env=workspaces.environment(None),
        cwd=ROOT,
        check=False,
    )


def test_event_is_added(root: Path) -> None:
    """An event gets the present as its time, its type and its keys, and makes no memory."""
    before = clock.now().replace(microsecond=0)
    data = '--data={"action":"start","note":"a=b \u017e"}'
    done = doit(root, "events-add", "--type", "session", data)
    assert done.returncode == 0, done.stdout + done.stderr
    event = log(root)[-1]
    assert list(event) == ["ts", "type", "action", "note"]
    assert {**event, "ts": ""} == {
        "ts": "", "type": "session", "action": "start", "note": "a=b \u017e"
    }  # fmt: skip
    assert before <= datetime.fromisoformat(event["ts"]) <= clock.now()
    assert not (root / "memory.db").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"ts":"%s","n":1}' % TS.encode(), ["--type=note"]),
        (b'{\n "ts": "%s",\n "type": "note",\n "n": 1\n}\n' % TS.encode(), ["--data=-"]),
        (f'\ufeff{{"ts":"{TS}","type":"note","n":1}}\r\n'.encode("utf-16-le"), ["--type=note"]),
    ],
)
def test_standard_input(root: Path, data: bytes, words: list[str]) -> None:
    """Data comes through a pipe when there is no other, with its own time and type."""
    done = piped(root, data, *words)
    assert done.returncode == 0, done.stderr
    assert log(root)[-1] == {"ts": TS, "type": "note", "n": 1}


def test_no_data(root: Path) -> None:
    """Where nothing is piped in, the event has no further keys."""
    assert piped(root, b"", "--type=compact").returncode == 0
    assert list(log(root)[-1]) == ["ts", "type"]


@pytest.mark.parametrize(
    ("data", "words", "said"),
    [
        (b"{}", [], '"type" is a required property'),
        (b"{}", ["--type=Bad Type"], 'type: "Bad Type" does not match'),
        (b"{}", ["--type=session"], '"action" is a required property'),
        (b'{"action":"stop"}', ["--type=session"], 'action: "stop" is not one of'),
        (b'{"type":"note"}', ["--type=session"], "type: the data and the command line differ"),
        (b'{"type":5}', ["--type=note"], "type: the data and the command line differ"),
        (b'{"ts":"2026-01-31"}', ["--type=note"], 'ts: "2026-01-31" does not match'),
        (b'{"ts":"2026-02-30T12:00:00Z"}', ["--type=note"], 'ts: "2026-02-30T12:00:00Z" is not a'),
        (b"{", ["--type=note"], "the data: not JSON"),
        (b'{"a":1} {"a":2}', ["--type=note"], "the data: not JSON"),
        (b"[1]", ["--type=note"], "the data: not a JSON object"),
        (b'{"a":NaN}', ["--type=note"], "the data: NaN or Infinity"),
        (b'{"a":1e999}', ["--type=note"], "the data: NaN or Infinity"),
        (b'{"a":1,"a":2}', ["--type=note"], "the data: duplicate keys"),
        (b'{"a":"\xe9"}', ["--type=note"], "the data: ANSI"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ["--type=note"], "nested too deep"),
        (b'{"a":' + b"9" * 5000 + b"}", ["--type=note"], "number too long"),
        (b'{"a":"' + b"x" * (3 << 20) + b'"}', ["--type=note"], "longer than 1 MB"),
        (b"\0" * 100, ["--type=note"], "NUL bytes"),
    ],
)
def test_refusal(root: Path, data: bytes, words: list[str], said: str) -> None:
    """What is not a valid event is refused in one sentence, exit 1, the log unchanged."""
    path = Workspace(root).events
    with path.open("ab") as file:
        file.write(b'{"ts":"torn')
    before = path.read_bytes()
    done = piped(root, data, *words)
    assert done.returncode == 1
    output = (done.stdout + done.stderr).decode()
    assert said in output
    assert "Traceback" not in output
    assert len(output) < 2000
    assert path.read_bytes() == before


def test_log_that_cannot_be_written(root: Path) -> None:
    """An event that is valid but cannot be written ends with 2."""
    path = Workspace(root).events
    path.unlink()
    path.mkdir()
    done = piped(root, b"{}", "--type=note")
    assert done.returncode == 2
    assert b"could not be written" in done.stdout + done.stderr
    assert b"Traceback" not in done.stdout + done.stderr


def test_only_one_type_is_shown(root: Path) -> None:
    """`doit events --type` shows the events of a type, also one that no event has."""
    for number in range(3):
        data = json.dumps({"number": number, "text": "session"})
        assert doit(root, "events-add", "--type=note", f"--data={data}").returncode == 0
    shown = doit(root, "events", "--type", "note", "-n", "2").stdout
    assert "number=1" in shown
    assert "number=2" in shown
    assert shown.count("  note  ") == 2
    assert "no events of type nothing" in doit(root, "events", "--type=nothing").stdout


def test_the_recipes_of_haios_read_what_we_write(tmp_path: Path) -> None:
    """The four recipes over this log, as the contract has them (4.3, case 13), find everything.

    They know no bad line: one without `ts` or `type`, blank or torn, ends them in a traceback.
    """
    root = workspaces.make(tmp_path / "space")
    assert workspaces.doit(root, "heartbeat").returncode == 0
    move = json.dumps({"backlog_id": "E2-001", "from_phase": None, "to_phase": "PLAN",
                       "session": 0, "source": "PostToolUse"})  # fmt: skip
    assert workspaces.doit(
        root, "events-add", "--type=cycle_transition", f"--data={move}"
    ).returncode == 0  # fmt: skip
    assert workspaces.doit(root, "heartbeat").returncode == 0
    lines = (root / ".claude" / "haios-events.jsonl").read_text("utf-8-sig").split("\n")
    assert lines.pop() == ""
    read = [json.loads(line) for line in lines[-20:]]  # events
    day = read[0]["ts"][:10]
    assert [one for one in read if one["ts"] >= day] == read  # events-since: texts are compared
    assert not [one for one in read if one["ts"] >= "2999-01-01"]
    assert Counter(one["type"] for one in read) == {"heartbeat": 2, "cycle_transition": 1}  # stats
    moved = [one for one in read if one["type"] == "cycle_transition"]  # cycle-events
    assert [(one["backlog_id"], one["from_phase"], one["to_phase"]) for one in moved] == [
        ("E2-001", None, "PLAN")
    ]
