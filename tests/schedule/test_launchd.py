"""The property list for launchd."""

import plistlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import workspaces
from hypothesis import given
from jobs import PLIST, agent, needs_posix, posix
from test_cron import POSIX_NAMES
from workspaces import log

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import launchd

# Keys and types by launchd.plist(5); a key that is not there is silently left out by launchd.
KEYS: dict[str, type] = {
    "Label": str,
    "ProgramArguments": list,
    "WorkingDirectory": str,
    "EnvironmentVariables": dict,
    "StartCalendarInterval": list,
    "RunAtLoad": bool,
    "ProcessType": str,
    "Umask": int,
    "StandardOutPath": str,
    "StandardErrorPath": str,
}
LIMITED = (
    "import runpy, signal; signal.alarm({});"
    " runpy.run_module('doit', run_name='__main__', alter_sys=True)"
)


def test_what_it_says() -> None:
    """Every key is one of launchd's, of its type, and every path is absolute."""
    found = agent(posix())
    assert {key: type(value) for key, value in found.items()} == KEYS
    assert found == {
        "Label": "com.haios.heartbeat",
        "ProgramArguments": [
            "/srv/space/.venv/bin/python",
            "-c",
            LIMITED.format(1800),
            "-f",
            "/srv/space/dodo.py",
            "heartbeat",
        ],
        "WorkingDirectory": "/srv/space",
        "EnvironmentVariables": {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        "StartCalendarInterval": [{"Minute": 0}],
        "RunAtLoad": True,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardOutPath": "/srv/space/.haios/beat.log",
        "StandardErrorPath": "/srv/space/.haios/beat.log",
    }
    assert Path(found["ProgramArguments"][0]).is_absolute()


@pytest.mark.parametrize(
    ("changes", "when"),
    [
        ({"every_minutes": 30}, [{"Minute": 0}, {"Minute": 30}]),
        ({"every_minutes": 720}, [{"Hour": 0, "Minute": 0}, {"Hour": 12, "Minute": 0}]),
        ({"at": "07:30"}, [{"Hour": 7, "Minute": 30}]),
        (
            {"every_minutes": 90, "hours": "0-4"},
            [{"Hour": 0, "Minute": 0}, {"Hour": 1, "Minute": 30}, {"Hour": 3, "Minute": 0}],
        ),
        ({"hours": "22-0"}, [{"Hour": 22, "Minute": 0}, {"Hour": 23, "Minute": 0}]),
    ],
)
def test_when(changes: dict[str, Any], when: list[dict[str, int]]) -> None:
    """Calendar intervals, which launchd makes up for after sleep, and never StartInterval."""
    assert agent(posix(**changes))["StartCalendarInterval"] == when


@pytest.mark.parametrize("every", [7, 45, 2880])
def test_what_it_cannot_say_is_refused(every: int) -> None:
    """An interval in UTC that is not the same in every hour is refused by its key."""
    with pytest.raises(ScheduleError, match=rf"every {every} minutes.*schedule\.every_minutes"):
        launchd.render(posix(every_minutes=every))


@given(POSIX_NAMES)
def test_any_path_comes_out_as_it_went_in(name: str) -> None:
    """The words and the folder that launchd reads are the very ones."""
    one = posix(PurePosixPath("/srv", name))
    words = [one.argv[0], "-c", LIMITED.format(1800), *one.argv[3:]]
    assert agent(one)["ProgramArguments"] == words
    assert agent(one)["WorkingDirectory"] == str(one.root)


@pytest.mark.skipif(not shutil.which("plistutil"), reason="plistutil is not installed")
def test_another_parser_reads_the_same(hostile: tuple[Path, Path], tmp_path: Path) -> None:
    """libplist, which shares no code with Python's, comes to the same content."""
    one = posix(*hostile)
    (tmp_path / "in").write_bytes(launchd.render(one)[PLIST])
    binary = ["plistutil", "-i", str(tmp_path / "in"), "-f", "bin", "-o", str(tmp_path / "out")]
    subprocess.run(binary, check=True, capture_output=True)
    assert plistlib.loads((tmp_path / "out").read_bytes()) == agent(one)
    (tmp_path / "in").write_bytes(launchd.render(one)[PLIST].replace(b"</dict>", b""))
    assert b"ERROR" in subprocess.run(binary, check=True, capture_output=True).stdout


def test_a_real_beat(hostile: tuple[Path, Path]) -> None:
    """The command beats the workspace in launchd's environment, with its output in the file."""
    root, python = hostile
    before = len(log(root))
    found = agent(posix(root, python))
    output = Path(found["StandardOutPath"])
    output.parent.mkdir(exist_ok=True)  # as `doit schedule` does
    with output.open("ab") as file:
        code = subprocess.run(
            found["ProgramArguments"],
            cwd=found["WorkingDirectory"],
            env=found["EnvironmentVariables"],
            umask=found["Umask"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        ).returncode
    assert code == 0, output.read_text()
    assert [event["outcome"] in {"ok", "idle"} for event in log(root)[before:]] == [True]
    assert f"beat {log(root)[-1]['beat']}" in output.read_text(encoding="utf-8")


@needs_posix
def test_a_beat_that_hangs_is_ended(copy: Path) -> None:
    """The alarm ends even a process that does not listen; the next beat records that."""
    (copy / "dodo.py").write_text(
        f"{(copy / 'dodo.py').read_text(encoding='utf-8')}\n\n"
        "def task_status():\n"
        "    import signal, time\n"
        "    hang = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [2, 15]) or time.sleep(60)\n"
        "    return {'actions': [hang], 'task_dep': ['bridge']}\n",
        encoding="utf-8",
    )
    before = len(log(copy))
    words = agent(posix(copy, Path(sys.executable), time_limit_minutes=1))["ProgramArguments"]
    assert "alarm(60)" in words[2]
    words[2] = words[2].replace("alarm(60)", "alarm(2)")
    done = workspaces.run(words, cwd=copy)
    assert done.returncode == -signal.SIGALRM, done.stdout + done.stderr
    assert len(log(copy)) == before
    shutil.copy(workspaces.ROOT / "dodo.py", copy / "dodo.py")
    assert workspaces.doit(copy).returncode == 0
    assert [event["outcome"] for event in log(copy)[before:]] == ["interrupted", "idle"]
