"""Clocks that jump, and clocks of another age."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from faulting import Fault, Next, events
from forks import BEAT, Forks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows takes its zone from its settings"),
]

AT = """
import time, freezegun
os.environ["TZ"] = sys.argv.pop(2)
time.tzset()
freezegun.freeze_time(sys.argv.pop(2), tick=True).start()
"""
# Each a zone and instants in UTC around what happens there.
JUMPS = {
    "summer time begins": ("Europe/Riga", ["2026-03-29T00:59:59", "2026-03-29T01:00:01"]),
    "summer time ends": ("Europe/Riga", ["2026-10-25T00:30:00", "2026-10-25T01:30:00"]),
    "half an hour on": ("Australia/Lord_Howe", ["2026-10-03T15:29:59", "2026-10-03T15:30:01"]),
    "half an hour back": ("Australia/Lord_Howe", ["2026-04-04T14:45:00", "2026-04-04T15:15:00"]),
    "New York on": ("America/New_York", ["2026-03-08T06:59:59", "2026-03-08T07:00:01"]),
    "New York back": ("America/New_York", ["2026-11-01T05:30:00", "2026-11-01T06:30:00"]),
    "an hour back": ("UTC", ["2026-05-01T12:00:00", "2026-05-01T11:00:00"]),
    "2038": ("Asia/Kathmandu", ["2038-01-19T03:14:07", "2038-01-19T03:14:09"]),
    "2100": ("America/St_Johns", ["2100-02-28T23:59:59", "2100-03-01T00:00:01"]),
}
# Times of day that the clocks of a zone never showed
SKIPPED = {"summer time begins": "2026-03-29T03:30:00", "New York on": "2026-03-08T02:30:00"}


@pytest.mark.fault("clock: summer time, an hour back, 2038, 2100")
@pytest.mark.parametrize("jump", JUMPS)
def test_jump(
    jump: str, beaten: Path, tmp_path: Path, forks: Forks, fault: Fault, beat: Next
) -> None:
    """Beats on both sides of a jump are recorded in order, each with its true instant."""
    root = Path(shutil.copytree(beaten, tmp_path / "space"))
    zone, instants = JUMPS[jump]
    if zone not in available_timezones():
        pytest.skip("this system has no zones: install tzdata")
    log = root / ".claude" / "haios-events.jsonl"
    before = events(root)
    for turn, instant in enumerate(instants, 1):
        now = datetime.fromisoformat(instant).replace(tzinfo=UTC)
        local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat()
        foreign = SKIPPED.get(jump, local) if turn == 2 else local
        with log.open("a", encoding="ascii") as file:  # a line that does not say of which zone
            file.write(f'{{"ts":"{foreign}","type":"foreign"}}\n')
        done = forks.run(AT + BEAT, root, zone, instant)
        assert done.code == 0, done.out
        assert "Traceback" not in done.out
        fault.inject()
        last = str(events(root)[-1]["ts"])
        assert last.endswith("+00:00")
        # Not the same minute: the clock goes on, and over the jump, while the beat is at work.
        assert timedelta() <= datetime.fromisoformat(last) - now < timedelta(minutes=9)
        shown = forks.run(AT + BEAT, root, zone, instant, "events-since", "2h")
        assert shown.code == 0, shown.out
        assert shown.out.count("foreign") == turn, shown.out
        assert forks.run(AT + BEAT, root, zone, instant, "events-stats").code == 0
    fault.next_beat(root, beat)
    fault.keep(before, events(root))
