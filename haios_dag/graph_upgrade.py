"""Bringing an older `dodo.py` up to date: a three-way merge, statement by statement.

What changed between the older graph and this version's is applied to the user's, which keeps each
statement that the user changed or added. Where both changed one statement, its words are merged.
"""

import ast
import difflib
import functools
import re
from pathlib import Path
from typing import Any

from haios_dag.base.errors import HaiosError

_OLDER = Path(__file__).parent / "older_graphs"
_WORD = re.compile(r"\w+|[^\S\n]+|\n|.")


def base_of(graph: str, ours: str) -> str | None:
    """Return the older graph that a graph was made from; None where it is of this version."""
    older = [path.read_text(encoding="utf-8") for path in sorted(_OLDER.glob("dodo-*.txt"))]
    best = max([ours, *older], key=lambda one: _likeness(one, graph))
    return None if best == ours else best


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.splitlines(), other.splitlines(), False).ratio()


def merged(base: str, theirs: str, ours: str) -> str:
    """Return `theirs` with what changed from `base` to `ours`; raise HaiosError for a conflict."""
    try:
        before, mine, new = (_statements(text) for text in (base, theirs, ours))
    except (SyntaxError, ValueError) as error:
        raise HaiosError(f"it is not Python ({error})") from None
    result = {name: text for name, text in new.items() if not _deleted(name, before, mine, text)}
    last = ""
    for name, text in mine.items():
        if name in before and name not in new:
            if text != before[name]:
                raise HaiosError(f"it changes {name}, which this version no longer has")
            continue
        if name not in before and name not in new:
            result = _inserted(result, name, text, last)
        elif name in before and text != before[name]:
            result[name] = _merged_words(name, before[name], text, new[name])
        last = name
    return "\n".join(result.values()).rstrip("\n") + "\n"


def _deleted(name: str, before: dict[str, str], mine: dict[str, str], text: str) -> bool:
    """Tell whether the user took out a statement that this version did not change."""
    return name in before and name not in mine and before[name] == text


def _statements(text: str) -> dict[str, str]:
    """Return the statements of a module by a name for each, with the lines that stand before it."""
    lines = text.splitlines()
    found: dict[str, str] = {}
    end = 0
    for node in ast.parse(text).body:
        name = _name(node)
        while name in found:
            name += "'"
        stop = node.end_lineno or node.lineno
        found[name] = "\n".join(lines[end:stop])
        end = stop
    return found


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.ImportFrom):
        return f"from {node.module}"
    if isinstance(node, ast.Import):
        return f"import {node.names[0].name}"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return "the docstring" if isinstance(node, ast.Expr) else ast.unparse(node)


def _inserted(found: dict[str, str], name: str, text: str, after: str) -> dict[str, str]:
    """Return the statements with one more behind `after`, or at the end where that is gone."""
    result: dict[str, str] = {}
    for key, value in found.items():
        result[key] = value
        if key == after:
            result[name] = text
    return result if name in result else {**result, name: text}


def _merged_words(name: str, base: str, theirs: str, ours: str) -> str:
    """Return a statement that both may have changed, in different places; raise HaiosError."""
    if ours in (base, theirs):
        return theirs
    from merge3 import Merge3

    before, mine, new = (_WORD.findall(text) for text in (base, theirs, ours))
    exact: Any = functools.partial(difflib.SequenceMatcher, autojunk=False)
    merge = Merge3(before, mine, new, sequence_matcher=exact)
    text: list[str] = []
    for kind, *rest in merge.merge_groups():
        if kind == "conflict":
            raise HaiosError(f"it and this version both changed {name}")
        text += rest[0]
    return "".join(text)
