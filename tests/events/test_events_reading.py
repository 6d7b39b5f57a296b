"""Reading the log and its archives as one, at any size, while others write and archive."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import OPEN, TS, heartbeat, simple
from processes import start
from zones import local_time

from haios_dag import events
from haios_dag.base.errors import EventError
from haios_dag.base.workspace import Workspace
from haios_dag.events import log_reader, log_writer

BEGUN = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace whose log is archived at every 1,000 bytes."""
    (tmp_path / "haios.toml").write_text("[events]\nrotate_at = 0.001\n", encoding="ascii")
    return Workspace(tmp_path)


def found(entries: Iterator[events.Entry]) -> list[dict[str, Any] | None]:
    """Return the events of entries."""
    return [entry.event for entry in entries]


class TestRotation:
    """append() and a log that has no room."""

    def test_log_becomes_an_archive(self, workspace: Workspace) -> None:
        """No file is larger than the setting, and together they have every event in order."""
        written = [simple(number) for number in range(50)]
        for event in written:
            events.append(workspace, event)
        files = [*events.archives(workspace), workspace.events]
        assert len(files) > 3
        assert all(500 < path.stat().st_size <= 1000 for path in files[:-1])
        assert [json.loads(line) for p in files for line in p.read_text().splitlines()] == written
        assert found(events.read(workspace)) == written
        assert found(log_reader.read_back(workspace)) == written[::-1]

    def test_long_event_stands_alone(self, workspace: Workspace) -> None:
        """An event longer than the setting is written, in a log of its own."""
        long = simple(1) | {"text": "x" * 3000}
        for event in (long, simple(2), long):
            events.append(workspace, event)
        assert found(events.read(workspace)) == [long, simple(2), long]
        assert len(events.archives(workspace)) == 2

    def test_fragment_is_set_aside_first(self, workspace: Workspace) -> None:
        """A torn last line does not get into an archive, nor into the room that is counted."""
        events.append(workspace, simple(1))
        with workspace.events.open("ab") as file:
            file.write(b"x" * 2000)
        events.append(workspace, simple(2))
        assert events.archives(workspace) == []
        assert found(events.read(workspace)) == [simple(1), simple(2)]

    @pytest.mark.parametrize("settings", ["[events]\nrotate_at = 0\n", "not TOML", "[event]"])
    def test_wrong_settings(self, workspace: Workspace, settings: str) -> None:
        """With settings that cannot be used the event is written all the same, in one log."""
        (workspace.root / "haios.toml").write_text(settings, encoding="ascii")
        for number in range(20):
            events.append(workspace, simple(number))
        assert len(found(events.read(workspace))) == 20
        assert events.archives(workspace) == []

    @pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
    def test_log_that_may_not_be_renamed(
        self, workspace: Workspace, as_plain_user: list[str]
    ) -> None:
        """Where the log may be written but not renamed, it grows until it may."""
        events.append(workspace, simple(0))
        workspace.events.parent.chmod(0o555)
        program = OPEN + "for n in range(20): events.append(workspace, eval(sys.argv[2]))"
        with start(program, workspace.root, simple(1), prefix=as_plain_user) as process:
            assert process.communicate() == ("", "")
        assert events.archives(workspace) == []
        workspace.events.parent.chmod(0o755)
        events.append(workspace, simple(2))
        assert len(events.archives(workspace)) == 1
        assert found(events.read(workspace))[-2:] == [simple(1), simple(2)]

    def test_racing_writers_and_readers(self, workspace: Workspace) -> None:
        """Eight writers and both kinds of readers at once: all there, once, whole, in order."""
        append = OPEN + (
            "for number in range(500):\n"
            "    events.append(workspace, {'ts': sys.argv[2], 'type': 'note',"
            " 'writer': int(sys.argv[3]), 'number': number})"
        )
        read = OPEN + (
            "import collections\n"
            "from haios_dag.events import log_reader\n"
            "kind = sys.argv[2]\n"
            "rounds, before = 0, collections.Counter()\n"
            "while True:\n"
            "    last = (workspace.root / 'done').exists()\n"
            "    entries = (events.read(workspace) if kind == 'read'\n"
            "               else reversed(list(log_reader.read_back(workspace))))\n"
            "    seen = collections.Counter()\n"
            "    for entry in entries:\n"
            "        if entry.event is None:\n"
            "            assert entry.problem == 'torn last line', entry\n"
            "        else:\n"
            "            writer, number = entry.event['writer'], entry.event['number']\n"
            "            assert seen[writer] == number, (rounds, writer, number, seen)\n"
            "            seen[writer] += 1\n"
            "    assert all(seen[one] >= count for one, count in before.items()), (before, seen)\n"
            "    rounds, before = rounds + 1, seen\n"
            "    if last:\n"
            "        break\n"
            "assert before == {writer: 500 for writer in range(8)}, before\n"
            "print(rounds)"
        )
        (workspace.root / "haios.toml").write_text("[events]\nrotate_at = 0.005\n")
        readers = [start(read, workspace.root, kind) for kind in ("read", "back")]
        writers = [start(append, workspace.root, TS, writer) for writer in range(8)]
        for process in writers:
            _, complaints = process.communicate()
            assert process.returncode == 0, complaints
        (workspace.root / "done").touch()
        for process in readers:
            rounds, complaints = process.communicate()
            assert process.returncode == 0, complaints
            assert int(rounds) > 1
        assert len(events.archives(workspace)) > 50

    def test_log_archived_under_a_reader(self, workspace: Workspace) -> None:
        """A reader under way reads each event there was when it began, once, in order."""
        for number in range(30):
            events.append(workspace, simple(number))
        for taken in (1, 8, 25):
            for reader in (events.read, log_reader.read_back):
                entries = reader(workspace)
                before = [next(entries) for _ in range(taken)]
                wanted = found(events.read(workspace))
                events.append(workspace, simple(1000))
                events.clear(workspace)
                events.append(workspace, simple(1001))
                seen = found(iter(before)) + found(entries)
                if reader is events.read:  # it may be late enough for the next event too
                    assert seen in (wanted, [*wanted, simple(1000)])
                else:
                    assert seen == wanted[::-1]

    def test_empty_archive_that_becomes_the_log(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An archive whose name is taken but that is not the log yet is not read twice later."""
        for number in range(3):
            events.append(workspace, simple(number))
        reserved = log_writer._reserve(workspace)
        real = events.archives

        def listed(one: Workspace) -> list[Path]:
            paths = real(one)
            statuses = {path: path.stat() for path in paths}
            monkeypatch.setattr(Path, "stat", lambda path, **_: statuses[path])
            workspace.events.replace(reserved)
            return paths

        monkeypatch.setattr(log_reader, "archives", listed)
        assert found(events.read(workspace)) == [simple(0), simple(1), simple(2)]

    def test_archive_that_was_taken_away(self, workspace: Workspace) -> None:
        """The other files are read when an archive was removed, before or meanwhile."""
        for number in range(30):
            events.append(workspace, simple(number))
        entries = events.read(workspace)
        next(entries)
        first, second, *_ = events.archives(workspace)
        there = len(second.read_bytes().splitlines())
        second.unlink()
        assert len(list(entries)) == 29 - there
        first.unlink()
        assert len(list(events.read(workspace))) < 30 - there

    def test_damaged_archive(self, workspace: Workspace) -> None:
        """A folder in the place of an archive is named in one sentence."""
        events.append(workspace, simple(1))
        (workspace.events.with_name("haios-events.0001.jsonl")).mkdir()
        with pytest.raises(EventError, match=r"could not be read: .*0001\.jsonl"):
            list(events.read(workspace))

    def test_recent_and_has_beat_across_archives(self, workspace: Workspace) -> None:
        """Heartbeats are found in any archive."""
        for number in range(6):
            events.append(workspace, heartbeat(beat=f"b{number}"))
        assert len(events.archives(workspace)) == 5
        last = [
            entry.event["beat"] for entry in events.recent(workspace, 4, "heartbeat") if entry.event
        ]
        assert last == ["b2", "b3", "b4", "b5"]
        assert all(events.has_beat(workspace, f"b{number}") for number in range(6))
        assert not events.has_beat(workspace, "b6")


class TestSince:
    """`events-since`."""

    @settings(max_examples=150)
    @given(data=st.data())
    def test_complete_however_times_run(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        """With any times in any spelling, every event since an instant is shown.

        Between the questions the log grows and is archived.
        """
        workspace = Workspace(tmp_path_factory.mktemp("log"))
        workspace.events.parent.mkdir()
        moments = st.integers(-3000, 3000).map(lambda n: BEGUN + timedelta(minutes=n))
        wanted: list[tuple[datetime | None, int]] = []
        for _ in range(data.draw(st.integers(1, 4))):
            for moment in data.draw(st.lists(moments, max_size=25)):
                line, when = data.draw(spelled(moment, len(wanted)))
                wanted.append((when, len(wanted)))
                with workspace.events.open("ab") as file:
                    file.write(line)
            if data.draw(st.booleans()):
                events.clear(workspace)
            instant = data.draw(moments)
            with local_time(data.draw(st.sampled_from(["UTC", "Asia/Kathmandu"]))):
                with redirect_stdout(io.StringIO()) as shown, redirect_stderr(io.StringIO()):
                    events.show_since(workspace, [instant.isoformat()], json=True)
                seen = [json.loads(line)["n"] for line in shown.getvalue().splitlines()]
                full = [e.event["n"] for e in events.read(workspace)
                        if e.event and e.when and e.when >= instant]  # fmt: skip
            assert seen == full
            exact = [n for when, n in wanted if when and when >= instant]
            assert [n for n in seen if wanted[n][0]] == exact


@st.composite
def spelled(draw: st.DrawFn, moment: datetime, n: int) -> tuple[bytes, datetime | None]:
    """Return a line with a time in one of its spellings, and the time unless it is local."""
    utc = moment.isoformat()
    other = moment.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00+05:45").tzinfo)
    local = moment.replace(tzinfo=None).isoformat()
    far = (moment - timedelta(days=9)).isoformat()
    rest = f'"type":"note","n":{n}}}\n'
    return draw(
        st.sampled_from(
            [
                (f'{{"ts":"{utc}",{rest}'.encode(), moment),
                (
                    f'{{"ts": "{local}.123456Z",{rest}'.encode(),
                    moment + timedelta(microseconds=123456),
                ),
                (f'{{"ts":"{other.isoformat()}",{rest}'.encode(), moment),
                (f'{{"ts":"{local}",{rest}'.encode(), None),
                (f'{{"ts":"{far}","ts" : "{utc}",{rest}'.encode(), moment),
                (f'{{"ts":"{far}","\\u0074s":"{utc}",{rest}'.encode(), moment),
                (f'{{"ts":"{utc}",{rest}'.encode("utf-16-le"), moment),
                (f'{{"inner":{{"ts":"{far}"}},"ts":"{utc}",{rest}'.encode(), moment),
                (f'{{"ts":"nonsense",{rest}'.encode(), None),
                (f"{{{rest}".encode(), None),
                (b'{"ts":"2026-01-3\n', None),
            ]
        )
    )
