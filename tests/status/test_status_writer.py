"""The status files are whole at any moment, and nothing that other writers put there is lost."""

import contextlib
import json
import os
import random
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import start
from statuses import FULL, HAIOS, MEMORY, OURS, PULSE, WRITER, both, put, write

from haios_dag.base import files
from haios_dag.base.errors import StatusError
from haios_dag.base.workspace import Workspace
from haios_dag.status import status_keys, status_reader

# --- what others wrote ---------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip
COMPUTED = OURS | HAIOS | FULL | set(status_keys._DETAIL)


@given(found=st.dictionaries(st.sampled_from(sorted(COMPUTED)) | st.text(), JSON))
@settings(max_examples=50, deadline=None)
def test_every_key_of_others_survives(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, Any]
) -> None:
    """Whatever JSON another writer put under a key of its own is there after a beat."""
    workspace = Workspace(tmp_path_factory.getbasetemp() / "carried")
    for path in (workspace.status, workspace.status_slim):
        put(path, json.dumps(found).encode())
    assert write(workspace) == []
    for keys in both(workspace):
        kept = found.keys() - COMPUTED
        if status_keys._says(found.get("session_state")):
            kept.add("session_state")
        assert {key: keys[key] for key in kept} == {key: found[key] for key in kept}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_powershell_wrote_is_read(workspace: Workspace, encoding: str) -> None:
    """A byte order mark or UTF-16 loses nothing, and the new file is UTF-8 without a mark."""
    put(workspace.status_slim, '{"note": "zażółć", "rate": NaN, "far": 1e999}'.encode(encoding))
    assert write(workspace) == []
    data = workspace.status_slim.read_bytes()
    assert data.startswith(b"{\n  ")
    assert "zażółć".encode() in data
    assert b"\r" not in data
    keys = json.loads(data)
    assert (keys["rate"], keys["far"]) == (None, None)


def test_members_of_others_in_our_objects_survive(workspace: Workspace) -> None:
    """A member that another writer added to `counts` or `infrastructure` is carried over."""
    found = {"counts": {"backlog_pending": 4, "mood": 1}, "infrastructure": {"hooks": ["a"]}}
    put(workspace.status_slim, json.dumps(found).encode())
    write(workspace)
    slim = list(both(workspace))[1]
    assert slim["counts"]["mood"] == 1
    assert slim["counts"]["concepts"] == 12
    assert slim["infrastructure"]["hooks"] == ["a"]


def interrupt(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> list[int]:
    """Let another writer change the slim file while it is being merged; return what it writes."""
    merge = status_keys.StatusKeys.slim
    wrote: list[int] = []

    def slim(keys: status_keys.StatusKeys, found: status_keys.FoundKeys) -> dict[str, Any]:
        if len(wrote) < times:
            wrote.append(len(wrote) + 1)
            path.write_text(json.dumps({"context_pct": wrote[-1]}))
        return merge(keys, found)

    monkeypatch.setattr(status_keys.StatusKeys, "slim", slim)
    return wrote


def test_a_change_while_merging_is_merged_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another program writes between reading and replacing is not overwritten."""
    put(workspace.status_slim, b'{"context_pct": 0}')
    wrote = interrupt(monkeypatch, workspace.status_slim, times=5)
    assert write(workspace) == []
    slim = list(both(workspace))[1]
    assert len(wrote) == 5
    assert slim["context_pct"] == 5


def test_a_file_that_never_rests_is_left_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file changed at every attempt fails the step in one sentence; the foreign value stands."""
    wrote = interrupt(monkeypatch, put(workspace.status_slim, b"{}"), times=1000)
    with pytest.raises(StatusError, match="changed by another program") as caught:
        write(workspace)
    assert "\n" not in str(caught.value)
    assert json.loads(workspace.status_slim.read_bytes()) == {"context_pct": wrote[-1]}
    assert not list(workspace.status_slim.parent.glob("*.tmp"))


def test_a_writer_amid_its_dump_is_waited_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another program has truncated and is about to fill is not called damaged."""
    monkeypatch.setattr(status_reader, "_PAUSE", 0.5)  # far longer than the other writer takes
    put(workspace.status_slim, b'{"context_pct":')
    with workspace.status_slim.open("ab", buffering=0) as file:
        other = threading.Timer(0.05, file.write, [b" 13.0}"])
        other.start()
        assert write(workspace) == []
        other.join()
    assert list(both(workspace))[1]["context_pct"] == 13.0


# --- damage --------------------------------------------------------------------------------------


def test_truncated_files_are_set_aside_and_rebuilt(workspace: Workspace) -> None:
    """Cut at any point, a status is kept under another name and a whole one takes its place."""
    write(workspace)
    whole = workspace.status_slim.read_bytes().rstrip()
    folder = workspace.status_slim.parent
    cuts = [0, 1, 2, *random.Random(7).sample(range(3, len(whole)), 7), len(whole) - 1]  # noqa: S311
    for number, cut in enumerate(cuts, 1):
        workspace.status_slim.write_bytes(whole[:cut])
        (warning,) = write(workspace)
        aside = folder / f"{workspace.status_slim.name}.bad-{number}"
        assert aside.name in warning
        assert aside.read_bytes() == whole[:cut]
        assert all(keys["memory"]["concepts"] == 12 for keys in both(workspace))
    assert [(folder / f"haios-status-slim.json.bad-{n}").read_bytes() for n in range(1, 12)] == [
        whole[:cut] for cut in cuts
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[1, 2]", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b'{"a": 1} trailing', "is not valid JSON"),
        (b"\xff\xfe\x00", "is not valid JSON"),
        (b"[" * 50_000, "is not valid JSON"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "nested more than 100 levels"),
        (b'{"a":' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b"\0" * 4096, "is not valid JSON"),
    ],
)
def test_garbage_is_set_aside(workspace: Workspace, data: bytes, reason: str) -> None:
    """A damaged status is kept, named in a warning with the reason, and replaced."""
    put(workspace.status, data)
    (warning,) = write(workspace)
    assert reason in warning
    assert workspace.status.with_name("haios-status.json.bad-1").read_bytes() == data
    assert len(list(both(workspace))) == 2


def test_a_huge_file_is_set_aside_unread(workspace: Workspace) -> None:
    """A file beyond any status is not parsed."""
    put(workspace.status, b"")
    os.truncate(workspace.status, status_reader.MAX_BYTES + 1)
    (warning,) = write(workspace)
    assert "is longer than 32 MB" in warning
    assert len(list(both(workspace))) == 2


def test_a_planted_link_is_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    """A symbolic link is set aside as a link; neither its target nor its target's mode matters."""
    victim = put(tmp_path / "victim", b'{"secret": 1}')
    workspace.status.parent.mkdir()
    workspace.status.symlink_to(victim)
    (warning,) = write(workspace)
    assert "is a symbolic link" in warning
    assert victim.read_bytes() == b'{"secret": 1}'
    assert "secret" not in next(both(workspace))
    assert not workspace.status.is_symlink()
    assert stat.S_IMODE(workspace.status.stat().st_mode) == 0o600


def test_what_is_no_file_fails_in_one_sentence(workspace: Workspace) -> None:
    """A folder or a pipe in the place of a status is neither read nor moved."""
    workspace.status_slim.mkdir(parents=True)
    with pytest.raises(StatusError, match=r"haios-status-slim\.json is not a file; move it away"):
        write(workspace)
    workspace.status_slim.rmdir()
    os.mkfifo(workspace.status_slim)
    with pytest.raises(StatusError, match="is not a file; move it away"):
        write(workspace)


def test_half_a_surrogate_pair_survives(workspace: Workspace) -> None:
    """Text that UTF-8 cannot hold is kept as the escape it came as."""
    put(workspace.status, b'{"note": "\\ud83d"}')
    assert write(workspace) == []
    assert next(both(workspace))["note"] == "\ud83d"


def test_a_pulse_that_breaks_the_schema_changes_nothing(workspace: Workspace) -> None:
    """What does not match its schema is refused with the place, before the old file is touched."""
    write(workspace)
    old = workspace.status.read_bytes()
    with pytest.raises(StatusError, match=r'left as it was: .*stale_after: "soon"'):
        write(workspace, pulse=PULSE | {"stale_after": "soon"})
    assert workspace.status.read_bytes() == old


def test_the_mode_of_an_existing_file_is_kept(workspace: Workspace) -> None:
    """A status that others may read stays so; a new one is private."""
    put(workspace.status, b"{}").chmod(0o644)
    write(workspace)
    assert stat.S_IMODE(workspace.status.stat().st_mode) == 0o644
    assert stat.S_IMODE(workspace.status_slim.stat().st_mode) == 0o600


# --- processes -----------------------------------------------------------------------------------


def test_killed_at_any_moment_both_files_are_whole(workspace: Workspace) -> None:
    """After kill -9 amid writing, both files are complete and keep what others wrote."""
    filler = {f"key-{number}": "x" * 100 for number in range(2000)}
    for path in (workspace.status, workspace.status_slim):
        put(path, json.dumps(filler).encode())
    write(workspace)
    forever = WRITER + "print('ready', flush=True)\nwhile True:\n    status_writer.write("
    forever += f"workspace, memory={MEMORY!r}, pulse=pulse)\n"
    moments = random.Random(11)  # noqa: S311
    for _ in range(6):
        with start(forever, workspace.root) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            time.sleep(moments.random() * 0.1)
            process.send_signal(signal.SIGKILL)
        for keys in both(workspace):
            assert {key: keys[key] for key in filler} == filler
    assert not list(workspace.status.parent.glob("*.bad-*"))


def test_writers_at_once_leave_whole_files(workspace: Workspace) -> None:
    """Two writers and a reader at once: every read is a whole status, and nothing is lost."""
    put(workspace.status_slim, b'{"context_pct": 13.0}')
    write(workspace)
    some = WRITER + "for _ in range(15):\n    try:\n        status_writer.write("
    some += f"workspace, memory={MEMORY!r}, pulse=pulse)\n"
    some += "    except Exception as error:\n        assert 'another program' in str(error)\n"
    writers = [start(some, workspace.root) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        assert list(both(workspace))[1]["context_pct"] == 13.0
    for writer in writers:
        _, complaints = writer.communicate()
        assert (writer.returncode, complaints) == (0, "")
    assert not list(workspace.status.parent.glob("*.bad-*"))
    assert not list(workspace.status.parent.glob("*.tmp"))


# Another writer adds a key each time. It empties the file and writes it, or renames another file
# over it; both wait for the lock that the test holds from our last look to our rename.
HOOK = """
import json, os, sys, time
from pathlib import Path
from haios_dag.base import files
path, how, times, window = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
lost = 0
for number in range(1, times + 1):
    while True:
        try:
            keys = json.loads(path.read_text(encoding="utf-8"))
            break
        except ValueError:
            time.sleep(0.001)
    lost += f"key_{number - 1}" not in keys and number > 1
    keys[f"key_{number}"] = number
    text = json.dumps(keys)
    if how == "renamed":
        path.with_name("hook").write_text(text, encoding="utf-8")
        with files.locked(window):
            os.replace(path.with_name("hook"), path)
    else:
        with files.locked(window):
            file = path.open("w", encoding="utf-8")
        with file:
            file.write(text)
    time.sleep(0.025 + 0.001 * (number % 7))
print(lost)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["in place", "renamed"])
def test_no_value_of_another_writer_is_lost(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A hook adds 1,000 keys while statuses are written without a pause: each key stays.

    It reads the file, adds one, and empties and writes it, as HAIOS's hooks do, or replaces it by
    another; and it finds its last key at every reading. It is kept out of the microseconds between
    our last look and our rename, in which a change is lost (docs/status.md), and of nothing else.
    """
    swap, window = files.compare_and_swap, tmp_path / "window"

    def outside_the_window(of: Path, data: bytes, is_expected: Callable[[Path], bool]) -> bool:
        with contextlib.ExitStack() as held:

            def look(at: Path) -> bool:
                held.enter_context(files.locked(window))
                return is_expected(at)

            return swap(of, data, look)

    monkeypatch.setattr(files, "compare_and_swap", outside_the_window)
    write(workspace)
    with start(HOOK, workspace.status_slim, how, 1000, window) as hook:
        statuses = 0
        while hook.poll() is None:
            with contextlib.suppress(StatusError):  # changed at each attempt: then nothing is lost
                write(workspace)
                statuses += 1
        printed, complaints = hook.communicate()
    assert complaints == ""
    assert printed == "0\n"
    assert statuses
    write(workspace)
    slim = list(both(workspace))[1]
    assert [number for number in range(1, 1001) if slim.get(f"key_{number}") != number] == []
    assert not list(workspace.status.parent.glob("*.bad-*"))
    assert not list(workspace.status.parent.glob("*.tmp"))


def amid(monkeypatch: pytest.MonkeyPatch, path: Path, interfere: Callable[[Path], object]) -> None:
    """Let another program do something to a file right before the last look at it, once."""
    swap = files.compare_and_swap
    once = iter([interfere])

    def in_between(of: Path, data: bytes, is_expected: Callable[[Path], bool]) -> bool:
        def look(at: Path) -> bool:
            if at == path:
                for one in once:
                    one(path)
            return is_expected(at)

        return swap(of, data, look)

    monkeypatch.setattr(files, "compare_and_swap", in_between)


@pytest.mark.parametrize("there", [True, False])
def test_a_file_put_there_at_the_last_moment_is_merged(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """A whole file that appears when the new one is ready to be renamed is merged."""
    write(workspace)
    if not there:
        workspace.status_slim.unlink()

    def replace(path: Path) -> None:
        other = path.with_name("other")
        other.write_bytes(b'{"context_pct": 7, "tool_count": 3}')
        other.replace(path)

    amid(monkeypatch, workspace.status_slim, replace)
    assert write(workspace) == []
    slim = list(both(workspace))[1]
    assert (slim["context_pct"], slim["tool_count"]) == (7, 3)
    assert slim["memory"]["present"]
    assert not list(workspace.status.parent.glob("*.tmp"))


def test_what_is_written_into_the_old_file_is_kept(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that emptied the file when the new one was ready does not lose what it writes."""
    write(workspace)
    opened: list[IO[bytes]] = []

    def write_late(path: Path) -> None:
        opened.append(path.open("wb", buffering=0))
        threading.Timer(0.05, opened[0].write, [b'{"context_pct": 7}']).start()

    amid(monkeypatch, workspace.status_slim, write_late)
    monkeypatch.setattr(status_reader, "_PAUSE", 0.5)  # far longer than the other writer takes
    assert write(workspace) == []
    opened[0].close()
    slim = list(both(workspace))[1]
    assert slim["context_pct"] == 7
    assert slim["memory"]["present"]
