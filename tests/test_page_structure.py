"""Every page is sound Markdown, its links lead somewhere, and links lead to every page."""

import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pages import load_program
from workspaces import ROOT, tracked

_PARSER = MarkdownIt("commonmark").enable("table")


markers = load_program(".ci/markers.py")
FILES = frozenset(tracked())
PAGES = sorted(path for path in FILES if path.suffix == ".md")
QUOTES = {ROOT / "docs" / "insights.md": 1}  # an insight, as an example


# --- what a page consists of ----------------------------------------------------------------------


def text_of(inline: Token) -> str:
    """Return the text of a heading or a paragraph as a reader sees it."""
    return "".join(
        child.content for child in inline.children or () if child.type in {"text", "code_inline"}
    )


def headings(text: str) -> list[tuple[int, str]]:
    """Return the level and the text of each heading."""
    tokens = _PARSER.parse(text)
    return [
        (int(token.tag[1]), text_of(tokens[index + 1]))
        for index, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def anchors(text: str) -> list[str]:
    """Return the anchor of each heading, by GitHub's rule; a repeated one is numbered from 1."""
    seen: Counter[str] = Counter()
    found = []
    for _, heading in headings(text):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def targets(text: str) -> Iterator[str]:
    """Yield the target of each link and image that leads to a place in the repository."""
    for block in _PARSER.parse(text):
        for token in block.children or ():
            target = token.attrGet({"link_open": "href", "image": "src"}.get(token.type, ""))
            if isinstance(target, str) and not re.match(r"[a-z][a-z0-9+.-]*:|//", target):
                yield unquote(target)


def place(page: Path, target: str) -> Path:
    """Return the file or folder that a link of a page leads to."""
    name = target.partition("#")[0]
    return Path(os.path.normpath(page.parent / name)) if name else page


# --- the checks: each yields what is wrong --------------------------------------------------------


def wrong_headings(text: str) -> Iterator[str]:
    """Yield what is wrong with the headings: one `#` comes first and once, no level is skipped."""
    levels = [level for level, _ in headings(text)]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield "there must be one heading with one #, and it must be the first"
    for before, level in itertools.pairwise(levels):
        if level > before + 1:
            yield f"level {level} follows level {before}"
    for token in _PARSER.parse(text):
        if token.type == "heading_open" and token.markup in {"=", "-"}:
            yield f"a heading underlined with {token.markup}"


def quotes(text: str) -> Iterator[str]:
    """Yield each block quote."""
    for token in _PARSER.parse(text):
        if token.type == "blockquote_open":
            yield f"a block quote in line {(token.map or [0])[0] + 1}"


def wrong_code(text: str) -> Iterator[str]:
    """Yield each code block without a language or an end."""
    lines = text.splitlines()
    for token in _PARSER.parse(text):
        first, end = token.map or (0, 0)
        if token.type == "code_block":
            yield f"code by indentation, without a language, in line {first + 1}"
        if token.type == "fence":
            if not token.info.strip():
                yield f"a fence without a language in line {first + 1}"
            if end - first < 2 or not re.fullmatch(rf"\s*{token.markup}+\s*", lines[end - 1]):
                yield f"a fence without an end in line {first + 1}"


def wrong_tables(text: str) -> Iterator[str]:
    """Yield each row that has not as many cells as its head, and rows that make no table."""
    lines = text.splitlines()
    for token in _PARSER.parse(text):
        first, end = token.map or (0, 0)
        if token.type == "table_open":
            cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines[first:end]]
            for number, count in enumerate(cells):
                if count != cells[0]:
                    yield f"{count - 1} cells, not {cells[0] - 1}, in line {first + number + 1}"
        if token.type == "inline" and re.search(r"^\s*\|", token.content, re.MULTILINE):
            yield f"rows that make no table in line {first + 1}"


def wrong_markers(text: str) -> Iterator[str]:
    """Yield each merge-conflict marker."""
    for line in markers.markers(text.encode()):
        yield f"a conflict marker in line {line}"


CHECKS: list[Callable[[str], Iterator[str]]] = [
    wrong_headings,
    wrong_code,
    wrong_tables,
    wrong_markers,
]


def wrong_links(page: Path, text: str, files: Iterable[Path]) -> Iterator[str]:
    """Yield each link to a file that is not among these, or to a heading that is not there."""
    files = frozenset(files)
    folders = {folder for path in files for folder in path.parents}
    for target in targets(text):
        other, anchor = place(page, target), target.partition("#")[2]
        if other not in files | folders:
            yield f"no tracked file: {target}"
        elif anchor:
            there = text if other == page else other.read_text(encoding="utf-8")
            if anchor not in anchors(there):
                yield f"no heading: {target}"


def reachable(start: Path) -> set[Path]:
    """Return the pages to which links lead from a page, over any number of pages."""
    found, waiting = {start}, [start]
    while waiting:
        page = waiting.pop()
        for target in targets(page.read_text(encoding="utf-8")):
            other = place(page, target)
            if other.suffix == ".md" and other.is_file() and other not in found:
                found.add(other)
                waiting.append(other)
    return found


# --- the pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_is_sound(page: Path) -> None:
    """No check finds anything in a page, and each of its links leads somewhere."""
    text = page.read_text(encoding="utf-8")
    assert [problem for check in CHECKS for problem in check(text)] == []
    assert len(list(quotes(text))) == QUOTES.get(page, 0)
    assert list(wrong_links(page, text, FILES)) == []


def test_every_page_is_checked_and_in_reach() -> None:
    """Links lead from the README to each page of the documentation."""
    wanted = {ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"}
    wanted |= set((ROOT / "docs").glob("*.md"))
    assert len(wanted) > 15
    assert wanted <= set(PAGES)
    assert sorted(wanted - reachable(ROOT / "README.md")) == []


# --- the checks can fail --------------------------------------------------------------------------

HEAD = "| a | b |\n| --- | --- |\n"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (wrong_headings, "No heading at all.\n"),
        (wrong_headings, "## Two\n"),
        (wrong_headings, "# One\n\n# Again\n"),
        (wrong_headings, "# One\n\n### Three\n"),
        (wrong_headings, "# One\n\nText\n" + "=" * 7 + "\n"),
        (quotes, "> quoted\n"),
        (quotes, "- an item\n\n  > quoted inside\n"),
        (wrong_code, "```\nno language\n```\n"),
        (wrong_code, "```text\nno end\n"),
        (wrong_code, "```text\nanother end\n~~~\n"),
        (wrong_code, "```text\n"),
        (wrong_code, "Text\n\n    indented\n"),
        (wrong_tables, f"{HEAD}| 1 |\n"),
        (wrong_tables, f"{HEAD}| 1 | 2 | 3 |\n"),
        (wrong_tables, "| a | b |\n| --- |\n| 1 | 2 |\n"),
        (wrong_markers, "Text\n" + "<" * 7 + " HEAD\n"),
        (wrong_markers, "Text\n" + "=" * 7 + "\n"),
        (wrong_markers, "Text\r\n" + "=" * 7 + "\r\n"),
        (wrong_markers, ">" * 7 + " main\n"),
    ],
)
def test_a_bad_page_is_noticed(check: Callable[[str], Iterator[str]], text: str) -> None:
    """Each check can fail."""
    assert list(check(text)) != []


GOOD = f"""# One

## Two `code`, and more

- a list

  ```sh
  ls
  ```

{HEAD}| `x \\| y` | 2 |

### Three

## Two
"""


def test_a_good_page_passes() -> None:
    """No check reports a sound page."""
    assert [problem for check in CHECKS for problem in check(GOOD)] == []
    assert list(wrong_markers("=" * 8 + "\n " + "<" * 7 + "\n")) == []


def test_anchors_are_those_of_github() -> None:
    """Marks of punctuation go, blanks become hyphens, and what is repeated gets a number."""
    text = "# What's *new* in `a_b`?\n\n## A & B\n\n## A  B\n\n## Größe\n\n## Größe\n"
    assert anchors(text) == ["whats-new-in-a_b", "a--b", "a--b-1", "größe", "größe-1"]


@pytest.mark.parametrize(
    "link",
    [
        "[x](missing.md)",
        "[x](../page.md)",
        "[x](page.md#four)",
        "[x](#four)",
        "![x](x.png)",
        "[x][1]\n\n[1]: missing.md",
    ],
)
def test_a_bad_link_is_noticed(tmp_path: Path, link: str) -> None:
    """A link to a file that is not tracked, or to no heading, is found; good ones are not."""
    page = tmp_path / "page.md"
    page.write_text(GOOD, encoding="utf-8")
    (tmp_path / "untracked.md").touch()
    good = "[a](page.md#three) [b](#two-code-and-more) [c](#one) [d](https://example.org/x.md)"
    assert list(wrong_links(page, f"{GOOD}\n{good}\n", [page])) == []
    assert list(wrong_links(page, f"{GOOD}\n{link}\n", [page])) != []
    assert list(wrong_links(page, "[x](untracked.md)", [page])) != []


def test_a_page_out_of_reach_is_noticed(tmp_path: Path) -> None:
    """Only pages to which links lead are reachable."""
    for name, text in {"a": "[b](b.md)", "b": "[c](c.md#x)", "c": "", "d": "[a](a.md)"}.items():
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\n{text}\n", encoding="utf-8")
    assert {path.stem for path in reachable(tmp_path / "a.md")} == {"a", "b", "c"}


# --- .ci/markers.py -------------------------------------------------------------------------------


def test_no_file_has_conflict_markers() -> None:
    """No tracked file has one, of any kind."""
    assert list(markers.found(sorted(FILES))) == []


def test_markers_program(tmp_path: Path) -> None:
    """`python .ci/markers.py FOLDER` names file and line of each marker in tracked files only."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    bad = f"a\n{'<' * 7} HEAD\nb\n{'=' * 7}\nc\n{'>' * 7} main\n"
    (tmp_path / "bad.txt").write_text(bad, encoding="ascii")
    program = [sys.executable, str(ROOT / ".ci" / "markers.py"), str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    subprocess.run(["git", "-C", str(tmp_path), "add", "bad.txt"], check=True)
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.findall(r"bad\.txt:(\d+): merge-conflict marker", done.stderr) == ["2", "4", "6"]
