"""The lines for a crontab."""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import CRON, HOSTILE, as_cron_runs, cron_line, needs_posix, posix
from workspaces import log

from haios_dag.base import files
from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import cron

POSIX_NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\0\ufffe\uffff")
    | st.sampled_from("\\%'\" $`"), min_size=1, max_size=40,
).filter(lambda name: name not in {".", ".."})  # fmt: skip

COMMAND = (
    "umask 077; cd /srv/space && mkdir -p .haios && exec flock -n -E 0 .haios/cron.lock"
    " timeout -k 60 30m /srv/space/.venv/bin/python -m doit -f /srv/space/dodo.py heartbeat"
    " >> .haios/beat.log 2>&1"
)
needs_cron = pytest.mark.skipif(not shutil.which("crontab"), reason="crontab is not installed")
needs_tools = pytest.mark.skipif(
    not (shutil.which("flock") and shutil.which("timeout")), reason="no flock or no timeout here"
)


def test_the_line_for_a_plain_path() -> None:
    """It is a block with its own marks, no variables, and ends with a newline."""
    data = cron.render(posix())[CRON]
    assert data.decode().splitlines() == [
        "# BEGIN haios-heartbeat",
        "# haios-dag: one beat of the workspace",
        f"0 * * * * {COMMAND}",
        f"@reboot {COMMAND}",
        "# END haios-heartbeat",
    ]
    assert data.endswith(b"\n")
    assert b"\r" not in data


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, "0 * * * *"),
        ({"every_minutes": 1}, "* * * * *"),
        ({"every_minutes": 15}, "0,15,30,45 * * * *"),
        ({"every_minutes": 360}, "0 0,6,12,18 * * *"),
        ({"every_minutes": 1440}, "0 0 * * *"),
        ({"at": "07:30"}, "30 7 * * *"),
        ({"hours": "9-12"}, "0 9,10,11 * * *"),
        ({"hours": "22-1", "every_minutes": 30}, "0,30 0,22,23 * * *"),
    ],
)
def test_when(changes: dict[str, Any], fields: str) -> None:
    """The five fields are lists or a bare star, which cron reads alike on every day."""
    assert cron_line(posix(**changes))[0] == fields


@pytest.mark.parametrize("every", [7, 45, 90, 2880])
def test_what_one_line_cannot_say_is_refused(every: int) -> None:
    """An interval that is not the same minutes of each hour is refused by its key."""
    with pytest.raises(ScheduleError, match=rf"every {every} minutes .* schedule\.every_minutes"):
        cron.render(posix(every_minutes=every))


def test_a_command_that_is_too_long_is_refused() -> None:
    """Cron would reject the line, and with it the whole table."""
    with pytest.raises(ScheduleError, match="up to 998 bytes"):
        cron.render(posix(PurePosixPath("/", "x" * 250, "y" * 100)))


@pytest.mark.parametrize("pairs", [True, False])
@given(POSIX_NAMES)
def test_any_path_comes_out_as_it_went_in(pairs: bool, name: str) -> None:
    """After cron's own rules, of either kind, the shell sees the very words."""
    root = PurePosixPath("/srv", name)
    words = shlex.split(as_cron_runs(cron_line(posix(root))[1], pairs=pairs))
    assert words[words.index("cd") + 1] == str(root)
    start = words.index(str(root / ".venv/bin/python"))
    assert words[start : start + 6] == posix(root).argv


@needs_posix
@pytest.mark.parametrize("pairs", [True, False])
def test_the_shell_agrees(tmp_path: Path, pairs: bool) -> None:
    """What /bin/sh makes of the command is the argument list, in the workspace's folder."""
    root = tmp_path / HOSTILE
    root.mkdir()
    command = as_cron_runs(cron_line(posix(root))[1], pairs=pairs)
    start = command.index("timeout -k 60 30m ") + len("timeout -k 60 30m ")
    shown = command[: command.index("exec flock")] + "pwd && printf '%s\\n' " + command[start:]
    printed = subprocess.run(
        ["/bin/sh", "-c", shown.partition(" >> ")[0]], check=True, capture_output=True, text=True
    ).stdout
    assert printed.splitlines() == [str(root), *posix(root).argv]


def crontab(*words: str, folder: Path, table: str) -> subprocess.CompletedProcess[str]:
    """Run the real `crontab -n`, which reads a table and installs nothing."""
    path = folder / "table"
    path.write_text(table, encoding="utf-8", newline="")
    return subprocess.run(
        ["crontab", *words, str(path)], capture_output=True, text=True, check=False
    )


@needs_cron
def test_the_real_crontab_takes_it(tmp_path: Path) -> None:
    """Debian's crontab accepts the table, also between other people's lines."""
    if "-n" not in crontab("-?", folder=tmp_path, table="").stderr:
        pytest.skip("this crontab has no dry run")
    for one in (posix(), posix(tmp_path / HOSTILE), posix(every_minutes=15, hours="22-6")):
        block = cron.render(one)[CRON].decode()
        table = f"MAILTO=me\n5 4 * * * other\n{block}@daily more\n"
        assert crontab("-n", folder=tmp_path, table=table).returncode == 0
    unended = block.partition("\n# END")[0]
    assert crontab("-n", folder=tmp_path, table=unended).returncode == 1
    assert crontab("-n", folder=tmp_path, table=block.replace("0,15", "0,60")).returncode == 1


@needs_cron
def test_the_limit_is_that_of_the_real_crontab(tmp_path: Path) -> None:
    """The longest command that is written is taken; one byte more is refused by both."""
    spare = 998 - len(cron_line(posix(PurePosixPath("/x")))[1].encode())
    name = "x" * (1 + spare // 3)
    pad = "d" * (spare % 3)
    one = posix(PurePosixPath("/", name), PurePosixPath("/", name, pad + ".venv/bin/python"))
    assert len(cron_line(one)[1]) == 998
    longest = cron.render(one)[CRON].decode()
    assert crontab("-n", folder=tmp_path, table=longest).returncode == 0
    longer = longest.replace(" 30m ", " 030m ")
    assert crontab("-n", folder=tmp_path, table=longer).returncode == 1
    with pytest.raises(ScheduleError, match="up to 998 bytes"):
        cron.render(posix(one.root, one.python, time_limit_minutes=100))


def run_bare(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as cron does: another folder, almost no environment, no terminal."""
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env={"HOME": str(folder), "LOGNAME": "me", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_tools
@pytest.mark.parametrize("pairs", [True, False])
def test_a_real_beat(hostile: tuple[Path, Path], pairs: bool) -> None:
    """The command beats the workspace in a bare environment, and its output is kept."""
    root, python = hostile
    before = len(log(root))
    shutil.rmtree(root / ".haios", ignore_errors=True)
    done = run_bare(as_cron_runs(cron_line(posix(root, python))[1], pairs=pairs), root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [event["outcome"] in {"ok", "idle"} for event in log(root)[before:]] == [True]
    output = root / ".haios" / "beat.log"
    assert f"beat {log(root)[-1]['beat']}" in output.read_text(encoding="utf-8")
    assert output.stat().st_mode & 0o777 == 0o600


@needs_tools
def test_a_slot_is_passed_over_while_a_beat_runs(hostile: tuple[Path, Path]) -> None:
    """A second start while the first goes on ends at once, without an error and without a beat."""
    root, python = hostile
    before = len(log(root))
    with files.lock(root / ".haios" / "cron.lock", wait=False):
        done = run_bare(as_cron_runs(cron_line(posix(root, python))[1]), root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(log(root)) == before


@needs_tools
@pytest.mark.parametrize(
    ("break_it", "code", "said"),
    [
        (lambda line: line.replace("-m doit", "-m no_such_module"), 1, "No module named"),
        (lambda line: line.replace(".venv/bin", ".venv/moved"), 127, "No such file"),
        (lambda line: line.replace("dodo.py", "gone.py"), 3, "gone.py"),
    ],
)
def test_what_goes_wrong_stands_in_the_output(
    hostile: tuple[Path, Path], break_it: Callable[[str], str], code: int, said: str
) -> None:
    """A moved interpreter, a missing doit, a missing graph: the exit code and the file say so."""
    root, python = hostile
    command = break_it(as_cron_runs(cron_line(posix(root, python))[1]))
    output = root / ".haios" / "beat.log"
    output.unlink(missing_ok=True)
    assert run_bare(command, root).returncode == code
    assert said in output.read_text(encoding="utf-8")


@needs_posix
@needs_tools
def test_a_beat_that_hangs_is_ended(tmp_path: Path) -> None:
    """The time limit is in the command, and what it ends is ended."""
    command = cron_line(posix(tmp_path, Path("/bin/sleep")))[1]
    assert "timeout -k 60 30m /bin/sleep " in command
    hanging = command.replace("30m", "0.1s").replace("-m doit", "60 #")
    assert run_bare(hanging, tmp_path).returncode == 124
