"""JSON Schemas (draft 2020-12), and validation with messages that name the place."""

import functools
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from haios_dag.base.errors import InvalidError

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

_ID = "urn:haios-dag:schema:"
_PACKAGE = Path(__file__).parents[1]
_LEVELS = 100  # of nesting that are looked at; no schema describes more than ten
_SHOWN = 3


class SchemaViolation(NamedTuple):
    """What is wrong, and at which path inside the value."""

    path: list[str | int]
    message: str


def resource(name: str) -> Path:
    """Return the path of a file that ships with the package: `dodo.py` or `schemas/...`.

    In a wheel it stands inside the package, in a checkout beside it.
    """
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name


@functools.cache
def load(name: str) -> dict[str, Any]:
    """Return the schema `schemas/<name>.schema.json`, with those that it refers to in its `$defs`.

    They keep their `$id`, by which the references find them.
    """
    text = resource(f"schemas/{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    for other in sorted(set(re.findall(rf'"\$ref": "{_ID}([a-z-]+)"', text))):
        schema["$defs"][other] = load(other)
    return schema


@functools.lru_cache(maxsize=256)  # a foreign log may hold any number of types
def names_of_event(kind: object) -> tuple[str, ...]:
    """Return the schemas of an event: that of all events, and its type's where there is one."""
    if isinstance(kind, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,63}", kind):
        name = f"event-{kind}"
        if resource(f"schemas/{name}.schema.json").exists():
            return "event", name
    return ("event",)


def finite(text: str) -> float:
    """Return a number; raise ValueError for nan, with which no limit would hold, and infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def parse(data: bytes) -> Any:  # noqa: ANN401 - any value that JSON has
    """Parse JSON; raise ValueError, also for NaN, infinity and repeated keys, or RecursionError."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            raise ValueError("a key stands twice in one object")
        return value

    text = data.decode("utf-8")
    return json.loads(text, parse_constant=finite, parse_float=finite, object_pairs_hook=unique)


@functools.cache
def validator(*names: str) -> "Draft202012Validator":
    """Return the validator of some schemas together.

    Its `is_valid` is the quickest answer; it raises ValueError for a text with half a surrogate
    pair, which `violations` takes.

    Our patterns end in what makes Python's `$` mean the very end. Here it does so anyway, and
    looking ahead is slow, so it is left out.
    """
    from jsonschema_rs import Draft202012Validator  # 30 ms

    text = json.dumps([load(name) for name in names]).replace(r"$(?!\\n)", "$")
    return Draft202012Validator({"allOf": json.loads(text)}, validate_formats=True)


def violations(names: str | Iterable[str], instance: object) -> list[SchemaViolation]:
    """Return every violation of one or more schemas, in the order of their places."""
    by = validator(*([names] if isinstance(names, str) else names))
    try:
        errors = [(error.instance_path, error.message) for error in by.iter_errors(instance)]
    except ValueError:  # half a surrogate pair, or too deep to be quoted
        errors = [(error.instance_path, error.message)
                  for error in by.iter_errors(_plain(instance, _LEVELS))]  # fmt: skip
    unique = {(tuple(path), message): None for path, message in errors}
    ordered = sorted(unique, key=lambda one: [str(part) for part in one[0]])
    return [SchemaViolation(list(path), message) for path, message in ordered]


def unsound(schema: object) -> list[SchemaViolation]:
    """Return every violation of the metaschema by a schema; [] for one of draft 2020-12."""
    from jsonschema import Draft202012Validator  # 70 ms, only where schemas are checked

    found = Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
    ordered = sorted(found, key=lambda error: [str(part) for part in error.path])
    return [SchemaViolation(list(one.absolute_path), one.message) for one in ordered]


def _plain(value: object, levels: int) -> object:
    """Return a JSON value without half surrogate pairs and without what lies deeper."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_plain(k, 0): _plain(v, levels - 1) for k, v in value.items()} if levels else {}
    if isinstance(value, list):
        return [_plain(one, levels - 1) for one in value] if levels else []
    return value


def json_path(path: Iterable[str | int]) -> str:
    """Return a path as JSON path, such as `$.steps.embed` or `$.folders[1]`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def problems(name: str, instance: object) -> list[str]:
    """Return every violation as `place: reason`, in the order of their places; [] when valid.

    `place` is the dotted path inside `instance`, `(top)` for the whole.
    """
    return [
        f"{'.'.join(map(str, one.path)) or '(top)'}: {one.message[:300]}"
        for one in violations(name, instance)
    ]


def validate(name: str, instance: object) -> None:
    """Raise InvalidError, naming the first violations, unless `instance` matches the schema."""
    if found := problems(name, instance):
        more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
        raise InvalidError("; ".join(found[:_SHOWN]) + more)
