"""The command table and its two front ends: `doit COMMAND` and `haios-dag COMMAND`."""

import importlib
import inspect
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import workspaces
from test_init import run
from workspaces import doit, environment

from haios_dag import __main__, commands
from haios_dag.base.errors import HaiosError
from haios_dag.commands import COMMANDS

NAMES = {command.name: command for command in COMMANDS}


def script(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `haios-dag WORDS` in a folder."""
    return run(*words, cwd=root)


@pytest.mark.parametrize("name", [name for name, one in NAMES.items() if one.call])
def test_each_row_names_a_function_that_takes_it(name: str) -> None:
    """The function is there, and its parameters are the options and words of the row."""
    command = NAMES[name]
    module, _, function = command.call.partition(":")
    called = getattr(importlib.import_module(f"haios_dag.{module}"), function)
    words = {command.words} if command.words else set()
    given = {one.name for one in command.options} | words | set(command.given)
    first, *others = inspect.signature(called).parameters.values()
    assert given <= {one.name for one in others}, first
    missing = {one.name for one in others if one.default is one.empty} - given
    assert not missing


def test_a_row_says_what_an_error_is() -> None:
    """Every command has an exit code for any error of ours."""
    for command in COMMANDS:
        assert commands._failed(command, HaiosError("x")) in (1, 2)


@pytest.mark.parametrize("name", NAMES)
def test_help_of_each_command(name: str) -> None:
    """`haios-dag COMMAND --help` exits with 0, and names options, words and exit codes."""
    done = run(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    command = NAMES[name]
    for one in command.options:
        assert f"--{one.flag}" in done.stdout
    assert command.metavar in done.stdout
    assert "exit codes:" in done.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["haertbeat"], "did you mean heartbeat?"),
        (["recal", "lock"], "did you mean recall?"),
        (["events-sicne"], "did you mean events-since?"),
        (["recall", "--jsn", "lock"], "did you mean --json?"),
        (["zzz"], "--help"),
        (["digset"], "doit digset"),
        (["--memory", "", "events"], "it is empty"),
        (["-C", "", "events"], "it is empty"),
        (["init", ""], "empty DIR"),
        (["events-clear", "--", "x"], "unrecognized arguments: x"),
        (["events", "-n", "many"], "invalid int value"),
        (["synthesis-undo", "what"], "unrecognized arguments"),
        (["schedule-status", "cron", "systemd"], "one windows | cron"),
    ],
)
def test_what_cannot_be_understood(beaten: Path, words: list[str], hint: str) -> None:
    """One sentence on stderr, with what may have been meant, and exit code 2."""
    done = script(beaten, *words)
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("haios-dag: ")
    assert hint in sentence


def test_the_workspace_is_found_from_below(copy: Path) -> None:
    """Any folder below the one with dodo.py will do; elsewhere a sentence says what to do."""
    below = copy / "docs" / "a" / "b"
    below.mkdir(parents=True)
    done = script(below, "events")
    assert done.returncode == 0
    assert "heartbeat" in done.stdout
    assert script(copy.parent, "-C", str(below), "events").stdout == done.stdout
    lost = script(copy.parent, "events")
    assert lost.returncode == 1
    assert "there is no workspace" in lost.stderr
    assert "haios-dag init" in lost.stderr


def test_a_graph_of_another_program_is_no_workspace(tmp_path: Path) -> None:
    """Nothing of it is run, and nothing written beside it; a workspace above is found."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "dodo.py").write_text("def task_heartbeat():\n    return {'actions': ['touch ran']}\n")
    before = sorted(other.rglob("*"))
    for words in (["heartbeat"], ["events-clear"], ["schedule"]):
        done = script(other, *words)
        assert done.returncode == 1
        assert "imports haios_dag" in done.stderr
    assert sorted(other.rglob("*")) == before
    workspaces.make(tmp_path / "space")
    shutil.move(other, tmp_path / "space" / "other")
    assert "no events yet" in script(tmp_path / "space" / "other", "events").stdout


def test_what_is_no_folder_is_one_sentence(copy: Path, as_plain_user: list[str]) -> None:
    """A file, a missing folder and one that may not be read are named, without a traceback."""
    for name in ("dodo.py", "nowhere"):
        done = script(copy, "-C", name, "events")
        assert done.returncode == 1
        (sentence,) = done.stderr.splitlines()
        assert name in sentence
    closed = copy / "closed"
    closed.mkdir(mode=0)
    if as_plain_user:
        words = [*as_plain_user, sys.executable, "-m", "haios_dag", "-C", str(closed), "events"]
        done = workspaces.run(words, cwd=copy)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_words_behind_two_dashes(copy: Path) -> None:
    """What stands behind `--` is a word, also where it looks like an option."""
    assert script(copy, "recall", "--json", "--", "--json", "-n", "lock").stdout.startswith("{")
    assert script(copy, "events-since", "--", "-2h").returncode == 0
    assert script(copy, "recall", "--", "--json").stdout[:1] != "{"


def test_help_is_a_word_too() -> None:
    """`haios-dag help` and `haios-dag help recall` are --help."""
    assert run("help").stdout == run("--help").stdout
    assert run("help", "recall").stdout == run("recall", "--help").stdout


def test_a_deleted_folder_is_one_sentence(copy: Path) -> None:
    """A current folder that is gone is said, not a traceback."""
    gone = copy / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f'rmdir "{gone}"; exec "{sys.executable}" -m haios_dag events'],
        cwd=gone, capture_output=True, text=True, check=False, env=environment(None),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


JSON = {
    "recall": ["lock"], "events": [], "events-since": ["2020"], "events-stats": [],
    "resonance": ["--since", "2020"], "pulse": [], "validate": [], "doctor": [],
}  # fmt: skip


def test_every_command_with_json_is_tried() -> None:
    """The list above has each of them."""
    assert JSON.keys() == {n for n, one in NAMES.items() if commands.JSON in one.options}


@pytest.mark.parametrize("name", JSON)
def test_json_is_json_and_nothing_else(copy: Path, name: str) -> None:
    """Each line on stdout is JSON, with both front ends, the option before and behind the words."""
    for done in (
        script(copy, name, "--json", *JSON[name]),
        script(copy, name, *JSON[name], "--json"),
        doit(copy, name, "--json", *JSON[name]),
    ):
        assert done.returncode in (0, 1, 2), done.stderr
        assert done.stdout
        for line in done.stdout.splitlines():
            json.loads(line)


SAME = {
    "recall": ["the lock of synthesis"], "events": ["-n", "1"], "events-since": ["2020"],
    "events-stats": [], "synthesis-explain": ["1"], "vitals": [], "resonance": [],
    "validate": [], "pulse": [],
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_both_front_ends_say_the_same(copy: Path, name: str) -> None:
    """The same words give the same answer and the same exit code."""
    one, other = script(copy, name, *SAME[name]), doit(copy, name, *SAME[name])
    assert one.returncode == other.returncode

    def masked(text: str) -> str:
        return re.sub(r"\d+", "#", text)

    assert masked(one.stdout) == masked(other.stdout)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["pulse"], 3), (["vitals"], 2), (["recall", "lock"], 1), (["recall"], 1),
        (["events-add", "--type", "Bad Type", "--data", "{}"], 1), (["events-since", "zzz"], 1),
        (["synthesis-explain", "x"], 1), (["synthesis-undo"], 1),
    ],
)  # fmt: skip
def test_exit_codes_of_a_new_workspace(tmp_path: Path, words: list[str], code: int) -> None:
    """Both front ends end with the code that the table says, and one sentence where it is one."""
    root = workspaces.make(tmp_path / "space")
    for done in (script(root, *words), doit(root, *words)):
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if words[0] != "pulse":
            (sentence,) = done.stderr.splitlines()
            assert sentence.startswith("haios-dag: ")


def test_heartbeat_is_doits(copy: Path) -> None:
    """`haios-dag heartbeat` runs the graph, from below, with doit's output and exit codes."""
    below = copy / "docs"
    done = script(below, "heartbeat")
    assert done.returncode == 0
    assert "-- ingest\n" in done.stdout
    assert workspaces.log(copy)[-1]["outcome"] == "idle"
    assert script(below, "ingest").stdout == "-- ingest\n"
    (copy / "dodo.py").write_text(
        "import haios_dag\ndef task_x():\n    return 1\n", encoding="utf-8"
    )
    assert script(below, "heartbeat").returncode == 3


def test_another_memory(copy: Path) -> None:
    """`--memory PATH` is doit's `memory=PATH`, for commands and for beats."""
    shutil.copy(copy / "memory.db", copy / "other.db")
    (copy / "memory.db").unlink()
    assert script(copy, "recall", "lock").returncode == 1
    assert script(copy, "--memory", "other.db", "recall", "lock").returncode == 0
    assert script(copy, "--memory", "other.db", "heartbeat").returncode == 0
    assert not (copy / "memory.db").exists()


def test_dry_run_of_one_step(copy: Path) -> None:
    """`synthesize --dry-run` writes nothing, runs nothing before it, and exits with 0."""
    (copy / "docs" / "new.md").write_text("# New\n\nA new document that nothing reads here.\n")
    for done in (script(copy, "synthesize", "--dry-run"), doit(copy, "synthesize", "--dry-run")):
        assert done.returncode == 0, done.stderr
        assert "ingest" not in done.stdout
        assert "nothing" in done.stdout


def test_an_option_behind_the_words_of_doit_is_refused(copy: Path) -> None:
    """Doit would take it for a word: that is said, and how to write it."""
    done = doit(copy, "recall", "lock", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "options stand before the words" in done.stderr


def test_a_word_with_an_equals_sign_is_a_word(copy: Path) -> None:
    """With either front end, `a=b` is searched for, not lost."""
    (copy / "docs" / "eq.md").write_text(
        "# Limits\n\nThe setting max_widgets=17 holds for every turbine in the northern park.\n"
    )
    assert doit(copy).returncode == 0
    for done in (script(copy, "recall", "max_widgets=17"), doit(copy, "recall", "max_widgets=17")):
        assert "turbine" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_code(shell: str) -> None:
    """The code for each shell names the script; any other shell is refused in a sentence."""
    done = run("completion", shell)
    assert done.returncode == 0
    assert "haios-dag" in done.stdout
    assert run("completion", "tcl").returncode == 1


def test_completion_in_a_shell(tmp_path: Path) -> None:
    """bash, asked for what may follow, offers the commands and the options of one."""
    answer = tmp_path / "answer"

    def offered(line: str) -> set[str]:
        asked = {
            "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_TYPE": "9",
            "COMP_LINE": line, "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        }  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "haios_dag"], env=environment(asked), check=False,
            capture_output=True,
        )  # fmt: skip
        return {word.strip() for word in answer.read_text(encoding="utf-8").split("\n")}

    assert {"recall", "resonance"} <= offered("haios-dag re")
    assert "--json" in offered("haios-dag recall --j")


def test_a_terminal_is_no_different(copy: Path) -> None:
    """Behind a pseudo terminal the answer is the same text."""
    leader, follower = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "haios_dag", "events"], cwd=copy, stdout=follower,
        stderr=subprocess.PIPE, env=environment(None), check=True,
    )  # fmt: skip
    os.close(follower)
    text = os.read(leader, 1 << 16).decode().replace("\r\n", "\n")
    os.close(leader)
    assert text == script(copy, "events").stdout


def test_importing_the_script_is_light() -> None:
    """Neither doit nor anything that only a command needs is loaded before it is asked for."""
    program = (
        "import sys, haios_dag.__main__\n"
        "print(sorted({'doit', 'numpy', 'sqlite3', 'yaml', 'jsonschema', 'jsonschema_rs',"
        " 'argcomplete', 'merge3', 'orjson', 'wordllama'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=environment(None),
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_the_script_is_installed_under_its_name() -> None:
    """pyproject.toml names the function that this test calls."""
    text = (workspaces.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'haios-dag = "haios_dag.__main__:main"' in text
    assert __main__.main(["--memory", "x", "no-such-command"]) == 2
