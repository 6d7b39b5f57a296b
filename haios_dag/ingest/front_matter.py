"""YAML front matter: the block of fields that may stand at the head of a Markdown file.

It is foreign text, so it is read within bounds: its size, nesting, aliases and numbers. A block
that cannot be used costs its fields, never the document.
"""

import datetime as dt
import functools
import math
import re
from dataclasses import dataclass
from typing import Any

MAX_CHARACTERS = 65_536  # ten times the longest block of a real workspace
MAX_DEPTH = 20  # libyaml's loader overflows the C stack at some ten thousand levels
MAX_VALUES = 10_000  # counted as if aliases were written out: they make small text a huge value
MAX_INTEGER = 2**63  # what a database column holds; YAML can spell far longer ones

_OPENING = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*---[ \t]*\n")
_COMMENTS = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*")
_KEY = re.compile(r"[^\s#\-][^\n]*?:(?:[ \t]|$)", re.MULTILINE)
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What `split` found: the fields, the text behind them and the line where that begins.

    `first_line` is the 1-based number of the body's first line in the file. `problem` says in a
    phrase, with the line, why there are no fields although there is a block; else it is None.
    """

    fields: dict[str, Any]
    body: str
    first_line: int
    problem: str | None


def normal_lines(text: str) -> str:
    """Return text without a byte order mark and with LF alone as line end."""
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def split(text: str) -> FrontMatter:
    """Separate front matter from the body of a document; never raise for what the text holds.

    The block opens with `---` on the first line, or behind nothing but blank and `#` lines (HAIOS
    writes its `# generated:` there), and must begin with a key: any other `---` is a rule between
    paragraphs. Values are those of YAML 1.1's safe schema. The body does not contain a bad block,
    unless lines stand before it, for then it may have been prose.
    """
    text = normal_lines(text)
    absent = FrontMatter({}, text, 1, None)
    opening = _OPENING.match(text, 0, MAX_CHARACTERS)
    if not opening:
        return absent
    start = opening.end()
    limit = start + MAX_CHARACTERS
    led = not text.startswith("---")
    comments = None if led else _COMMENTS.match(text, start, limit)
    key_at = comments.end() if comments else start
    closing = _CLOSING.search(text, start, limit)
    has_key = _KEY.match(text, key_at) is not None
    line = text.count("\n", 0, start) + 1
    if not closing:
        problem = f"line {line - 1}: front matter is opened but not closed by ---"
        return FrontMatter({}, text, 1, problem) if has_key else absent
    block = text[start : closing.start()]
    if not has_key and block.strip():
        return absent
    fields, reason = _load(block, line)
    if reason and led:
        return FrontMatter({}, text, 1, reason)
    first_line = text.count("\n", 0, closing.start()) + 2  # also where no line end closes it
    return FrontMatter(fields, text[closing.end() :], first_line, reason)


def _load(block: str, line: int) -> tuple[dict[str, Any], str | None]:
    """Return the fields of a YAML block that begins at `line`, or {} and the problem."""
    import yaml  # 25 ms

    try:
        _check_events(block)
        value = yaml.load(block, Loader=_loader())  # noqa: S506 - a subclass of the safe loader
        _check_values(value)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = line + mark.line if mark else line
        return {}, f"line {where}: front matter is not YAML: {error.problem or error.context}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return {}, f"line {line}: front matter is not usable: {str(error).splitlines()[0]}"
    if value is None:
        return {}, None
    if not isinstance(value, dict):
        return {}, f"line {line}: front matter is not a list of fields"
    return {str(key): item for key, item in value.items()}, None


@functools.cache
def _loader() -> Any:  # noqa: ANN401 - yaml is imported late, and its loaders share no type
    """Return the safe loader, in C where it is built, with dates that cannot fail."""
    import yaml  # 25 ms

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        pass

    def timestamp(loader: Any, node: Any) -> object:  # noqa: ANN401
        try:
            return loader.construct_yaml_timestamp(node)
        except ValueError:
            return node.value

    Loader.add_constructor("tag:yaml.org,2002:timestamp", timestamp)
    Loader.add_constructor("tag:yaml.org,2002:value", base.construct_yaml_str)  # a lone `=`
    return Loader


def _check_events(block: str) -> None:
    """Raise ValueError for a block that must not be loaded: nested too deeply, or merging.

    Merge keys double their content at each use while the value is being built, so they have to
    be refused before; libyaml's event parser itself keeps its stack on the heap.
    """
    import yaml  # 25 ms

    depth = 0
    for event in yaml.parse(block, Loader=_loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            raise ValueError("it merges other fields with <<; write them out")


def _check_values(value: object) -> None:
    """Raise ValueError for values that would hurt later: huge, endless or beyond JSON and SQL."""
    todo, count = [value], 0
    while todo:
        item = todo.pop()
        count += 1
        if count > MAX_VALUES:
            raise ValueError(f"it has more than {MAX_VALUES} values")
        if isinstance(item, dict):
            todo.extend(item)
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("a number is not finite")
        elif isinstance(item, int) and abs(item) >= MAX_INTEGER:
            raise ValueError("a number is too long")
        elif not isinstance(item, str | int | float | dt.date | None):
            raise ValueError(f"a value has the unusual type {type(item).__name__}")
