"""Reasoning traces come whole from documents and trace lines, and nothing else does."""

import json
from typing import Any

import pytest
import workspaces
from hypothesis import given
from hypothesis import strategies as st

from haios_dag.ingest import traces
from haios_dag.ingest.markdown import parse
from haios_dag.ingest.traces import from_document, from_lines
from haios_dag.memory.records import Trace

INVESTIGATION = """\
---
template: investigation
status: {status}
date: 2026-01-25
title: Lost log lines
---
# Investigation: Lost log lines, its findings

Trigger: a session noticed that lines of the log were gone

## Objective
Why does the log lose lines when two writers append?

## Exploration Plan
- Read identified files and document findings
- Read `log.py` and follow every write of a line
- SKIPPED: no external source was needed for any of it

## Findings
### First
Each writer truncates the file before it appends its line

### Second
The lock is taken after the file has been opened

## Closure Checklist
- [x] Findings synthesized and stored to memory with their ids

## References
- The design of the event log, which has a chapter on locks
"""

CHECKPOINT = """\
---
template: checkpoint
session: 254
date: 2026-01-28
completed:
- 'WORK-028: the server connects again after its path was corrected'
- WORK-030 (ids are universal)
pending: [WORK-031]
drift_observed:
- a field is marked deprecated in one comment, yet still written elsewhere
---
"""

LINE: dict[str, Any] = {"query": "why", "approach_taken": "looked", "outcome": "success"}


def line(**fields: object) -> bytes:
    """Return a trace line with these fields over the required ones."""
    return json.dumps(LINE | fields).encode() + b"\n"


def test_reads_an_investigation() -> None:
    """Question, steps, findings and outcome come from their sections, without template text."""
    assert from_document(parse(INVESTIGATION.format(status="complete").encode())) == Trace(
        key="",
        query="Trigger: a session noticed that lines of the log were gone\n"
        "Why does the log lose lines when two writers append?",
        approach_taken="Read `log.py` and follow every write of a line",
        outcome="success",
        failure_reason=None,
        strategy_title="Lost log lines",
        strategy_description="Each writer truncates the file before it appends its line",
        strategy_content="The lock is taken after the file has been opened",
        timestamp="2026-01-25 00:00:00",
    )


def test_reads_a_checkpoint_that_is_fields_only() -> None:
    """A session that was recorded in front matter alone is a trace too."""
    assert from_document(parse(CHECKPOINT.encode())) == Trace(
        key="",
        query="Session 254: WORK-028: the server connects again after its path was corrected",
        approach_taken="WORK-028: the server connects again after its path was corrected\n"
        "WORK-030 (ids are universal)",
        outcome="success",
        failure_reason=None,
        strategy_title="Session 254: "
        "WORK-028: the server connects again after its path was corrected",
        strategy_description="a field is marked deprecated in one comment, yet still written"
        " elsewhere",
        strategy_content="",
        timestamp="2026-01-28 00:00:00",
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("complete", "success"),
        ("CLOSED", "success"),
        ("wontfix", "failure"),
        ("Abandoned", "failure"),
        ("active", "partial_success"),
        ("BLOCKED", "partial_success"),
        ("", "partial_success"),
    ],
)
def test_outcome_follows_status(status: str, outcome: str) -> None:
    """Finished is success, given up is failure with its reason, anything else is in part."""
    trace = from_document(parse(INVESTIGATION.format(status=status).encode()))
    assert trace is not None
    assert trace.outcome == outcome
    reason = f"status: {status.casefold()}" if outcome == "failure" else None
    assert trace.failure_reason == reason


@pytest.mark.parametrize(
    ("template", "is_trace"),
    [
        ("template: investigation", True),
        ("template: handoff_investigation", True),
        ("template: checkpoint", True),
        ("template: work_item\ntype: investigation", True),
        ("template: work_item\ntype: bugfix", False),
        ("template: [investigation]", False),
        ("type: investigation", False),
        ("template: implementation_plan", False),
    ],
)
def test_only_records_of_reasoning_are_traces(template: str, *, is_trace: bool) -> None:
    """The front matter decides what is an investigation or a checkpoint."""
    text = INVESTIGATION.replace("template: investigation", template)
    assert (from_document(parse(text.encode())) is not None) == is_trace


def test_an_unfilled_template_is_no_trace() -> None:
    """Where findings and steps are placeholders, there is nothing to remember."""
    head = "---\ntemplate: investigation\nstatus: complete\ntitle: Empty\n---\n"
    body = "## Objective\n\n[What is to be found out?]\n\n## Findings\n\n{{FINDINGS of this one}}\n"
    assert from_document(parse((head + body).encode())) is None


def test_fields_from_documents_are_bounded() -> None:
    """However long the document, no field exceeds its limit, and statements are not cut apart."""
    finding = "Finding {} of this investigation says something in words.\n\n"
    text = INVESTIGATION.format(status="done") + "\n## Results\n\n"
    text += "".join(finding.format(number) for number in range(500))
    trace = from_document(parse(text.encode()))
    assert trace is not None
    assert 1_500 < len(trace.strategy_content) <= traces.MAX_FIELD
    assert trace.strategy_content.endswith("says something in words.")


def test_reads_lines() -> None:
    """A line's names are the table's; its key is its id, and its time becomes UTC."""
    data = line(
        id="t-1", strategy_title="T", failure_reason=None, timestamp="2026-12-01T10:00:00+02:00"
    )
    found, problems = from_lines(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n") + b"\r\n" + line())
    assert problems == []
    assert found[0] == Trace(
        "t-1", "why", "looked", "success", None, "T", "", "", "2026-12-01 08:00:00"
    )
    assert found[1].timestamp is None
    assert len(found[1].key) == 64


def test_a_key_is_the_content_not_its_spelling() -> None:
    """Without an id, equal lines are one trace, however their keys are ordered and spaced."""
    other = json.dumps(dict(reversed(LINE.items())), indent=None, separators=(",", " : ")).encode()
    found, _ = from_lines(line() + other + b"\n" + line(outcome="failure"))
    assert [trace.outcome for trace in found] == ["success", "failure"]


def test_the_last_of_an_id_counts() -> None:
    """A later line with the same id replaces the earlier one; 0 is an id as any."""
    found, problems = from_lines(line(id=0) + line(id="b") + line(id="0", outcome="failure"))
    assert problems == []
    assert [(trace.key, trace.outcome) for trace in found] == [("0", "failure"), ("b", "success")]


@pytest.mark.parametrize("cut", range(1, len(line())))
def test_a_line_being_written_is_passed_over(cut: int) -> None:
    """A last line cut anywhere is no problem; ended by a line feed, it is one."""
    assert from_lines(line() + line()[:cut] + b"\n")[1] != [] or cut == len(line()) - 1
    found, problems = from_lines(line() + line()[:cut])
    assert problems == []
    assert len(found) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xfe\n", "line 2: not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b"{]\n", "line 2: not JSON: "),
        (b"[" * 200_000 + b"\n", "line 2: nested too deeply"),
        (line(query="x", strategy_content="y" * 20_001), "line 2: strategy_content: "),
        (line(outcome="great"), 'line 2: outcome: "great" is not one of'),
        (line(startegy_title="typo"), "'startegy_title' was unexpected"),
        (line(query=" \u202e\x07"), "must say something"),
        (line(query=7), 'line 2: query: 7 is not of type "string"'),
        (line(id=""), "line 2: id: "),
        (line(timestamp="yesterday"), "line 2: timestamp: "),
        (line(timestamp="2026-02-30"), "line 2: timestamp: 2026-02-30 does not exist"),
        (line(execution_time_ms=float("nan")), "NaN is not a finite number"),
        (line()[:-2] + b',"execution_time_ms":1e400}\n', "1e400 is not a finite number"),
        (
            line()[:-2] + b',"execution_time_ms":' + b"9" * 5000 + b"}\n",
            "line 2: Exceeds the limit",
        ),
        (line()[:-2] + b',"outcome":"failure"}\n', "line 2: a key stands twice"),
        (b"3\n", 'line 2: (top): 3 is not of type "object"'),
    ],
)
def test_bad_lines_are_named(data: bytes, reason: str) -> None:
    """A bad line is named with its number and reason, and the lines around it are read."""
    found, problems = from_lines(line(id="a") + data + line(id="b"))
    assert [trace.key for trace in found] == ["a", "b"]
    assert len(problems) == 1
    assert reason in problems[0]


def test_other_columns_are_accepted() -> None:
    """An exported row with every column of HAIOS's table is a valid line."""
    names = ["query_embedding", "strategy_details", "success_factors", "memories_used"]
    names += ["memories_helpful", "context_snapshot", "execution_time_ms", "model_used"]
    names += ["space_id", "similar_to_trace_id", "extraction_model", "failure_reason"]
    assert len(from_lines(line(id=1, **dict.fromkeys(names)))[0]) == 1


_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too: JSON can spell them


@given(st.binary() | st.recursive(st.none() | st.booleans() | st.floats() | _TEXT, st.lists))
def test_lines_never_raise(value: object) -> None:
    """Any bytes, and any JSON in any field, give traces that a database takes, or problems."""
    data = value if isinstance(value, bytes) else b""
    for name in ("id", "query", "context_snapshot", "timestamp"):
        data += b"\n" + (line() if isinstance(value, bytes) else line(**{name: value}))
    found, _ = from_lines(data)
    for trace in found:
        assert trace.query
        (trace.key + trace.query + trace.strategy_content).encode()


@pytest.mark.real
def test_real_documents() -> None:
    """Every third of HAIOS's checkpoints and investigations gives a trace, but for empty ones."""
    folders = ("docs/checkpoints", "docs/investigations")
    paths = [path for one in folders for path in sorted((workspaces.REAL / one).glob("*.md"))[::3]]
    found = [trace for path in paths if (trace := from_document(parse(path.read_bytes())))]
    assert len(paths) > 150
    assert len(found) / len(paths) > 0.85
    assert {trace.outcome for trace in found} == {"success", "partial_success"}
    for trace in found:
        assert trace.query
        assert trace.approach_taken
        assert trace.timestamp
