"""The pages of the documentation, and what tests take out of them."""

import importlib.util
import re
from types import ModuleType

from workspaces import ROOT

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("*.md"))]


def load_program(name: str) -> ModuleType:
    """Return a program of the repository, such as `docs/generate.py`, as a module."""
    path = ROOT / name
    spec = importlib.util.spec_from_file_location(f"program_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_program("docs/generate.py")


def page(name: str) -> str:
    """Return the text of a page."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a page that are in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def prose(text: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def spans(text: str) -> list[str]:
    """Return the code spans of a page."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def table(text: str, *head: str) -> list[list[str]]:
    """Return the rows, by their cells, of the only table with this head."""
    start = f"| {' | '.join(head)} |\n"
    assert text.count(start) == 1
    body = text.partition(start)[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in body.splitlines()[1:]]


def names(cells: list[str]) -> set[str]:
    """Return the code spans of some cells."""
    return {name for cell in cells for name in spans(cell)}
