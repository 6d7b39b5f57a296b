"""What the README shows is what its commands print, in this repository after a first beat."""

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pages import load_program
from workspaces import ROOT, environment, tracked

readme = load_program(".ci/readme.py")

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"<!-- output of: haios-dag ([^\n]+) -->\n```text\n(.*?)```", TEXT, re.DOTALL)
PAIRS = readme.pairs(TEXT)


def run(root: Path, *words: str) -> str:
    """Return what `haios-dag WORDS` prints in a folder; the exit code must be 0."""
    done = subprocess.run(
        [sys.executable, "-m", "haios_dag", *words],
        cwd=root,
        env=environment({"COLUMNS": "80"}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def beat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of this repository after its first beat, and what the beat printed."""
    root = tmp_path_factory.mktemp("readme") / "main"
    for path in tracked():
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return root, run(root, "heartbeat")


def words(command: str, shown: str, root: Path) -> list[str]:
    """Return the words of a command; `ID` is the insight whose text is shown."""
    found = shlex.split(command)
    if "ID" in found:
        text = shown.splitlines()[1].strip()
        with closing(sqlite3.connect(root / "memory.db")) as memory:
            rows = memory.execute(
                "SELECT id FROM concepts WHERE synthesized_at IS NOT NULL AND instr(content, ?)",
                (text,),
            ).fetchall()
        assert rows, f"no insight says: {text}"
        found[found.index("ID")] = str(rows[0][0])
    return found


def test_what_is_shown_first() -> None:
    """The README shows an insight, an answer, the log and the pulse, before the two commands."""
    assert [command.split()[0] for command, _ in SHOWN] == [
        "synthesis-explain", "recall", "events", "pulse",
    ]  # fmt: skip
    assert TEXT.index(SHOWN[-1][1]) < TEXT.index("```sh")


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_output_is_as_shown(beat: tuple[Path, str], command: str, shown: str) -> None:
    """Every line that the README shows is printed, in its order; numbers and ids may differ."""
    root, _ = beat
    printed = run(root, *words(command, shown, root))
    assert readme.same(shown, printed), printed


def test_first_command_prints_what_is_shown(beat: tuple[Path, str]) -> None:
    """The beat of the first command prints what stands below it."""
    (command, shown), _ = PAIRS
    assert command.endswith("/haios-dag heartbeat")
    assert readme.same(shown, beat[1]), beat[1]


def test_commands_for_windows() -> None:
    """Each of the two commands stands there for Windows too, with the same arguments."""
    windows = re.findall(r"^On Windows: `(.+)`$", TEXT, re.MULTILINE)
    for (command, _), other in zip(PAIRS, windows, strict=True):
        same = other.replace("; ", " && ").replace("\\", "/").replace("Scripts", "bin")
        assert same.replace("py -m venv", "python3 -m venv").replace('"', "'") == command


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("3 documents (0.1 s)\n", "12 documents (2.3 s)\n", True),
        ("a\nc\n", "a\nb\nc\n", True),
        ("…\nc\n", "a\nc\n", True),
        ("beat 20261128T193121-968d30a9\n", "beat 20270101T000000-0a0b0c0d\n", True),
        ("c\na\n", "a\nc\n", False),
        ("3 documents\n", "3 traces\n", False),
        ("a\n", "", False),
    ],
)
def test_same_can_fail(shown: str, printed: str, same: bool) -> None:
    """Digits and ids are masked, words and their order are not."""
    assert readme.same(shown, printed) is same


def test_command_for_this_system() -> None:
    """The interpreter of the command is the running one, and the folder that of this system."""
    command = readme.for_this_system("python3 -m venv .venv && .venv/bin/python -m pip")
    assert shlex.split(command)[0] == Path(sys.executable).as_posix()
    assert ("Scripts" in command) == (os.name == "nt")
