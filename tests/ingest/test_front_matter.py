"""Front matter is read within bounds, and whatever it holds costs at most its fields."""

import datetime as dt
from pathlib import Path

import pytest
import workspaces
from hypothesis import example, given
from hypothesis import strategies as st

from haios_dag.ingest import front_matter
from haios_dag.ingest.front_matter import split

BODY = "\nFirst paragraph.\n"


@pytest.mark.parametrize(
    "opening",
    [
        "---\n",
        "\ufeff---\n",
        "--- \t\n",
        "# generated: 2026-01-25\n# System Auto: last updated on: 2026-01-25T22:13:29\n---\n",
        "\n\n---\n",
        "---\n# generated: 2026-01-25\n\n",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_reads_every_opening(opening: str, line_end: str) -> None:
    """A mark, any line ends, comments and blank lines before or inside do not hide the fields."""
    text = opening + "status: complete\n---\n" + BODY
    found = split(text.replace("\n", line_end))
    assert found.fields == {"status": "complete"}
    assert found.body == BODY
    assert found.problem is None
    assert text.split("\n")[found.first_line :][0] == "First paragraph."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Just text.\n",
        "Text.\n\n---\n\nstatus: complete\n\n---\n",
        "# Title\n\n---\n\nNote: a rule between paragraphs.\n\n---\n",
        "---\n\nProse between two rules.\n\n---\n",
        "---\n- a list\n- of things\n---\n",
        "---\nno end, and no key either\n",
        "# Title\n---\nNot: a: mapping, but prose\n---\nMore.\n",
    ],
)
def test_other_rules_are_text(text: str) -> None:
    """A `---` that does not open fields at the head of the file leaves the whole text as body."""
    found = split(text)
    assert (found.fields, found.body, found.first_line) == ({}, text, 1)


def test_an_empty_block_is_no_problem() -> None:
    """Front matter without any field is taken off in silence."""
    assert split("---\n---\n" + BODY) == front_matter.FrontMatter({}, BODY, 3, None)


def test_values_keep_their_kinds() -> None:
    """Dates, numbers, lists and repeated keys are read as YAML reads them; keys become text."""
    text = "---\ndate: 2026-01-02\nn: 7\nblocks: [A-1, A-2]\nn: 8\n2: x\nop: =\n---\n"
    assert split(text).fields == {
        "date": dt.date(2026, 1, 2),
        "n": 8,
        "blocks": ["A-1", "A-2"],
        "2": "x",
        "op": "=",
    }


def test_a_date_that_does_not_exist_stays_text() -> None:
    """One impossible date costs neither the block nor its own text."""
    assert split("---\na: 2026-02-30\nb: 1\n---\n").fields == {"a": "2026-02-30", "b": 1}


def test_shared_values_are_read() -> None:
    """Anchors, as YAML writers leave them for equal dates, are followed."""
    fields = split("---\ncreated: &id001 2026-01-01\nclosed: *id001\n---\n").fields
    assert fields["closed"] == dt.date(2026, 1, 1)


def _laughs() -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 30)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("title: one: two", "line 3: front matter is not YAML: mapping values"),
        ("title: {{TITLE}}", "line 3: front matter is not YAML: found unhashable key"),
        ("a: 1\n? [a]\n: b", "line 4: front matter is not YAML: found unhashable key"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        # libyaml has a limit of its own since PyYAML 6.0.4, and reads ahead in one line.
        ("a: " + "[" * 30_000, " nest"),
        ("a:\n" + "- " * 30_000, "nested more than 20 levels"),
        (_laughs(), "more than 10000 values"),
        ("a: &a [*a]", "more than 10000 values"),
        ("a: &a {x: 1}\nb:\n  <<: *a", "merges other fields"),
        ("a: .inf", "not finite"),
        ("a: 1.0e+400", "not finite"),
        ("a: 0x" + "f" * 60_000, "too long"),
        ("a: " + "1:" * 30_000 + "1", "too long"),
        ("a: " + "9" * 60_000, "not usable"),
        ("a: !!binary aGVsbG8=", "unusual type bytes"),
        ("a: !!set {b}", "unusual type set"),
        ("a: x\0y", "not usable"),
    ],
)
def test_bad_blocks_cost_their_fields_only(block: str, reason: str) -> None:
    """Broken or hostile YAML is named with its line, and the body behind it is still read."""
    found = split("---\n# comment\n" + block + "\n---\n" + BODY)
    assert found.fields == {}
    assert found.body == BODY
    assert found.problem is not None
    assert found.problem.startswith("line ")
    assert reason in found.problem


def test_an_unclosed_or_endless_block_is_said() -> None:
    """Fields that no `---` closes within the limit are named, and the text is kept."""
    text = "---\nstatus: active\n\n" + "text\n" * front_matter.MAX_CHARACTERS + "---\n"
    found = split(text)
    assert found.problem == "line 1: front matter is opened but not closed by ---"
    assert found.body == text


# What YAML and the opening react to, so that random texts get far.
_PIECES = st.lists(
    st.sampled_from(["---\n", "\n", "# c\n", "a: ", "- ", "[", "]", "{", "}", "&a ", "*a", "<<: "])
    | st.sampled_from(["? ", ": ", "2026-13-40", "!!set ", "1e400", '"', "|\n ", "\t", "\r\n", "x"])
    | st.sampled_from(["\ufeff", "\ud800"])
).map("".join)


@given(_PIECES | st.text())
@example("---\na: &a [*a]\n---\n")
@example("...")  # closed by the file's end
def test_never_raises_and_loses_no_line(text: str) -> None:
    """Any text gives fields with text keys and a body that is exactly the file's last lines."""
    found = split("---\n" + text)
    assert all(isinstance(key, str) for key in found.fields)
    lines = front_matter.normal_lines("---\n" + text).split("\n")
    assert found.body == "\n".join(lines[found.first_line - 1 :])


@pytest.mark.real
def test_real_workspace() -> None:
    """Of HAIOS's 1,854 documents 1,700 have fields, 149 have none and 5 have broken YAML.

    The two that differ from a reader of the first line alone have comments before the block.
    """
    documents = sorted((workspaces.REAL / "docs").rglob("*.md"))
    found = {path: split(path.read_text(encoding="utf-8")) for path in documents}
    problems = [path for path in documents if found[path].problem]
    fields = [path for path in documents if found[path].fields]
    led = [path for path in fields if not _first_line(path).startswith("---")]
    assert (len(documents), len(fields), len(problems)) == (1854, 1700, 5)
    assert len(led) == 2
    assert {path.name for path in problems} == {
        "WORK.md",
        "refinement-layer-S1-investigation.md",
        "refinement-layer-S2-analysis.md",
        "refinement-layer-S3-proposal.md",
        "refinement-layer-S4-validation.md",
    }


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("\n", 1)[0]
