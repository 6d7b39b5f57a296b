"""Files that are cut off: read as far as they go, named, and the next beat goes on."""

import json
import os
import shutil
from pathlib import Path

import pytest
from faulting import Fault, Next, events, learn
from forks import Forks
from logs import TS, fragments

from haios_dag import events as log_events
from haios_dag.base.workspace import Workspace

pytestmark = pytest.mark.slow


def places(size: int, number: int) -> list[int]:
    """Return so many sizes below a size, the ends among them."""
    return sorted({*range(min(4, size)), *(size * n // number for n in range(number)), size - 1})


@pytest.mark.fault("event log cut off at every byte")
def test_log(copy: Path, fault: Fault, beat: Next) -> None:
    """Whole lines stay; what is left of one is named, and set aside by the next event.

    That event is a beat's at every byte of the last line, and another one further up.
    """
    workspace = Workspace(copy)
    note = {"ts": TS, "type": "note", "number": 1}
    log_events.append(workspace, note)
    log = workspace.events
    whole = log.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    assert 0 < last < len(whole) - 40
    for size in range(len(whole)):
        log.write_bytes(whole[:size])
        kept = whole[: whole[:size].rfind(b"\n") + 1]
        rest = whole[len(kept) : size]
        problems = [entry.problem for entry in log_events.read(workspace) if entry.problem]
        lacks_end = whole[size : size + 1] == b"\n"
        assert problems == (["torn last line"] if rest and not lacks_end else [])
        fault.inject()
        if size >= last:
            fault.next_beat(copy, beat)
        else:
            log_events.append(workspace, note)
        fault.keep(kept.splitlines(), log.read_bytes().splitlines())
        if rest and not lacks_end:
            assert (len(kept), rest) == fragments(workspace)[-1]


@pytest.mark.fault("status files cut off at many bytes")
@pytest.mark.parametrize("name", ["haios-status.json", "haios-status-slim.json"])
def test_status(name: str, copy: Path, fault: Fault, beat: Next) -> None:
    """What is left is set aside, said in the event, and a whole file takes its place."""
    path = copy / ".claude" / name
    whole = path.read_bytes()
    for number, size in enumerate(places(len(whole) - 1, 5), 1):
        path.write_bytes(whole[:size])
        fault.inject()
        fault.next_beat(copy, beat)
        (warning,) = events(copy)[-1]["steps"]["status"]["warnings"]
        assert "set aside" in warning
        assert path.with_name(f"{name}.bad-{number}").read_bytes() == whole[:size]
        json.loads(path.read_bytes())


@pytest.mark.fault("mark of a running beat cut off at many bytes")
def test_marker(copy: Path, fault: Fault, beat: Next) -> None:
    """A mark that is whole names the lost beat; any part of one is passed over."""
    marker = {"beat": "20260131T120000-1a2b3c4d", "pid": 1, "host": "h", "started": "x"}
    marker["started"] = "2026-01-31T12:00:00.000+00:00"
    data = json.dumps(marker).encode()
    for size in range(1, len(data) + 1, 4):
        (copy / ".haios" / "beat.lock").write_bytes(data[:size])
        fault.inject()
        fault.next_beat(copy, beat)
    (copy / ".haios" / "beat.lock").write_bytes(data)
    fault.next_beat(copy, beat)
    assert [event["outcome"] for event in events(copy)].count("interrupted") == 1


@pytest.mark.fault("head, ids and vectors of the vector cache cut off at many bytes")
def test_cache(copy: Path, fault: Fault, beat: Next) -> None:
    """A cache that is not whole is made anew."""
    turn = 0
    for kind in (".json", ".ids", ".vectors"):
        for part in range(5):
            (path,) = (copy / "memory.db-vectors").glob(f"*{kind}")
            os.truncate(path, path.stat().st_size * part // 5)
            turn += 1
            learn(copy, turn)
            fault.inject()
            fault.next_beat(copy, beat)
            assert len(list((copy / "memory.db-vectors").iterdir())) == 3


@pytest.mark.fault("haios.toml cut off at many bytes")
def test_settings(copy: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """What is left is a configuration, or the beat names the file and fails."""
    path = copy / "haios.toml"
    whole = '[ingest]\nfolders = ["docs"]\n[schedule]\nevery_minutes = 30\n'
    for size in range(0, len(whole), 3):
        path.write_text(whole[:size], encoding="utf-8")
        done = forks.beat(copy)
        assert "Traceback" not in done.out
        if done.code:
            assert str(path) in done.out
            assert events(copy)[-1]["outcome"] in {"failed", "degraded"}
            fault.inject()
    path.write_text(whole, encoding="utf-8")
    fault.next_beat(copy, beat)


@pytest.mark.fault("memory.db cut off at many bytes")
def test_memory(copy: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """It is refused with what to do, and left as it is; once moved away, a beat begins afresh."""
    memory = copy / "memory.db"
    whole = memory.read_bytes()
    for turn, size in enumerate([*places(len(whole), 12), 16, 100, 4096, 8192]):
        for path in copy.glob("memory.db-*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        memory.write_bytes(whole[:size])
        learn(copy, turn)
        before = events(copy)
        done = forks.beat(copy)
        assert "Traceback" not in done.out, f"{size}: {done.out}"
        fault.inject()
        if done.code or size >= 16:  # before the end of its signature, SQLite takes it for empty
            assert done.code == 1, f"{size}: {done.out}"
            assert f"{memory} is " in done.out
            assert "move it away" in done.out
            assert events(copy)[-1]["outcome"] in {"failed", "degraded"}
            assert memory.read_bytes() == whole[:size]
            for path in copy.glob("memory.db*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        fault.next_beat(copy, beat)
        fault.keep(before, events(copy))


WAL = """
import sqlite3
connection = sqlite3.connect(sys.argv[1] + "/memory.db", isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint = 0")
for number in range(5):
    connection.execute("INSERT INTO concepts (type, content) VALUES ('techne', ?)", [str(number)])
os.kill(os.getpid(), 9)
"""


@pytest.mark.fault("memory.db-wal cut off at many bytes")
def test_write_ahead_log(copy: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """SQLite drops what is not whole, from its end on, and the beat goes on."""
    assert forks.run(WAL, copy).code == -9
    base = copy.rename(copy.parent / "base")
    size = (base / "memory.db-wal").stat().st_size
    assert size > 20_000
    for cut in places(size, 20):
        shutil.copytree(base, copy)
        before = events(copy)
        os.truncate(copy / "memory.db-wal", cut)
        (copy / "memory.db-shm").unlink()
        fault.inject()
        fault.next_beat(copy, beat)
        fault.keep(before, events(copy))
        shutil.rmtree(copy)
