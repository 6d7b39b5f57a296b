"""The text of statements: cleaned without loss, cut, typed by form, masked to its template."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haios_dag.ingest import statements
from haios_dag.ingest.statements import clean, extract, form, kind, one_line

# What cleaning and masking react to, so that random texts get far.
MARKS = st.lists(
    st.sampled_from(["*", "**", "_", "__", "`", "[", "](", ")", "!", "<!--", "-->", "~~", "<br>"])
    | st.sampled_from(
        ["word ", "two", "7", "2026-01-02", "WORK-069", "a/b.py", ".", ": ", "\n", "|"]
    )
    | st.sampled_from(["{{", "}}", "[ ] ", "@x/y", "- ", "\u0130", "\u202e", "\x1b", "\u4e2d"])
).map("".join)
TEXTS = MARKS | st.text()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("**Bold:** and *soft* and ***both***", "Bold: and soft and both"),
        ("_soft words_ but __init__ and a_b_c stay", "soft words but __init__ and a_b_c stay"),
        ("**outer *inner* outer**", "outer inner outer"),
        ("**code `a*b*c` in bold**", "code `a*b*c` in bold"),
        ("2**10, 3 * 4 * 5, COUNT(*), *.md, INV-* and E2-*", None),
        ("`**kept**` and `[a](b)` and `<!-- x -->`", None),
        ("[x] done, and [ ] not in front", "done, and [ ] not in front"),
        ("see [the guide](docs/a_(b).md) now", "see the guide now"),
        ("a ![picture](x.png) b", "a  b"),
        ("a <!-- hidden ** --> b<br/>c", "a   b c"),
        ("It must **not** exceed -1.5 %", "It must not exceed -1.5 %"),
        ("[link\nover lines](x) and ![alt\ntext](y)", "link\nover lines and \n"),
    ],
)
def test_clean_takes_marks_only(raw: str, words: str | None) -> None:
    """Markdown's marks go; code, numbers, names, negations and line ends stay as written."""
    assert clean(raw) == (raw if words is None else words)


@given(TEXTS)
@example("*a`*b`*c*\n**x**")
def test_clean_keeps_numbers_and_lines(raw: str) -> None:
    """Where nothing is a link, a comment or a check box, no digit, letter or line end is lost."""
    raw = raw.replace("](", "] (").replace("<", "").replace("[", "(")
    kept = [one for one in raw if one.isalnum() or one == "\n"]
    assert [one for one in clean(raw) if one.isalnum() or one == "\n"] == kept


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "Too short to say anything",
        "`one two three four five six seven eight`",
        "{{The one sentence that this arc is about}}",
        "Trigger: [What event or question initiated this investigation?]",
        "**Date:** 2026-01-02 **Status:** COMPLETE **Author:** Hephaestus",
        "[One guide to everything](a) | [Another long guide here](b) | [And the third](c)",
        "~~Rename all of the ceremony skills in the folder~~ deferred",
        "Task(kind='x', prompt='check that all of the tests really pass now')",
        "+---+\n these are the remains of some diff that nobody fenced",
        "The following parts of the system have to be changed:",
        "docs/a/b.md docs/c/d.md docs/e/f.md docs/g/h.md docs/i/j.md docs/k/l.md x y",
    ],
)
def test_what_says_nothing_is_no_statement(raw: str) -> None:
    """Labels, links, placeholders, lead-ins, paths and code are not statements."""
    assert list(extract(raw)) == []


def test_a_lead_in_behind_a_statement_is_cut() -> None:
    """Only the sentence that introduces a list goes, not what was said before it."""
    raw = "Four candidates were looked at by the team. Three of `a.py`:"
    assert list(extract(raw)) == [("Four candidates were looked at by the team.", 0)]


def test_long_text_is_cut_at_sentence_ends() -> None:
    """A long paragraph gives pieces of whole sentences, each with the line it begins on."""
    lines = [f"Sentence number {n} of this text is not very long." for n in range(200)]
    pieces = list(extract("\n".join(lines)))
    assert " ".join(text for text, _ in pieces) == " ".join(lines)
    assert len(pieces) > 4
    for text, line in pieces:
        assert len(text) <= statements.MAX_STATEMENT
        assert text.startswith(lines[line])
        assert text.endswith(".")


@pytest.mark.parametrize("filler", ["x", "no end ", "\u4e2d\u6587"])
def test_text_without_sentences_is_cut_hard(filler: str) -> None:
    """Even one endless word gives pieces within the limit that together hold all of it."""
    raw = "these are six words of it " + filler * 5000
    pieces = [text for text, _ in extract(raw)]
    assert max(map(len, pieces)) <= statements.MAX_STATEMENT
    assert "".join(pieces).replace(" ", "") == raw.replace(" ", "")


@given(TEXTS)
def test_statements_are_single_clean_lines(raw: str) -> None:
    """Whatever the paragraph, a statement is one stripped line without controls, in its bounds."""
    for text, line in extract(raw):
        assert text == one_line(text) != ""
        assert len(text) <= statements.MAX_STATEMENT
        assert 0 <= line <= raw.count("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Decision: use one database for all of it", "Decision"),
        ("The operator chose option B over option A", "Decision"),
        ("Candidate 4 was rejected because it is too slow", "Decision"),
        ("The log MUST be appended in one write", "Directive"),
        ("Never write to the live log from a test", "Directive"),
        ("Add a lock around the writer", "Directive"),
        ("Document the format of the log", "Directive"),
        ("Document formats differ between the epochs", "Episteme"),
        ("Root cause: the shim is never imported", "Critique"),
        ("The hook does not fire for renamed files", "Critique"),
        ("A full run ends with 0 failures", "Episteme"),
        ("H2: the filter argument is not used", "Proposal"),
        ("The parser could read the file in one pass", "Proposal"),
        ("Should milestones be files of their own?", "Proposal"),
        ("Fixed the bug in the parser of dates", "Episteme"),
        ("The synthesis pipeline has five stages", "Episteme"),
    ],
)
def test_kind_by_form(text: str, expected: str) -> None:
    """The type follows from how a statement is put, with or without a mark in front of it."""
    assert kind(text) == expected
    assert kind("✅ " + text) == expected


def test_form_is_what_a_template_shares() -> None:
    """Ids, numbers, dates, code and paths do not count, nor do case and white space."""
    one = form("MUST read `docs/a.md` of WORK-137 (session 192, 2026-01-02) in .claude/lib/x.py")
    assert one == form("must  read `b` of E2-300 (Session 7,  2025-12-31)\nin docs/WORK.md")
    assert one == "must read # of # (session #, #) in #"
    assert form("do it") != form("do not do it")


@given(TEXTS)
def test_form_is_idempotent(text: str) -> None:
    """The form of a form is itself."""
    assert form(form(text)) == form(text)
