"""A workspace's paths, and above all which database is its memory."""

import os
from pathlib import Path

import pytest

from haios_dag.base.errors import ConfigError
from haios_dag.base.workspace import Workspace

HAIOS = Path(".claude", "haios", "config", "haios.yaml")


def say(root: Path, path: Path | str, text: str) -> None:
    """Write a file of the workspace."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")
    (root / path).chmod(0o600)


def test_the_memory_is_what_the_first_of_seven_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source of the memory's path outranks all those after it."""
    flag = "flag.db"
    say(tmp_path, "haios.toml", '[memory]\npath = "toml.db"\n')
    say(tmp_path, ".env", "DB_PATH=dotenv.db\n")
    say(tmp_path, HAIOS, "paths:\n  memory_db: yaml.db\n")
    say(tmp_path, "haios_memory.db", "")
    monkeypatch.setenv("DB_PATH", "environment.db")
    assert Workspace(tmp_path, flag).memory == tmp_path / "flag.db"
    assert Workspace(tmp_path).memory == tmp_path / "environment.db"
    monkeypatch.delenv("DB_PATH")
    assert Workspace(tmp_path).memory == tmp_path / "dotenv.db"
    (tmp_path / ".env").unlink()
    assert Workspace(tmp_path).memory == tmp_path / "toml.db"
    (tmp_path / "haios.toml").unlink()
    assert Workspace(tmp_path).memory == tmp_path / "yaml.db"
    (tmp_path / HAIOS).unlink()
    assert Workspace(tmp_path).memory == tmp_path / "haios_memory.db"
    (tmp_path / "haios_memory.db").unlink()
    assert Workspace(tmp_path).memory == tmp_path / "memory.db"
    assert not list(tmp_path.glob("*.db"))


def test_asking_for_paths_writes_nothing(tmp_path: Path) -> None:
    """Every path can be asked for in an empty folder; all are below it, and none is made."""
    workspace = Workspace(tmp_path)
    paths = [
        workspace.events,
        workspace.status,
        workspace.status_slim,
        workspace.beat_lock,
        workspace.events_lock,
        workspace.memory,
    ]
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(tmp_path) for path in paths)
    assert not list(tmp_path.iterdir())


def test_a_path_may_be_absolute_or_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory may be elsewhere: `~` is the home folder, an absolute path is itself."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    root = tmp_path / "root"
    assert Workspace(root, "~/m.db").memory == tmp_path / "home" / "m.db"
    assert Workspace(root, str(tmp_path / "other.db")).memory == tmp_path / "other.db"


@pytest.mark.parametrize("value", ["", "''"])
def test_an_empty_value_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """An empty DB_PATH or paths.memory_db leaves the choice to the next source."""
    monkeypatch.setenv("DB_PATH", "")
    say(tmp_path, ".env", f"DB_PATH={value}\n")
    say(tmp_path, HAIOS, f"paths:\n  memory_db: {value}\n")
    assert Workspace(tmp_path, "").memory == tmp_path / "memory.db"


@pytest.mark.parametrize("text", ["", "# only comments\n", "paths:\n", "[1]", "paths: {other: x}",
                                  "paths:\n  memory_db: 3\n", "manifest: {}"])  # fmt: skip
def test_a_configuration_that_names_no_memory_is_passed_over(tmp_path: Path, text: str) -> None:
    """HAIOS's configuration need not say where the memory is."""
    say(tmp_path, HAIOS, text)
    assert Workspace(tmp_path).memory == tmp_path / "memory.db"


@pytest.mark.parametrize(
    "text",
    [
        "paths: [",
        "paths:\n\tmemory_db: x\n",
        "epoch: 2024-13-45\npaths: {memory_db: x}",
        'paths: !!python/object/apply:os.mkdir ["planted"]',
        "a: " + "[" * 500 + "]" * 500 + "\nb: " + "[" * 2000 + "]" * 2000,
        "a: " + "[" * 60_000 + "]" * 60_000,
    ],
)
def test_a_broken_configuration_is_not_guessed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """An unreadable haios.yaml begins no second memory: it is named, with the setting to use."""
    monkeypatch.chdir(tmp_path)
    say(tmp_path, HAIOS, text)
    with pytest.raises(ConfigError, match=r"set \[memory\] path in haios\.toml") as caught:
        _ = Workspace(tmp_path).memory
    assert str(tmp_path / HAIOS) in str(caught.value)
    assert "\n" not in str(caught.value)
    say(tmp_path, "haios.toml", '[memory]\npath = "mine.db"\n')
    assert Workspace(tmp_path).memory == tmp_path / "mine.db"
    assert not (tmp_path / "planted").exists()


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place, or bytes that are no text, are not taken for a missing file."""
    (tmp_path / HAIOS).mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"haios\.yaml"):
        _ = Workspace(tmp_path).memory
    (tmp_path / HAIOS).rmdir()
    (tmp_path / HAIOS).write_bytes(b"\xff\xfe\0")
    with pytest.raises(ConfigError, match=r"haios\.yaml: .*utf-8"):
        _ = Workspace(tmp_path).memory


@pytest.mark.parametrize("named", ["~no-such-user/m.db", "a\0b.db"])
def test_a_path_that_cannot_be_one_is_refused(tmp_path: Path, named: str) -> None:
    """An unknown home folder or a NUL character is one sentence, not a traceback."""
    with pytest.raises(ConfigError, match="the memory's path '") as caught:
        _ = Workspace(tmp_path, named).memory
    assert "\0" not in str(caught.value)


def test_a_dotenv_open_to_others_stops_the_resolution(tmp_path: Path) -> None:
    """A .env that may not be used is an error also when it would not name the memory."""
    say(tmp_path, ".env", "OTHER=1\n")
    (tmp_path / ".env").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        _ = Workspace(tmp_path).memory


def test_resolving_leaves_the_environment_alone(tmp_path: Path) -> None:
    """A .env is read into the workspace, not into the process and its children."""
    say(tmp_path, ".env", "DB_PATH=x.db\nHAIOS_TEST_LEAK=1\n")
    before = dict(os.environ)
    assert Workspace(tmp_path).memory == tmp_path / "x.db"
    assert dict(os.environ) == before


@pytest.mark.real
def test_the_real_configuration_names_its_memory(haios_workspace: Path) -> None:
    """The real workspace's memory is `haios_memory.db`, before there is one."""
    assert Workspace(haios_workspace).memory == haios_workspace / "haios_memory.db"
    (haios_workspace / HAIOS).write_text("paths: {memory_db: elsewhere.db}")
    assert Workspace(haios_workspace).memory == haios_workspace / "elsewhere.db"


@pytest.mark.parametrize(
    ("name", "text", "asked"), [("haios.toml", "[x]", "config"), (".env", "\xff", "environment")]
)
def test_an_error_of_the_settings_is_the_same_each_time(
    tmp_path: Path, name: str, text: str, asked: str
) -> None:
    """Each step of a beat meets the same sentence, so that it can be shown once."""
    (tmp_path / name).write_text(text, encoding="latin-1")
    (tmp_path / name).chmod(0o600)
    workspace = Workspace(tmp_path)
    said = set()
    for _ in range(3):
        with pytest.raises(ConfigError) as caught:
            getattr(workspace, asked)
        said.add(str(caught.value))
    assert len(said) == 1
