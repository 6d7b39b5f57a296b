"""The service and the timer for systemd."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from jobs import SERVICE, TIMER, as_systemd_reads, posix, unit
from test_cron import POSIX_NAMES
from test_due_times import CHANGES, midnight, on
from workspaces import log

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import systemd

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)
SHELL = ["/bin/sh", "-c", 'exec "$0" "$@"']


def command(one: Any) -> list[str]:  # noqa: ANN401 - a job
    """Return the words that systemd makes of ExecStart."""
    (value,) = unit(one, SERVICE)["ExecStart"]
    assert value.startswith(":"), "a dollar sign would be a variable"
    return as_systemd_reads(value[1:])


def folder(one: Any) -> str:  # noqa: ANN401 - a job
    """Return the folder that systemd changes to: taken as it stands, but for `%%`."""
    (value,) = unit(one, SERVICE)["WorkingDirectory"]
    assert value == value.strip(" \t")
    path = value.replace("%%", "%")
    return path.removesuffix("/")


def test_the_service() -> None:
    """It runs once, is ended when it hangs, and has what hardening needs no privileges."""
    found = unit(posix(time_limit_minutes=45), SERVICE)
    wanted = {
        "Type": "oneshot",
        "WorkingDirectory": "/srv/space",
        "ExecStart": ":/srv/space/.venv/bin/python -m doit -f /srv/space/dodo.py heartbeat",
        "TimeoutStartSec": "45min",
        "NoNewPrivileges": "yes",
        "UMask": "0077",
    }
    assert {key: found[key] for key in wanted} == {key: [value] for key, value in wanted.items()}
    # In a user's manager these fail, or mean nothing.
    assert not found.keys() & {"User", "Group", "PrivateTmp", "ProtectSystem", "ProtectHome"}


def test_the_timer() -> None:
    """It makes up for a missed time, once, and is pulled in with the other timers."""
    found = unit(posix(), TIMER)
    assert found["OnCalendar"] == ["*-*-* *:00:00 UTC"]
    assert found["Persistent"] == ["true"]
    assert found["WantedBy"] == ["timers.target"]


@pytest.mark.parametrize(
    ("changes", "calendar"),
    [
        ({"every_minutes": 15}, ["*-*-* *:00,15,30,45:00 UTC"]),
        ({"every_minutes": 1}, ["*-*-* *:*:00 UTC"]),
        ({"every_minutes": 720}, ["*-*-* 00,12:00:00"]),
        ({"every_minutes": 720, "hours": "8-20"}, ["*-*-* 12:00:00"]),
        ({"at": "07:30"}, ["*-*-* 07:30:00"]),
        ({"hours": "22-1"}, ["*-*-* 00,22,23:00:00"]),
        ({"every_minutes": 480, "hours": "0-24"}, ["*-*-* 00,08,16:00:00"]),
        ({"every_minutes": 90, "hours": "0-5"}, ["*-*-* 00,03:00:00", "*-*-* 01,04:30:00"]),
        (
            {"every_minutes": 45},
            [
                "*-*-* 00,03,06,09,12,15,18,21:00,45:00 UTC",
                "*-*-* 01,04,07,10,13,16,19,22:30:00 UTC",
                "*-*-* 02,05,08,11,14,17,20,23:15:00 UTC",
            ],
        ),
    ],
)
def test_when(changes: dict[str, Any], calendar: list[str]) -> None:
    """Intervals are in UTC, in which no hour is left out; local times are local."""
    assert systemd.calendar(posix(**changes)) == calendar


def test_what_it_cannot_say_is_refused() -> None:
    """An interval that makes days differ has no calendar."""
    with pytest.raises(ScheduleError, match=r"every 7 minutes.*schedule\.every_minutes"):
        systemd.render(posix(every_minutes=7))


@given(POSIX_NAMES)
def test_any_path_comes_out_as_it_went_in(name: str) -> None:
    """The words and the folder that systemd reads are the very ones."""
    one = posix(PurePosixPath("/srv", name))
    through_shell = SHELL if set(name) & set("\"'\\") else []
    assert command(one) == [*through_shell, *one.argv]
    assert folder(one) == str(one.root)


def verify(path: Path, run: Path) -> str:
    """Return what `systemd-analyze verify --user` has to say; nothing is good."""
    run.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", path / SERVICE, path / TIMER],
        env=os.environ | {"XDG_RUNTIME_DIR": str(run), "HOME": str(run)},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}{done.returncode or ''}"


@needs_systemd
@pytest.mark.parametrize("changes", [{}, {"every_minutes": 45}, {"at": "07:30"}, {"hours": "22-6"}])
def test_the_real_parser_has_nothing_to_say(
    hostile: tuple[Path, Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    """`systemd-analyze verify` is silent about both files, also with hostile paths."""
    root, python = hostile
    for name, data in systemd.render(posix(root, python, **changes)).items():
        (tmp_path / name).write_bytes(data)
    assert verify(tmp_path, tmp_path / "run") == ""


@needs_systemd
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Persistent=true", "Persistant=true"),
        ("*:00:00 UTC", "*:60:00 UTC"),
        ("/bin/sh", "/bin/no-such"),
        ("WorkingDirectory=/", "WorkingDirectory="),
    ],
)
def test_the_real_parser_sees_what_is_wrong(
    hostile: tuple[Path, Path], tmp_path: Path, old: str, new: str
) -> None:
    """That silence means something: a misspelt key or a bad value is not silent."""
    changed = 0
    for name, data in systemd.render(posix(*hostile)).items():
        changed += old in data.decode()
        (tmp_path / name).write_text(data.decode().replace(old, new), encoding="utf-8")
    assert changed == 1
    assert verify(tmp_path, tmp_path / "run") != ""


@needs_systemd
def test_a_quote_in_a_programs_path_needs_the_shell(tmp_path: Path) -> None:
    """Systemd refuses such a program, which is why it is started through the shell."""
    python = tmp_path / "it's" / "python"
    python.parent.mkdir()
    python.symlink_to("/bin/true")
    for name, data in systemd.render(posix(tmp_path, python)).items():
        (tmp_path / name).write_bytes(data)
    assert verify(tmp_path, tmp_path / "run") == ""
    service = (tmp_path / SERVICE).read_text().replace(' -c "exec \\"$0\\" \\"$@\\""', "")
    (tmp_path / SERVICE).write_text(service.replace(":/bin/sh ", ":"))
    assert "special characters" in verify(tmp_path, tmp_path / "run")


def elapses(calendar: str, zone: str, start: datetime, count: int) -> list[datetime]:
    """Return the next times of a calendar event as systemd itself reckons them, in UTC."""
    done = subprocess.run(
        ["systemd-analyze", "calendar", f"--iterations={count}",
         f"--base-time={start - timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC", calendar],
        env=os.environ | {"TZ": zone}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = re.findall(r"(?:Next elapse|Iter\. #\d+|\(in UTC\)): \w+ (\S+ \S+) (\S+)", done.stdout)
    # a zone other than UTC has a second line, in UTC, below each
    return [
        datetime.fromisoformat(time).replace(tzinfo=UTC) for time, name in lines if name == "UTC"
    ]


@needs_systemd
@pytest.mark.parametrize(("name", "day", "hours"), CHANGES)
@pytest.mark.parametrize("every", [60, 15, 45])
def test_days_that_clocks_change(name: str, day: Any, hours: float, every: int) -> None:  # noqa: ANN401
    """By its own arithmetic systemd fires at exactly our slots, 23, 24 or 25 hourly ones."""
    zone = ZoneInfo(name)
    start, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    one = posix(every_minutes=every)
    found = sorted(
        time for when in systemd.calendar(one) for time in elapses(when, name, start, 110)
    )
    fired = [time for time in found if start <= time < end]
    assert fired == on(day, zone, one.slots)
    if every == 60:
        assert len(fired) == {23: 23, 23.5: 23, 24.5: 25, 25: 25}[hours]


@needs_systemd
def test_local_hourly_times_would_leave_an_hour_out() -> None:
    """Why intervals are in UTC: in local time systemd fires 24 times on a day of 25 hours."""
    zone = ZoneInfo("Europe/Riga")
    name, day, _ = CHANGES[1]
    start, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    fired = [time for time in elapses("hourly", name, start, 30) if start <= time < end]
    assert len(fired) == 24


@needs_systemd
@pytest.mark.parametrize("name", ["Europe/Riga", "America/New_York", "Australia/Lord_Howe"])
def test_a_daily_beat_all_year(name: str) -> None:
    """By its own arithmetic systemd fires at our slots on every day of a year."""
    zone = ZoneInfo(name)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    one = posix(at="12:30")
    (calendar,) = systemd.calendar(one)
    found = elapses(calendar, name, start, 365)
    assert found == list(one.slots.between(start, found[-1], zone))


def run_bare(words: list[str], where: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user's systemd does."""
    return subprocess.run(
        words, env={"HOME": str(home), "LANG": "C", "PATH": "/usr/bin:/bin"}, cwd=where,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_real_beat(hostile: tuple[Path, Path], tmp_path: Path) -> None:
    """The command beats the workspace in a bare environment."""
    root, python = hostile
    before = len(log(root))
    one = posix(root, python)
    done = run_bare(command(one), folder(one), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [event["outcome"] in {"ok", "idle"} for event in log(root)[before:]] == [True]
