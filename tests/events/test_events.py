"""The event log's promises: valid lines only, whole lines only, none lost."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import OPEN, TS, Event, fragments, heartbeat, numbers, simple
from processes import run, start

from haios_dag import events
from haios_dag.base import schema
from haios_dag.base.errors import EventError
from haios_dag.base.workspace import Workspace


def nested(levels: int) -> list[Any]:
    """Return a list in a list, so many levels deep."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


class TestAppend:
    """append()."""

    def test_one_ascii_line_with_time_and_type_first(self, workspace: Workspace) -> None:
        """An event is one line of compact ASCII JSON with LF, `ts` and `type` first."""
        events.append(workspace, {"text": "ž\n\x1b\u2028", "type": "note", "ts": TS})
        written = f'{{"ts":"{TS}","type":"note","text":"\\u017e\\n\\u001b\\u2028"}}\n'
        assert workspace.events.read_bytes() == written.encode("ascii")

    def test_log_is_private(self, workspace: Workspace) -> None:
        """A new log can be read by its owner only, with any umask."""
        program = OPEN + "import os; os.umask(0); events.append(workspace, eval(sys.argv[2]))"
        run(program, workspace.root, simple(1))
        assert workspace.events.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        "event",
        [
            example
            for path in sorted(schema.resource("schemas").glob("event*.json"))
            for example in schema.load(path.name.removesuffix(".schema.json"))["examples"]
        ],
    )
    def test_examples_are_accepted(self, workspace: Workspace, event: Event) -> None:
        """What the schemas give as examples is accepted and read back equal."""
        events.append(workspace, event)
        assert [entry.event for entry in events.read(workspace)] == [event]

    @pytest.mark.parametrize(
        "step",
        [
            {"outcome": "ran", "seconds": 0, "notes": 3, "warnings": ["bad YAML"]},
            {"outcome": "skipped", "reason": "nothing new"},
            {"outcome": "failed", "error": "no disk", "seconds": 0.5},
            {"outcome": "interrupted"},
            {"outcome": "not reached"},
        ],
    )
    def test_users_own_step_is_accepted(self, workspace: Workspace, step: Event) -> None:
        """A step that a user added to the graph may stand in a heartbeat, with its own counts."""
        event = heartbeat()
        event["steps"]["my-step"] = step
        events.append(workspace, event)

    @pytest.mark.parametrize(
        ("event", "place"),
        [
            ({"type": "session"}, '"ts" is a required property'),
            ({"ts": TS}, '"type" is a required property'),
            ({"ts": "2026-01-31T12:00:00", "type": "session"}, "ts: "),
            ({"ts": "yesterday", "type": "session"}, "ts: "),
            ({"ts": TS + "\n", "type": "session"}, "ts: "),
            (
                {"ts": "2026-02-30T12:00:00Z", "type": "note"},
                'ts: "2026-02-30T12:00:00Z" is not a "date-time"',
            ),
            ({"ts": 1769860800, "type": "session"}, "ts: "),
            ({"ts": TS, "type": "Session"}, "type: "),
            ({"ts": TS, "type": "session\n"}, "type: "),
            ({"ts": TS, "type": "../heartbeat"}, "type: "),
            ({"ts": TS, "type": "a" * 65}, "type: "),
            ({"ts": TS, "type": None}, "type: "),
            (simple(1) | {"value": float("nan")}, "Out of range float"),
            (simple(1) | {"value": float("inf")}, "Out of range float"),
            (simple(1) | {"value": {1, 2}}, "set"),
            (simple(1) | {"value": 10**5000}, "limit"),
            (simple(1) | {"value": nested(100)}, "nested too deep"),
            (simple(1) | {"value": nested(100_000)}, ""),
            (simple(1) | {"value": "x" * (1 << 20)}, "longer than 1 MB"),
            (simple(1) | {"1": 1, 1: 2}, "duplicate keys"),
            ({"ts": TS, "type": "session"}, '"action" is a required property'),
            ({"ts": TS, "type": "cascade", "source": "", "effects": []}, "source: "),
            (heartbeat(more=1), "'more' was unexpected"),
            (heartbeat(synthesis="yes"), "synthesis: "),
            (heartbeat(outcome="fine"), "outcome: "),
            (heartbeat(new_insights=-1), "new_insights: "),
            (heartbeat(new_bridges=1.5), "new_bridges: "),
            (heartbeat(new_bridges=True), "new_bridges: "),
            (heartbeat(beat=""), "beat: "),
            (heartbeat(started="2026-01-31"), "started: "),
            (heartbeat(seconds=-1), "seconds: "),
            (heartbeat(seconds=None), '"reason" is a required property'),
            (heartbeat(seconds=None, reason="lost"), 'outcome: "interrupted" was expected'),
            (heartbeat(steps={}), 'steps: "synthesize" is a required property'),
            (
                heartbeat(steps={"synthesize": {"outcome": "skipped", "reason": "none"}}),
                'steps.synthesize.outcome: "ran" was expected',
            ),
            (
                heartbeat(synthesis=False, steps={"embed": {"outcome": "skipped"}}),
                'steps.embed: "reason" is a required property',
            ),
            (
                heartbeat(synthesis=False, steps={"embed": {"outcome": "failed"}}),
                'steps.embed: "error" is a required property',
            ),
            (heartbeat(synthesis=False, steps={"embed": {"outcome": "ok"}}), "steps.embed.outcome"),
            (
                heartbeat(synthesis=False, steps={"embed": {"outcome": "ran", "warnings": "no"}}),
                "steps.embed.warnings: ",
            ),
        ],
    )
    def test_invalid_event_is_refused(self, workspace: Workspace, event: Event, place: str) -> None:
        """An invalid event is refused with its place and reason, and the log is unchanged."""
        events.append(workspace, simple(0))
        with workspace.events.open("ab") as file:
            file.write(b'{"ts":"torn')
        before = workspace.events.read_bytes()
        with pytest.raises(EventError) as refusal:
            events.append(workspace, event)
        assert place in str(refusal.value)
        assert len(str(refusal.value)) < 2000
        assert workspace.events.read_bytes() == before
        assert not workspace.events.with_name(workspace.events.name + ".torn").exists()

    def test_circular_event_is_refused(self, workspace: Workspace) -> None:
        """An event that contains itself is refused."""
        event = simple(1)
        event["self"] = event
        with pytest.raises(EventError, match="refused"):
            events.append(workspace, event)

    def test_many_processes_append_at_once(self, workspace: Workspace) -> None:
        """Lines of four concurrent writers are all there, whole, in each writer's order."""
        program = OPEN + (
            "for number in range(100):\n"
            "    events.append(workspace, {'ts': sys.argv[2], 'type': 'note',"
            " 'writer': sys.argv[3], 'number': number, 'padding': 'x' * 5000})"
        )
        writers = [start(program, workspace.root, TS, name) for name in "abcd"]
        for writer in writers:
            _, complaints = writer.communicate()
            assert writer.returncode == 0, complaints
        written = [json.loads(line) for line in workspace.events.read_bytes().splitlines()]
        for name in "abcd":
            mine = [event["number"] for event in written if event["writer"] == name]
            assert mine == list(range(100))
        assert len(written) == 400

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
    def test_killed_writers(self, workspace: Workspace) -> None:
        """However often a writer is killed, each event it was told is safe is there, whole."""
        program = OPEN + (
            "import itertools\n"
            "for number in itertools.count(int(sys.argv[3])):\n"
            "    events.append(workspace, {'ts': sys.argv[2], 'type': 'note',"
            " 'number': number, 'padding': 'x' * 50_000})\n"
            "    print(number, flush=True)"
        )
        safe: list[int] = []
        for turn in range(8):
            with start(program, workspace.root, TS, turn * 1_000_000) as writer:
                assert writer.stdout is not None
                safe += [int(writer.stdout.readline()) for _ in range(1 + turn)]
                writer.kill()
                safe += map(int, writer.stdout.read().split())
        events.append(workspace, simple(-1))
        found = numbers(workspace.events)
        assert set(safe) <= set(found)
        assert len(found) - 1 <= len(safe) + 8
        assert len(set(found)) == len(found)


class TestHeal:
    """What append() does about a torn last line."""

    def test_tail_torn_at_every_byte(self, tmp_path: Path) -> None:
        """However much of a last line a crash left, nothing of it is glued to the next event."""
        source = Workspace(tmp_path / "source")
        events.append(source, simple(1))
        whole = source.events.read_bytes()
        events.append(source, heartbeat())
        last = source.events.read_bytes()[len(whole) :]
        for kept in range(len(last)):
            log = Workspace(tmp_path / str(kept))
            log.events.parent.mkdir(parents=True)
            log.events.write_bytes(whole + last[:kept])
            events.append(log, simple(2))
            torn = log.events.with_name("haios-events.jsonl.torn")
            if kept == len(last) - 1:  # only the LF was missing
                assert [e.event for e in events.read(log)] == [simple(1), heartbeat(), simple(2)]
                assert not torn.exists()
            else:
                assert numbers(log.events) == [1, 2]
                assert fragments(log) == ([(len(whole), last[:kept])] if kept else [])

    @settings(max_examples=50, deadline=None)
    @given(tail=st.binary(min_size=1, max_size=50))
    def test_any_bytes_are_kept(
        self, tmp_path_factory: pytest.TempPathFactory, tail: bytes
    ) -> None:
        """An append leaves each of the last bytes of a log in the log or set aside."""
        log = Workspace(tmp_path_factory.mktemp("log"))
        log.events.parent.mkdir(parents=True)
        log.events.write_bytes(b"{}\n" + tail)
        events.append(log, simple(1))
        after = log.events.read_bytes()
        line = json.dumps(simple(1), separators=(",", ":")).encode() + b"\n"
        assert after.startswith(b"{}\n")
        assert after.endswith(line)
        middle = after[3 : -len(line)]
        set_aside = fragments(log)
        assert tail in (
            middle,
            middle.removesuffix(b"\n"),
            middle + b"".join(b for _, b in set_aside),
        )
        assert [offset for offset, _ in set_aside] in ([], [3 + len(middle)])
        assert [e.event for e in events.read(log)][-1] == simple(1)

    def test_zeros_left_by_a_power_cut(self, workspace: Workspace) -> None:
        """A tail of more zero bytes than are read at once is set aside whole."""
        events.append(workspace, simple(1))
        with workspace.events.open("ab") as file:
            file.write(b"\0" * 3_000_000)
        events.append(workspace, simple(2))
        assert numbers(workspace.events) == [1, 2]
        found = fragments(workspace)
        assert b"".join(piece for _, piece in found) == b"\0" * 3_000_000
        begun = found[0][0]
        assert [offset - begun for offset, _ in found] == [0, 1 << 20, 2 << 20]

    def test_crash_between_saving_and_cutting(self, workspace: Workspace) -> None:
        """A fragment that was saved by a process that died before it cut it is cut by the next."""
        events.append(workspace, simple(1))
        with workspace.events.open("ab") as file:
            file.write(b'{"ts"')
        torn = workspace.events.with_name("haios-events.jsonl.torn")
        torn.write_bytes(b'{"ts":"2026')
        start = workspace.events.stat().st_size - 5
        events.append(workspace, simple(2))
        assert numbers(workspace.events) == [1, 2]
        cut, whole = torn.read_bytes().splitlines()
        assert cut == b'{"ts":"2026'
        assert json.loads(whole)["offset"] == start
        assert json.loads(whole)["fragment"] == '{"ts"'

    def test_utf16_log_is_not_torn(self, workspace: Workspace) -> None:
        """A log that PowerShell wrote in UTF-16 ends in a zero byte and is read on both sides."""
        workspace.events.parent.mkdir(parents=True)
        old = json.dumps(simple(1))
        workspace.events.write_bytes(f"\ufeff{old}\r\n".encode("utf-16-le"))
        events.append(workspace, simple(2))
        assert [e.event for e in events.read(workspace)] == [simple(1), simple(2)]
        assert not workspace.events.with_name("haios-events.jsonl.torn").exists()


class TestFaults:
    """What append(), read() and clear() do when the disk does not play along."""

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows needs a privilege for links")
    @pytest.mark.parametrize("name", [".claude/haios-events.jsonl", ".haios/events.lock"])
    def test_planted_link_is_refused(self, workspace: Workspace, name: str) -> None:
        """A symbolic link planted where the log is written is refused and its target untouched."""
        victim = workspace.root / "victim"
        victim.write_bytes(b"precious")
        link = workspace.root / name
        link.parent.mkdir()
        link.symlink_to(victim)
        with pytest.raises(EventError, match=r"symbolic link.*put the file itself there"):
            events.append(workspace, simple(1))
        with pytest.raises(EventError, match="symbolic link"):
            events.clear(workspace)
        assert victim.read_bytes() == b"precious"

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows needs a privilege for links")
    def test_link_planted_for_a_fragment_is_refused(self, workspace: Workspace) -> None:
        """A link planted where a fragment is set aside is refused, and the fragment stays."""
        victim = workspace.root / "victim"
        victim.write_bytes(b"precious")
        workspace.events.parent.mkdir()
        workspace.events.write_bytes(b"torn")
        workspace.events.with_name("haios-events.jsonl.torn").symlink_to(victim)
        with pytest.raises(EventError, match="symbolic link"):
            events.append(workspace, simple(1))
        assert victim.read_bytes() == b"precious"
        assert workspace.events.read_bytes() == b"torn"

    def test_folder_that_is_a_file(self, workspace: Workspace) -> None:
        """Where the log's folder cannot exist, every function says so in one sentence."""
        (workspace.root / ".claude").write_bytes(b"")
        for attempt in (
            lambda: events.append(workspace, simple(1)),
            lambda: list(events.read(workspace)),
            lambda: events.recent(workspace, 1, "session"),
            lambda: events.has_beat(workspace, "b"),
            lambda: events.clear(workspace),
        ):
            with pytest.raises(EventError, match=r"^the event log could not be .*\.claude"):
                attempt()

    def test_log_that_is_a_folder(self, workspace: Workspace) -> None:
        """A folder in the place of the log is named as such."""
        workspace.events.mkdir(parents=True)
        with pytest.raises(EventError, match=r"could not be written: .*haios-events\.jsonl"):
            events.append(workspace, simple(1))
        with pytest.raises(EventError, match=r"could not be read: .*haios-events\.jsonl"):
            list(events.read(workspace))

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
    @pytest.mark.parametrize("room", [0, 1, 40])
    def test_full_disk(self, workspace: Workspace, room: int) -> None:
        """When a line does not fit, the log stays as it was and the next append succeeds."""
        events.append(workspace, simple(1))
        before = workspace.events.read_bytes()
        program = OPEN + (
            "import resource; limit = int(sys.argv[2])\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
            "try:\n    events.append(workspace, eval(sys.argv[3]))\n"
            "except EventError as error:\n    print(error)"
        )
        said = run(program, workspace.root, len(before) + room, simple(2))
        assert said.startswith("the event log could not be written: ")
        assert said.count("\n") == 1
        assert workspace.events.read_bytes() == before
        events.append(workspace, simple(3))
        assert numbers(workspace.events) == [1, 3]

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
    def test_folder_without_write_permission(
        self, workspace: Workspace, as_plain_user: list[str]
    ) -> None:
        """An ordinary user who may not write gets a sentence that names the path."""
        workspace.events.parent.mkdir()
        workspace.events.parent.chmod(0o555)
        workspace.events_lock.parent.mkdir()
        workspace.events_lock.parent.chmod(0o777)
        program = OPEN + (
            "try:\n    events.append(workspace, eval(sys.argv[2]))\n"
            "except EventError as error:\n    print(error)"
        )
        said = run(program, workspace.root, simple(1), prefix=as_plain_user)
        assert f"could not be written: {workspace.events}: Permission denied" in said

    def test_no_log(self, workspace: Workspace) -> None:
        """Reading where there is no log finds nothing and makes nothing."""
        assert list(events.read(workspace)) == []
        assert events.recent(workspace, 50, "heartbeat") == []
        assert not events.has_beat(workspace, "b")
        assert list(workspace.root.iterdir()) == []
