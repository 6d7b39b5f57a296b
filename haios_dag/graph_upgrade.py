"""Bringing an older `dodo.py` up to date: a three-way merge, statement by statement.

What changed between the older graph and this version's is applied to the user's, which keeps each
statement that the user changed or added, and lacks each that the user took out. Where both changed
one statement, its words are merged. What would not run afterwards is refused.
"""

import ast
import builtins
import difflib
import functools
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from haios_dag.base.errors import HaiosError

_OLDER = Path(__file__).parent / "older_graphs"
_WORD = re.compile(r"\w+|[^\S\n]+|\n|.")
# What another name stands for with certainty: the steps.
_RENAMED = {
    "ingest": "ingest_step", "embed": "embed_step", "bridge": "bridge_step",
    "synthesize": "synthesize_step", "beat.status": "status_step",
}  # fmt: skip
# Where a call names the task before it, unless it does so by `after=`.
_BEHIND = {"beat.step": 3, "beat.event": 1, "beat.verdict": 1}
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class _Statement(NamedTuple):
    text: str  # with the lines that stand before it
    node: ast.stmt
    line: int  # of the text


def base_of(graph: str, ours: str) -> str | None:
    """Return the older graph that a graph was made from; None where it is of this version."""
    try:
        mine, new = _kinds(graph), _kinds(ours)
    except HaiosError:
        return None
    best, most = None, 0
    for path in sorted(_OLDER.glob("dodo-*.txt")):
        base = path.read_text(encoding="utf-8")
        old = _kinds(base)
        shared = len((old - new) & mine)
        is_older = shared > len((new - old) & mine) or _gone(base, ours) & _used(parsed(graph))
        if is_older and shared >= most:
            best, most = base, shared
    return best


def _kinds(graph: str) -> set[str]:
    return {ast.dump(node) for node in parsed(graph).body}


def parsed(graph: str) -> ast.Module:
    """Return a graph as a tree; raise HaiosError."""
    try:
        return ast.parse(graph)
    except (SyntaxError, ValueError) as error:
        raise HaiosError(f"it is not Python ({error})") from None


def merged(base: str, theirs: str, ours: str) -> str:
    """Return `theirs` with what changed from `base` to `ours`; raise HaiosError for a conflict.

    Lines end with a line feed.
    """
    graphs = _renamed(base), _renamed(theirs), ours
    (before, _), (mine, tail), (new, _) = map(_statements, graphs)
    replaced = before.keys() - new.keys()
    result = {
        name: one.text
        for name, one in new.items()
        if name in mine
        or (name not in before and (not name.startswith("task_") or replaced & mine.keys()))
    }
    added = (name for name in result if name.startswith("task_") and name not in before)
    instead = next(added, "")
    last = ""
    for name, one in mine.items():
        old, our = before.get(name), new.get(name)
        if our:
            result[name] = _merged_statement(name, old, one, our)
        elif old and not _is_same(old, one):
            raise HaiosError(f"it changes {name}, which this version no longer has")
        elif old:
            if comments := _comments(one, old):
                key = f"the comment of {name}"
                result = _inserted(result, key, "\n\n" + "\n".join(comments), last)
                last = key
            last = instead or last
            continue
        else:
            result = _inserted(result, name, one.text, last)
        last = name
    text = "\n".join(filter(None, [*result.values(), tail])).strip("\n") + "\n"
    _refuse_what_would_not_run(text, base, mine, ours)
    return text


# --- statements ------------------------------------------------------------------------------


def _statements(text: str) -> tuple[dict[str, _Statement], str]:
    """Return the statements of a module by a name for each, and the lines behind the last."""
    lines = text.split("\n")
    found: dict[str, _Statement] = {}
    name, end = "", 0
    for node in parsed(text).body:
        stop = node.end_lineno or node.lineno
        if found and node.lineno <= end:  # behind a semicolon
            both = [found[name].text, *lines[end:stop]]
            found[name] = found[name]._replace(text="\n".join(both), node=ast.If(
                ast.Constant(value=True), [found[name].node, node], []))  # fmt: skip
        else:
            name = _name(node)
            while name in found:
                name += "'"
            found[name] = _Statement("\n".join(lines[end:stop]), node, end + 1)
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


def _is_same(one: _Statement, other: _Statement) -> bool:
    """Tell whether two statements differ in their comments and layout at most."""
    return ast.dump(one.node) == ast.dump(other.node)


def _comments(one: _Statement, old: _Statement | None) -> list[str]:
    """Return the comments of a statement that the older one does not have."""
    found = [
        [token.string for token in tokenize.generate_tokens(io.StringIO(text).readline)
         if token.type == tokenize.COMMENT]
        for text in (one.text, old.text if old else "")
    ]  # fmt: skip
    return [comment for comment in found[0] if comment not in found[1]]


def _inserted(found: dict[str, str], name: str, text: str, after: str) -> dict[str, str]:
    """Return the statements with one more behind `after`, or in front where that is none."""
    keys = list(found)
    at = keys.index(after) + 1 if after else 0
    return {key: text if key == name else found[key] for key in [*keys[:at], name, *keys[at:]]}


def _merged_statement(name: str, old: _Statement | None, one: _Statement, our: _Statement) -> str:
    """Return a statement that both may have changed, in different places; raise HaiosError."""
    if _is_same(one, our) or (old and _is_same(old, our)):
        return one.text
    new = our.text
    if isinstance(one.node, ast.ImportFrom) and isinstance(our.node, ast.ImportFrom):
        was = _imports(old.node) if old else []
        now, add = _imports(one.node), _imports(our.node)
        names = [each for each in now if each not in was or each in add]
        names += [each for each in add if each not in was and each not in names]
        if sorted(names) != sorted(add):
            level = "." * one.node.level
            new = f"from {level}{one.node.module} import {', '.join(names)}" if names else ""
            new = "\n" * (len(our.text) - len(our.text.lstrip("\n"))) + new
    elif old is None:
        raise HaiosError(f"it has a {name} of its own, which this version has too")
    elif not _is_same(old, one) and not _is_part(one.node, old.node):
        return _merged_words(name, old.text, one.text, new)
    comments = "".join(f"{comment}\n" for comment in _comments(one, old))
    head = len(new) - len(new.lstrip("\n"))
    return new[:head] + comments + new[head:]


def _imports(node: ast.stmt) -> list[str]:
    return [ast.unparse(alias) for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def _is_part(one: ast.stmt, old: ast.stmt) -> bool:
    """Tell whether a table has nothing but rows of the older one."""
    rows = []
    for node in (one, old):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)):
            return False
        pairs = zip(node.value.keys, node.value.values, strict=True)
        rows.append({ast.unparse([key, value]) if key else "" for key, value in pairs})  # type: ignore[arg-type]
    return rows[0] <= rows[1]


def _merged_words(name: str, base: str, theirs: str, ours: str) -> str:
    """Return the text of a statement with the words of both; raise HaiosError."""
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


# --- names -----------------------------------------------------------------------------------


def _reads(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[ast.expr]:
    """Yield each name of the module that is read, and each attribute of one as a whole."""
    if isinstance(node, _FUNCTIONS):
        local |= {name for child in ast.iter_child_nodes(node) for name in _bound(child)}
    of = node.value if isinstance(node, ast.Attribute) else node
    if isinstance(of, ast.Name) and isinstance(node, ast.Attribute | ast.Name):
        if of.id not in local and isinstance(node.ctx, ast.Load):
            yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from _reads(child, local)


def _bound(tree: ast.AST) -> set[str]:
    """Return the names that something binds, those inside its functions left out."""
    if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {tree.name}
    if isinstance(tree, ast.Lambda):
        return set()
    found = {name for child in ast.iter_child_nodes(tree) for name in _bound(child)}
    if isinstance(tree, ast.Name) and isinstance(tree.ctx, ast.Store):
        found.add(tree.id)
    elif isinstance(tree, ast.arg):
        found.add(tree.arg)
    elif isinstance(tree, ast.alias):
        found.add((tree.asname or tree.name).partition(".")[0])
    elif isinstance(tree, ast.ExceptHandler) and tree.name:
        found.add(tree.name)
    return found


def _from_package(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "haios_dag":
            yield node


def _used(tree: ast.Module) -> set[str]:
    """Return what a graph uses of this package."""
    names = {f"{one.module}.{alias.name}" for one in _from_package(tree) for alias in one.names}
    reads = {ast.unparse(node) for node in _reads(tree) if isinstance(node, ast.Attribute)}
    return names | {name for name in reads if name.startswith(("beat.", "commands."))}


def _gone(base: str, ours: str) -> set[str]:
    return _used(parsed(base)) - _used(parsed(ours))


def _renamed(text: str) -> str:
    """Return a graph with the new names of the steps that it imports."""
    tree = parsed(text)
    package = list(_from_package(tree))
    others = [node for node in tree.body if node not in package]
    steps = {name for one in package for name in _bound(one)} - {
        name for node in others for name in _bound(node)
    }
    places: list[tuple[Any, str]] = []
    for node in _reads(tree):
        whole = ast.unparse(node)
        name = node.value if whole not in _RENAMED and isinstance(node, ast.Attribute) else node
        old = ast.unparse(name)
        if old in _RENAMED and ("." in old or old in steps):
            places.append((name, old))
    for one in package:
        places += [(alias, alias.name) for alias in one.names
                   if one.module != "haios_dag" and alias.name in _RENAMED
                   and (alias.asname or alias.name in steps)]  # fmt: skip
    lines = text.encode().split(b"\n")
    for node, old in sorted(places, key=lambda one: one[0].col_offset, reverse=True):
        line, at = lines[node.lineno - 1], node.col_offset
        if line[at : at + len(old)] == old.encode():
            lines[node.lineno - 1] = line[:at] + _RENAMED[old].encode() + line[at + len(old) :]
    return b"\n".join(lines).decode()


def _refuse_what_would_not_run(
    text: str, base: str, mine: dict[str, _Statement], ours: str
) -> None:
    """Raise HaiosError for a name, or a place in the chain, that is there no more."""
    tree = parsed(text)
    gone = _gone(base, ours)
    made = _objects(tree)
    known = _bound(parsed(base)) | _bound(parsed(ours))
    missing = known - _bound(tree) - set(dir(builtins))
    lost: list[tuple[str, ast.AST]] = []
    for one in _from_package(tree):
        lost += [(f"{one.module}.{alias.name}", one) for alias in one.names
                 if f"{one.module}.{alias.name}" in gone]  # fmt: skip
    for node in _reads(tree):
        name, _, attribute = ast.unparse(node).partition(".")
        if name in missing:
            lost.append((name, node))
        elif attribute and name in made and not hasattr(made[name], attribute):
            lost.append((f"{name}.{attribute}", node))
    if lost:
        names = ", ".join(f"{name} (line {_line(node, text, mine)})" for name, node in lost)
        raise HaiosError(f"it uses what this version no longer has: {names}")
    _refuse_tasks(tree, known)


def _objects(tree: ast.Module) -> dict[str, object]:
    """Return what a graph's names stand for, those of this package, looked up but not used."""
    made: dict[str, object] = {}
    for one in _from_package(tree):
        for alias in one.names:
            for module, name in ((f"{one.module}.{alias.name}", ""), (str(one.module), alias.name)):
                try:
                    found = importlib.import_module(module)
                except ImportError:
                    continue
                if not name or hasattr(found, name):
                    made[alias.asname or alias.name] = getattr(found, name) if name else found
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            kind = ast.unparse(node.value.func)
            if kind == "Beat" and kind in made:
                made |= {name: made[kind](Path()) for name in _bound(node)}  # type: ignore[operator]
    return made


def _line(node: Any, text: str, mine: dict[str, _Statement]) -> int:  # noqa: ANN401 - ast.AST lacks it
    """Return where the user's file has what stands at a place of the merged text."""
    found = text.split("\n")[node.lineno - 1]
    for name, one in _statements(text)[0].items():
        if name in mine and one.line <= node.lineno <= (one.node.end_lineno or 0):
            theirs = mine[name].text.split("\n")
            return mine[name].line + (theirs.index(found) if found in theirs else 0)
    return int(node.lineno)


def _refuse_tasks(tree: ast.Module, known: set[str]) -> None:
    """Raise HaiosError for a task that is missing, and for one of the user's that is a command."""
    bound = _bound(tree)
    for node in ast.walk(tree):
        kind = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if not isinstance(node, ast.Call) or kind not in _BEHIND:
            continue
        at = _BEHIND[kind]
        after = [*node.args[at : at + 1], *(one.value for one in node.keywords)]
        names = [str(one.value) for one in after if isinstance(one, ast.Constant)]
        for name in [*names, *(["_begin"] if kind == "beat.event" else [])]:
            if f"task_{name}" in known - bound:
                raise HaiosError(f"its chain names the task {name}, which it does not have")
    if "task_commands" not in bound:
        return
    rows = importlib.import_module("haios_dag.commands").COMMANDS
    taken = {row.name for row in rows if row.call and row.in_doit}
    for node in tree.body:
        for name in sorted(_tasks(node) & taken):
            raise HaiosError(f"its own task {name} has the name of a command of this version")


def _tasks(node: ast.stmt) -> set[str]:
    """Return the names that a function of the module gives to tasks."""
    if not (isinstance(node, ast.FunctionDef) and node.name.startswith("task_")):
        return set()
    pairs = [pair for one in ast.walk(node) if isinstance(one, ast.Dict)
             for pair in zip(one.keys, one.values, strict=True)]  # fmt: skip
    return {node.name.removeprefix("task_")} | {
        ast.literal_eval(value)
        for key, value in pairs
        if key and ast.unparse(key) == "'basename'" and isinstance(value, ast.Constant)
    }
