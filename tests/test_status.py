"""The status files' promises: true, whole, and nothing of other writers lost."""

import json
import os
import random
import signal
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processes import run, start

from haios_dag import front_matter, schema, status
from haios_dag.errors import StatusError
from haios_dag.status import infrastructure, previous
from haios_dag.workspace import Workspace

NOW = "2026-01-31T12:00:00.000+00:00"
DUE = "2026-01-31T13:00:00.000+00:00"
LATE = "2026-01-31T14:00:00.000+00:00"
PULSE: dict[str, Any] = {
    "beat": "20260131T120000-1a2b3c4d",
    "started": NOW,
    "outcomes": {"ingest": "ran", "embed": "skipped"},
    "last": {"ts": NOW, "outcome": "ok"},
    "streak": {"outcome": "good", "beats": 3},
    "expected_by": DUE,
    "stale_after": LATE,
}
MEMORY = {"concepts": 12, "entities": 0, "traces": 3, "insights": 2, "bridges": 1}
STANDARD = {
    "generated",
    "milestone",
    "session_delta",
    "work_cycle",
    "session_state",
    "active_work",
    "blocked_items",
    "counts",
    "infrastructure",
}
FILES = {"status": "haios-status.json", "status-slim": "haios-status-slim.json"}
WRITER = f"""
import json, sys
from pathlib import Path
from haios_dag import status
from haios_dag.workspace import Workspace
workspace, pulse = Workspace(Path(sys.argv[1])), json.loads({json.dumps(PULSE)!r})
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return an empty workspace."""
    return Workspace(tmp_path)


def write(workspace: Workspace, **changes: Any) -> list[str]:  # noqa: ANN401
    """Write the status of a beat with a memory, with some arguments changed."""
    return status.write(workspace, **{"memory": MEMORY, "pulse": PULSE} | changes)


def both(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Read both files as strict readers do, and hold each against its schema."""
    for name, file in FILES.items():
        keys = json.loads((workspace.root / ".claude" / file).read_text(encoding="utf-8"))
        schema.validate(name, keys)
        yield keys


def put(path: Path, data: bytes) -> Path:
    """Write a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# --- what the keys say ---------------------------------------------------------------------------


@freeze_time("2026-01-31 12:00:00")
def test_an_empty_workspace_gets_nulls_and_no_invented_value(workspace: Workspace) -> None:
    """What nobody has said is null in both files, and what can be known is there."""
    assert write(workspace) == []
    for keys in both(workspace):
        assert set(keys) == STANDARD | {"memory", "pulse", "stale_after"}
        assert keys["generated"] == NOW
        assert keys["counts"] == {"concepts": 12, "entities": 0, "backlog_pending": None}
        assert keys["infrastructure"] == {"commands": [], "skills": [], "agents": [], "mcps": []}
        assert keys["memory"] == {"present": True, **MEMORY}
        assert (keys["pulse"], keys["stale_after"]) == (PULSE, LATE)
        for name in ("milestone", "session_delta", "work_cycle", "active_work", "blocked_items"):
            assert keys[name] is None
        assert not any(keys["session_state"].values())


def test_a_real_workspace_keeps_its_live_state(haios_workspace: Path) -> None:
    """A beat in a real workspace changes only what it computes: contract cases 10 and 11."""
    workspace = Workspace(haios_workspace)
    before = [json.loads(path.read_bytes()) for path in (workspace.status, workspace.status_slim)]
    assert write(workspace) == []
    for old, new in zip(before, both(workspace), strict=True):
        assert new.keys() >= STANDARD | old.keys()
        computed = {"generated", "counts", "infrastructure"}
        assert {key: new[key] for key in old.keys() - computed} == {
            key: old[key] for key in old.keys() - computed
        }
        offered = new["infrastructure"]
        assert [len(offered[kind]) for kind in ("commands", "skills", "agents")] == [19, 33, 14]
        assert [server["name"] for server in offered["mcps"]] == [
            "haios-memory",
            "haios-operations",
        ]
        assert new["counts"] == {"concepts": 12, "entities": 0, "backlog_pending": 0}
    slim = json.loads(workspace.status_slim.read_bytes())
    for kind in ("commands", "skills", "agents"):
        assert slim["infrastructure"][kind] == before[1]["infrastructure"][kind]
    assert slim["session_state"]["active_cycle"] == "implementation-cycle"
    assert slim["session_state"]["current_phase"] == "DONE"
    assert slim["session_state"]["work_id"] == "WORK-289"
    assert slim["session_state"]["entered_at"] == "2026-03-10T23:44:20.502755"
    assert slim["context_pct"] == 13.0
    for path in [*haios_workspace.glob(".claude/skills/*/SKILL.md"),
                 *haios_workspace.glob(".claude/agents/*.md")]:  # fmt: skip
        name = front_matter.split(path.read_text(encoding="utf-8")).fields.get("name")
        assert infrastructure._name(path) == ([name] if name else [])


def test_a_second_write_differs_only_in_time(workspace: Workspace) -> None:
    """Without any change the files differ in `generated` alone, also in the order of keys."""
    put(workspace.status_slim, b'{"context_pct": 13.0, "session_state": {"work_id": "WORK-1"}}')
    texts = []
    for hour in (12, 13):
        with freeze_time(f"2026-01-31 {hour}:00:00"):
            write(workspace)
        texts.append(workspace.status_slim.read_text().replace(f"T{hour}:00:00.000", "T"))
    instant = '"generated": "2026-01-31T+00:00"'
    assert [text.count(instant) for text in texts] == [1, 1]
    lines = [[line for line in text.splitlines() if "2026-01-31" not in line] for text in texts]
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("counts", "known"),
    [
        (None, (None, None)),
        ({"concepts": 89957, "entities": 11219}, (89957, 11219)),
        ({"concepts": "many", "entities": True}, (None, None)),
        ({"concepts": -1}, (None, None)),
        ([1], (None, None)),
    ],
)
def test_without_memory_counts_are_the_last_known_or_null(
    workspace: Workspace, counts: object, known: tuple[int | None, ...]
) -> None:
    """No memory never looks like an empty one, and nothing makes one: contract case 14."""
    put(workspace.status, json.dumps({"counts": counts}).encode())
    assert write(workspace, memory=None) == []
    full = next(both(workspace))
    assert (full["counts"]["concepts"], full["counts"]["entities"]) == known
    reason = "there is no memory database at memory.db"
    assert full["memory"] == {"present": False, "reason": reason}
    assert not workspace.memory.exists()


def test_a_memory_that_cannot_be_asked_is_not_called_missing(workspace: Workspace) -> None:
    """A memory that is there but gave no numbers is present, with the reason."""
    workspace.memory.write_bytes(b"not a database")
    write(workspace, memory=None)
    for keys in both(workspace):
        reason = "the memory database memory.db could not be read"
        assert keys["memory"] == {"present": True, "reason": reason}


def test_names_come_from_files_and_front_matter(workspace: Workspace) -> None:
    """Commands are named by their files, skills and agents by front matter however it is spelt."""
    claude = workspace.root / ".claude"
    for name in ("go.md", "README.md", "readme.md", "notes.txt"):
        put(claude / "commands" / name, b"")
    (claude / "commands" / "folder.md").mkdir()
    heads = {
        "plain": b"---\nname: zebra\n---\n",
        "crlf": b'\xef\xbb\xbf---\r\nname: "quoted: one"\r\n---\r\n',
        "led": b"# generated: today\n---\ntype: x\nname: led-by-comment\n---\n",
        "again": b"---\nname: first\nname: second\n---\n",
        "folded": b"---\nname: >-\n  two\n  words\n---\n",
        "yes": b"---\nname: yes\n---\n",
        "open": b"---\nname: never-closed\n",
        "none": b"# no front matter\nname: prose\n",
        "bad": b"---\ntitle: a: b\nname: lost\n---\n",
        "later": b"---\nname: found\ndescription: Use: often\n---\n",
        "long": b"---\nname: %b\n---\n" % (b"x" * 201),
        "binary": bytes(range(256)),
    }
    for folder, head in heads.items():
        put(claude / "skills" / folder / "SKILL.md", head)
    (claude / "skills" / "empty").mkdir()
    put(claude / "agents" / "one.md", b"---\nname: agent-one\n---\n")
    put(workspace.root / ".mcp.json", b'{"mcpServers": {"b": {}, "a": {}}}')
    assert write(workspace) == []
    for keys in both(workspace):
        assert keys["infrastructure"] == {
            "commands": ["/go"],
            "skills": ["found", "led-by-comment", "quoted: one", "second", "two words", "zebra"],
            "agents": ["agent-one"],
            "mcps": [{"name": "a", "tools": None}, {"name": "b", "tools": None}],
        }


WORDS = st.sampled_from(["name", ":", " ", "\n", "A", "yes", "'", '"', "#", "- ", "0", "\t", "\r"])


@given(text=st.text(max_size=10) | st.lists(WORDS, max_size=8).map("".join))
@example(text="A")
@example(text="A\n b")
@example(text="A\n\n b")
@example(text="A\n'name': b")
@settings(max_examples=300, deadline=None)
def test_the_fast_reading_of_a_name_is_what_yaml_says(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """For any text behind `name:`, the name is the one YAML finds, if it can read the block."""
    text = f"---\nname: {text}\n---\nbody\n"
    path = tmp_path_factory.getbasetemp() / "SKILL.md"
    path.write_bytes(text.encode())
    whole = front_matter.split(text)
    if not whole.problem:
        value = whole.fields.get("name")
        assert infrastructure._name(path) == ([value] if isinstance(value, str) and value else [])


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"mcpServers": []}', b"[" * 100_000, b" " * (2**20 + 1), None]
)
def test_a_list_that_cannot_be_known_is_null(workspace: Workspace, content: bytes | None) -> None:
    """An unusable .mcp.json costs its list and a warning that names it, not the status."""
    path = workspace.root / ".mcp.json"
    path.mkdir() if content is None else path.write_bytes(content)
    (warning,) = write(workspace)
    assert str(path) in warning
    assert "\n" not in warning
    for keys in both(workspace):
        assert keys["infrastructure"]["mcps"] is None
        assert keys["infrastructure"]["commands"] == []


# --- what others wrote ---------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip
COMPUTED = {"generated", "counts", "infrastructure", "memory", "pulse", "stale_after"}


@given(found=st.dictionaries(st.sampled_from(sorted(STANDARD - COMPUTED)) | st.text(), JSON))
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
    assert (slim["counts"]["backlog_pending"], slim["counts"]["mood"]) == (4, 1)
    assert slim["counts"]["concepts"] == 12
    assert slim["infrastructure"]["hooks"] == ["a"]


class _Interrupting(dict[str, Any]):
    """A pulse that lets another writer change the slim file while it is being merged."""

    def __init__(self, path: Path, times: int) -> None:
        super().__init__(PULSE)
        self.path, self.left, self.wrote = path, times, 0

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        if self.left:
            self.left -= 1
            self.wrote += 1
            self.path.write_text(json.dumps({"context_pct": self.wrote}))
        return super().__getitem__(key)


def test_a_change_while_merging_is_merged_again(workspace: Workspace) -> None:
    """What another program writes between reading and replacing is not overwritten."""
    put(workspace.status_slim, b'{"context_pct": 0}')
    pulse = _Interrupting(workspace.status_slim, times=5)
    assert write(workspace, pulse=pulse) == []
    slim = list(both(workspace))[1]
    assert pulse.wrote == 5
    assert slim["context_pct"] == 5


def test_a_file_that_never_rests_is_left_alone(workspace: Workspace) -> None:
    """A file changed at every attempt fails the step in one sentence; the foreign value stands."""
    pulse = _Interrupting(put(workspace.status_slim, b"{}"), times=1000)
    with pytest.raises(StatusError, match="changed by another program") as caught:
        write(workspace, pulse=pulse)
    assert "\n" not in str(caught.value)
    assert json.loads(workspace.status_slim.read_bytes()) == {"context_pct": pulse.wrote}
    assert not list(workspace.status_slim.parent.glob("*.tmp"))


def test_a_writer_amid_its_dump_is_waited_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another program has truncated and is about to fill is not called damaged."""
    monkeypatch.setattr(previous, "_PAUSE", 0.5)  # far longer than the other writer takes
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
    """What is no status is kept, named in a warning with the reason, and replaced."""
    put(workspace.status, data)
    (warning,) = write(workspace)
    assert reason in warning
    assert workspace.status.with_name("haios-status.json.bad-1").read_bytes() == data
    assert len(list(both(workspace))) == 2


def test_a_huge_file_is_set_aside_unread(workspace: Workspace) -> None:
    """A file beyond any status is not parsed."""
    put(workspace.status, b"")
    os.truncate(workspace.status, previous.MAX_BYTES + 1)
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
    with pytest.raises(StatusError, match=r"left as it was: .*stale_after: 'soon'"):
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
    forever = WRITER + "print('ready', flush=True)\nwhile True:\n    status.write("
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
    some = WRITER + "for _ in range(15):\n    try:\n        status.write("
    some += f"workspace, memory={MEMORY!r}, pulse=pulse)\n"
    some += "    except Exception as error:\n        assert 'another program' in str(error)\n"
    writers = [start(some, workspace.root) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        assert list(both(workspace))[1]["context_pct"] == 13.0
    for writer in writers:
        _, complaints = writer.communicate()
        assert (writer.returncode, complaints) == (0, "")
    assert not list(workspace.status.parent.glob("*.bad-*"))
    assert not list(workspace.status.parent.glob(".*.tmp"))


def test_importing_is_light() -> None:
    """Importing the status loads neither YAML nor JSON Schema."""
    loaded = "import sys, haios_dag.status\nprint({'yaml', 'jsonschema'} & sys.modules.keys())"
    assert run(loaded) == "set()\n"


def test_both_schemas_describe_the_same_keys() -> None:
    """The schemas stand alone, for any validator, and differ in nothing but their names."""
    full, slim = (
        {key: value for key, value in schema.load(name).items()
         if key not in {"$id", "title", "description"}}
        for name in FILES
    )  # fmt: skip
    assert full == slim
