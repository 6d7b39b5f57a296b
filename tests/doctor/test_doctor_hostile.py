"""Whatever stands where the doctor looks: a sentence, the right exit code, and nothing changed."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import haios_databases
import pytest
import workspaces
from doctors import BEAT, MARKER, STATUS, sql, tree, trouble
from workspaces import doit

from haios_dag.base import files
from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import examination, place_checks
from haios_dag.memory.store import SqliteStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and modes of POSIX")
needs_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root may mount and be another user"
)


@pytest.fixture
def root(scheduled: Path) -> Path:
    """A workspace in which all is well."""
    return scheduled


def memory(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what puts something else in the memory's place."""

    def plant(root: Path) -> None:
        path = root / "memory.db"
        path.unlink()
        change(path)

    return plant


def tables(*statements: str) -> Callable[[Path], None]:
    """Return what makes a database of these."""

    def plant(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(";".join(statements))

    return plant


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


MEMORIES: list[tuple[Callable[[Path], object], int, str]] = [
    (memory(os.mkfifo), 1, "memory.db is not a file"),
    (memory(Path.mkdir), 1, "memory.db is not a file"),
    (memory(lambda path: path.symlink_to(path)), 1, "memory.db is a symbolic link"),
    (memory(lambda path: path.symlink_to("/nowhere")), 1, "memory.db is a symbolic link"),
    (memory(Path.touch), 1, "memory.db is empty"),
    (memory(tables("CREATE TABLE notes (id)")), 1, "memory.db is not a HAIOS memory"),
    (memory(tables("CREATE TABLE dag_meta (key, value)",
                   "INSERT INTO dag_meta VALUES ('version', '999')")), 1, "of version 999"),
    (memory(haios_databases.v3), 0, "no beat has used it yet"),
    (memory(haios_databases.migrated), 0, "no beat has used it yet"),
    (memory(lambda path: haios_databases.migrated(path, 5)), 1, "apply HAIOS's migration"),
    (lambda root: sql(root, "UPDATE dag_meta SET value = '999' WHERE key = 'version'"), 1,
     "install the release that wrote it"),
    (lambda root: _cut(root / "memory.db"), 1, "it is cut off"),
    (lambda root: (root / "memory.db").write_bytes(b""), 1, "memory.db is empty"),
    (lambda root: (root / "memory.db-shm").symlink_to("/nowhere"), 1, "no symbolic link stands"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "code", "words"), MEMORIES)
def test_memories(
    root: Path,
    plant: Callable[[Path], object],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is no memory, or one of others, is named and left as it is, also by `--fix`."""
    plant(root)
    before = tree(root)
    for fix in (False, True):
        assert examination.show(Workspace(root), fix=fix, json=False) == code
        said = capsys.readouterr()
        assert words in said.out
        assert "Traceback" not in said.err
        assert tree(root) == before


@pytest.mark.parametrize(
    "name",
    ["haios.toml", ".env", ".claude/haios-events.jsonl", STATUS, BEAT, ".haios/events.lock"],
)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_not_a_regular_file(root: Path, name: str, make: Callable[[Path], None]) -> None:
    """A pipe is not waited for; it is the one thing that is said."""
    (root / name).unlink(missing_ok=True)
    make(root / name)
    done = doit(root, "doctor", env={"PATH": os.environ["PATH"]})
    assert done.returncode == 1
    assert "it is not a regular file, so nothing else was checked" in done.stdout
    assert str(root / name) in done.stdout
    assert done.stdout.splitlines()[-1] == "not healthy: 1 error, 0 unknown, 0 warning, 0 ok"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\x1b[2J = 1\n", "correct it"),
        ("[schedule]\nevery_minutes = nan\n", "correct"),
        ("a = " + "[" * 100_000, "correct"),
        ("[memory]\npath = '''\n/nowhere\x07'''\n", "correct"),
        ("[memory]\npath = '~nosuchuser/memory.db'\n", "unknown user"),
        ("[memory]\npath = '/proc/1/mem/x'\n", "memory"),
        (f"[memory]\npath = '{'x' * 5000}'\n", "File name too long"),
        ("x" * 1_000_000, "correct"),
    ],
)
def test_settings(root: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that cannot be used leave what rests on them unknown, and the rest examined."""
    (root / "haios.toml").write_text(text)
    before = tree(root)
    assert examination.show(Workspace(root), fix=False, json=False) in {0, 1, 2}
    said = capsys.readouterr()
    assert words in said.out
    assert "\x1b" not in said.out
    assert "Traceback" not in said.err
    assert "ok       log " in said.out
    assert tree(root) == before


def test_without_a_home(root: Path) -> None:
    """A process without a home, or a user the system does not know, learns what it can."""
    env = {key: value for key, value in os.environ.items() if key not in {"HOME", "DB_PATH"}}
    done = subprocess.run(
        ["env", "-i", *(f"{k}={v}" for k, v in env.items()),
         *workspaces.command(root, "doctor")],
        capture_output=True, text=True, check=False, cwd=root,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("healthy: ")


def test_a_lock_of_a_dead_process(root: Path) -> None:
    """A marker of a beat that is no more is told from one under way, and stays for the next."""
    (root / BEAT).write_text(MARKER)
    assert [one.name for one in trouble(root)["lock"]] == ["beat-cut-off"]
    assert (root / BEAT).read_text() == MARKER
    with files.lock(root / BEAT, wait=False):
        assert "lock" not in trouble(root)
    assert doit(root).returncode == 0
    assert "lock" not in trouble(root)


_DOCTORS = """
import sys
from pathlib import Path
from haios_dag.doctor import examination
from haios_dag.base.workspace import Workspace
root = Path(sys.argv[1])
print("ready", flush=True)
while not (root / "stop").exists():
    found = list(examination.examine(Workspace(root)))
    bad = [(name, one) for name, one in found if one.level in ("error", "unknown")]
    if bad:
        print(bad, flush=True)
"""


def test_beats_while_doctors_look(root: Path) -> None:
    """Doctors without end neither stop a beat nor see a fault in what one is doing."""
    doctors = [
        subprocess.Popen(
            [sys.executable, "-c", _DOCTORS, str(root)], stdout=subprocess.PIPE, text=True,
            env=workspaces.environment({"PATH": os.environ["PATH"]}),
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        for one in doctors:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for number in range(4):
            workspaces.grow(root, number, documents=4)
            done = doit(root)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        (root / "stop").touch()
        said = [one.communicate()[0] for one in doctors]
    assert said == ["", ""]


def test_a_writer_who_does_not_let_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs the writer's lock is unknown then, and all else is examined."""
    monkeypatch.setattr("haios_dag.memory.database.BUSY_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(root / "memory.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        found = trouble(root)
    assert [(name, [one.level for one in ones]) for name, ones in found.items()] == [
        ("words", ["unknown"])
    ]
    assert "is locked by another program" in found["words"][0].what
    with contextlib.closing(sqlite3.connect(root / "memory.db")) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        (one,) = trouble(root)["memory"]
    assert (one.level, "is locked by another program" in one.what) == ("unknown", True)


def test_an_index_too_large_to_look_through(root: Path) -> None:
    """The writer's lock is let go in time, and what was not looked at is unknown."""
    workspaces.grow(root, 1)
    assert doit(root).returncode == 0
    with SqliteStore.open(root / "memory.db", write=False) as store:
        with pytest.raises(MemoryUnavailableError, match="would hold up a beat"):
            store.health().word_index(seconds=0)
        assert not store.database.connection.in_transaction
        assert store.health().word_index() is None


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount(folder, "size=8m")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@needs_root
def test_read_only(root: Path, disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A read-only disk is an error, and what can be read is examined."""
    space = Path(shutil.copytree(root, disk / "space"))
    (space / BEAT).write_text(MARKER)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    before = tree(space)
    assert examination.show(Workspace(space), fix=False, json=False) == 1
    said = capsys.readouterr()
    assert "error    permissions  it cannot be written" in said.out
    assert "make its folder writable" in said.out or "folder is writable" in said.out
    assert "Read-only file system" in said.out
    assert "Traceback" not in said.err
    done = doit(space, "doctor", "--fix")
    assert done.returncode == 1
    assert "beat.lock cannot be opened: Read-only file system" in done.stdout + done.stderr
    assert tree(space) == before


@needs_root
def test_a_disk_too_full_for_the_copy(
    root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy that fails half-way is gone again, and nothing at all is repaired."""
    space = Path(shutil.copytree(root, disk / "space"))
    sql(space, "UPDATE embeddings SET vector = x'00' WHERE concept_id = 1")
    (space / f"{STATUS}.0123456789ab.tmp").touch()
    monkeypatch.setattr(place_checks, "LEAST", 0)
    _fill(disk, 100_000)
    monkeypatch.setattr(place_checks, "size", lambda _: 0)  # it looks as if there were room
    before = tree(space)
    assert examination.show(Workspace(space), fix=True, json=False) == 1
    assert "error    fix          the repair stopped: " in capsys.readouterr().out
    assert tree(space) == before


def _fill(disk: Path, free: int) -> None:
    with (disk / "filler").open("wb") as file:
        file.truncate(0)
        size = shutil.disk_usage(disk).free - free
        file.write(b"x" * size)


_AS_NOBODY = """
import importlib, os, sys
from pathlib import Path
from haios_dag.doctor import examination
from haios_dag.doctor import place_checks
from haios_dag.base.workspace import Workspace
for name in place_checks._NEEDED:  # the other user may not be able to read them
    importlib.import_module(name)
list(examination.examine(Workspace(Path(sys.argv[1]))))
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(examination.show(Workspace(Path(sys.argv[1])), fix=len(sys.argv) > 2, json=False))
"""


@needs_root
@pytest.mark.parametrize("hidden", [None, ".claude", "memory.db", "haios.toml", ".haios", "."])
@pytest.mark.parametrize("fix", [[], ["--fix"]])
def test_another_user(root: Path, hidden: str | None, fix: list[str]) -> None:
    """What may not be read is unknown or an error, never ok, and nothing is changed."""
    (root / "haios.toml").touch()
    (root / BEAT).write_text(MARKER)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if hidden:
        (root / hidden).chmod(0)
    before = tree(root)
    with workspaces.reachable(root.parent):
        done = workspaces.run(
            [sys.executable, "-c", _AS_NOBODY, str(root), *fix], cwd=Path("/"),
            env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
    assert done.returncode in ({1} if fix else {1, 2}), done.stdout
    assert tree(root) == before
    if not fix:
        assert "Traceback" not in done.stderr
        assert "ermission" in done.stdout or "cannot be written" in done.stdout


@pytest.mark.slow
def test_a_log_of_a_gigabyte(root: Path) -> None:
    """A log of a gigabyte is read through in little memory."""
    path = root / ".claude" / "haios-events.jsonl"
    ours = path.read_text()
    event = json.loads(ours)
    note = {"ts": event["ts"], "type": "note", "text": "x" * 100_000}  # to be read fast
    lines = [event | {"beat": f"20200101T000000-{number:08x}"} for number in range(200)]
    block = "".join(json.dumps(one) + "\n" for one in [*lines, *[note] * 200])
    with path.open("w") as file:
        while file.tell() < 1 << 30:
            file.write(block)
        file.write(ours)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(root)], capture_output=True, text=True, check=False,
        env=workspaces.environment({"PATH": os.environ["PATH"]}),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "heartbeats claim rows that memory does not have" in done.stdout


_LIMITED = """
import resource, sys
from pathlib import Path
from haios_dag.doctor import examination
from haios_dag.base.workspace import Workspace
code = examination.show(Workspace(Path(sys.argv[1])), fix=False, json=False)
try:  # what rusage says begins, under Linux, with the peak of the process that started this one
    most = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
except OSError:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # macOS has bytes
print(most, "KB")
sys.exit(code if most < 300_000 else 9)
"""
