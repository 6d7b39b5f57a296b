"""Untrusted input does no harm: names, texts, links, modes, keys, SQL.

`docs/security.md` lists the threats, and names the test of each control, here or elsewhere.
"""

import ast
import json
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hostile
import processes
import pytest
import workspaces
from memory_checks import assert_invariants
from pages import page, spans, table

from haios_dag import events
from haios_dag.base import files
from haios_dag.base.errors import DocumentError
from haios_dag.base.step import BeatContext
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import ingest_step, scan
from haios_dag.memory.store import SqliteStore

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes, links and file names")


# --- the page -------------------------------------------------------------------------------------


def test_every_control_has_a_test_that_exists() -> None:
    """Each row of the page names tests, and each of them is there."""
    there = {
        f"{path.relative_to(workspaces.ROOT / 'tests').as_posix()}::{node.name}"
        for path in (workspaces.ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    rows = table(page("security"), "threat", "control", "shown by")
    assert len(rows) > 10
    for threat, _, shown in rows:
        named = spans(shown)
        assert named, threat
        assert [name for name in named if name not in there] == [], threat


# --- names and texts ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace full of attacks, after its first beat; copy it before changing it."""
    root = hostile.make(tmp_path_factory.mktemp("attacked"))
    done = hostile.run(root, ["heartbeat"])
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def victim(attacked: Path, tmp_path: Path) -> Path:
    """A copy of the attacked workspace."""
    return Path(shutil.copytree(attacked, tmp_path / attacked.name))


def assert_calm(done: hostile.Done) -> None:
    """Check that the output holds nothing that a terminal obeys, and no traceback."""
    for stream in (done.stdout, done.stderr):
        shown = stream.decode("utf-8")
        assert [line for line in shown.split("\n") if not line.isprintable()] == [], done.args
        assert "Traceback" not in shown, done.args


def _events(root: Path) -> list[dict[str, Any]]:
    """Return the events of a log that others wrote to as well."""
    return [entry.event for entry in events.read(Workspace(root)) if entry.event]


@posix
def test_hostile_names_go_through_the_whole_graph(attacked: Path) -> None:
    """Every document is read under its name, and nothing that a name says is executed."""
    (heartbeat,) = [event for event in _events(attacked) if "version" in event]
    assert set(workspaces.steps(heartbeat).values()) == {"ran"}
    assert heartbeat["new_insights"] > 0
    assert heartbeat["new_bridges"] > 0
    with SqliteStore.open(attacked / "memory.db", write=False) as store:
        known = store.documents.recorded()
    assert heartbeat["steps"]["ingest"]["documents"] == len(known)
    for name in hostile.NAMES:
        assert f"docs/{name.decode('utf-8', 'backslashreplace')}" in known
    assert_invariants(attacked / "memory.db")
    assert list(attacked.parent.rglob("PWNED")) == []


@posix
def test_every_command_leaves_the_terminal_alone(victim: Path) -> None:
    """No command prints a control or direction character of what it reads."""
    (victim / "docs" / f"bad{hostile.TERMINAL}.md").write_bytes(b"\0" * 100)
    for words in hostile.command_lines():
        assert_calm(hostile.run(victim, words))
    assert list(victim.parent.rglob("PWNED")) == []


def _toml(root: Path) -> None:
    (root / "haios.toml").write_text('"\\u001b]0;x\\u0007\\u202e" = 1\n')


def _yaml(root: Path) -> None:
    path = root / ".claude" / "haios" / "config" / "haios.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"paths: [{hostile.TERMINAL}")


def _memory(root: Path) -> None:
    (root / "memory.db").write_bytes(b"x" * 5000)


def _log(root: Path) -> None:
    (root / ".claude" / "haios-events.jsonl").unlink()
    (root / ".claude" / "haios-events.jsonl").mkdir()


def _lock(root: Path) -> None:
    (root / ".haios" / "beat.lock").unlink()
    (root / ".haios" / "beat.lock").symlink_to("/nowhere")


@posix
@pytest.mark.parametrize("broken", [_toml, _yaml, _memory, _log, _lock])
def test_errors_leave_the_terminal_alone(victim: Path, broken: Callable[[Path], None]) -> None:
    """A path or a text that an error quotes is shown, not obeyed."""
    broken(victim)
    said = b""
    for words in [["heartbeat"], *hostile.FEW]:
        done = hostile.run(victim, words)
        assert_calm(done)
        said += done.stdout + done.stderr
    assert rb"%n\x1b[2J\n\u202eb" in said  # the folder's name


@posix
def test_a_bug_in_a_step_leaves_the_terminal_alone(copy: Path) -> None:
    """The traceback of a step is printed line by line, without what its message would do."""
    with (copy / "dodo.py").open("a", encoding="utf-8") as file:
        file.write(
            "\nclass Bad:\n    @staticmethod\n    def run(*_):\n"
            f"        raise ValueError({hostile.TERMINAL!r})\n"
            "def task_bad():\n    return beat.step('bad', Bad, 'breaks')\n"
        )
    done = hostile.run(copy, ["bad"])
    assert done.returncode == 1
    shown = (done.stdout + done.stderr).decode()
    assert "Traceback" in shown
    assert "in run" in shown
    assert [line for line in shown.split("\n") if not line.isprintable()] == []


# --- JSON that is hostile -------------------------------------------------------------------------

DEEP = [b"[" * 200_000, b'{"a":' * 100_000]
MARKERS = [
    *DEEP,
    b'{"beat": NaN, "started": 1e400}',
    b'{"beat": "\\ud800", "started": "2026-01-01T00:00:00Z"}',
    b'{"beat": "20260101T000000-00000000", "started": "0001-01-01T00:00:00+14:00"}',
    b'{"beat": "20260101T000000-00000000", "started": "\\u001b]0;x"}',
    json.dumps({"beat": hostile.TERMINAL, "started": "2026-01-01T00:00:00Z"}).encode(),
    b'{"beat": ' + b"9" * 5000 + b', "started": "2026-01-01T00:00:00Z"}',
    b"\xff\xfe\x00",
    b"null",
]


@pytest.mark.parametrize("marker", MARKERS, ids=range(len(MARKERS)))
def test_a_foreign_marker_does_not_stop_a_beat(tmp_path: Path, marker: bytes) -> None:
    """A beat starts with any content of the lock file, and makes no event of it."""
    root = tmp_path / "space"
    root.mkdir()
    shutil.copy(workspaces.ROOT / "dodo.py", root / "dodo.py")
    (root / ".haios").mkdir()
    (root / ".haios" / "beat.lock").write_bytes(marker)
    done = hostile.run(root, ["event"])
    assert done.returncode == 0, done.stdout + done.stderr
    (event,) = workspaces.log(root)
    assert event["outcome"] != "interrupted"
    assert (root / ".haios" / "beat.lock").read_bytes() == b""


@pytest.mark.parametrize(
    "data",
    [
        *DEEP,
        b"9" * 5000,
        b"NaN",
        b"[1e999]",
        b'{"superseded": 1e999, "superseded": 1e999}',
        b"\xff",
    ],
    ids=range(7),
)
def test_json_that_breaks_parsers_breaks_no_beat(copy: Path, data: bytes) -> None:
    """A beat does its work with any content of the files that it reads back, and reports it."""
    (head,) = copy.glob("*-vectors/head.json")
    if data.startswith(b'{"superseded"'):
        data = head.read_bytes().rstrip(b"}") + b"," + data[1:]
    for path in (head, *copy.glob(".claude/haios-status*.json"), copy / ".mcp.json"):
        path.write_bytes(data)
    (copy / "docs" / "new.md").write_text("# New\n\nA thing that was never said before is here.\n")
    done = hostile.run(copy, ["heartbeat"])
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"haios-status-slim.json was set aside" in done.stderr or data.startswith(b"{")
    assert workspaces.steps(workspaces.log(copy)[-1])["synthesize"] == "ran"
    json.loads(
        (copy / ".claude" / "haios-status-slim.json").read_bytes(), parse_constant=pytest.fail
    )


# --- links ----------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("name", "code"),
    [
        (".haios/beat.lock", 2),
        (".haios/events.lock", 2),
        (".claude/haios-events.jsonl", 2),
        ("memory.db", 1),
    ],
)
def test_a_planted_link_is_refused_in_a_sentence(
    copy: Path, precious: Path, name: str, code: int
) -> None:
    """A link where a beat would write stays a link, and the beat says so."""
    path = copy / name
    path.unlink()
    path.symlink_to(precious)
    done = hostile.run(copy, ["heartbeat"])
    assert done.returncode == code
    said = (done.stdout + done.stderr).decode()
    assert any(str(path) in line and "symbolic link" in line for line in said.splitlines())
    assert "Traceback" not in said
    assert path.is_symlink()


@posix
def test_planted_links_give_way_to_files(copy: Path, precious: Path) -> None:
    """Links at the status files and in the cache are no harm to a beat, nor to their targets."""
    (head,) = copy.glob("*-vectors/head.json")
    links = [*copy.glob(".claude/haios-status*.json"), head, *head.parent.glob("*.vectors"),
             *head.parent.glob("*.ids")]  # fmt: skip
    assert len(links) == 5
    for link in links:
        link.unlink()
        link.symlink_to(precious)
    (copy / "docs" / "new.md").write_text("# New\n\nA thing that was never said before is here.\n")
    done = hostile.run(copy, ["heartbeat"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count(b"is a symbolic link") == 2
    assert not any(link.is_symlink() for link in links)


@posix
@pytest.mark.parametrize(
    ("name", "code"),
    [
        (".haios/beat.lock", 2),
        (".haios/events.lock", 2),
        (".claude/haios-events.jsonl", 2),
        (".claude/haios-events.jsonl.torn", 2),
        (".claude/haios-events.0001.jsonl", 1),
        (".claude/haios-status.json", 1),
        (".claude/haios/config/haios.yaml", 1),
        (".claude/session", 0),
        (".claude/settings.json", 0),
        (".mcp.json", 0),
        ("docs/pipe.md", 0),
        ("haios.toml", 1),
        ("memory.db", 1),
        ("memory.db-vectors/head.json", 0),
        ("traces/pipe.jsonl", 0),
    ],
)
def test_a_pipe_is_refused_in_a_sentence(copy: Path, name: str, code: int) -> None:
    """No command waits for the other end of a pipe."""
    path = copy / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    if name.endswith(".torn"):
        with (copy / ".claude" / "haios-events.jsonl").open("a") as file:
            file.write('{"ts":"2026')
    (copy / "docs" / "new.md").write_text("# New\n\nA thing that was never said before is here.\n")
    for words in (["heartbeat"], ["events-since", "2h"], ["events-stats"], ["pulse"], ["doctor"]):
        done = hostile.run(copy, words)
        said = (done.stdout + done.stderr).decode()
        assert "Traceback" not in said
        if words == ["heartbeat"]:
            assert done.returncode == code, said
            if code:
                assert any(str(path) in line and "file" in line for line in said.splitlines())


@posix
def test_a_link_at_a_temporary_name_is_refused(
    tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a guessed name of a temporary file leads nowhere."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0" * 12)
    path = tmp_path / "status.json"
    path.with_name(f"status.json.{'0' * 12}.tmp").symlink_to(precious)
    with pytest.raises(FileExistsError):
        files.write_atomic(path, b"new")
    assert not path.exists()


@posix
def test_a_link_at_the_next_archive_is_refused(copy: Path, precious: Path) -> None:
    """Archiving never writes through a link, and loses no line to one."""
    workspace = Workspace(copy)
    before = workspace.events.read_bytes()
    for number in (1, 2):
        workspace.events.with_name(f"haios-events.{number:04d}.jsonl").symlink_to(precious)
    archive = events.clear(workspace)
    assert archive is not None
    assert not archive.is_symlink()
    assert archive.read_bytes() == before


@posix
def test_nothing_behind_a_link_is_read(tmp_path: Path) -> None:
    """A linked document, folder or trace file is not read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    private = "The harbour of the other folder is where its ships are counted."
    (outside / "a.md").write_text(f"# Private\n\n{private}\n")
    line = {"query": private, "approach_taken": private, "outcome": "success"}
    (outside / "t.jsonl").write_text(json.dumps(line) + "\n")
    root = workspaces.make(tmp_path / "space")
    (root / "docs" / "a.md").symlink_to(outside / "a.md")
    (root / "a.md").symlink_to(outside / "a.md")
    (root / "docs" / "folder").symlink_to(outside)
    (root / "traces").mkdir()
    (root / "traces" / "t.jsonl").symlink_to(outside / "t.jsonl")
    done = hostile.run(root, ["ingest"])
    assert done.returncode == 0, done.stderr
    with SqliteStore.open(root / "memory.db", write=False) as store:
        assert len(store.documents.recorded()) == 4
    assert private.encode() not in (root / "memory.db").read_bytes()


@posix
def test_a_link_that_takes_the_place_of_a_document_is_not_read(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was put there after the folder had been listed."""
    outside, document = tmp_path / "private", copy / "docs" / "new.md"
    private = "The harbour of the other folder is where its ships are counted."
    outside.write_text(f"# Private\n\n{private}\n")
    document.write_text("# New\n\nA thing that was never said before is here.\n")
    plain = scan.find_files

    def found_then_replaced(workspace: Workspace) -> dict[str, scan.ScannedFile]:
        found = plain(workspace)
        document.unlink()
        document.symlink_to(outside)
        return found

    monkeypatch.setattr(ingest_step, "find_files", found_then_replaced)
    with pytest.raises(DocumentError, match=r"docs/new\.md.*symbolic links"):
        ingest_step.run(BeatContext(Workspace(copy)))
    assert private.encode() not in (copy / "memory.db").read_bytes()


# --- modes ----------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("umask", [0, 0o022])
def test_every_file_is_private(tmp_path: Path, umask: int) -> None:
    """After beats and every command, what the product made is its owner's alone."""
    root = workspaces.make(tmp_path / "space")
    shutil.rmtree(root / ".claude")
    made_before = {path: path.stat().st_mode for path in [root, *root.rglob("*")]}
    program = (
        "import os, sys; from pathlib import Path; from haios_dag import init\n"
        "os.umask(int(sys.argv[2])); init.make(Path(sys.argv[1]))"
    )
    processes.run(program, root / "own", umask)
    assert hostile.run(root, ["heartbeat"], umask=umask).returncode == 0
    for words in hostile.command_lines("lock") if umask == 0 else [["events-clear"]]:
        hostile.run(root, words, umask=umask)
    assert hostile.run(root, ["heartbeat"], umask=umask).returncode == 0
    made = [
        path
        for path in root.rglob("*")
        if path not in made_before and "__pycache__" not in path.parts  # Python's own
    ]
    names = {path.name for path in made}
    assert {"memory.db", "head.json", "beat.lock", "events.lock", "haios-events.jsonl",
            "haios-status.json", "haios-status-slim.json", "haios-events.0001.jsonl",
            "haios.toml", "dodo.py"} <= names  # fmt: skip
    wrong = {
        str(path.relative_to(root)): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in made
        if stat.S_IMODE(path.lstat().st_mode) != (0o700 if path.is_dir() else 0o600)
    }
    assert wrong == {}
    assert {path: path.stat().st_mode for path in made_before} == made_before


# --- secrets --------------------------------------------------------------------------------------


def _good(root: Path, canary: str) -> None:
    (root / ".env").write_text(f"API_KEY={canary}\n")


def _open(root: Path, canary: str) -> None:
    _good(root, canary)
    (root / ".env").chmod(0o644)


def _malformed(root: Path, canary: str) -> None:
    (root / ".env").write_text(f"API_KEY {canary}\nexport ={canary}\n'{canary}\n")


def _utf16(root: Path, canary: str) -> None:
    (root / ".env").write_bytes(f"API_KEY={canary}\n".encode("utf-16"))


def _settings(root: Path, canary: str) -> None:
    """A `.env` saved as haios.toml."""
    (root / "haios.toml").write_text(f"API_KEY={canary}\n")


def _key(root: Path, canary: str) -> None:
    (root / "haios.toml").write_text(f'[llm]\napi_key = "{canary}"\n')


def _told(root: Path, canary: str) -> None:
    """Addresses that fail in every way: refused, no address, no such scheme, no such service."""
    apprise = f"json://127.0.0.1:1/{canary} nothing://{canary} json://[{canary} mailto://{canary}"
    (root / ".env").write_text(f"HAIOS_APPRISE_URLS={apprise}\n")
    (root / "haios.toml").write_text(f'[notify]\nping = "http://127.0.0.1:1/{canary}"\n')


def _told_nowhere(root: Path, canary: str) -> None:
    (root / ".env").write_text(f"HAIOS_PING_URL=file://{canary}\n")
    (root / "haios.toml").write_text(f'[notify]\napprise = ["http://[{canary}"]\n')


def _no_address(root: Path, canary: str) -> None:
    (root / "haios.toml").write_text(f'[notify]\nping = ["{canary}"]\napprise = "a {canary}"\n')


@posix
@pytest.mark.parametrize(
    "place",
    [
        _good, _open, _malformed, _utf16, _settings, _key,
        _told, _told_nowhere, _no_address,
    ],
)  # fmt: skip
def test_no_byte_of_a_secret_is_written(tmp_path: Path, place: Callable[[Path, str], None]) -> None:
    """Neither a file below the workspace nor any output holds a key, also where commands fail."""
    root = workspaces.make(tmp_path / "space")
    canaries = [secrets.token_hex(16), secrets.token_hex(16)]
    env = {"HAIOS_TEST_API_KEY": canaries[1], "TMPDIR": str(tmp_path)}
    (root / ".env").touch(mode=0o600)
    place(root, canaries[0])
    with (root / "dodo.py").open("a", encoding="utf-8") as file:
        file.write(
            "\nclass Bad:\n    @staticmethod\n    def run(workspace, *_):\n"
            "        assert len(workspace.environment) < 1\n"
            "def task_bad():\n    return beat.step('bad', Bad, 'breaks')\n"
        )
    (root / ".claude" / "haios-events.jsonl").write_text(
        json.dumps({"ts": "2026-01-01T00:00:00Z", "type": "heartbeat"}) + "\n"
    )
    said = b""
    few = [["recall", "lock"], ["validate"], ["doctor"], ["pulse", "--notify"], ["events"]]
    commands = hostile.command_lines("lock") if place is _good else few
    for words in (["pulse", "--notify"], ["heartbeat"], ["bad"], *commands, ["heartbeat"]):
        done = hostile.run(root, words, env=env)
        said += done.stdout + done.stderr
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for canary in canaries:
        assert canary.encode() not in said
        assert [
            str(path)
            for path, data in written.items()
            if canary.encode() in data and path not in {root / ".env", root / "haios.toml"}
        ] == []
    assert (root / ".claude" / "haios-events.jsonl") in written


# --- code that is never run -----------------------------------------------------------------------

_NEVER = {"eval", "exec", "compile", "__import__", "system", "popen", "execv", "execvp", "spawnl"}
_UNSAFE = {"pickle", "marshal", "shelve", "dill", "jsonpickle"}


def _sources() -> list[Path]:
    """Return everything that runs for a user."""
    root = workspaces.ROOT
    found = [root / "dodo.py", *(root / "haios_dag").rglob("*.py"),
             *(root / "benchmarks").glob("*.py"), *(root / "docs").glob("*.py")]  # fmt: skip
    assert len(found) > 50
    return found


def dangers(source: str) -> Iterator[str]:
    """Yield what runs text as a program: a shell, eval, pickle, an unsafe YAML loader."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from (name for name in names if name.split(".")[0] in _UNSAFE)
        elif isinstance(node, ast.Dict):
            yield from _text_actions(node)
        elif isinstance(node, ast.Call):
            yield from _dangerous_call(node)


def _text_actions(node: ast.Dict) -> Iterator[str]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "actions":
            actions = value.elts if isinstance(value, ast.List) else [value]
            if any(isinstance(one, ast.Constant | ast.JoinedStr) for one in actions):
                yield f"the action {ast.unparse(value)}"


def _dangerous_call(node: ast.Call) -> Iterator[str]:
    call = ast.unparse(node.func)
    name = call.rpartition(".")[2]
    if name in _NEVER and not call.startswith("re."):
        yield call
    # argcomplete's shellcode() only takes the name of a shell, and returns text.
    if name != "shellcode" and any(given.arg == "shell" for given in node.keywords):
        yield f"{call} with a shell"
    if call.startswith("yaml.") and name in {"unsafe_load", "full_load", "load", "load_all"}:
        loader = [ast.unparse(given.value) for given in node.keywords if given.arg == "Loader"]
        if loader not in (["_loader()"], ["loader"]):  # tests show both to be safe ones
            yield ast.unparse(node)


@pytest.mark.parametrize("path", _sources(), ids=lambda path: path.name)
def test_nothing_runs_text(path: Path) -> None:
    """No source starts a shell, evaluates text, unpickles, or loads YAML that makes objects."""
    assert list(dangers(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "eval(x)", "os.system(x)", "os.popen(x)",
        "subprocess.run(x, shell=True)", "subprocess.run(x, shell=flag)", "yaml.load(x)",
        "yaml.load(x, Loader=yaml.Loader)", "yaml.unsafe_load(x)", "a = {'actions': ['rm -r x']}",
        "a = {'actions': [f'rm {x}']}", "a = {'actions': 'rm'}",
    ],
)  # fmt: skip
def test_what_runs_text_is_noticed(source: str) -> None:
    """The check above can fail."""
    assert list(dangers(source)) != []


@pytest.mark.parametrize("tag", ["object/apply:os.system", "name:os.system", "module:os"])
def test_yaml_of_haios_makes_no_objects(tmp_path: Path, tag: str) -> None:
    """A tag that makes Python objects is an error in the HAIOS configuration too."""
    path = tmp_path / ".claude" / "haios" / "config" / "haios.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"paths:\n  memory_db: !!python/{tag} ['touch PWNED']\n")
    with pytest.raises(Exception, match=re.escape("python/")) as caught:
        _ = Workspace(tmp_path).memory
    assert type(caught.value).__name__ == "ConfigError"
