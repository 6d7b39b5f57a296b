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
from haios_dag.events import lines
from haios_dag.workspace import Workspace

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
    """Reading never fails, from either end, whatever bytes a log holds."""
    ahead = list(lines.forward(io.BytesIO(content)))
    back = list(lines.backward(io.BytesIO(content)))
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
        patch.setattr(lines, "_BLOCK", block)
        patch.setattr(lines, "LONGEST", 30)
        back = list(lines.lines_back(io.BytesIO(content)))
        marked = list(lines.lines_back(io.BytesIO(content), marks=(b"c", b"x" * 9)))
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
    assert lines.Parser().parse(line).event == value
