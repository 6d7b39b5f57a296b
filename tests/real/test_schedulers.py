"""The entries in the hands of the real cron and the real systemd, in a workspace with a bad name.

Each runs in a mount namespace of its own, in which the system's own tables and units are not seen.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pages
import pytest
from workspaces import ROOT, log

sys.path.append(str(ROOT / "tests" / "schedule"))

import jobs
from test_due_times import CHANGES

from haios_dag.schedule import cron, systemd

pytestmark = pytest.mark.slow

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
SYSTEMD = Path("/lib/systemd/systemd")

# The clock is set for cron alone, ten seconds before the hour; jobs get the real one.
CRON = """
mount -t tmpfs none /run && mount -t tmpfs none /etc/cron.d || exit 99
mount -t tmpfs none /var/spool/cron/crontabs || exit 99
crontab "$1" && crontab -l | cmp - "$1" || exit 98
[ "$4" = booted ] || touch /run/crond.reboot
LD_PRELOAD="$2" FAKETIME="@2026-03-10 $5" FAKETIME_DONT_RESET=1 cron -f &
cron=$!
for second in $(seq 60); do sleep 1; [ -s "$3" ] && break; done
sleep 1; kill $cron; wait $cron; exit 0
"""

# A manager, the timer enabled with a stamp of three hours ago: it makes up for the missed beats.
MANAGER = """
mount -t tmpfs none /run || exit 99
mkdir -p /run/systemd/system /run/user/0 && chmod 700 /run/user/0
export XDG_RUNTIME_DIR=/run/user/0 HOME="$1"
/lib/systemd/systemd --user 2>/dev/null &
manager=$!
for tenth in $(seq 50); do systemctl --user list-units >/dev/null 2>&1 && break; sleep 0.1; done
systemctl --user enable --now haios-heartbeat.timer 2>&1
for second in $(seq 60); do
    sleep 1; [ "$(systemctl --user show haios-heartbeat -p ActiveState --value)" = inactive ] &&
    [ -s "$2" ] && break
done
systemctl --user show haios-heartbeat -p Result,WorkingDirectory,NRestarts
systemctl --user show haios-heartbeat.timer -p UnitFileState,NextElapseUSecRealtime
kill $manager; wait $manager; exit 0
"""


def in_a_namespace(script: str, *words: str | Path, zone: str | None = None) -> str:
    """Run a shell script where it may mount; skip where that is not allowed."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root, with unshare, may hide the system's own tables")
    done = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-c", script, "sh", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=180, stdin=subprocess.DEVNULL,
        env=os.environ | ({"TZ": zone} if zone else {}),
    )  # fmt: skip
    if done.returncode == 99:
        pytest.skip(f"no mounts here: {done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def need(programs: Sequence[str]) -> None:
    """Skip unless all programs are there."""
    if missing := [name for name in programs if not shutil.which(name)]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize(("since", "clock"), [("long ago", "09:59:50"), ("booted", "09:30:00")])
def test_cron_fires(tmp_path: Path, since: str, clock: str) -> None:
    """Debian's cron takes the unchanged lines, and beats on the hour, and when it has booted."""
    need(["cron", "crontab", "flock", "timeout"])
    if FAKETIME is None:
        pytest.skip("not installed: faketime")
    root, python = jobs.hostile_workspace(tmp_path)
    table = tmp_path / "table"
    block = cron.render(jobs.posix(root, python))[jobs.CRON]
    table.write_bytes(b"MAILTO=nobody\n5 4 * * * true\n" + block)
    events = root / ".claude" / "haios-events.jsonl"
    in_a_namespace(CRON, table, FAKETIME, events, since, clock)
    assert [event["outcome"] for event in log(root)] == ["ok"]
    output = (root / ".haios" / "beat.log").read_text(encoding="utf-8")
    assert f"beat {log(root)[0]['beat']}: ok" in output


SPEED = 1800  # an hour in two seconds
# Once an hour by the times of our line, for a day that begins half an hour after the clock's start.
A_DAY = """
mount -t tmpfs none /run && mount -t tmpfs none /etc/cron.d || exit 99
mount -t tmpfs none /var/spool/cron/crontabs || exit 99
touch /run/crond.reboot
printf '%s date +\\\\%%s.\\\\%%N >> %s\\n' "$1" "$2" | crontab - || exit 98
date +%s.%N > "$2.began"
LD_PRELOAD="$3" FAKETIME="@$4 x$5" FAKETIME_DONT_RESET=1 timeout "$6" cron -f
exit 0
"""


def test_cron_on_days_that_clocks_change(tmp_path: Path) -> None:
    """A real cron fires 23, 24 or 25 times: once at each full hour that its clock shows.

    In Lord Howe, where half an hour is left out or repeated, a full hour is left out or none.
    """
    need(["cron", "crontab", "timeout"])
    if FAKETIME is None:
        pytest.skip("not installed: faketime")
    when, _ = jobs.cron_line(jobs.posix())

    def fired(name: str, day: date) -> int:
        zone = ZoneInfo(name)
        start, end = (datetime.combine(day + timedelta(days=n), time(), zone).astimezone(UTC)
                      for n in (0, 1))  # fmt: skip
        early = start - timedelta(minutes=30)
        out = tmp_path / f"{zone.key.replace('/', '-')}-{day}"
        seconds = (end - early).total_seconds() / SPEED
        said = f"{early.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        in_a_namespace(A_DAY, when, out, str(FAKETIME), said, str(SPEED), str(seconds), zone=name)
        began = float(Path(f"{out}.began").read_text())
        real = [float(line) - began for line in out.read_text().split()]
        shown = [early + timedelta(seconds=second * SPEED) for second in real]
        # cron may be some minutes late at this speed, and is never early
        return sum(start <= one + timedelta(minutes=10) < end for one in shown)

    days = [change[:2] for change in CHANGES]
    with ThreadPoolExecutor(len(days)) as threads:
        found = list(threads.map(lambda one: fired(*one), days))
    assert found == [23, 25, 23, 25, 23, 24]


def test_systemd_makes_up_for_missed_beats_once(tmp_path: Path) -> None:
    """A user's manager enables the timer, and beats once for the three hours that were missed."""
    need(["systemctl", "systemd-analyze"])
    if not SYSTEMD.exists():
        pytest.skip("not installed: systemd")
    root, python = jobs.hostile_workspace(tmp_path)
    home = tmp_path / "home"
    units = home / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    for name, data in systemd.render(jobs.posix(root, python)).items():
        (units / name).write_bytes(data)
    stamp = home / ".local" / "share" / "systemd" / "timers" / f"stamp-{jobs.TIMER}"
    stamp.parent.mkdir(parents=True)
    stamp.touch()
    missed = stamp.stat().st_mtime - 3 * 3600
    os.utime(stamp, (missed, missed))
    said = in_a_namespace(MANAGER, home, root / ".claude" / "haios-events.jsonl")
    hours = {event["started"][:13] for event in log(root)}  # two, should one end in between
    assert len(log(root)) == len(hours)
    assert log(root)[0]["outcome"] == "ok"
    shown = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    assert shown["Result"] == "success"
    assert shown["WorkingDirectory"] == str(root)
    assert shown["UnitFileState"] == "enabled"
    assert ":00:00" in shown["NextElapseUSecRealtime"]


# What an operator does, with a table of their own, under the real crontab and a real cron.
MANAGED_CRON = """
mount -t tmpfs none /run && mount -t tmpfs none /etc/cron.d || exit 99
mount -t tmpfs none /var/spool/cron/crontabs || exit 99
cron -f & cron=$!
trap 'kill $cron' EXIT
crontab "$1" && crontab -l | cmp - "$1" || exit 98
for second in $(seq 30); do [ -s /run/crond.pid ] && break; sleep 0.1; done
say() { echo "== $*"; shift; "$PYTHON" -m doit -f "$GRAPH" "$@" 2>&1; echo "exit $?"; }
say before schedule-status cron
say preview schedule-install cron; crontab -l | cmp - "$1" && echo unchanged
say install schedule-install --yes cron; crontab -l > "$2"
say again schedule-install --yes cron; crontab -l | cmp - "$2" && echo once
say status schedule-status cron
crontab -l | sed '/^#/!s/ 30m / 31m /' | crontab -
say drift schedule-status cron
say remove schedule-remove --yes cron; crontab -l | cmp - "$1" && echo exact
echo "== page"; cd "${GRAPH%/*}" && /bin/sh -euc "$PAGE" && echo typed
printf '5 4 * * * true\\r\n' | crontab -
say return schedule-install --yes cron; crontab -l
exit 0
"""

MANAGED_SYSTEMD = """
mount -t tmpfs none /run || exit 99
mkdir -p /run/systemd/system /run/user/0 && chmod 700 /run/user/0
export XDG_RUNTIME_DIR=/run/user/0 HOME="$1"
/lib/systemd/systemd --user 2>/dev/null & manager=$!
for tenth in $(seq 50); do systemctl --user list-units >/dev/null 2>&1 && break; sleep 0.1; done
say() { echo "== $*"; shift; "$PYTHON" -m doit -f "$GRAPH" "$@" 2>&1; echo "exit $?"; }
units="$HOME/.config/systemd/user"
list() { (cd "$units" && find . -type f -o -type l | sort && cat *.service *.timer); }
list > "$2" 2>/dev/null
say before schedule-status
say preview schedule-install; list 2>/dev/null | cmp - "$2" && echo unchanged
say install schedule-install --yes; list > "$2.once"
say again schedule-install --yes; list | cmp - "$2.once" && echo once
systemctl --user start haios-heartbeat.service
say status schedule-status
sed -i 's/30min/31min/' "$units/haios-heartbeat.service"
say drift schedule-status
say repair schedule-install --yes; list | cmp - "$2.once" && echo once
systemctl --user stop haios-heartbeat.timer
say off schedule-status
say remove schedule-remove --yes; list 2>/dev/null | cmp - "$2" && echo exact
systemctl --user list-units --all | grep haios-heartbeat || echo gone
echo "== page"; cd "${GRAPH%/*}" && /bin/sh -euc "$PAGE" && echo typed
kill $manager; wait $manager; exit 0
"""


def parts(said: str) -> dict[str, str]:
    """Return what each step printed, by its name."""
    found = said.split("== ")[1:]
    return {part.split()[0]: part.partition("\n")[2] for part in found}


def typed(name: str, python: Path) -> str:
    """Return the commands of the page for a scheduler, with a doit of this interpreter."""
    found = pages.blocks(pages.page("scheduling"), "sh")
    (block,) = (one for one in found if one.startswith(f"doit schedule-install {name}\n"))
    return f'doit() {{ {shlex.quote(str(python))} -m doit "$@"; }}\n{block}'


def test_the_real_crontab_is_managed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preview, install, twice, drift and removal leave a user's own lines as they are."""
    need(["cron", "crontab", "flock", "timeout"])
    root, python = jobs.hostile_workspace(tmp_path)
    monkeypatch.setenv("PYTHON", str(python))
    monkeypatch.setenv("GRAPH", str(root / "dodo.py"))
    monkeypatch.setenv("PAGE", typed("cron", python))
    table = tmp_path / "table"
    table.write_bytes(b"# mine, \xe9\t\x1b[1m\nMAILTO=nobody\n5 4 * * * date +\\%H\n# END other\n")
    said = parts(in_a_namespace(MANAGED_CRON, table, tmp_path / "installed"))
    assert "is not installed in cron" in said["before"]
    assert said["preview"].endswith("exit 0\nunchanged\n")
    assert "  beat " in said["install"]
    assert said["install"].endswith("exit 0\n")
    assert "and up to date\nexit 0\nonce\n" in said["again"]
    assert said["status"].endswith("exit 0\n")
    assert "timeout -k 60 31m" in said["drift"]
    assert said["drift"].endswith("exit 1\n")
    assert said["remove"].endswith("exit 0\nexact\n")
    assert said["page"].endswith("typed\n")
    # Debian's crontab prints it as two characters: nothing that was printed could be put back.
    assert "the crontab has a carriage return" in said["return"]
    assert said["page"].endswith("typed\n")
    assert said["return"].endswith("exit 1\n5 4 * * * true\\r\n")
    assert (tmp_path / "installed").read_bytes().startswith(table.read_bytes())
    assert len(log(root)) == 2  # the trial of each installation


def test_the_real_systemd_is_managed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preview, install, twice, drift, repair and removal leave the user's own units as they are."""
    need(["systemctl"])
    if not SYSTEMD.exists():
        pytest.skip("not installed: systemd")
    root, python = jobs.hostile_workspace(tmp_path)
    monkeypatch.setenv("PYTHON", str(python))
    monkeypatch.setenv("GRAPH", str(root / "dodo.py"))
    monkeypatch.setenv("PAGE", typed("systemd", python))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    home = tmp_path / "home"
    units = home / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    (units / "mine.service").write_text("[Service]\nExecStart=/bin/true\n")
    said = parts(in_a_namespace(MANAGED_SYSTEMD, home, tmp_path / "listed"))
    assert "is not installed in systemd" in said["before"]
    assert said["preview"].endswith("exit 0\nunchanged\n")
    assert "  beat " in said["install"]
    assert said["install"].endswith("exit 0\n")
    assert "and up to date\nexit 0\nonce\n" in said["again"]
    assert "next run" in said["status"]
    assert "success, exit code 0" in said["status"]
    assert said["status"].endswith("exit 0\n")
    assert "systemd has not read the files since they changed" in said["drift"]
    assert "\n    -TimeoutStartSec=31min\n    +TimeoutStartSec=30min\n" in said["drift"]
    assert said["drift"].endswith("exit 1\n")
    assert said["repair"].endswith("exit 0\nonce\n")
    assert "its timer is not active" in said["off"]
    assert said["off"].endswith("exit 1\n")
    assert said["remove"].endswith("exit 0\nexact\ngone\n")
    assert said["page"].endswith("typed\n")
