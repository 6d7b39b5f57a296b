"""An error or a kill at each system call that touches a file of ours, injected by strace.

A program runs once to be traced. Then it runs again for each of its calls on the workspace's
files, each time in a fresh copy, with one fault at that call:

- killed before the call, which is also after the one before it
- EIO at the call, and ENOSPC where the call may need room
- ENOSPC at the call and at every later one that may need room

strace makes a call fail by leaving it out. A `close` that fails keeps its descriptor for that
reason, which no system does; that ends with the process.

Some calls may fail and nothing is wrong: Python asks with `fstat` and `ioctl` what it has opened,
and `exists` and `is_dir` take an error for "no" and the call after them meets the cause.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faulting import Fault, events, learn
from forks import Forks
from logs import OPEN, fragments

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space
from haios_dag.memory.store import SqliteStore

Next = Callable[[Path], tuple[int, str]]

KINDS = ["killed", "EIO", "ENOSPC", "ENOSPC from there on"]
NEED_ROOM = ("openat", "mkdir", "rename", "write", "pwrite64", "ftruncate", "fsync", "fdatasync")
REASONS = ("Input/output error", "No space left on device")

# The program is in wait of the tracer before it touches the workspace. What it tells is no `write`,
# which a full disk refuses.
BEGIN = (
    OPEN
    + """
import ctypes, json, os, select, subprocess
from haios_dag.base import clock
from haios_dag.pulse import liveness
from haios_dag.status import status_writer
from haios_dag.embedding import space
from haios_dag.memory.store import SqliteStore

def tell(word, sentence=""):
    os.writev(1, [json.dumps([word, sentence]).encode() + b"\\n"])

def trace(log, *faults):
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER: anyone may
    options = [f"--inject={fault}" for fault in faults]
    if faults:
        options.append("--trace=" + ",".join(fault.partition(":")[0] for fault in faults))
    else:
        options.append("--trace=%file,%desc")
    wait = ["sh", "-c", 'read go && exec strace "$@"', "sh"]
    words = [*wait, "-y", "-p", str(os.getpid()), "-o", log, *options]
    tracer = subprocess.Popen(words, bufsize=0, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    tracer.stdin.write(b"\\n")  # not before `Popen` is done, or its calls would be counted
    select.select([tracer.stderr], [], [])  # no fault is ever injected here
    os.read(tracer.stderr.fileno(), 100)  # that it is attached; one call, whatever its length
    return tracer  # whose pipes stay open

loaded = set(sys.modules)
tracer = trace(*sys.argv[2:]) if sys.argv[2:] else None
try:
"""
)
# An import opens whatever folders have changed since the last one, so that no two runs are alike.
END = """
except HaiosError as error:
    tell("refused", str(error))
    sys.exit(1)
finally:
    assert loaded == set(sys.modules), f"let forker.py import {set(sys.modules) - loaded}"
"""
APPEND = """
    events.append(workspace, {"ts": clock.iso(clock.now()), "type": "note", "number": 1})
    tell("appended")
"""
ROTATE = """
    events.clear(workspace)
    tell("archived")
"""
STATUS = """
    facts = liveness.facts(workspace, None, clock.now(), {})
    for warning in status_writer.write(workspace, memory=None, pulse=facts):
        tell("warned", warning)
    tell("published")
"""
COMMIT = """
    with SqliteStore.open(workspace.root / "memory.db", write=True) as store:
        with store.transaction() as connection:
            for number in range(12):
                connection.execute(
                    "INSERT INTO concepts (type, content) VALUES ('techne', ?)",
                    [f"Number {number}: " + "a disk that is full keeps the log short. " * 10],
                )
        tell("committed")
"""
CACHE = """
    with SqliteStore.open(workspace.root / "memory.db", write=False) as store:
        warnings = store.vectors.refresh_cache(space.DEFAULT.model, space.DEFAULT.dimensions)
        for warning in warnings:
            tell("refused", warning)
        if not warnings:
            tell("cached")
"""


@pytest.fixture(scope="module", autouse=True)
def may_trace() -> None:
    """Skip where there is no strace, or no right to trace."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    words = ["strace", "-o", os.devnull, "--inject=close:error=EIO:when=9999", "true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")


class Call(NamedTuple):
    """The system call that is the `number`th of its name, and how many of each came before."""

    name: str
    number: int
    before: Counter[str]

    def faults(self, kind: str) -> list[str]:
        """Return what to tell strace."""
        if kind == "killed":
            return [f"{self.name}:signal=KILL:when={self.number}"]
        if not kind.endswith("on"):
            return [f"{self.name}:error={kind}:when={self.number}"]
        return [f"{name}:error=ENOSPC:when={self.before[name] + 1}+" for name in NEED_ROOM]


class Faulted(NamedTuple):
    """What a program told with a fault at one of its calls, and in which workspace."""

    root: Path
    told: list[str]
    sentence: str
    call: Call

    def names_reason(self) -> bool:
        """Tell whether what was refused, if anything, says the system's reason."""
        return not self.sentence or any(reason in self.sentence for reason in REASONS)


class Lab:
    """Runs programs with faults, each in a copy of a workspace."""

    def __init__(self, forks: Forks, folder: Path) -> None:
        self._forks = forks
        self._root = folder / "copy"
        self._log = folder / "calls"

    def each(self, kind: str, base: Path, work: str, most: int = 1000) -> Iterator[Faulted]:
        """Run a program with a fault of this kind at each call, at `most` of each name, spread."""
        source = BEGIN + work + END
        assert self._forks.run(source, self._copy(base)).code == 0  # loads what it loads but once
        done = self._forks.run(source, self._copy(base), self._log)
        assert done.code == 0, done.out
        calls = self._calls()
        if kind.startswith("ENOSPC"):
            calls = [call for call in calls if call.name in NEED_ROOM]
        for call in spread(calls, most):
            root = self._copy(base)
            code, out = self._forks.run(source, root, self._log, *call.faults(kind))
            where = f"{kind} at {call.name} {call.number}: {out}"
            assert self._struck(kind), where
            told = [json.loads(line) for line in out.splitlines()] if "Traceback" not in out else []
            assert code == -9 if kind == "killed" else code in {0, 1}, where
            assert "Traceback" not in out, where
            sentence = "".join(sentence for word, sentence in told if word == "refused")
            words = [word for word, _ in told]
            if kind != "killed":
                assert words, where
                assert code == 0 or words[-1] == "refused", where
            if sentence:
                assert str(root) in sentence, where
                assert "\n" not in sentence, where
            yield Faulted(root, words, sentence, call)

    def _copy(self, base: Path) -> Path:
        shutil.rmtree(self._root, ignore_errors=True)
        return Path(shutil.copytree(base, self._root))

    def _calls(self) -> list[Call]:
        """Return the traced calls on files of the workspace."""
        calls = []
        before: Counter[str] = Counter()
        for line in self._traced():
            if match := re.match(r"(\w+)\(", line):
                if str(self._root) in line:
                    calls.append(Call(match[1], before[match[1]] + 1, before.copy()))
                before[match[1]] += 1
        assert calls
        return calls

    def _struck(self, kind: str) -> bool:
        """Tell whether the first fault came, and at a file of the workspace."""
        lines = self._traced()
        if kind == "killed":
            return "killed by SIGKILL" in lines[-1] and str(self._root) in lines[-2]
        return str(self._root) in next((line for line in lines if "(INJECTED)" in line), "")

    def _traced(self) -> list[str]:
        """Return the lines of strace, which ends after the program."""
        until = time.monotonic() + 10
        while not (lines := self._log.read_text(errors="replace").splitlines()) or (
            not lines[-1].startswith("+++")
        ):
            assert time.monotonic() < until, lines[-3:]
            time.sleep(0.001)
        return lines


def spread(calls: list[Call], most: int) -> list[Call]:
    """Return at most so many calls of each name, spread over all of them."""
    kept = []
    for name in dict.fromkeys(call.name for call in calls):
        own = [call for call in calls if call.name == name]
        step = max(1, -(-len(own) // most))
        kept += own[::step]
    return kept


@pytest.fixture
def lab(forks: Forks, tmp_path: Path) -> Lab:
    """A place to run programs with faults."""
    return Lab(forks, tmp_path)


@pytest.mark.slow
@pytest.mark.fault("kill, EIO and ENOSPC at each system call of an append")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["first", "whole", "torn"])
def test_append(state: str, kind: str, copy: Path, lab: Lab, fault: Fault, beat: Next) -> None:
    """What was acknowledged is there, what stood there stays, and nothing is glued together."""
    log = Workspace(copy).events
    before = events(copy)
    if state == "first":
        log.unlink()
        before = []
    elif state == "torn":
        with log.open("ab") as file:
            file.write(b'{"ts":"2026-01')
    for one in lab.each(kind, copy, APPEND):
        fault.inject()
        assert one.names_reason(), one
        fault.next_beat(one.root, beat)
        found = events(one.root)
        notes = [event for event in found if event["type"] == "note"]
        fault.keep(before, found)
        fault.keep(["appended"] * ("appended" in one.told), ["appended"] * len(notes))
        assert len(notes) <= 1
        if state == "torn":
            assert b'{"ts":"2026-01' in [piece for _, piece in fragments(Workspace(one.root))]


@pytest.mark.slow
@pytest.mark.fault("kill, EIO and ENOSPC at each system call of a rotation")
@pytest.mark.parametrize("kind", KINDS)
def test_rotation(kind: str, copy: Path, lab: Lab, fault: Fault, beat: Next) -> None:
    """Every event is in the log or in an archive, once."""
    before = events(copy)
    for one in lab.each(kind, copy, ROTATE):
        fault.inject()
        assert one.names_reason(), one
        if "archived" in one.told:
            assert not Workspace(one.root).events.exists()
        fault.next_beat(one.root, beat)
        fault.keep(before, events(one.root))
        assert len(events(one.root)) == len(before) + 1


@pytest.mark.slow
@pytest.mark.fault("kill, EIO and ENOSPC at each system call of a status write")
@pytest.mark.parametrize("kind", KINDS)
def test_status(kind: str, copy: Path, lab: Lab, fault: Fault, beat: Next) -> None:
    """Both files are complete at any moment, and what other programs keep there stays."""
    names = {"haios-status.json": "status", "haios-status-slim.json": "status-slim"}
    theirs, before = {"by": "others"}, {}
    for name in names:
        path = copy / ".claude" / name
        keys = json.loads(path.read_bytes()) | {"of_a_hook": theirs}
        path.write_text(json.dumps(keys), encoding="utf-8")
        before[name] = keys["generated"]
    for one in lab.each(kind, copy, STATUS):
        fault.inject()
        for name, described in names.items():
            keys = json.loads((one.root / ".claude" / name).read_bytes())
            schema.validate(described, keys)
            fault.keep([theirs], [keys["of_a_hook"]])
            if "published" in one.told:
                assert keys["generated"] > before[name]
        fault.next_beat(one.root, beat)
        for name in names:
            keys = json.loads((one.root / ".claude" / name).read_bytes())
            fault.keep([theirs], [keys["of_a_hook"]])
            assert keys["generated"] > before[name]


@pytest.mark.slow
@pytest.mark.fault("kill, EIO and ENOSPC at each system call of a commit to memory")
@pytest.mark.parametrize("kind", KINDS)
def test_commit(kind: str, copy: Path, lab: Lab, fault: Fault, beat: Next) -> None:
    """A commit is there in whole when it was acknowledged, and else in whole or not at all."""
    for one in lab.each(kind, copy, COMMIT):
        fault.inject()
        fault.next_beat(one.root, beat)
        connection = sqlite3.connect(one.root / "memory.db")
        found = [
            content
            for (content,) in connection.execute(
                "SELECT content FROM concepts WHERE content LIKE 'Number %' ORDER BY id"
            )
        ]
        connection.close()
        assert len(found) in {0, 12}
        fault.keep(range(12) if "committed" in one.told else [], range(len(found)))


@pytest.mark.slow
@pytest.mark.fault("kill, EIO and ENOSPC at system calls of a write of the vector cache")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["new", "grown"])
def test_cache(
    state: str, kind: str, copy: Path, forks: Forks, lab: Lab, fault: Fault, beat: Next
) -> None:
    """Whatever is left of the cache, vectors are read as they are in the database."""
    learn(copy)
    assert forks.beat(copy, "embed").code == 0
    if state == "new":
        shutil.rmtree(copy / "memory.db-vectors")
    for one in lab.each(kind, copy, CACHE, most=4):
        fault.inject()
        with SqliteStore.open(one.root / "memory.db", write=False) as store:
            blocks = store.vectors.blocks(
                "concept", space.DEFAULT.model, space.DEFAULT.dimensions, 99
            )
            read = {
                (int(concept), vector.tobytes())
                for ids, vectors in blocks
                for concept, vector in zip(ids, vectors, strict=True)
            }
        connection = sqlite3.connect(one.root / "memory.db")
        stored = connection.execute("SELECT concept_id, vector FROM embeddings").fetchall()
        connection.close()
        assert read == set(stored)
        fault.next_beat(one.root, beat)
        assert len(list((one.root / "memory.db-vectors").iterdir())) == 3
