"""Bringing an older `dodo.py` up to date: a three-way merge, statement by statement.

What changed between the older graph and this version's is applied to the user's, which keeps each
statement that the user changed or added, and lacks each that the user took out. Where both changed
one statement, its words are merged.
"""

import ast
import difflib
import functools
import re
from pathlib import Path
from typing import Any, NamedTuple

from haios_dag.base.errors import HaiosError

_OLDER = Path(__file__).parent / "older_graphs"
_WORD = re.compile(r"\w+|[^\S\n]+|\n|.")


class _Statement(NamedTuple):
    text: str  # with the lines that stand before it
    code: str  # without comments and layout


def base_of(graph: str, ours: str) -> str | None:
    """Return the older graph that a graph was made from; None for one of this version.

    What the user added does not count, only statements that differ between the two.
    """
    try:
        mine, new = _code(graph), _code(ours)
    except HaiosError:
        return None
    best, most = None, 0
    for path in sorted(_OLDER.glob("dodo-*.txt")):
        base = path.read_text(encoding="utf-8")
        old = _code(base)
        shared = len((old - new) & mine)
        if shared > max(most, len((new - old) & mine)):
            best, most = base, shared
    return best


def _code(graph: str) -> set[str]:
    return {one.code for one in _statements(graph)[0].values()}


def merged(base: str, theirs: str, ours: str) -> str:
    """Return `theirs` with what changed from `base` to `ours`; raise HaiosError for a conflict.

    Lines end with a line feed.
    """
    (before, _), (mine, tail), (new, _) = map(_statements, (base, theirs, ours))
    result = {name: one.text for name, one in new.items() if name in mine or name not in before}
    last = ""
    for name, one in mine.items():
        old, our = before.get(name), new.get(name)
        if old and not our:
            if one.code != old.code:
                raise HaiosError(f"it changes {name}, which this version no longer has")
            continue
        if not our:
            result = _inserted(result, name, one.text, last)
        elif not old and one.code != our.code:
            raise HaiosError(f"it has a {name} of its own, which this version has too")
        elif old and one.text != old.text:
            result[name] = _merged_words(name, old.text, one.text, our.text)
        last = name
    return "\n".join(filter(None, [*result.values(), tail])).strip("\n") + "\n"


def _statements(text: str) -> tuple[dict[str, _Statement], str]:
    """Return the statements of a module by a name for each, and the lines behind the last."""
    lines = text.split("\n")
    found: dict[str, _Statement] = {}
    end = 0
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError) as error:
        raise HaiosError(f"it is not Python ({error})") from None
    for node in body:
        name = _name(node)
        while name in found:
            name += "'"
        if found and node.lineno <= end:
            raise HaiosError(f"line {node.lineno} has two statements")
        stop = node.end_lineno or node.lineno
        found[name] = _Statement("\n".join(lines[end:stop]), ast.dump(node))
        end = stop
    return found, "\n".join(lines[end:]).rstrip()


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.ImportFrom):
        return f"from {node.module}"
    if isinstance(node, ast.Import):
        return f"import {node.names[0].name}"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return "the docstring" if is_text else ast.unparse(node)


def _inserted(found: dict[str, str], name: str, text: str, after: str) -> dict[str, str]:
    """Return the statements with one more behind `after`, or in front where that is none."""
    keys = list(found)
    at = keys.index(after) + 1 if after in found else 0
    return {key: text if key == name else found[key] for key in [*keys[:at], name, *keys[at:]]}


def _merged_words(name: str, base: str, theirs: str, ours: str) -> str:
    """Return the text of a statement with the words of both; raise HaiosError."""
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
