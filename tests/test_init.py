"""`python -m haios_dag init`: a workspace from any folder, and nothing of the user's changed."""

import json
import shlex
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workspaces import environment

from haios_dag import __version__, init
from haios_dag.base import schema
from haios_dag.base.errors import HaiosError


def run(
    *words: object, stdout: IO[str] | int = subprocess.PIPE, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m haios_dag WORDS`; a traceback is always a failure."""
    done = subprocess.run(
        [sys.executable, "-m", "haios_dag", *map(str, words)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
        env=environment({"PYTHONUTF8": "1"}),
        cwd=cwd,
    )
    assert "Traceback" not in done.stderr
    return done


def tree(root: Path) -> dict[str, tuple[int, int, bytes | None]]:
    """Return the mode, time and content of everything below a folder."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(root.rglob("*"))
    }


def test_a_missing_folder_becomes_a_workspace(tmp_path: Path) -> None:
    """Everything a workspace needs is written, private, and each path is said."""
    root = tmp_path / "new" / "place"
    done = run("init", root)
    assert (done.returncode, done.stderr) == (0, "")
    written = ["dodo.py", "haios.toml", ".gitignore", ".claude", "docs", "traces"]
    assert sorted(tree(root)) == sorted(written)
    for name in written:
        assert f"{root / name}: " in done.stdout
        assert stat.S_IMODE((root / name).stat().st_mode) & 0o077 == 0
    assert (root / "dodo.py").read_bytes() == schema.resource("dodo.py").read_bytes()
    assert (root / ".gitignore").read_text().splitlines()[1:] == list(init.IGNORED)


def test_what_it_says_to_type_next_works(tmp_path: Path) -> None:
    """The two printed commands run as they stand: a beat, then its event, in the log it names."""
    root = tmp_path / "with space & 'quote' ünïcode"
    commands = [line for line in run("init", root).stdout.splitlines() if line.startswith("  ")]
    assert len(commands) == 2
    printed = []
    for command in commands:
        words = shlex.split(command)
        assert words[0] == sys.executable
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env=environment(None), cwd="/"
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "heartbeat" in printed[1]
    assert (root / ".claude" / "haios-events.jsonl").stat().st_size


def test_repeating_it_changes_nothing(tmp_path: Path) -> None:
    """A second run touches no byte, mode or time, says so, and exits 0; also inside the folder."""
    run("init", tmp_path)
    before = tree(tmp_path)
    for place in (tmp_path, "."):
        again = run("init", place, cwd=tmp_path)
        assert (again.returncode, again.stderr) == (0, "")
        assert again.stdout.count(": already there") == 6
        assert "nothing to do" in again.stdout
    assert tree(tmp_path) == before


def test_another_graph_is_left_alone(tmp_path: Path) -> None:
    """A dodo.py of the user stays as it is, the rest is written, and exit 1 says what to do."""
    mine = tmp_path / "dodo.py"
    mine.write_bytes(b"# mine\r\n")
    done = run("init", tmp_path)
    assert done.returncode == 1
    assert mine.read_bytes() == b"# mine\r\n"
    (sentence,) = done.stderr.splitlines()
    assert str(mine) in sentence
    assert "left alone" in sentence
    assert "move it away and run init again" in sentence
    assert (tmp_path / "haios.toml").exists()
    assert "Next" not in done.stdout
    mine.unlink()
    assert run("init", tmp_path).returncode == 0


def test_the_users_settings_are_kept_and_their_folders_made(tmp_path: Path) -> None:
    """An edited haios.toml is not touched, and says which folders the workspace has."""
    mine = b'[ingest]\nfolders = ["notes", "../outside"]\ntraces = "notes/traces"\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "haios.toml").write_bytes(mine)
    assert run("init", tmp_path / "in").returncode == 0
    assert (tmp_path / "in" / "haios.toml").read_bytes() == mine
    folders = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")
                     if path.is_dir())  # fmt: skip
    assert folders == ["in", "in/.claude", "in/notes", "in/notes/traces"]


def test_bad_settings_are_said_with_their_key(tmp_path: Path) -> None:
    """A haios.toml that cannot be used is left alone and named with its key, exit 1."""
    (tmp_path / "haios.toml").write_text("[ingest]\nfolder = 3\n")
    done = run("init", tmp_path)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert str(tmp_path / "haios.toml") in sentence
    assert "folder" in sentence


LINES = [*init.IGNORED, "*.pyc", "# mine", "", "!/keep", "/.env ", " /.haios/", "/.env/", "\xa0"]


@given(
    lines=st.lists(st.sampled_from(LINES)),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    mark=st.booleans(),
)
def test_gitignore_lines_are_only_added(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, *, last: bool, mark: bool
) -> None:
    """For any .gitignore: its bytes stay, each missing line is added once, in its line ends."""
    old = ("\ufeff" if mark else "") + end.join(lines) + (end if last and lines else "")
    path = tmp_path_factory.getbasetemp() / ".gitignore"
    path.write_bytes(old.encode())
    init._ignore(path)
    new = path.read_bytes()
    have = {line.rstrip(" ") for line in lines}
    missing = [line for line in init.IGNORED if line not in have]
    used = "\r\n" if "\r\n" in old else "\n"
    start = used if missing and old and not old.endswith("\n") else ""
    added = ["# run-time files of haios-dag", *missing] if missing else []
    assert new.decode() == old + start + "".join(line + used for line in added)
    init._ignore(path)
    assert path.read_bytes() == new


def test_a_gitignore_that_git_cannot_read_is_left_alone(tmp_path: Path) -> None:
    """UTF-16, as PowerShell writes it, is not made worse by appending bytes to it."""
    (tmp_path / ".gitignore").write_bytes("*.pyc\n".encode("utf-16"))
    done = run("init", tmp_path)
    assert done.returncode == 1
    assert ".gitignore is not text that git can read" in done.stderr
    assert (tmp_path / ".gitignore").read_bytes() == "*.pyc\n".encode("utf-16")


@pytest.mark.parametrize("name", ["dodo.py", "haios.toml", ".gitignore"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_planted_link_is_refused(tmp_path: Path, name: str, *, dangling: bool) -> None:
    """Nothing is written through a symbolic link, nor in its place."""
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_bytes(b"# precious")
    root = tmp_path / "root"
    root.mkdir()
    (root / name).symlink_to(victim)
    done = run("init", root)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert f"{root / name} is a symbolic link" in sentence
    assert (root / name).is_symlink()
    assert victim.read_bytes() == b"# precious" if not dangling else not victim.exists()


@pytest.mark.parametrize("name", ["dodo.py", "docs", "traces", "."])
def test_the_wrong_kind_of_thing_is_one_sentence(tmp_path: Path, name: str) -> None:
    """A folder where a file belongs, or a file where a folder belongs, is said and left alone."""
    root = tmp_path / "root"
    if name == ".":
        root.write_bytes(b"a file")
    else:
        root.mkdir()
        (root / name).mkdir() if name == "dodo.py" else (root / name).write_bytes(b"a file")
    done = run("init", root)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"haios-dag: {root / name} is not a ")


def test_a_parent_that_is_a_file_is_named(tmp_path: Path) -> None:
    """The message names the file that is in the way, not the folder that was wanted."""
    (tmp_path / "file").write_bytes(b"")
    done = run("init", tmp_path / "file" / "a" / "b")
    assert done.returncode == 1
    assert done.stderr.startswith(f"haios-dag: {tmp_path / 'file'} is not a folder")


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder nobody may write to")
def test_a_folder_that_cannot_be_made_is_one_sentence() -> None:
    """A place that refuses new folders, even to root, gives the system's reason and exit 1."""
    done = run("init", "/sys/kernel/haios-dag-test")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "/sys/kernel/haios-dag-test cannot be used: " in sentence


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_output_is_one_sentence(tmp_path: Path) -> None:
    """When what was done cannot be said, that is an error of one sentence."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = run("init", tmp_path, stdout=full)
    assert done.returncode == 1
    assert "the output could not be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """A folder name cannot move the cursor or fake a line of the output."""
    done = run("init", tmp_path / "a\x1b[2J\nb: already there")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("b: ")]


def test_the_command_line_explains_itself() -> None:
    """--version and --help exit 0; no command and no folder are usage errors, exit 2."""
    assert run("--version").stdout == f"haios-dag {__version__}\n"
    assert "init" in run("--help").stdout
    helped = run("init", "--help")
    assert (helped.returncode, "DIR" in helped.stdout) == (0, True)
    bare = run()
    assert (bare.returncode, bare.stdout) == (2, "")
    assert "init" in bare.stderr
    assert run("init").returncode == 2
    assert run("nonsense").returncode == 2


VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(
    st.characters(exclude_characters="\x7f", exclude_categories=["Cs"])) | st.floats(
    allow_nan=False, allow_infinity=False)  # fmt: skip


@given(default=VALUES | st.lists(VALUES, max_size=4))
def test_a_default_is_written_as_toml(default: object) -> None:
    """For any value that a setting can have, the commented line without its # means that value."""
    line = init._assignment("key", default)
    assert line.startswith("# key = ")
    assert tomllib.loads(line.removeprefix("# ")) == {"key": default}
    assert json.dumps(tomllib.loads(line.removeprefix("# "))["key"]) == json.dumps(default)


def test_make_reports_without_a_process(tmp_path: Path) -> None:
    """As a function, it returns what it did, and raises where the folder itself is unusable."""
    assert not init.make(tmp_path).nothing
    assert init.make(tmp_path).nothing
    (tmp_path / "traces").rmdir()
    done = init.make(tmp_path)
    assert done.paths[tmp_path / "traces"] == "made"
    assert not done.nothing
    with pytest.raises(HaiosError, match=r"dodo\.py is not a folder"):
        init.make(tmp_path / "dodo.py")
