"""Reading the log and its archives as one, at any size, while others write and archive."""

import json
import os
import shutil
from collections.abc import Iterator
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
from haios_dag.events import log_reader, log_writer, time_index

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
        """Eight writers and three kinds of readers at once: all there, once, whole, in order."""
        append = OPEN + (
            "for number in range(500):\n"
            "    events.append(workspace, {'ts': sys.argv[2], 'type': 'note',"
            " 'writer': int(sys.argv[3]), 'number': number})"
        )
        read = OPEN + (
            "import collections\nfrom datetime import UTC, datetime\n"
            "from haios_dag.events import log_reader\n"
            "kind = sys.argv[2]\n"
            "rounds, before = 0, collections.Counter()\n"
            "while True:\n"
            "    last = (workspace.root / 'done').exists()\n"
            "    entries = {'read': lambda: events.read(workspace),\n"
            "               'back': lambda: reversed(list(log_reader.read_back(workspace))),\n"
            "               'since': lambda: events.read_since(\n"
            "                   workspace, datetime(2026, 1, 31, tzinfo=UTC))}[kind]()\n"
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
        readers = [start(read, workspace.root, kind) for kind in ("read", "back", "since")]
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
        """The other files are read when somebody took an archive away, before or meanwhile."""
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
        """Heartbeats are found in whatever archive they are."""
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
    """read_since()."""

    @pytest.fixture(autouse=True)
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let stretches be short."""
        monkeypatch.setattr(time_index, "_STRETCH", 300)

    @settings(max_examples=150)
    @given(data=st.data())
    def test_complete_however_times_run(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        """Whatever the times and their spellings, every event since an instant is returned.

        Between the questions, which leave what they learnt, the log grows and is archived.
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
                entries = list(events.read_since(workspace, instant))
                seen = [e.event["n"] for e in entries if e.event and e.when and e.when >= instant]
                full = [e.event["n"] for e in events.read(workspace)
                        if e.event and e.when and e.when >= instant]  # fmt: skip
            assert seen == full
            exact = [n for when, n in wanted if when and when >= instant]
            assert [n for n in seen if wanted[n][0]] == exact

    def log(self, root: Path, count: int) -> Workspace:
        """Return a workspace with a log of one event a minute, once asked about a date."""
        workspace = Workspace(root)
        workspace.events.parent.mkdir(parents=True)
        write(workspace.events, range(count))
        assert len(list(events.read_since(workspace, BEGUN))) == count
        return workspace

    def test_old_stretches_are_not_read(self, tmp_path: Path) -> None:
        """Of a long log only what may hold events since then is returned."""
        workspace = self.log(tmp_path, 1000)
        late = BEGUN + timedelta(minutes=995)
        near = list(events.read_since(workspace, late))
        assert [e.event["n"] for e in near if e.event][-5:] == list(range(995, 1000))
        assert len(near) < 20
        assert workspace.events_times.stat().st_mode & 0o777 == 0o600 or os.name == "nt"

    def test_stretches_are_known_after_archiving(self, tmp_path: Path) -> None:
        """What was learnt of the log holds for the archive that it became."""
        workspace = self.log(tmp_path, 500)
        before = json.loads(workspace.events_times.read_bytes())
        events.clear(workspace)
        assert list(events.read_since(workspace, BEGUN + timedelta(days=2))) == []
        (kept,) = json.loads(workspace.events_times.read_bytes()).values()
        (was,) = before.values()
        assert kept["stretches"][: len(was["stretches"])] == was["stretches"]
        assert kept["stretches"][-1][0] == events.archives(workspace)[0].stat().st_size

    @pytest.mark.parametrize("how", ["replace", "rewrite", "cut", "copy"])
    def test_another_log(self, tmp_path: Path, how: str) -> None:
        """A log that was replaced, rewritten or cut and written on is read anew."""
        workspace = self.log(tmp_path, 500)
        path, late = workspace.events, BEGUN + timedelta(minutes=10_000)
        if how == "replace":
            write(tmp_path / "other", range(9000, 11_000))
            (tmp_path / "other").replace(path)
        elif how == "rewrite":
            write(path, range(9000, 11_000), mode="wb")
        elif how == "cut":
            os.truncate(path, path.read_bytes().index(b"\n", 1000) + 1)
            write(path, range(10_000, 11_000))
        else:
            events.clear(workspace)
            archive = events.archives(workspace)[0]
            assert list(events.read_since(workspace, late)) == []
            data = archive.read_bytes()
            archive.write_bytes(data.replace(b"2026", b"2027", 1))
            assert len(list(events.read_since(workspace, late))) > 0
            return
        seen = [e.event["n"] for e in events.read_since(workspace, late) if e.event]
        assert [n for n in seen if n >= 10_000] == list(range(10_000, 11_000))

    @pytest.mark.parametrize(
        "kept",
        ["", "[]", "{", '{"ID":3}', '{"ID":{"stretches":[]}}', '{"ID":{"stretches":[[1e999,1]]}}',
         '{"ID":{"stretches":[[-5,1],[9,1]],"check":0}}', "[" * 100_000],
    )  # fmt: skip
    def test_damaged_times(self, tmp_path: Path, kept: str) -> None:
        """What cannot be read of what was learnt is learnt again."""
        workspace = self.log(tmp_path, 50)
        status = workspace.events.stat()
        text = kept.replace("ID", f"{status.st_dev}-{status.st_ino}")
        workspace.events_times.write_text(text, encoding="ascii")
        assert len(list(events.read_since(workspace, BEGUN))) == 50
        assert json.loads(workspace.events_times.read_bytes()).values()

    def test_nothing_can_be_kept(self, tmp_path: Path) -> None:
        """Where nothing can be written the answer is complete all the same."""
        workspace = self.log(tmp_path, 50)
        shutil.rmtree(workspace.events_times.parent)
        workspace.events_times.parent.write_bytes(b"")
        assert len(list(events.read_since(workspace, BEGUN))) == 50

    def test_short_log_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a log that is read in a moment nothing is kept."""
        monkeypatch.undo()
        workspace = self.log(tmp_path, 50)
        assert not workspace.events_times.exists()


def write(path: Path, minutes: range, mode: str = "ab") -> None:
    """Write lines of events, one a minute."""
    with path.open(mode) as file:
        for n in minutes:
            ts = (BEGUN + timedelta(minutes=n)).isoformat()
            file.write(f'{{"ts":"{ts}","type":"note","n":{n}}}\n'.encode())


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
