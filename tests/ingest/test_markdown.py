"""Documents are read by structure, whatever their bytes hold."""

import re
import subprocess
import sys

import pytest
import workspaces
from hypothesis import given
from hypothesis import strategies as st

from haios_dag.base.errors import DocumentError
from haios_dag.ingest import markdown
from haios_dag.ingest.markdown import ParsedDocument, parse
from haios_dag.ingest.statements import form
from haios_dag.memory.records import Statement

SAYS = "this line says something in words"


def statement(text: str, type_: str, heading: str, line: int) -> Statement:
    """Return a statement with its form."""
    return Statement(text, type_, heading, line, form(text))


EXAMPLE = f"""\
# generated: 2026-01-02
---
template: plan
---
# System Auto: last updated on: 2026-01-02
# Plan: *one* thing

@docs/README.md
@docs/x.md (for context)

{SAYS} at the top

## Goal

- [x] **Done:** {SAYS} in a list
  - nested: {SAYS}

    and a second paragraph: {SAYS}
- too short

> Quoted, {SAYS}

The table:
| a | b |
|---|---|
| {SAYS} | {SAYS} |

```text
{SAYS}
```

    {SAYS}, indented

<!-- {SAYS} -->
<div>{SAYS}</div>

[ref]: docs/a.md "{SAYS}"
![{SAYS}](x.png)

### Deeper

**One:** {SAYS}
**Two:** {SAYS}
over two lines

## Other
{SAYS}
"""


def test_reads_statements_by_structure() -> None:
    """Paragraphs and list items come with heading path, type and line; nothing else comes."""
    document = parse(EXAMPLE.encode())
    assert document.title == "Plan: one thing"
    assert document.fields == {"template": "plan"}
    assert document.warnings == []
    goal = "Plan: one thing > Goal"
    assert document.statements == [
        statement(f"{SAYS} at the top", "Episteme", "Plan: one thing", 11),
        statement(f"Done: {SAYS} in a list", "Episteme", goal, 15),
        statement(f"nested: {SAYS}", "Episteme", goal, 16),
        statement(f"and a second paragraph: {SAYS}", "Episteme", goal, 18),
        statement(f"Quoted, {SAYS}", "Episteme", goal, 21),
        statement(f"One: {SAYS}", "Episteme", f"{goal} > Deeper", 42),
        statement(f"Two: {SAYS} over two lines", "Episteme", f"{goal} > Deeper", 43),
        statement(SAYS, "Episteme", "Plan: one thing > Other", 47),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_do_not_matter(encoding: str, line_end: str) -> None:
    """A document reads the same in UTF-8 or UTF-16, with or without a mark, with any line ends."""
    data = EXAMPLE.replace("\n", line_end).encode(encoding)
    assert parse(data) == parse(EXAMPLE.encode())


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: From  the\n---\n# Heading\n", "From the"),
        ("---\ntitle: 7\n---\n# Heading `one`\n", "Heading `one`"),
        ('---\ntitle: "a\\e[31mb"\n---\n', "a [31mb"),
        ("## Second level\n\n# First level\n", "First level"),
        ("Setext\n======\n", "Setext"),
        ("nothing\n", ""),
    ],
)
def test_title(text: str, title: str) -> None:
    """The title is the field, else the first first-level heading, else empty; never a control."""
    assert parse(text.encode()).title == title


def test_bad_front_matter_is_a_warning() -> None:
    """A document whose YAML is broken is read all the same, and says so."""
    document = parse(f"---\na: b: c\n---\n{SAYS}\n".encode())
    assert [statement.line for statement in document.statements] == [4]
    assert document.warnings == [
        "line 2: front matter is not YAML: mapping values are not allowed in this context"
    ]


def test_some_foreign_bytes_are_a_warning() -> None:
    """Single bytes of another encoding are replaced and counted, the rest is kept."""
    document = parse(f"{SAYS} caf".encode() + b"\xe9 and more\n")
    assert document.statements[0].text == f"{SAYS} caf\ufffd and more"
    assert document.warnings == ["1 bytes are not UTF-8, the first at offset 37"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "NUL byte at offset 8"),
        ("text".encode("utf-16-le"), "NUL byte at offset 1"),
        ("text".encode("utf-32"), "NUL at character"),
        (bytes(range(128, 256)) * 4, "not UTF-8 text: see byte offset 0"),
        ("Кириллица в другой кодировке".encode("cp1251"), "not UTF-8 text"),
        (b"\n" * (markdown.MAX_LINES + 1), "20,001 lines, more than the 20,000"),
    ],
)
def test_what_is_not_text_is_refused(data: bytes, reason: str) -> None:
    """Binary data, unmarked encodings and endless documents are refused with the place."""
    with pytest.raises(DocumentError, match=reason):
        parse(data)


def test_controls_are_removed() -> None:
    """Terminal escapes, direction overrides and separators do not reach a statement."""
    document = parse(f"# A\x1b[31m\u202eB\n\n{SAYS}\x1b]0;x\x07\u2028\u0085 end\n".encode())
    assert document.title == "A [31m B"
    assert document.statements[0].text == f"{SAYS} ]0;x end"


def test_too_deep_nesting_is_said() -> None:
    """Lists deeper than the parser goes are cut with a warning that names the line."""
    lists = "\n".join("  " * depth + f"- {SAYS} {depth}" for depth in range(12))
    document = parse(f"{SAYS}\n\n{lists}\n".encode())
    assert len(document.statements) == 10
    assert document.warnings == [
        "line 12: nested too deeply; the text from here on is not read",
    ]


_BLOCKS = st.lists(
    st.sampled_from(["# H\n", "## I\n", f"{SAYS}\n", "- ", "> ", "1. ", "    ", "```\n", "---\n"])
    | st.sampled_from(["| a | b |\n", "|--|--|\n", "**Label:** ", "**", "`", "[", "](x)", "<!-- "])
    | st.sampled_from(
        ["-->", "word ", ". ", "\n", "\n\n", "\r\n", "\t", "x: y\n", "===\n", "@a/b\n"]
    )
).map(lambda pieces: "".join(pieces).encode())


@given(st.binary() | st.text().map(str.encode) | _BLOCKS)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Parsing gives a document or a DocumentError, and a statement begins on the line it names."""
    try:
        document = parse(data)
    except DocumentError:
        return
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    lines = re.split(r"\r\n|\r|\n", text)
    for statement in document.statements:
        assert begins(statement.text, lines[statement.line - 1])


def begins(text: str, line: str) -> bool:
    """Tell whether the letters of the first word of `text` stand in `line`, in their order.

    Marks inside the word are gone from `text`, so it need not stand there as one piece.
    """
    word = re.search(r"\w+", text)
    letters = iter(line)
    return word is not None and all(letter in letters for letter in word[0])


HOSTILE = {
    "quotes": ">" * 10_000 + SAYS,
    "lists in a line": "- " * 10_000 + SAYS,
    "list markers": "- a\n" * markdown.MAX_LINES,
    "nested markers": ("- " * 9 + "a\n") * 2_000,
    "one long line": "a " * 500_000,
    "stars": SAYS + " *a" * 300_000,
    "stars and code": SAYS + " *a`b`" * 150_000,
    "backticks": SAYS + " ` a" * 250_000,
    "underscores": SAYS + " _a" * 300_000,
    "brackets": SAYS + "[" * 1_000_000,
    "links": SAYS + "[a](b" * 200_000,
    "comments": SAYS + "<!--" * 250_000,
    "angles": SAYS + "<" * 1_000_000,
    "blanks before a rule": "a|b\n" + " " * 1_000_000 + "-|x",
    "dots": SAYS + " 1." * 300_000,
    "definitions": "[a]: b\n" * markdown.MAX_LINES,
    "headings": "# " + "a " * 500_000,
    "pipes": "a|b\n" + "|-" * 500_000,
    "calls": "a(" + "a " * 500_000,
}


@pytest.mark.slow
def test_hostile_documents_come_to_an_end() -> None:
    """Documents made to hurt are read in time that grows with their size, not with its square.

    A process of its own does the work, so that what would take hours is ended: all of them
    together take some ten seconds.
    """
    code = (
        "import sys; from haios_dag.ingest import markdown, statements\n"
        "for part in sys.stdin.buffer.read().split(b'\\0'):\n"
        "    document = markdown.parse(part)\n"
        "    statements.form(' '.join(one.text for one in document.statements))\n"
        "    print(len(document.statements))\n"
    )
    data = b"\0".join(text.encode() for text in HOSTILE.values())
    done = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=False, timeout=300
    )
    assert done.stderr == b""
    assert len(done.stdout.split()) == len(HOSTILE)


@pytest.mark.real
def test_real_documents() -> None:
    """Of a tenth of HAIOS's documents every one is read, and every statement is on its line."""
    found: list[tuple[str, Statement]] = []
    typed: list[ParsedDocument] = []
    for path in sorted((workspaces.REAL / "docs").rglob("*.md"))[::10]:
        document = parse(path.read_bytes())
        typed.append(document)
        lines = path.read_text(encoding="utf-8").split("\n")
        found += ((lines[one.line - 1], one) for one in document.statements)
    assert len(typed) == 186
    assert 1_500 < len(found) < 5_000
    wrong = [one for line, one in found if not begins(one.text, line)]
    assert wrong == []
    types = {one.type for _, one in found}
    assert types == {"Decision", "Directive", "Proposal", "Critique", "Episteme"}
