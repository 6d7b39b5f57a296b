"""Reading logs that others wrote: what can be read is, the rest is named."""

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zones import local_time

from haios_dag import events
from haios_dag.base.workspace import Workspace
from haios_dag.events import fast_json, log_lines

GOOD = '{"ts":"2025-12-19T23:51:35+00:00","type":"heartbeat","synthesis":true}'
GOOD_TIME = datetime(2025, 12, 19, 23, 51, 35, tzinfo=UTC)


def read(folder: Path, content: bytes) -> list[events.Entry]:
    """Return what is read from a log with this content."""
    workspace = Workspace(folder)
    workspace.events.parent.mkdir(exist_ok=True)
    workspace.events.write_bytes(content)
    return list(events.read(workspace))


@pytest.mark.parametrize(
    ("line", "odd"),
    [
        (GOOD.encode() + b"\n", ()),
        (GOOD.encode(), ()),
        (b"\xef\xbb\xbf" + GOOD.encode() + b"\n", ("byte order mark",)),
        (GOOD.encode() + b"\r\n", ("CRLF",)),
        (b"  " + GOOD.replace(",", ", ").encode() + b" \t\n", ()),
        (GOOD.encode("utf-16-le") + b"\n\0", ("UTF-16",)),
        (("\ufeff" + GOOD + "\r\n").encode("utf-16-le"), ("CRLF", "UTF-16", "byte order mark")),
        (("\ufeff" + GOOD + "\r\n").encode("utf-16-be"), ("CRLF", "UTF-16", "byte order mark")),
        (b"\0\0\0\0" + GOOD.encode() + b"\n", ("NUL bytes",)),
    ],
)
def test_foreign_encoding_is_read(tmp_path: Path, line: bytes, odd: tuple[str, ...]) -> None:
    """A whole event is read from every encoding that was found, and the oddity is named."""
    (entry,) = read(tmp_path, line)
    assert entry == events.Entry(1, json.loads(GOOD), None, GOOD_TIME, odd)


@pytest.mark.parametrize(
    ("text", "encoding"), [("Žižek €", "utf-16-le"), ("café €", "cp1252"), ("ž", "utf-8")]
)
def test_letters_survive(tmp_path: Path, text: str, encoding: str) -> None:
    """Letters beyond ASCII are read right from UTF-8, UTF-16 and the ANSI code page."""
    line = f'{{"ts":"2025-12-19T23:51:35Z","type":"note","text":"{text}"}}\r\n'.encode(encoding)
    (entry,) = read(tmp_path, line)
    assert (entry.event or {})["text"] == text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\n", "blank line"),
        (b"  \r\n", "blank line"),
        (b'{"ts":"2025-12-\n', "not JSON"),
        (b'{"ts":"2025-12-', "torn last line"),
        (GOOD.encode() + GOOD.encode() + b"\n", "not JSON"),
        (b"\x80\x81\xff\n", "not JSON"),
        (b"\0" * 512 + b"\n", "NUL bytes"),
        (b"\0" * 512, "NUL bytes"),
        (b'{"ts":"2025\0\0\0-12-19","type":"x"}\n', "NUL bytes"),
        (b"[1, 2]\n", "not a JSON object"),
        (b"null\n", "not a JSON object"),
        (b'"text"\n', "not a JSON object"),
        (b"[" * 100_000 + b"\n", "nested too deep"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}\n", "nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n", "nested too deep"),
        (b'{"a":' + b"9" * 5000 + b"}\n", "number too long"),
        (b'{"a":-' + b"9" * 400 + b"}\n", "number too long"),
        (b'{"a":"' + b"x" * (1 << 20) + b'"}\n', "longer than 1 MB"),
        (b"x" * (5 << 20), "longer than 1 MB"),
    ],
)
def test_unreadable_line_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    """A line without an event is named and costs nothing of the lines around it."""
    before, bad, *after = read(tmp_path, GOOD.encode() + b"\n" + line)
    assert before.event == json.loads(GOOD)
    assert (bad.number, bad.event, bad.problem) == (2, None, problem)
    assert after == []
    if line.endswith(b"\n"):
        *_, last = read(tmp_path, line + GOOD.encode() + b"\n")
        assert (last.number, last.event) == (2, json.loads(GOOD))


@pytest.mark.parametrize(
    ("line", "event", "odd"),
    [
        (b'{"type":"x"}', {"type": "x"}, {"no ts"}),
        (b'{"ts":"2025-12-19T23:51:35Z"}', {"ts": "2025-12-19T23:51:35Z"}, {"no type"}),
        (b"{}", {}, {"no ts", "no type"}),
        (b'{"ts":1766188295,"type":7}', {"ts": 1766188295, "type": 7}, {"no ts", "no type"}),
        (b'{"ts":"soon","type":"x"}', {"ts": "soon", "type": "x"}, {"unreadable ts"}),
        (
            b'{"ts":"0001-01-01T00:00:00+14:00","type":"x"}',
            {"ts": "0001-01-01T00:00:00+14:00", "type": "x"},
            {"unreadable ts"},
        ),
        (b'{"type":"x","type":"y"}', {"type": "y"}, {"duplicate keys", "no ts"}),
        (
            b'{"type":"x","a":{"b":1,"b":2}}',
            {"type": "x", "a": {"b": 2}},
            {"duplicate keys", "no ts"},
        ),
        (
            b'{"type":"x","a":[NaN,-Infinity,1e999,1.5]}',
            {"type": "x", "a": [None, None, None, 1.5]},
            {"NaN or Infinity, read as null", "no ts"},
        ),
    ],
)
def test_odd_event_is_read(
    tmp_path: Path, line: bytes, event: dict[str, object], odd: set[str]
) -> None:
    """An event that no schema would accept is still read, and what is odd about it is named."""
    (entry,) = read(tmp_path, line + b"\n")
    assert (entry.event, entry.problem, set(entry.odd)) == (event, None, odd)


def test_deepest_event_is_read(tmp_path: Path) -> None:
    """An event of exactly the allowed depth is read."""
    (entry,) = read(tmp_path, b'{"a":' + b"[" * 99 + b"]" * 99 + b"}\n")
    assert entry.problem is None


@pytest.mark.parametrize(
    ("ts", "when"),
    [
        ("2025-12-19T23:51:35.1234567+02:00", "2025-12-19T21:51:35.123456+00:00"),
        ("2025-12-19T23:51:35", "2025-12-19T21:51:35+00:00"),
        ("2025-12-19T23:51:35.123456", "2025-12-19T21:51:35.123456+00:00"),
        ("2025-12-19 23:51:35", "2025-12-19T21:51:35+00:00"),
        ("2025-07-01T12:00:00", "2025-07-01T09:00:00+00:00"),
        ("2025-12-19T23:51:35Z", "2025-12-19T23:51:35+00:00"),
        ("1970-01-01T00:00:05Z", "1970-01-01T00:00:05+00:00"),
        ("2100-02-28T00:00:00Z", "2100-02-28T00:00:00+00:00"),
    ],
)
def test_shapes_of_time(tmp_path: Path, ts: str, when: str) -> None:
    """Every shape of time is read; without an offset it is local, summer time included."""
    with local_time("Europe/Riga"):
        (entry,) = read(tmp_path, json.dumps({"ts": ts, "type": "x"}).encode() + b"\n")
    assert entry.when is not None
    assert entry.when.isoformat() == when
    assert ("ts without offset, read as local time" in entry.odd) == (
        "+" not in ts and "Z" not in ts
    )


def test_mixed_log(tmp_path: Path) -> None:
    """A log that all of its writers had a hand in is read line by line, with true numbers."""
    content = (
        b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n"
        b"\n" + GOOD.encode() + b"\n" + (GOOD + "\r\n").encode("utf-16-le") + GOOD.encode() + b"\n"
        b'{"torn":' + GOOD.encode() + b"\n"
        b"\xef\xbb\xbf" + GOOD.encode() + b"\n" + b'{"ts'
    )
    found = read(tmp_path, content)
    assert [entry.number for entry in found] == list(range(1, 9))
    assert [entry.problem for entry in found] == [
        None,
        "blank line",
        None,
        None,
        None,
        "not JSON",
        None,
        "torn last line",
    ]


@settings(max_examples=150)
@given(
    content=st.binary() | st.text().map(str.encode) | st.text().map(lambda t: t.encode("utf-16"))
)
def test_any_bytes_are_read(content: bytes) -> None:
    """Reading never fails, from either end, with any bytes in a log."""
    ahead = list(log_lines.forward(io.BytesIO(content)))
    back = list(log_lines.backward(io.BytesIO(content)))
    assert [entry[1:] for entry in ahead] == [entry[1:] for entry in reversed(back)]


@settings(max_examples=150)
@given(
    pieces=st.lists(st.sampled_from([b"\n", b"\n\n", b"a", b"bcd", b"x" * 9, b"x" * 40, b"\0"])),
    block=st.integers(min_value=1, max_value=20),
)
def test_blocks_do_not_matter(pieces: list[bytes], block: int) -> None:
    """Read from the end in blocks of any size, the lines are those read from the start."""
    content = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_lines, "_BLOCK", block)
        patch.setattr(log_lines, "LONGEST", 30)
        back = list(log_lines.lines_back(io.BytesIO(content)))
        marked = list(log_lines.lines_back(io.BytesIO(content), marks=(b"c", b"x" * 9)))
    whole = [line[:31] for line in content.splitlines(keepends=True)]
    assert [line[:31] for line in reversed(back)] == whole
    assert [line for line in back if b"c" in line or b"x" * 9 in line] == marked


@settings(max_examples=40)
@given(
    value=st.dictionaries(
        st.text(),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_json_is_read_as_json(value: dict[str, object]) -> None:
    """What is plain JSON is read as Python's own reader reads it."""
    line = json.dumps(value).encode() + os.linesep.encode()
    assert log_lines.Parser().parse(line).event == value


class TestBlocks:
    """Reading many lines at once."""

    PIECES = (
        b'{"ts":"2026-01-31T12:00:00.000+00:00","type":"note"', b"{", b"}", b"[", b"]", b",",
        b'"a":', b'"a" :', b'"b":', b'"b"  :', b'"b"\t:', b'"x\\":"', b'"":', b"1", b"1e999",
        b"NaN", b"-Infinity", b'"text"', b'"\\u00e9"', "\u017e".encode(), b"\xe9", b"\r", b"\0",
        b" ", b"\t", b"9" * 5000, b"[" * 101 + b"]" * 101, b'{"a":{"b":[{"c":1}]}}',
        b'{"a":{"a":1,"a":2}}',
        b'"ts":"2026-01-31T12:00:00"', b'"ts":5', b'"type":7', b"\xef\xbb\xbf",
    )  # fmt: skip

    @settings(max_examples=500)
    @given(
        log=st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join), max_size=4),
        closed=st.booleans(),
    )
    def test_as_line_by_line(self, log: list[bytes], closed: bool) -> None:
        """A block is read as its lines are, one by one, numbers included."""
        content = b"\n".join(log) + (b"\n" if closed else b"")
        parser = log_lines.Parser()
        whole = content.split(b"\n")
        rows = [row + b"\n" for row in whole[:-1]] + [row for row in whole[-1:] if row]
        wanted = [
            parser.parse(row, at) for at, row in enumerate(rows, 1) if row != log_lines._UTF16_END
        ]
        assert list(parser.parse_all(content, 1)) == wanted
        assert list(log_lines.forward(io.BytesIO(content))) == wanted

    VALUES = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(1 << 70), 1 << 70)
        | st.floats(allow_nan=False)
        | st.text()
        | st.sampled_from([-0.0, 1e16, 1e-7, 10**19, 2**64, "a: b, c"]),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )

    @settings(max_examples=300)
    @given(
        values=st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), max_size=4),
        compact=st.booleans(),
        escaped=st.booleans(),
        data=st.data(),
    )
    def test_any_event_is_read_alike(
        self,
        values: list[dict[str, object]],
        compact: bool,
        escaped: bool,
        data: st.DataObject,
    ) -> None:
        """For any event and any damage, a block says what its lines say."""
        separators = (",", ":") if compact else None
        rows = [
            json.dumps(one, separators=separators, ensure_ascii=escaped).encode("utf-8", "replace")
            for one in values
        ]
        for _ in range(data.draw(st.integers(0, 2)) if rows else 0):
            at = data.draw(st.integers(0, len(rows) - 1))
            cut = data.draw(st.integers(0, len(rows[at])))
            back = data.draw(st.integers(0, cut))
            # Something put in, left out or, as with a key, there twice
            new = data.draw(st.sampled_from([rows[at][back:cut], *self.PIECES]))
            rows[at] = rows[at][:cut] + new + rows[at][data.draw(st.sampled_from([back, cut])) :]
        block = b"".join(row + b"\n" for row in rows)
        parser = log_lines.Parser()
        wanted = [
            parser.parse(row + b"\n", at) for at, row in enumerate(block.split(b"\n")[:-1], 1)
        ]
        # Beside equality: 1 is not 1.0, and -0.0 is not 0
        assert repr(list(parser.parse_all(block, 1))) == repr(wanted)

    @pytest.mark.parametrize(
        "ts",
        [
            "2026-01-31T12:00:00.1234567Z", "2026-01-31T12:00:00", "2026-01-31T12:00:00+02:00",
            "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z",
            "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", " 2026-01-31T12:00:00Z ", "soon",
        ],
    )  # fmt: skip
    def test_times_of_a_block(self, ts: str) -> None:
        """A block has the times of its lines, whichever of them could be read as one of many."""
        rows = [GOOD.encode() + b"\n", json.dumps({"ts": ts, "type": "x"}).encode() + b"\n"] * 2
        parser = log_lines.Parser()
        assert list(parser.parse_all(b"".join(rows), 1)) == [
            parser.parse(row, number) for number, row in enumerate(rows, 1)
        ]

    @pytest.mark.parametrize(
        ("row", "quick"),
        [
            (b'{"a":1,"b":{"c":[1.5,true]}}', True),
            (b'{"a": 1, "b": {"c": [1.5, true]}, "d": "e:  \\" f"}', True),
            ('{"a":"\u017e"}'.encode(), True),
            (b'{"a": "\\u017e"}', True),
            (b'{"a":1,"a":1}', False),
            (b'{"b":{"a":1, "\\u0061":1}}', False),
            (b'{"a": 18446744073709551616}', False),
            (b'{"a":-9223372036854775809}', False),
            (b'{"a":1}\r', False),
            (b'{"a":NaN}', False),
            (b'{"a":1e999}', False),
            (b'{"a":"\\ud800"}', False),
            (b'{"a":' + b"[" * 99 + b"]" * 99 + b"}", True),
            (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", False),
            (b'{"a":' + b"[" * 400 + b"]" * 400 + b"}", False),
            (b'{"a":"' + b"x" * (log_lines.LONGEST - 9) + b'"}', True),
            (b'{"a":"' + b"x" * (log_lines.LONGEST - 8) + b'"}', False),
            (b"[]", False),
            (b"", False),
        ],
    )
    def test_what_is_read_quickly(self, row: bytes, quick: bool) -> None:
        """Ordinary lines are, with anything else in their block; odd ones are not."""
        found = fast_json.events([b'{"z":1}', row, b"{"], log_lines.LONGEST, log_lines.DEEPEST)
        wanted = log_lines.Parser().parse(row + b"\n").event if quick else None
        assert found == [{"z": 1}, wanted, None]

    @pytest.mark.parametrize("size", [1, 10, 100])
    def test_blocks_hold_whole_lines(self, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Blocks joined are the log, each ends with a line, and none goes beyond the end."""
        monkeypatch.setattr(log_lines, "_BLOCK", size)
        content = b"".join(b"x" * n + b"\n" for n in range(50)) + b"rest"
        file = io.BytesIO(content)
        found = [next(blocks := log_lines.blocks(file))]
        file.seek(0, os.SEEK_END)
        file.write(b" and what is appended meanwhile\n")
        file.seek(len(found[0]))
        found += blocks
        assert b"".join(found) == content
        assert all(block.endswith(b"\n") for block in found[:-1])

    def test_numbers_after_an_overlong_line(self) -> None:
        """A line that is too long counts as one, however many blocks it fills."""
        content = b"{}\n" + b"x" * (4 << 20) + b"\n{}\n[]\n" + b"y" * (1 << 20)
        found = [(e.number, e.problem) for e in log_lines.forward(io.BytesIO(content))]
        assert found == [
            (1, None),
            (2, "longer than 1 MB"),
            (3, None),
            (4, "not a JSON object"),
            (5, "torn last line"),
        ]
