"""Finding events from the end of the log, and archiving the log."""

import json
import os

from logs import OPEN, TS, heartbeat, numbers, simple
from processes import start

from haios_dag import events
from haios_dag.base.workspace import Workspace


class TestFind:
    """recent() and has_beat()."""

    def test_recent_is_the_tail_of_all(self, workspace: Workspace) -> None:
        """The last events of a type are found across many blocks, oldest first."""
        workspace.events.parent.mkdir()
        with workspace.events.open("w", encoding="utf-8", newline="\n") as file:
            for number in range(3000):
                kind = "heartbeat" if number % 100 == 0 else "session"
                event = simple(number) | {"type": kind, "padding": "x" * (number % 500)}
                file.write(json.dumps(event) + "\n")
        found = [entry.event or {} for entry in events.recent(workspace, 5, "heartbeat")]
        assert [event["number"] for event in found] == [2500, 2600, 2700, 2800, 2900]
        assert len(events.recent(workspace, 1000, "heartbeat")) == 30
        assert events.recent(workspace, 5, "milestone") == []

    def test_recent_sees_through_encodings(self, workspace: Workspace) -> None:
        """A type is found in UTF-16 and with escaped letters too."""
        workspace.events.parent.mkdir()
        workspace.events.write_bytes(
            b'{"ts":"2026-01-31T12:00:00Z","type":"\\u0068eartbeat","number":1}\n'
            + f'{{"ts":"{TS}","type":"heartbeat","number":2}}\r\n'.encode("utf-16-le")
        )
        found = [entry.event or {} for entry in events.recent(workspace, 5, "heartbeat")]
        assert [event["number"] for event in found] == [1, 2]

    def test_recent_looks_at_the_end_only(self, workspace: Workspace) -> None:
        """What lies before the last 16 MB of a log is not looked at."""
        workspace.events.parent.mkdir()
        line = json.dumps(simple(1)).encode() + b"\n"
        workspace.events.write_bytes(
            line.replace(b"session", b"early") + line * (17_000_000 // len(line))
        )
        assert events.recent(workspace, 1, "early") == []
        assert len(events.recent(workspace, 3, "session")) == 3

    def test_has_beat(self, workspace: Workspace) -> None:
        """A beat is found by its id in a heartbeat, not by a mention elsewhere."""
        events.append(workspace, heartbeat(beat="one"))
        events.append(workspace, simple(1) | {"beat": "two"})
        events.append(workspace, heartbeat(beat="three", version="four"))
        asked = ["one", "two", "three", "four", "thre"]
        assert [events.has_beat(workspace, beat) for beat in asked] == [
            True,
            False,
            True,
            False,
            False,
        ]

    def test_has_beat_after_archiving(self, workspace: Workspace) -> None:
        """A beat whose event was archived just now is still found."""
        events.append(workspace, heartbeat(beat="one"))
        events.clear(workspace)
        assert events.has_beat(workspace, "one")


class TestClear:
    """clear() and archives()."""

    def test_archives_are_numbered(self, workspace: Workspace) -> None:
        """Every archive has the next number, keeps its content, and a fresh log follows."""
        for number in range(1, 4):
            events.append(workspace, simple(number))
            archive = events.clear(workspace)
            assert archive == workspace.events.with_name(f"haios-events.000{number}.jsonl")
            assert numbers(archive) == [number]
            assert not workspace.events.exists()
        assert [path.name[13:17] for path in events.archives(workspace)] == ["0001", "0002", "0003"]

    def test_nothing_to_archive(self, workspace: Workspace) -> None:
        """A missing or empty log is not archived."""
        assert events.clear(workspace) is None
        workspace.events.parent.mkdir()
        workspace.events.touch()
        assert events.clear(workspace) is None
        assert events.archives(workspace) == []

    def test_taken_numbers_are_passed_over(self, workspace: Workspace) -> None:
        """A number is never used twice, also after a gap, beyond 9999, or when a link has it."""
        folder = workspace.events.parent
        folder.mkdir()
        for name in ("0003", "9999", "12", "x", "00x1"):
            (folder / f"haios-events.{name}.jsonl").write_text(name, encoding="utf-8")
        events.append(workspace, simple(1))
        assert events.clear(workspace) == folder / "haios-events.10000.jsonl"
        if os.name == "posix":
            (folder / "haios-events.10001.jsonl").symlink_to(folder / "nowhere")
        else:
            (folder / "haios-events.10001.jsonl").touch()
        events.append(workspace, simple(2))
        assert events.clear(workspace) == folder / "haios-events.10002.jsonl"
        assert not (folder / "nowhere").exists()
        assert (folder / "haios-events.9999.jsonl").read_text(encoding="utf-8") == "9999"

    def test_racing_with_writers_and_each_other(self, workspace: Workspace) -> None:
        """While two processes archive and two append, every event ends up somewhere, once."""
        append = OPEN + (
            "for number in range(60):\n"
            "    events.append(workspace, {'ts': sys.argv[2], 'type': 'note',"
            " 'number': number + int(sys.argv[3])})"
        )
        clear = OPEN + "for _ in range(20):\n    events.clear(workspace)"
        processes = [start(append, workspace.root, TS, first) for first in (0, 100)]
        processes += [start(clear, workspace.root) for _ in range(2)]
        for process in processes:
            _, complaints = process.communicate()
            assert process.returncode == 0, complaints
        events.clear(workspace)
        found = [number for path in events.archives(workspace) for number in numbers(path)]
        assert sorted(found) == [*range(60), *range(100, 160)]
        assert [n for n in found if n < 100] == list(range(60))
