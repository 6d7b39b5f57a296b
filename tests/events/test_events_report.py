"""The event log as people and programs read it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import OPEN, TS
from processes import run, start
from zones import local_time

from haios_dag import events
from haios_dag.base import schema
from haios_dag.base.errors import EventError
from haios_dag.base.workspace import Workspace
from haios_dag.events import fast_json, show_events

BEGUN = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def greenwich() -> Iterator[None]:
    """Let local time be UTC."""
    with local_time("UTC"):
        yield


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace whose log has events of three kinds, and lines that are none."""
    workspace = Workspace(tmp_path)
    events.append(
        workspace, {"ts": "2026-01-30T08:00:00+00:00", "type": "session", "action": "start"}
    )
    for event in schema.load("event-heartbeat")["examples"]:
        events.append(workspace, event)
    with workspace.events.open("ab") as file:
        file.write(b'\n[1]\n[2]\n{"type":"note"}\r\n{"ts":"torn')
    return workspace


def written(*logged: dict[str, Any]) -> list[str]:
    """Return how events are shown."""
    return [
        show_events.line(events.Entry(1, event, None, None, ())).removeprefix(
            "(no readable time)   "
        )
        for event in logged
    ]


class TestShow:
    """show()."""

    def test_lines_for_people(
        self, workspace: Workspace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The last events are shown oldest first, with local time, type and what matters."""
        events.show(workspace)
        assert capsys.readouterr().out.splitlines() == [
            "2026-01-30 08:00:00  session  action=start",
            "2026-01-31 12:00:01  heartbeat  ok, 3 insights, 5 bridges, 1.8 s",
            (
                "2026-01-31 13:00:00  heartbeat  interrupted, 0 insights, 0 bridges, "
                "found by the next beat: the process had ended without an event"
            ),
            "(no readable time)   note",
            "4 lines could not be read: 2 not a JSON object, 1 blank line, 1 torn last line",
        ]

    def test_count(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """Only as many events as asked for are shown, the newest ones."""
        events.show(workspace, 2)
        shown = capsys.readouterr().out
        assert shown.count("heartbeat") == 1
        assert "session" not in shown
        with pytest.raises(EventError, match="ask for 1 or more"):
            events.show(workspace, 0)

    def test_json_lines(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """As JSON, stdout has one event a line and nothing else; remarks are on stderr."""
        events.show(workspace, json=True)
        shown, remarks = capsys.readouterr()
        assert [json.loads(line) for line in shown.splitlines()] == [
            entry.event for entry in events.read(workspace) if entry.event is not None
        ]
        assert remarks.startswith("4 lines could not be read")

    @pytest.mark.parametrize("log", [None, b"", b"\n"])
    def test_no_events(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], log: bytes | None
    ) -> None:
        """A missing or empty log is said to have no events yet, by every reader."""
        workspace = Workspace(tmp_path)
        if log is not None:
            workspace.events.parent.mkdir()
            workspace.events.write_bytes(log)
        events.show(workspace)
        events.show_since(workspace, ["yesterday"])
        events.stats(workspace)
        assert capsys.readouterr().out.count("no events yet\n") == 3
        events.show(workspace, json=True)
        assert capsys.readouterr().out == ""


class TestSince:
    """show_since()."""

    @freeze_time("2026-01-31 20:00:00")
    def test_since(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """First it says how the date was understood, then come the events since."""
        events.show_since(workspace, ["today", "12:30"])
        shown = capsys.readouterr().out.splitlines()
        assert shown[0] == "since Saturday 2026-01-31 12:30:00+00:00"
        assert [line[:30] for line in shown[1:]] == [
            "2026-01-31 13:00:00  heartbeat",
            "left out, having no readable t",
            "4 lines could not be read: 2 n",
        ]

    @freeze_time("2026-03-01")
    def test_nothing_since(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """That nothing happened is said."""
        events.show_since(workspace, ["2h"])
        assert "no events since then" in capsys.readouterr().out

    @freeze_time("2026-01-31 20:00:00")
    def test_times_that_run_backwards(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """After a clock was set back, every event since is shown, in the log's order."""
        workspace = Workspace(tmp_path)
        for hour in (14, 10, 15, 11):
            events.append(workspace, {"ts": f"2026-01-31T{hour}:00:00Z", "type": "note"})
        events.show_since(workspace, ["10:30"])
        times = [line[11:13] for line in capsys.readouterr().out.splitlines()[1:]]
        assert times == ["14", "15", "11"]

    @freeze_time("2026-01-31 20:00:00")
    def test_json_lines(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """As JSON, stdout has the events only; how the date was understood is on stderr."""
        events.show_since(workspace, ["today"], json=True)
        shown, remarks = capsys.readouterr()
        assert [json.loads(line)["type"] for line in shown.splitlines()] == ["heartbeat"] * 2
        assert remarks.startswith("since Saturday 2026-01-31 00:00:00+00:00\n")

    @pytest.mark.parametrize("words", [[], ["soon"]])
    def test_refusal(self, workspace: Workspace, words: list[str]) -> None:
        """A date that cannot be read is refused with the forms that can."""
        with pytest.raises(EventError, match="is not a date I can read; write"):
            events.show_since(workspace, words)


class TestStats:
    """stats() and clear_log()."""

    def test_stats(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """Counts by type and outcome, the first and the last, and everything odd are shown."""
        events.stats(workspace)
        assert capsys.readouterr().out.splitlines() == [
            "4 events, from 2026-01-30 08:00:00 to 2026-01-31 13:00:00",
            "         2  heartbeat",
            "         1  note",
            "         1  session",
            f"  2026-01-30  1  {'#' * 20}",
            f"  2026-01-31  2  {'#' * 40}",
            "heartbeats: 1 interrupted, 1 ok",
            "longest gap between heartbeats: 0:59:58, from 2026-01-31 12:00:01",
            (
                "slowest step: ingest, 0.9 s, in beat 20260131T120000-1a2b3c4d"
                " at 2026-01-31 12:00:01"
            ),
            "read, but odd: 1 CRLF, 1 no ts",
            "4 lines could not be read: 2 not a JSON object, 1 blank line, 1 torn last line",
        ]

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        moments=st.lists(
            st.datetimes(
                min_value=datetime(1969, 12, 30),  # noqa: DTZ001 - the zone comes next
                max_value=datetime(1970, 1, 4),  # noqa: DTZ001
                timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
            )
            | st.sampled_from([BEGUN + timedelta(minutes=7 * n) for n in range(500)])
            | st.datetimes(min_value=datetime(9998, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
            max_size=30,
        ),
        zone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York"]),
        odd=st.lists(
            st.sampled_from([b"{", b'{"type":7}', b'{"ts":"2026-01-31T12:00:00","a":1,"a":1}'])
        ),
    )
    def test_stats_of_any_times(
        self,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        moments: list[datetime],
        zone: str,
        odd: list[bytes],
    ) -> None:
        """What is counted in crowds is what is counted from events that were read one by one."""
        workspace = Workspace(tmp_path)
        workspace.events.parent.mkdir(exist_ok=True)
        rows = [f'{{"ts":"{when.isoformat()}","type":"note"}}'.encode() for when in moments]
        workspace.events.write_bytes(b"".join(row + b"\n" for row in rows + odd))
        with local_time(zone):
            events.stats(workspace)
            shown = capsys.readouterr().out
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(fast_json, "events", lambda rows, *_: [None] * len(rows))
                events.stats(workspace)
                entries = list(events.read(workspace))
            assert shown == capsys.readouterr().out
            days = Counter(entry.when.astimezone().date() for entry in entries if entry.when)
        for day in sorted(days)[-14:]:
            assert re.search(rf"^  {day} +{days[day]}  #", shown, re.MULTILINE)

    def test_json(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """A program gets the same numbers as its schema says, and nothing besides."""
        events.stats(workspace, json=True)
        printed = capsys.readouterr()
        numbers = json.loads(printed.out)
        schema.validate("stats", numbers)
        assert printed.err == ""
        assert numbers == {
            "events": 4,
            "first": "2026-01-30T08:00:00.000+00:00",
            "last": "2026-01-31T13:00:00.100+00:00",
            "types": {"heartbeat": 2, "note": 1, "session": 1},
            "days": {"2026-01-30": 1, "2026-01-31": 2},
            "outcomes": {"interrupted": 1, "ok": 1},
            "longest_gap": {"seconds": 3598.3, "from": "2026-01-31T12:00:01.800+00:00"},
            "slowest_step": {
                "step": "ingest",
                "seconds": 0.9,
                "beat": "20260131T120000-1a2b3c4d",
                "ts": "2026-01-31T12:00:01.800+00:00",
            },
            "odd": {"CRLF": 1, "no ts": 1},
            "unread": {"not a JSON object": 2, "blank line": 1, "torn last line": 1},
        }

    @pytest.mark.parametrize("lines", [[], ['{"type":"a"}'], ["x"]])
    def test_json_of_little(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str]
    ) -> None:
        """What is not known is null."""
        workspace = Workspace(tmp_path)
        workspace.events.parent.mkdir()
        workspace.events.write_text("".join(f"{one}\n" for one in lines), encoding="ascii")
        events.stats(workspace, json=True)
        numbers = json.loads(capsys.readouterr().out)
        schema.validate("stats", numbers)
        unknown = {key for key, value in numbers.items() if value is None}
        assert unknown == {"first", "last", "longest_gap", "slowest_step"}

    def test_true_is_no_number_of_seconds(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A heartbeat of another program may say `true`, which Python takes for 1."""
        workspace = Workspace(tmp_path)
        workspace.events.parent.mkdir()
        steps = {"embed": {"seconds": True}, "ingest": {"seconds": 0.5}}
        beat = {"ts": TS, "type": "heartbeat", "steps": steps}
        workspace.events.write_text(f"{json.dumps(beat)}\n", encoding="ascii")
        events.stats(workspace, json=True)
        assert json.loads(capsys.readouterr().out)["slowest_step"]["step"] == "ingest"

    def test_many_types(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A log with very many types does not flood the terminal."""
        workspace = Workspace(tmp_path)
        workspace.events.parent.mkdir()
        workspace.events.write_text(
            "".join(f'{{"ts":"{TS}","type":"t{n}"}}\n' for n in range(1000)), encoding="ascii"
        )
        events.stats(workspace)
        shown = capsys.readouterr().out.splitlines()
        assert shown[-2] == "  and 970 further types"
        assert len(shown) == 33

    def test_clear(self, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        """The archive's path is shown; with nothing to archive that is said."""
        events.clear_log(workspace)
        events.clear_log(workspace)
        shown = capsys.readouterr().out.splitlines()
        assert shown[0].endswith("haios-events.0001.jsonl")
        assert shown[1] == "no events yet"


class TestLine:
    """line()."""

    def test_failed_steps(self) -> None:
        """A heartbeat shows each failed or interrupted step with its error, and its warnings."""
        event = schema.load("event-heartbeat")["examples"][0] | {
            "synthesis": False,
            "outcome": "degraded",
            "new_insights": 1,
            "steps": {
                "ingest": {"outcome": "ran", "warnings": ["a.md: bad YAML", "b.md: empty"]},
                "embed": {"outcome": "failed", "error": "no model"},
                "synthesize": {"outcome": "interrupted"},
                "bridge": {"outcome": "not reached"},
            },
        }
        (shown,) = written(event)
        assert shown == (
            "heartbeat  degraded, 1 insight, 5 bridges, 1.8 s; embed failed: no model; "
            "synthesize interrupted; 2 warnings"
        )

    def test_heartbeat_of_another_program(self) -> None:
        """A heartbeat without our keys is shown like any event."""
        assert written({"type": "heartbeat", "synthesis": True}) == ["heartbeat  synthesis=true"]

    def test_long_event_is_cut(self) -> None:
        """Long values and many keys do not flood the terminal."""
        (line,) = written({"type": "x" * 500} | {f"k{n}": "v" * 500 for n in range(100)})
        assert len(line) < 1000
        assert line.endswith("...")

    def test_terminal_is_left_alone(self) -> None:
        """Escapes, line breaks and direction marks from a foreign log are shown, not obeyed."""
        evil = "\x1b]0;title\x07\r\n\u202e\x9b2J\ud800"
        beat = {"outcome": evil, "reason": evil, "new_insights": evil}
        steps = {evil: {"outcome": "failed", "error": evil}, "x": evil}
        shown = written(
            {"type": evil, evil: evil, "list": [evil, {evil: evil}]},
            {"type": "heartbeat", **beat, "steps": steps, "seconds": evil},
        )
        assert all(line.isprintable() for line in shown)
        assert all("\\x1b]0;title\\x07\\r\\n\\u202e\\x9b2J\\ud800" in line for line in shown)

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(
        event=st.dictionaries(
            st.sampled_from(["type", "outcome", "new_insights", "seconds", "steps", "reason", "a"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | st.text(),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["outcome", "warnings", "x"]), inner)
                ),
                max_leaves=8,
            ),
        )
    )
    def test_any_event_can_be_shown(self, event: dict[str, Any]) -> None:
        """Any JSON object in a line is shown on one printable line."""
        for shown in written(event, event | {"type": "heartbeat"}):
            assert shown.isprintable()


class TestOutput:
    """Where the output goes."""

    @pytest.fixture
    def long(self, tmp_path: Path) -> Workspace:
        """Return a workspace with more events than a pipe holds."""
        workspace = Workspace(tmp_path)
        workspace.events.parent.mkdir()
        line = json.dumps({"ts": TS, "type": "note", "text": "x" * 50})
        workspace.events.write_text(f"{line}\n" * 5000, encoding="ascii")
        return workspace

    @pytest.mark.parametrize(
        "call",
        [
            "show(workspace, 5000)",
            "show(workspace, 5)",
            "show_since(workspace, ['2020'])",
            "stats(workspace)",
        ],
    )
    def test_reader_that_leaves(self, long: Workspace, call: str) -> None:
        """A reader that stops early, like `head -1`, ends the output without a complaint."""
        with start(OPEN + "input()\nevents." + call, long.root) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdout.close()
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stderr.read() == ""
        assert process.returncode == 0

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
    @pytest.mark.parametrize("count", [5, 5000])
    def test_full_output(self, long: Workspace, count: int) -> None:
        """An output that cannot be written is one sentence, also when Python exits."""
        program = OPEN + (
            "try:\n    events.show(workspace, int(sys.argv[2]))\n"
            "except HaiosError as error:\n    print(error, file=sys.stderr)"
        )
        with (
            Path("/dev/full").open("wb") as full,
            start(program, long.root, count, stdout=full) as process,
        ):
            _, said = process.communicate()
        assert said == "the output could not be written: No space left on device\n"
        assert process.returncode == 0

    def test_no_output_at_all(self, workspace: Workspace) -> None:
        """Without a console, as under `pythonw`, nothing is shown and nothing fails."""
        program = OPEN + "sys.stdout = sys.stderr = None\nevents.show(workspace)"
        assert run(program, workspace.root) == ""

    def test_under_doit(self, long: Workspace) -> None:
        """As a task of doit, read by `head`, the events come and nothing complains."""
        dodo = long.root / "dodo.py"
        dodo.write_text(
            "from pathlib import Path\nfrom haios_dag import events\n"
            "from haios_dag.base.workspace import Workspace\n"
            "DOIT_CONFIG = {'backend': 'sqlite3', 'dep_file': ':memory:', 'verbosity': 2}\n"
            "def task_events():\n"
            "    return {'actions': [(events.show, [Workspace(Path.cwd()), 5000])]}\n",
            encoding="utf-8",
        )
        doit = (
            "import sys\nfrom doit.doit_cmd import DoitMain\nsys.exit(DoitMain().run(sys.argv[1:]))"
        )
        with start(doit, "-f", dodo, "events") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == ".  events\n"
            assert process.stdout.readline().startswith("2026-01-31 12:00:00  note  text=xxx")
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 0
