"""Files are written whole, privately, never through a link, and locks die with their process."""

import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import IO

import pytest
from processes import run, start

from haios_dag.base import files
from haios_dag.base.errors import LockedError

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes, links and signals")

HOLD = """
import sys
from pathlib import Path
from haios_dag.base import files
held = files.lock(Path(sys.argv[1]), wait=True)
print("held", flush=True)
sys.stdin.read()
"""


def mode(path: Path) -> int:
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


class TestWriteAtomic:
    """write_atomic()."""

    def test_new_and_replaced(self, tmp_path: Path) -> None:
        """A file is made with its folders, then replaced, and nothing else is left behind."""
        path = tmp_path / "a" / "b" / "status.json"
        files.write_atomic(path, b"one")
        files.write_atomic(path, b"two\r\n")
        assert path.read_bytes() == b"two\r\n"
        assert list(path.parent.iterdir()) == [path]

    @posix
    def test_mode_of_a_replaced_file_is_kept(self, tmp_path: Path) -> None:
        """What the operator allowed others stays allowed, and no more."""
        path = tmp_path / "status.json"
        files.write_atomic(path, b"one")
        assert mode(path) == 0o600
        for bits in (0o644, 0o640, 0o600):
            path.chmod(bits)
            files.write_atomic(path, b"two")
            assert mode(path) == bits

    @posix
    def test_private_under_any_umask(self, tmp_path: Path) -> None:
        """Files and folders are the owner's alone even where the umask forbids nothing."""
        program = (
            "import os, sys; from pathlib import Path; from haios_dag.base import files\n"
            "os.umask(0); root = Path(sys.argv[1])\n"
            "files.write_atomic(root / 'outer' / 'inner' / 'a', b'x')\n"
            "files.append_durable(root / 'outer' / 'inner' / 'b', b'x')\n"
            "files.lock(root / 'outer' / 'inner' / 'c', wait=False).close()"
        )
        run(program, tmp_path)
        folder = tmp_path / "outer" / "inner"
        assert (mode(folder.parent), mode(folder)) == (0o700, 0o700)
        assert [mode(folder / name) for name in "abc"] == [0o600] * 3

    @posix
    def test_link_is_replaced_not_followed(self, tmp_path: Path) -> None:
        """A link planted at the path gives way; its target keeps its content, the file its mode."""
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        path = tmp_path / "status.json"
        path.symlink_to(victim)
        files.write_atomic(path, b"new")
        assert victim.read_bytes() == b"precious"
        assert not path.is_symlink()
        assert (path.read_bytes(), mode(path)) == (b"new", 0o600)

    def test_failure_leaves_the_old_file(self, tmp_path: Path) -> None:
        """When the path cannot be replaced, it stays, and no temporary file does."""
        path = tmp_path / "status.json"
        path.mkdir()
        (path / "inside").write_bytes(b"old")
        with pytest.raises(OSError, match=r"status\.json"):
            files.write_atomic(path, b"new")
        assert (path / "inside").read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    @posix
    def test_full_disk_leaves_the_old_file(self, tmp_path: Path) -> None:
        """When the new content does not fit, the old is there and no temporary file is."""
        path = tmp_path / "status.json"
        path.write_bytes(b"old")
        program = (
            "import resource, sys; from pathlib import Path; from haios_dag.base import files\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "try:\n    files.write_atomic(Path(sys.argv[1]), b'x' * 100_000)\n"
            "except OSError as error:\n    print(error.strerror)"
        )
        assert run(program, path) == "File too large\n"
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    @posix
    def test_readers_never_see_a_mix(self, tmp_path: Path) -> None:
        """While a process rewrites a file again and again, every read is one whole version."""
        path = tmp_path / "status.json"
        files.write_atomic(path, b"0" * 50_000)
        program = (
            "import itertools, sys; from pathlib import Path; from haios_dag.base import files\n"
            "for turn in itertools.count():\n"
            "    files.write_atomic(Path(sys.argv[1]), str(turn % 10).encode() * 50_000)"
        )
        with start(program, path) as writer:
            seen: list[bytes] = []
            while len(set(seen)) < 10:
                assert writer.poll() is None
                seen.append(path.read_bytes())
            writer.kill()
        assert all(content == content[:1] * 50_000 for content in seen)

    @posix
    def test_killed_writer_leaves_a_whole_file(self, tmp_path: Path) -> None:
        """A writer killed in the midst of its writes leaves one of its versions."""
        path = tmp_path / "status.json"
        program = (
            "import itertools, sys; from pathlib import Path; from haios_dag.base import files\n"
            "for turn in itertools.count():\n"
            "    files.write_atomic(Path(sys.argv[1]), b'%06d' % turn * 5000)\n"
            "    print(turn, flush=True)"
        )
        for _ in range(5):
            with start(program, path) as writer:
                assert writer.stdout is not None
                for _ in range(3):
                    writer.stdout.readline()
                writer.kill()
            content = path.read_bytes()
            assert content == content[:6] * 5000


class TestCompareAndSwap:
    """compare_and_swap()."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Return a file with the content `old`."""
        path = tmp_path / "status.json"
        path.write_bytes(b"old")
        return path

    def test_as_expected(self, path: Path) -> None:
        """The file is replaced, with its mode, and nothing else is left behind."""
        path.chmod(0o640)
        assert files.compare_and_swap(path, b"new", lambda at: at.read_bytes() == b"old")
        assert path.read_bytes() == b"new"
        assert mode(path) == 0o640
        assert [*path.parent.iterdir()] == [path]

    def test_not_as_expected(self, path: Path) -> None:
        """The file stays as it is."""
        assert not files.compare_and_swap(path, b"new", lambda _: False)
        assert path.read_bytes() == b"old"
        assert [*path.parent.iterdir()] == [path]

    def test_new(self, tmp_path: Path) -> None:
        """Where none is expected and none is, the file is made, and its folder."""
        path = tmp_path / "a" / "b"
        assert files.compare_and_swap(path, b"new", lambda at: not at.exists())
        assert path.read_bytes() == b"new"

    def test_the_look_comes_last(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between the look and the rename nothing is done: all slow work is over by then."""
        calls: list[str] = []
        fsync, replace = os.fsync, Path.replace

        def look(at: Path) -> bool:
            calls.append(f"look at {at.name}")
            return True

        def sync(opened: int) -> None:
            calls.append("fsync")
            fsync(opened)

        def rename(one: Path, other: Path) -> Path:
            calls.append(f"rename to {other.name}")
            return replace(one, other)

        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(Path, "replace", rename)
        assert files.compare_and_swap(path, b"new", look)
        assert calls[:3] == ["fsync", "look at status.json", "rename to status.json"]

    @pytest.mark.parametrize("how", ["renamed", "emptied"])
    def test_a_change_before_the_look_is_seen(self, path: Path, how: str) -> None:
        """What another program does while the new file is prepared stays."""
        opened: list[IO[bytes]] = []

        def look(at: Path) -> bool:
            if how == "renamed":
                other = at.with_name("other")
                other.write_bytes(b"theirs")
                other.replace(at)
            else:
                opened.append(at.open("wb", buffering=0))
            return at.read_bytes() == b"old"

        assert not files.compare_and_swap(path, b"new", look)
        for file in opened:
            file.write(b"theirs")
            file.close()
        assert path.read_bytes() == b"theirs"
        assert [*path.parent.iterdir()] == [path]

    def test_a_look_that_fails(self, path: Path) -> None:
        """An error of the look leaves the old file, and no temporary one."""
        with pytest.raises(StopIteration):
            files.compare_and_swap(path, b"new", lambda _: next(iter([])))
        assert path.read_bytes() == b"old"
        assert [*path.parent.iterdir()] == [path]

    @posix
    def test_a_link_is_not_followed(self, path: Path) -> None:
        """What a symbolic link points to is left alone."""
        link = path.with_name("link")
        link.symlink_to(path)
        assert files.compare_and_swap(link, b"new", lambda at: at.is_symlink())
        assert not link.is_symlink()
        assert (link.read_bytes(), path.read_bytes()) == (b"new", b"old")


class TestAppendDurable:
    """append_durable()."""

    def test_appends(self, tmp_path: Path) -> None:
        """Data goes to the end, byte for byte, and the file is made with its folders."""
        path = tmp_path / "a" / "log"
        files.append_durable(path, b"one\n")
        files.append_durable(path, b"two\r\n\0")
        assert path.read_bytes() == b"one\ntwo\r\n\0"

    @pytest.mark.parametrize("made", [False, True])
    def test_its_name_is_durable_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, made: bool
    ) -> None:
        """The folder is synced before the first byte, also where a killed call made the file."""
        path = tmp_path / "log"
        if made:
            path.touch()
        sizes: list[int] = []
        monkeypatch.setattr(files, "sync_folder", lambda _: sizes.append(path.stat().st_size))
        files.append_durable(path, b"one\n")
        files.append_durable(path, b"two\n")
        assert sizes == [0]

    @posix
    @pytest.mark.parametrize("room", [0, 1, 3])
    def test_part_of_a_line_is_cut_off(self, tmp_path: Path, room: int) -> None:
        """When the disk takes only a part of the data, that part is taken back."""
        path = tmp_path / "log"
        path.write_bytes(b"one\n")
        program = (
            "import resource, sys; from pathlib import Path; from haios_dag.base import files\n"
            "limit = int(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
            "try:\n    files.append_durable(Path(sys.argv[1]), b'two\\n')\n"
            "except OSError as error:\n    print('refused')"
        )
        assert run(program, path, 4 + room) == "refused\n"
        assert path.read_bytes() == b"one\n"

    @posix
    @pytest.mark.parametrize("target", ["victim", "nowhere"])
    def test_link_is_refused(self, tmp_path: Path, target: str) -> None:
        """A planted link is refused, whether it leads somewhere or would make a new file."""
        (tmp_path / "victim").write_bytes(b"precious")
        path = tmp_path / "log"
        path.symlink_to(tmp_path / target)
        for attempt in (
            lambda: files.append_durable(path, b"x"),
            lambda: files.lock(path, wait=False),
            lambda: files.open_private(path, os.O_RDWR),
        ):
            with pytest.raises(OSError, match="symbolic links"):
                attempt()
        assert (tmp_path / "victim").read_bytes() == b"precious"
        assert not (tmp_path / "nowhere").exists()


class TestLock:
    """lock() and locked()."""

    def test_excludes_other_processes(self, tmp_path: Path) -> None:
        """While one process holds a lock another is refused; afterwards it is not."""
        path = tmp_path / "folder" / "lock"
        with start(HOLD, path) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(LockedError, match=r"lock is locked by another process"):
                files.lock(path, wait=False)
            holder.communicate()
        files.lock(path, wait=False).close()

    def test_excludes_within_a_process(self, tmp_path: Path) -> None:
        """A lock is not granted twice to one process either, and is free after the block."""
        path = tmp_path / "lock"
        with files.locked(path), pytest.raises(LockedError):
            files.lock(path, wait=False)
        files.lock(path, wait=False).close()

    @posix
    def test_dies_with_its_process(self, tmp_path: Path) -> None:
        """After kill -9 of its holder a lock is free at once."""
        path = tmp_path / "lock"
        with start(HOLD, path) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            holder.send_signal(signal.SIGKILL)
            holder.wait()
        files.lock(path, wait=False).close()

    def test_waits_for_its_turn(self, tmp_path: Path) -> None:
        """A process that waits gets the lock when the holder lets go, not before."""
        path = tmp_path / "lock"
        program = (
            "import sys; from pathlib import Path; from haios_dag.base import files\n"
            "print('waiting', flush=True)\n"
            "print(files.lock(Path(sys.argv[1]), wait=True).read())"
        )
        held = files.lock(path, wait=False)
        with start(program, path) as waiter:
            assert waiter.stdout is not None
            assert waiter.stdout.readline() == "waiting\n"
            time.sleep(0.1)  # time enough to take a lock that is not kept
            held.write(b"mine")
            held.close()
            assert waiter.stdout.readline() == "b'mine'\n"

    def test_one_at_a_time(self, tmp_path: Path) -> None:
        """Four processes that read, add one and write under the lock lose no addition."""
        path, counter = tmp_path / "lock", tmp_path / "counter"
        counter.write_text("0", encoding="ascii")
        program = (
            "import sys; from pathlib import Path; from haios_dag.base import files\n"
            "lock, counter = Path(sys.argv[1]), Path(sys.argv[2])\n"
            "for _ in range(200):\n"
            "    with files.locked(lock):\n"
            "        counter.write_text(str(int(counter.read_text()) + 1))"
        )
        processes = [start(program, path, counter) for _ in range(4)]
        for process in processes:
            _, complaints = process.communicate()
            assert process.returncode == 0, complaints
        assert counter.read_text(encoding="ascii") == "800"

    def test_content_belongs_to_the_caller(self, tmp_path: Path) -> None:
        """What a holder wrote into the lock file is there for the next, and can be replaced."""
        path = tmp_path / "lock"
        with files.lock(path, wait=False) as held:
            held.write(b"beat 1")
        with files.lock(path, wait=False) as held:
            assert held.read() == b"beat 1"
            held.seek(0)
            held.truncate()
        assert path.read_bytes() == b""
