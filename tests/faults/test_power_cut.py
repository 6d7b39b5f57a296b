"""Power cuts: an ext4 that is shut down amid writes without flushing, and mounted again.

What counts as acknowledged was answered before the cut. Of a call that is under way when an ext4
is shut down, its fsync may return 0 and nothing be written: Linux answers so to programs that a
real power cut would have ended too.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import workspaces
from faulting import Fault, Next, chance, events
from forks import BEAT
from logs import OPEN, TS
from memory_checks import connected
from processes import start

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux shuts down a file system"),
]


Answer = tuple[str, Any]

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN of linux/ext4.h
FLAGS = {"journal kept": 1, "journal lost": 2}  # by EXT4_GOING_FLAGS_LOGFLUSH, _NOLOGFLUSH
CUTS = 5  # a test

TELL = """
import json, time
def tell(what, answer):
    print(json.dumps([time.monotonic_ns(), what, answer]), flush=True)
"""
# Appends, archiving and status writes in turns; each answer is told when it has been given.
WRITER = f"""{OPEN}{TELL}
from haios_dag.base import clock
from haios_dag.pulse import liveness
from haios_dag.status import status_writer
number = 0
while True:
    number += 1
    events.append(workspace, dict(ts=sys.argv[2], type="note", number=number))
    tell("event", number)
    if number % 8 == 0:
        events.clear(workspace)
    if number % 3 == 0:
        facts = liveness.facts(workspace, None, clock.now(), {{}})
        memory = dict(concepts=number, entities=0)
        assert status_writer.write(workspace, memory=memory, pulse=facts) == []
        tell("status", number)
"""
ROWS = """
    SELECT 'concept', id, content FROM concepts WHERE synthesized_at IS NULL
    UNION ALL SELECT 'trace', id, query FROM reasoning_traces
    UNION ALL SELECT 'vector', concept_id, model FROM embeddings
    UNION ALL SELECT 'occurrence', id, line_number FROM concept_occurrences
    UNION ALL SELECT 'cluster', id, cluster_type FROM synthesis_clusters
"""
# A beat that tells, after each of its commits, what its memory then holds.
TELLING_BEAT = f"""{TELL}
import sqlite3, sys
from haios_dag.ingest import ingest_step
from haios_dag.embedding import embed_step
ingest_step._BATCH, embed_step._BATCH = 3, 20
class Connection(sqlite3.Connection):
    def execute(self, sql, *values):
        cursor = super().execute(sql, *values)
        if sql == "COMMIT":
            now = time.monotonic_ns()  # and not later, when the rows have been read
            rows = super().execute({ROWS!r}).fetchall()
            print(json.dumps([now, "rows", rows]), flush=True)
        return cursor
def connect(path, *rest, **options):
    own = {{}} if path == ":memory:" else dict(factory=Connection)
    return plain(path, *rest, **options | own)
plain, sqlite3.connect = sqlite3.connect, connect
{BEAT}"""


class Disk:
    """An ext4 of 64 MB in a file, mounted at a folder."""

    def __init__(self, tmp_path: Path) -> None:
        self._image, self.folder = tmp_path / "image", tmp_path / "disk"
        self.folder.mkdir()
        with self._image.open("wb") as file:
            file.truncate(64 << 20)

    def make(self) -> None:
        """Make the file system and mount it; CalledProcessError where that is not allowed."""
        call("mkfs.ext4", "-q", "-F", self._image)
        self._mount()

    def _mount(self) -> None:
        call("mount", "-o", "loop", self._image, self.folder)

    def unmount(self) -> None:
        """Unmount it: after a power cut nothing more is written."""
        call("umount", self.folder)

    def run_until_cut(
        self, flag: int, seconds: float, program: str, *words: object
    ) -> list[Answer]:
        """Run a program, cut the power some seconds after its first answer, and mount again.

        Return the answers that were given before the cut; the exit code, if it ended, is the last.
        """
        import fcntl  # only POSIX has it

        told = self._image.with_name("told")  # not on this disk
        descriptor = os.open(self.folder, os.O_RDONLY)
        with told.open("wb") as file, start(program, *words, stdout=file) as process:
            while not told.stat().st_size and process.poll() is None:
                time.sleep(0.005)
            time.sleep(seconds)
            ended = process.poll()
            cut = time.monotonic_ns()
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", flag))
            process.kill()
            _, complaints = process.communicate()
        os.close(descriptor)
        self.unmount()
        self._mount()
        assert not ended, complaints
        lines = told.read_text().splitlines(keepends=True)
        whole = [json.loads(line) for line in lines if line[0] == "[" and line[-1] == "\n"]
        given = [(what, answer) for when, what, answer in whole if when < cut]
        return [*given, *([] if ended is None else [("code", ended)])]


def call(*words: object) -> None:
    """Run a command that must succeed."""
    subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system to cut the power of."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    made = Disk(tmp_path)
    try:
        made.make()
    except FileNotFoundError as error:
        pytest.skip(f"{error.filename} is not installed")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no ext4 can be mounted: {error.stderr.strip()}")
    yield made
    made.unmount()


@pytest.mark.fault("power cut amid appends, archiving and status writes")
@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_writes(flag: int, beaten: Path, disk: Disk, fault: Fault, beat: Next) -> None:
    """Every event that was acknowledged is there, and no status is torn or older than written."""
    random = chance()
    for turn in range(CUTS):
        root = Path(shutil.copytree(beaten, disk.folder / f"space-{turn}"))
        os.sync()
        answers = disk.run_until_cut(flag, random.uniform(0.1, 0.6), WRITER, root, TS)
        fault.inject()
        workspace = Workspace(root)
        (*_, newest) = (answer for what, answer in answers if what == "status")
        for path, name in ((workspace.status, "status"), (workspace.status_slim, "status-slim")):
            keys = json.loads(path.read_bytes())
            schema.validate(name, keys)
            assert keys["memory"]["concepts"] >= newest
        fault.next_beat(root, beat)
        acknowledged = [answer for what, answer in answers if what == "event"]
        assert acknowledged == list(range(1, len(acknowledged) + 1))
        notes = [event["number"] for event in events(root) if event["type"] == "note"]
        assert notes == sorted(set(notes))
        fault.keep(acknowledged, notes)


@pytest.mark.fault("power cut amid a beat")
@pytest.mark.parametrize("flag", FLAGS.values(), ids=FLAGS)
def test_beat(flag: int, beaten: Path, disk: Disk, fault: Fault, beat: Next) -> None:
    """Every row that was committed is there, as the events are, and each status is whole."""
    random = chance()
    amid = 0
    for turn in range(CUTS):
        root = Path(shutil.copytree(beaten, disk.folder / f"space-{turn}"))
        workspaces.grow(root, turn, documents=12)
        os.sync()
        before = events(root)
        # The first cut comes at once, so that one is amid a beat however fast that is.
        seconds = random.uniform(0, turn / (CUTS - 1))
        answers = disk.run_until_cut(flag, seconds, TELLING_BEAT, root)
        fault.inject()
        committed = [answer for what, answer in answers if what == "rows"][-1:]
        with connected(root / "memory.db") as connection:
            found = set(connection.execute(ROWS))
        fault.keep([tuple(row) for rows in committed for row in rows], found)
        workspace = Workspace(root)
        for path, name in ((workspace.status, "status"), (workspace.status_slim, "status-slim")):
            schema.validate(name, json.loads(path.read_bytes()))
        fault.next_beat(root, beat)
        after = events(root)
        fault.keep(before, after)
        beats = [event["outcome"] for event in after[len(before) :]]
        ended = ("code", 0) in answers
        assert beats[0] in ({"ok"} if ended else {"ok", "interrupted"})
        amid += beats[0] == "interrupted"
    assert amid
