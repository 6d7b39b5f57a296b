"""How well and how fast resonance finds what a year of events holds.

A year of hourly beats and of work with nothing remarkable in it, near misses of every rule among
them; in that, patterns of every rule, with a note of where they are; and ten times as many
lines of noise, as tests leave them in a live log: bursts, made-up items and sessions, unknown
types, torn lines.
"""

import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from measuring import Row, in_turns, timed

from haios_dag.base import clock
from haios_dag.base.workspace import Workspace
from haios_dag.resonance import show_resonance
from haios_dag.resonance.rules import DIGEST

_TARGET = 2.0  # seconds
_NOISE = 10  # lines to one that is not
_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
_NEWEST_SESSION = 900
_STEPS = "ingest", "embed", "synthesize", "bridge"

Told = dict[str, Any]


class Planted(NamedTuple):
    """A pattern: the rule that should find it, and items or times that its evidence names."""

    rule: str
    marks: frozenset[str]


class Scores(NamedTuple):
    """Patterns that were found and not, and findings that stand for none."""

    found: list[Planted]
    missed: list[Planted]
    false: list[Told]
    findings: int


class Year:
    """A year up to an instant, written into the logs of a workspace; `planted` is what to find."""

    def __init__(self, root: Path, end: datetime, days: int = 365, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same year each time
        self._begin = end.replace(minute=0, second=0, microsecond=0) - timedelta(days=days)
        self._days = days
        self._log: list[tuple[datetime, Told]] = []
        self._governance: list[tuple[datetime, Told]] = []
        self._free = list(range(2, days - 8, 2))  # days that hold no pattern yet
        self._random.shuffle(self._free)
        self._items = 0
        self.planted: list[Planted] = []
        self.beats = self._beats()
        self._work()
        self._plant(max(1, days // 36))
        for one in self.beats.values():
            self._log.append((datetime.fromisoformat(one["ts"]), one))
        self.lines = len(self._log) + len(self._governance)
        self._write(root)

    # --- beats -----------------------------------------------------------------------------------

    def _beats(self) -> dict[int, Told]:
        """Return a beat an hour, one in five with work, by its hour."""
        beats = {}
        for hour in range(self._days * 24):
            busy = self._random.random() < 0.2
            documents = self._random.randint(1, 4) if busy else 0
            seconds = self._random.lognormvariate(0, 0.3) * (2.0 if busy else 0.8)
            beats[hour] = self._beat(
                hour,
                seconds,
                documents,
                self._random.randint(0, 2) * busy,
                "ok" if busy else "idle",
            )
        return beats

    def _beat(
        self, hour: int, seconds: float, documents: int = 0, insights: int = 0, outcome: str = "ok"
    ) -> Told:
        when = self._begin + hour * _HOUR
        skipped = {"outcome": "skipped", "reason": "nothing new"}
        steps: dict[str, Told] = {name: dict(skipped) for name in _STEPS}
        if outcome != "idle":
            steps |= {
                "ingest": {"outcome": "ran", "seconds": 0.1, "documents": documents, "removed": 0},
                "embed": {"outcome": "ran", "seconds": 0.2, "vectors": 9, "reused": 0},
                "synthesize": {"outcome": "ran", "seconds": 0.2, "revised_insights": insights // 2},
            }
        ended = clock.iso(when + timedelta(seconds=2 + min(seconds, 600)))
        return {
            "ts": ended,
            "type": "heartbeat",
            "synthesis": outcome == "ok",
            "outcome": outcome,
            "new_insights": insights - insights // 2,
            "new_bridges": insights,
            "beat": f"{when:%Y%m%dT%H%M%S}-{hour:08x}",
            "started": clock.iso(when),
            "seconds": round(seconds, 3),
            "steps": {**steps, "status": {"outcome": "ran", "seconds": 0.05}},
            "version": "0.1.0",
        }

    def _fail(self, hours: range, step: str) -> None:
        for hour in hours:
            one = self.beats[hour] = self._beat(hour, 1.0, outcome="degraded")
            one["steps"][step] = {"outcome": "failed", "seconds": 0.1, "error": "the disk is full"}

    # --- work without anything remarkable, and near misses ----------------------------------------

    def _work(self) -> None:
        """Add a session a day, and items that go their way; what comes close to a pattern too."""
        for day in range(self._days):
            morning = self._begin.replace(hour=9) + timedelta(days=day)
            session = _NEWEST_SESSION - self._days + day
            self._tell(morning, "session", action="start", session=session)
            self._tell(morning + 6 * _HOUR, "session", action="end", session=session)
            if day % 2:
                self._cycle(self._item(), morning + _HOUR, 2 * _HOUR)
            elif day % 10 == 0:
                self._cycle(self._item(), morning + _HOUR, 15 * _HOUR)  # nearly two days in all
        for number in range(0, self._days - 9, 9):
            at = self._begin.replace(hour=11) + timedelta(days=number)
            pair = [self._item(), self._item()]
            for item in pair:  # two closures without checks are no burst
                self._complete(at, item)
            self._tell(at + _HOUR, "cascade", source=self._item(), effects=[f"unblock:{pair[0]}"])
            self._complete(at + 5 * _HOUR, self._item(), "milestone:+0")
            self._refuse(at, self._item(), 2)
            for item in (trio := [self._item() for _ in range(3)]):
                self._govern(at, "ValidationOutcome", gate="dod", work_id=item, result="pass")
            for item in trio:  # three at once, but checked
                self._complete(at + 2 * _HOUR, item)
            self._fail(range(number * 24 + 20, number * 24 + 22), "embed")
            for hour in (number * 24 + 1, number * 24 + 2):  # only two beats are missing
                self.beats.pop(hour, None)

    def _item(self) -> str:
        self._items += 1
        return f"WORK-{1000 + self._items}"

    def _cycle(self, item: str, at: datetime, between: timedelta, *phases: str) -> None:
        """Let an item go through phases, and be complete; by default all of them."""
        before = None
        for number, phase in enumerate(phases or ("PLAN", "DO", "CHECK", "DONE")):
            when = at + number * between
            facts = {"backlog_id": item, "from_phase": before, "to_phase": phase}
            self._tell(when, "cycle_transition", **facts, session=0, source="hook")
            before = phase
        self._complete(when + _MINUTE, item)

    def _complete(self, when: datetime, item: str, *effects: str) -> None:
        self._tell(when, "cascade", source=item, effects=list(effects))

    def _refuse(self, at: datetime, item: str, times: int) -> None:
        facts = {"gate": "dod", "work_id": item}
        for number in range(times):
            when = at + number * 10 * _MINUTE
            self._govern(when, "ValidationOutcome", **facts, result="block", reason="no tests")
        self._govern(at + _HOUR, "ValidationOutcome", **facts, result="pass", reason="")

    def _tell(self, when: datetime, kind: str, **facts: object) -> None:
        when += timedelta(seconds=self._random.uniform(0, 50))
        self._log.append((when, {"ts": clock.iso(when), "type": kind, **facts}))

    def _govern(self, when: datetime, kind: str, **facts: object) -> None:
        local = when.astimezone().replace(tzinfo=None)
        when += timedelta(milliseconds=self._random.uniform(0, 50_000))
        self._governance.append((when, {"type": kind, "timestamp": local.isoformat(), **facts}))

    # --- patterns --------------------------------------------------------------------------------

    def _plant(self, times: int) -> None:
        """Plant each pattern so many times, each on days of its own."""
        for number in range(times):
            self._plant_work(number)
            self._plant_beats()
        self.planted.append(Planted("active-hours", frozenset()))
        for number in range(times):
            self._plant_slow_week(2 + number * 4)

    def _day(self) -> tuple[datetime, int]:
        """Return ten in the morning of a day that nothing is planted in, and its hour."""
        day = self._free.pop()
        hour = day * 24 + (10 - self._begin.hour) % 24
        return self._begin + hour * _HOUR, hour

    def _mark(self, rule: str, *marks: str) -> None:
        self.planted.append(Planted(rule, frozenset(marks)))

    def _plant_work(self, number: int) -> None:
        at, _ = self._day()
        one, two, three, four = (self._item() for _ in range(4))
        self._tell(at, "cascade", source=one, effects=[f"unblock:{two}", "related:2"])
        self._tell(at + 2 * _HOUR, "cascade", source=two, effects=[f"unblock:{three}"])
        self._mark("unblocked-chain", one)
        at, _ = self._day()
        self._complete(at, four, "milestone:+10")
        self._mark("milestone-moved", four)
        at, _ = self._day()
        item = self._item()
        self._cycle(item, at, timedelta(days=3), "PLAN", "DO")
        self._mark("stuck", item)
        at, _ = self._day()
        item = self._item()
        self._cycle(item, at, _HOUR, "PLAN", "DO", "DONE")
        self._mark("skipped-phase", item)
        at, _ = self._day()
        session = 100 + number
        self._tell(at, "session", action="start", session=session)
        self._mark("orphan-session", str(session))
        at, _ = self._day()
        items = [self._item() for _ in range(4)]
        for place, item in enumerate(items):
            self._complete(at + place * 2 * _MINUTE, item)
        self._mark("closures-without-checks", *items)
        at, _ = self._day()
        item = self._item()
        self._refuse(at, item, 4)
        self._mark("failing-gate", item)

    def _plant_beats(self) -> None:
        _, hour = self._day()
        self.beats[hour] = self._beat(hour, 3.0, documents=12, insights=2)
        self.beats[hour + 1] = self._beat(hour + 1, 3.0, documents=1, insights=5)
        self._mark("documents-grew-insights", self.beats[hour]["ts"])
        _, hour = self._day()
        self._fail(range(hour, hour + 5), "bridge")
        self._mark("failing-step", self.beats[hour]["ts"])
        _, hour = self._day()
        self.beats.setdefault(hour, self._beat(hour, 0.8, outcome="idle"))
        for missing in range(hour + 1, hour + 9):
            self.beats.pop(missing, None)
        self._mark("gap", self.beats[hour]["ts"])

    def _plant_slow_week(self, back: int) -> None:
        """Let the beats of a week take three times as long; weeks count from the newest beat."""
        newest = datetime.fromisoformat(self.beats[max(self.beats)]["ts"])
        marks = []
        for hour, one in self.beats.items():
            if (newest - datetime.fromisoformat(one["ts"])) // timedelta(days=7) == back:
                failed = one["outcome"] == "degraded"
                one["seconds"] = round(one["seconds"] * 3, 3) if not failed else one["seconds"]
                marks.append(self.beats[hour]["ts"])
        self._mark("slower-beats", *marks)

    # --- noise, and the files --------------------------------------------------------------------

    def _noise(self, number: int) -> Iterator[tuple[datetime, str]]:
        """Return lines, each with its time, that no finding may come from."""
        while number > 0:
            when = self._begin + timedelta(seconds=self._random.randrange(self._days * 86400))
            if self._random.random() < 0.5:
                many = self._random.randint(10, 30)
                yield from ((when, self._made_up(when, real=True)) for _ in range(many))
            else:
                many = 1
                yield (
                    when,
                    self._random.choice(
                        [self._made_up(when, real=False)] * 8 + ['{"ts": "20', "", "\x00\x00\x00"]
                    ),
                )
            number -= many

    def _made_up(self, when: datetime, *, real: bool) -> str:
        """Return a line as tests leave it; with `real`, only its second tells that it is one."""
        item = f"WORK-{self._random.randint(1000, 1200)}" if real else self._random.choice(
            ["WORK-5V", "WORK-ARCH", "WORK-T10", "TEST-001", "WORK-999"]
        )  # fmt: skip
        told: Told = self._random.choice(
            [
                {"type": "cascade", "source": item, "effects": []},
                {"type": "cycle_transition", "backlog_id": item, "from_phase": "PLAN",
                 "to_phase": "DONE"},
                {"type": "cascade", "source": item, "effects": ["unblock:A", "unblock:B"]},
                {"type": "session", "action": "start", "session": 999},
                {"type": "cascade_trigger", "id": item},
            ]
        )  # fmt: skip
        return json.dumps({"ts": clock.iso(when), **told})

    def _write(self, root: Path) -> None:
        claude = root / ".claude"
        (claude / "haios").mkdir(parents=True, exist_ok=True)
        (claude / "session").write_text(f"# a comment\n{_NEWEST_SESSION}\n", encoding="utf-8")
        told = [(when, json.dumps(one)) for when, one in self._log]
        noise = list(self._noise(_NOISE * self.lines))
        self.noise = len(noise)
        for path, rows in (
            (claude / "haios-events.jsonl", told + noise),
            (
                claude / "haios" / "governance-events.jsonl",
                [(when, json.dumps(one)) for when, one in self._governance],
            ),
        ):
            rows.sort(key=lambda row: row[0])
            path.write_text("".join(f"{line}\n" for _, line in rows), encoding="utf-8")


def findings(root: Path, since: str) -> list[Told]:
    """Return what `doit resonance --json` prints."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        show_resonance.show(Workspace(root), since, json=True)
    return [json.loads(line) for line in printed.getvalue().splitlines()]


def score(planted: list[Planted], found: list[Told]) -> Scores:
    """Hold findings against what was planted."""
    told = [one for one in found if one["rule"] != DIGEST]

    def stands_for(one: Told, pattern: Planted) -> bool:
        named = {event.get(key) for event in one["evidence"] for key in ("item", "ts")}
        return one["rule"] == pattern.rule and (not pattern.marks or bool(pattern.marks & named))

    missed = [p for p in planted if not any(stands_for(one, p) for one in told)]
    return Scores(
        found=[p for p in planted if p not in missed],
        missed=missed,
        false=[one for one in told if not any(stands_for(one, p) for p in planted)],
        findings=len(told),
    )


def year(folder: Path, days: int, runs: int) -> Iterator[Row]:
    """Tell what a year of events says, in one process and from the files."""
    root = folder / "year"
    made = Year(root, datetime.now(UTC), days)
    since = f"{days}d"
    (took,) = in_turns(runs, timed(lambda: findings(root, since)))
    scores = score(made.planted, findings(root, since))
    rules = len(Counter(one.rule for one in made.planted))
    middle = sorted(took)[len(took) // 2]
    yield Row(
        case=f"resonance of {days} days, {made.lines + made.noise:,} lines",
        ours=middle,
        other=None,
        ratio=None,
        beside="inside a process",
        target=f"{_TARGET:g} s, all found, under 5% false",
        met=middle <= _TARGET and not scores.missed and len(scores.false) < scores.findings / 20,
        note=f"{len(scores.found)} of {len(made.planted)} patterns of {rules} rules found,"
        f" {len(scores.false)} of {scores.findings} findings false",
    )
