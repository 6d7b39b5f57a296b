"""Reasoning traces: what was attempted, how, and what came of it.

They come from trace lines (`schemas/trace.schema.json`) and from documents that record an
investigation or a session. Nothing here touches a file.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from haios_dag.base import clock, schema
from haios_dag.ingest.markdown import ParsedDocument
from haios_dag.ingest.statements import one_line, without_controls
from haios_dag.memory.records import Statement, Trace, TraceOutcome

MAX_FIELD = 2_000  # characters of a field that is drawn from a document
MIN_WORDS = 12  # a document with fewer in all fields gives no trace


# --- documents -------------------------------------------------------------------------------

_TEMPLATES = ("checkpoint", "investigation", "handoff_investigation")
_OUTCOMES: dict[str, TraceOutcome] = {
    **dict.fromkeys(("complete", "completed", "closed", "done", "archived"), "success"),
    **dict.fromkeys(("resolved", "final", "accepted"), "success"),
    **dict.fromkeys(("wontfix", "abandoned", "rejected", "cancelled"), "failure"),
    **dict.fromkeys(("invalid", "dismissed", "failed"), "failure"),
}
_DATES = ("date", "closed", "created", "last_updated", "generated")

# Lists of things to tick off, to read or to do elsewhere say nothing of this attempt.
_ASIDE = re.compile(
    r"\b(?:closure|checklist|reference|related|spawned|prior work|verification|deliverable|pending"
    r"|continu|next|open items|files? (?:modified|created)|key files|out of scope)",
    re.IGNORECASE,
)
# The part that a section plays, told by its heading; the first rule that is found decides.
_PARTS = tuple(
    (part, re.compile(rf"\b(?:{words})", re.IGNORECASE))
    for part, words in (
        ("content", r"finding|learn|lesson|decision|why|recommend|conclusion|root cause|insight"),
        ("content", r"discover|observation|analysis|answer|result|design output|warning|fix"),
        ("approach", r"plan|step|approach|method|complete|accomplish|work|change|evidence|scope"),
        ("approach", r"implement|history|hypothes|test"),
        ("query", r"objective|question|problem|purpose|context|background|trigger|goal|focus"),
        ("summary", r"summary|overview|abstract"),
    )
)
# A step that names nothing of its own ("Read identified files") is the template's.
_SPECIFIC = re.compile(r"[`\d_/\"]|\w[A-Z]|\W[A-Z]")


def from_document(document: ParsedDocument) -> Trace | None:
    """Return the trace of an investigation or a checkpoint, or None for any other document.

    The outcome follows from `status`; what its author left open is partial_success. Checkpoints of
    2026 have none, but a list of what is `completed`. A template not filled in gives no trace.
    """
    fields = document.fields
    template = fields.get("template")
    if template not in _TEMPLATES and not (
        template == "work_item" and fields.get("type") == "investigation"
    ):
        return None
    headings = (statement.heading for statement in document.statements)
    top = next(filter(None, headings), "").split(" > ")[0]
    parts = _parts(document.statements, top)
    done = _texts(fields.get("completed"))
    approach = parts["approach"] + done
    content = parts["content"] + _texts(fields.get("key_discoveries"))
    content += _texts(fields.get("drift_observed"))
    summary = parts["summary"]
    title = document.title or _session_title(fields, done) or top
    if len(" ".join(approach + content + summary).split()) < MIN_WORDS or not title:
        return None
    status = str(fields.get("status") or ("done" if done else "")).strip().casefold()
    outcome = _OUTCOMES.get(status, "partial_success")
    return Trace(
        key="",
        query=_join(parts["query"]) or title,
        approach_taken=_join(approach or summary or content),
        outcome=outcome,
        failure_reason=f"status: {status}" if outcome == "failure" else None,
        strategy_title=title,
        strategy_description=_join(summary or content[:1]),
        strategy_content=_join(content if summary else content[1:]),
        timestamp=next(filter(None, (_utc(fields.get(name)) for name in _DATES)), None),
    )


def _parts(statements: Iterable[Statement], top: str) -> dict[str, list[str]]:
    """Return the texts that play each part, in the order of the document.

    `top` is the heading over the whole, which tells nothing; what stands right below it is context.
    """
    found: dict[str, list[str]] = {part: [] for part in ("", *(part for part, _ in _PARTS))}
    for statement in statements:
        path = statement.heading.split(" > ")
        path = path[1:] if path[0] == top else path
        part = _part(path) if path else "query"
        generic = part == "approach" and not _SPECIFIC.search(statement.text, 1)
        if not generic and not statement.text.startswith("SKIPPED"):
            found[part].append(statement.text)
    return found


def _part(path: list[str]) -> str:
    if any(map(_ASIDE.search, path)):
        return ""
    return next((part for head in path for part, words in _PARTS if words.search(head)), "")


def _session_title(fields: Mapping[str, Any], done: list[str]) -> str:
    session = fields.get("session")
    if session is None:
        return ""
    return one_line(f"Session {session}" + (f": {done[0]}" if done else ""))[:200]


def _texts(value: object) -> list[str]:
    """Return the texts of a list field; YAML reads an item `a: b` as a mapping."""
    items = value if isinstance(value, list) else []
    texts = (
        ", ".join(f"{key}: {text}" for key, text in item.items())
        if isinstance(item, dict)
        else str(item)
        for item in items
    )
    return [text for text in map(one_line, texts) if text]


def _join(texts: Iterable[str]) -> str:
    """Return as many whole texts as MAX_FIELD characters hold, one a line; the first is cut."""
    joined = ""
    for text in dict.fromkeys(texts):
        longer = f"{joined}\n{text}" if joined else text[:MAX_FIELD]
        if len(longer) > MAX_FIELD:
            break
        joined = longer
    return joined


def _utc(value: object) -> str | None:
    """Return a date or time as SQLite writes it, or None; without an offset it counts as UTC."""
    try:
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            value = dt.datetime.combine(value, dt.time())
        if not isinstance(value, dt.datetime):
            return None
        return clock.utc_sql(value if value.tzinfo else value.replace(tzinfo=dt.UTC))
    except (ValueError, OverflowError):
        return None


# --- trace lines -----------------------------------------------------------------------------


def from_lines(data: bytes) -> tuple[list[Trace], list[str]]:
    """Return the valid traces of a trace file and, as `line N: reason`, what is wrong with others.

    Of lines with one `id` the last one counts. A last line not yet ended and not yet JSON is passed
    over: its writer is at work.
    """
    found: dict[str, Trace] = {}
    problems: list[str] = []
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                trace = from_value(schema.parse(line))
                found[trace.key] = trace
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            if number < len(lines):
                problems.append(f"line {number}: not JSON: {error}")
        except ValueError as error:
            problems.append(f"line {number}: {without_controls(str(error))}")
        except RecursionError:
            problems.append(f"line {number}: nested too deeply")
    return list(found.values()), problems


def from_value(value: Any) -> Trace:  # noqa: ANN401 - the schema says what it is
    """Return the trace of a parsed line; raise ValueError when it is not a valid one."""
    if problems := schema.problems("trace", value):
        raise ValueError("; ".join(problems[:3]))

    def text(name: str) -> str:
        return without_controls(value.get(name) or "").strip()

    given = value.get("timestamp")
    timestamp = _utc(given)
    if given is not None and timestamp is None:
        raise ValueError(f"timestamp: {given} does not exist")
    if not (text("query") and text("approach_taken")):
        raise ValueError("query and approach_taken must say something")
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    key = value.get("id", hashlib.sha256(canonical.encode("ascii")).hexdigest())
    return Trace(
        key=without_controls(str(key)),
        query=text("query"),
        approach_taken=text("approach_taken"),
        outcome=cast("TraceOutcome", value["outcome"]),
        failure_reason=text("failure_reason") or None,
        strategy_title=text("strategy_title"),
        strategy_description=text("strategy_description"),
        strategy_content=text("strategy_content"),
        timestamp=timestamp,
    )
