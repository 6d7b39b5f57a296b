"""Markdown documents: bytes in, titled statements with their headings and lines out.

A statement is a paragraph or a list item's paragraph that says something in words; code, tables,
HTML, placeholders and label lines are not. Nothing here touches a file.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haios_dag.base.errors import DocumentError
from haios_dag.ingest import front_matter
from haios_dag.ingest.statements import clean, extract, form, kind, one_line, without_controls
from haios_dag.memory.records import Statement

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

MAX_LINES = 20_000  # a line can cost 20 KB of memory; the longest real document has 2,492
MAX_NESTING = 20  # nine lists inside each other; the parser recurses
MAX_HEADING = 200  # characters
MAX_REPLACED = 0.1  # share of characters; above it the bytes are in another encoding


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What `parse` read; `problem` is the warning why there are no fields of front matter, or None.

    `title` is the field `title`, else the first first-level heading, else "".
    """

    title: str
    fields: dict[str, Any]
    statements: list[Statement]
    warnings: list[str]
    problem: str | None = None


def parse(data: bytes) -> ParsedDocument:
    """Read a Markdown document in UTF-8 or UTF-16; raise DocumentError, without the path."""
    text, warnings = _decode(data)
    head = front_matter.split(text)
    if head.problem:
        warnings.append(head.problem)
    lines = head.body.count("\n")
    if lines > MAX_LINES:
        raise DocumentError(f"it has {lines:,} lines, more than the {MAX_LINES:,} that are read")
    given = head.fields.get("title")
    title = one_line(given) if isinstance(given, str) else ""
    statements: list[Statement] = []
    for level, path, raw, line in _paragraphs(head, warnings):
        if level == 1:
            title = title or path[0]
        heading = " > ".join(filter(None, path))
        for block, offset in _blocks(raw):
            first = head.first_line + line + offset
            statements += (
                Statement(text, kind(text), heading, first + at, form(text))
                for text, at in extract(block)
            )
    return ParsedDocument(title[:MAX_HEADING], head.fields, statements, warnings, head.problem)


# --- bytes -----------------------------------------------------------------------------------


def _decode(data: bytes) -> tuple[str, list[str]]:
    """Return the text of a document without controls and the warnings; raise DocumentError."""
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding, name = ("utf-16", "UTF-16") if wide else ("utf-8", "UTF-8")
    if not wide and (offset := data.find(b"\0")) >= 0:
        raise DocumentError(f"it is not text: NUL byte at offset {offset}")
    warnings: list[str] = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data.decode(encoding, errors="replace")
        replaced = text.count("\ufffd")
        if replaced > MAX_REPLACED * len(text):
            raise DocumentError(f"it is not {name} text: see byte offset {error.start}") from None
        warnings.append(f"{replaced} bytes are not {name}, the first at offset {error.start}")
    if (offset := text.find("\0")) >= 0:
        raise DocumentError(f"it is not text: NUL at character {offset}")
    return without_controls(front_matter.normal_lines(text)), warnings


# --- blocks ----------------------------------------------------------------------------------

_NESTING = ("list_item_open", "blockquote_open")
_STAMP = re.compile(r"(?:generated|System Auto)\b[^:]*:")  # HAIOS's comment lines, not headings


@functools.cache
def _markdown() -> "MarkdownIt":
    """Return the CommonMark block parser.

    Off are `inline` (the raw text is cleaned here), and `reference`, whose time is quadratic.
    """
    from markdown_it import MarkdownIt  # 60 ms

    options = {"maxNesting": MAX_NESTING}
    return MarkdownIt("commonmark", options).disable(["inline", "reference"])


def _paragraphs(
    head: front_matter.FrontMatter, warnings: list[str]
) -> Iterator[tuple[int, list[str], str, int]]:
    """Yield (0, heading path, raw text, 0-based line) of every paragraph, list items' included.

    A heading comes too, with its level for 0 and no text. The parser skips what follows a block
    that is nested too deeply, which becomes a warning.
    """
    levels: list[int] = []
    path: list[str] = []
    previous = None
    for token in _markdown().parse(head.body):
        if token.level == MAX_NESTING - 1 and token.type in _NESTING and token.map:
            line = head.first_line + token.map[0]
            warnings.append(f"line {line}: nested too deeply; the text from here on is not read")
        if token.type == "inline" and previous is not None and token.map:
            if previous.type == "paragraph_open":
                yield 0, path, token.content, token.map[0]
            elif previous.level == 0 and not _STAMP.match(token.content):
                level = int(previous.tag[1:])
                keep = sum(other < level for other in levels)
                levels = [*levels[:keep], level]
                path = [*path[:keep], one_line(clean(token.content))[:MAX_HEADING]]
                yield level, path, "", token.map[0]
        previous = token


_NOT_PROSE = re.compile(
    r"""[ ]{0,3}\[[^\]]+\]:[ \t]*\S+(?:[ \t]+["'(].*)?"""  # the target of a link
    r"|@\S*[/.]\S*(?:[ \t]+[(#-].*)?"  # a file for an agent to load
    r"|[ \t]*\|.*"  # a table's row
)
_LABEL = re.compile(r"[ \t]*\*\*[^*\n]{1,60}(?<=[:.\])])\*\*|[ \t]*\*\*[^*\n]{1,60}\*\*:")
_DATA = re.compile(r"[ \t]*(?:-[ \t]+)?[a-z][\w-]*:(?:[ \t]|$)")
_PLAIN_LABEL = re.compile(r"[ \t]*(?:-[ \t])?\w[\w /-]{0,30}:(?:[ \t]|$)")


def _blocks(raw: str) -> Iterator[tuple[str, int]]:
    """Yield (lines, offset) of a paragraph, cut before lines that open with a label.

    A table (header, rule, rows) ends the paragraph; lines that are no prose are left empty, and
    so is a paragraph of nothing but `key:` lines, which is data.
    """
    lines = raw.split("\n")
    for number, line in enumerate(lines):
        if number and "-" in line and "|" in line and not line.strip("|:- \t"):
            del lines[number - 1 :]
            break
    label = _PLAIN_LABEL if lines and _PLAIN_LABEL.match(lines[0]) else _LABEL
    if label is _PLAIN_LABEL and len(lines) > 1 and all(_DATA.match(line) for line in lines):
        return
    block: list[str] = []
    first = 0
    for number, line in enumerate(lines):
        if block and label.match(line):
            yield "\n".join(block), first
            block, first = [], number
        block.append("" if _NOT_PROSE.fullmatch(line) else line)
    if block:
        yield "\n".join(block), first
