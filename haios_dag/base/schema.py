"""JSON Schemas (draft 2020-12) and validation with messages that name the place.

Two validators share the work: jsonschema_rs accepts, a hundred times as fast and with half the
time to import; what it does not accept, jsonschema decides, and puts into words.
"""

import contextlib
import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haios_dag.base.errors import InvalidError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema_rs import Draft202012Validator as BriefValidator

_ID = "urn:haios-dag:schema:"
_PACKAGE = Path(__file__).parents[1]


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
    """Parse JSON in UTF-8; raise ValueError, also for NaN, infinity and repeated keys.

    Raise RecursionError for what is nested too deeply.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            raise ValueError("a key stands twice in one object")
        return value

    text = data.decode("utf-8")
    return json.loads(text, parse_constant=finite, parse_float=finite, object_pairs_hook=unique)


def _is_date_time(value: object) -> bool:
    """Tell whether a text names a day and a time that exist."""
    try:
        return not isinstance(value, str) or bool(datetime.fromisoformat(value))
    except ValueError:
        return False


@functools.cache
def acceptor(*names: str) -> Callable[[object], bool]:
    """Return what tells quickly whether a value matches all of some schemas.

    It may say no to, or raise ValueError for, what `violations` finds nothing wrong with: a text
    with half a surrogate pair, or more levels than it can go down.

    Its own check of dates takes the place of ours, a call of Python for each: beside the pattern
    that they have, both accept the same. What says that Python's `$` is to be the very end is left
    out: here it is, and looking ahead is slow.
    """
    from jsonschema_rs import Draft202012Validator  # 30 ms

    text = json.dumps([load(name) for name in names]).replace(r"$(?!\\n)", "$")
    return Draft202012Validator({"allOf": json.loads(text)}, validate_formats=True).is_valid


@functools.cache
def _brief(name: str) -> "BriefValidator":
    """Return a validator that finds what `_validator` finds, in its own words."""
    from jsonschema_rs import Draft202012Validator

    formats = {"date-time": _is_date_time}
    return Draft202012Validator(load(name), validate_formats=True, formats=formats)


@functools.cache
def _validator(name: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator, FormatChecker  # 70 ms

    formats = FormatChecker(formats=())
    formats.checks("date-time")(_is_date_time)
    return Draft202012Validator(load(name), format_checker=formats)


def violations(name: str, instance: object) -> "list[ValidationError]":
    """Return every violation, in the order of their places; [] when valid.

    What a schema marks as `writeOnly` is a secret: the message does not quote it.
    """
    try:
        if acceptor(name)(instance):
            return []
    except ValueError:
        pass  # the other one takes every value that Python reads
    found = list(_validator(name).iter_errors(instance))
    for error in found:
        secret = isinstance(error.schema, dict) and error.schema.get("writeOnly")
        if secret and error.validator != "additionalProperties":  # which quotes keys alone
            error.message = f"it is not of this {error.validator}: {error.validator_value}"
    return sorted(found, key=lambda error: [str(part) for part in error.path])


def places(
    names: Iterable[str], instance: object, *, brief: bool = False
) -> Iterator[tuple[str, str]]:
    """Return the JSON path of each violation of some schemas, and what it is.

    When `brief`, in the words and the order of jsonschema_rs, at a tenth of the cost.
    """
    names = list(names)
    found: list[tuple[str, str]] = []
    if brief:
        with contextlib.suppress(ValueError):  # a value that only the other one takes
            found = [
                (".".join(["$", *map(str, error.instance_path)]), error.message)
                for name in names
                for error in _brief(name).iter_errors(instance)
            ]
    # All in the same words, so that what two schemas say alike is one.
    yield from found or [
        (e.json_path, e.message) for name in names for e in violations(name, instance)
    ]


def unsound(schema: object) -> "list[ValidationError]":
    """Return every violation of the metaschema by a schema; [] when it is one of draft 2020-12."""
    from jsonschema import Draft202012Validator

    found = Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
    return sorted(found, key=lambda error: [str(part) for part in error.path])


def problems(name: str, instance: object) -> list[str]:
    """Return every violation as `place: reason`, in the order of their places; [] when valid.

    `place` is the dotted path inside `instance`, `(top)` for the whole.
    """
    return [
        f"{'.'.join(map(str, error.absolute_path)) or '(top)'}: {error.message[:300]}"
        for error in violations(name, instance)
    ]


def validate(name: str, instance: object) -> None:
    """Raise InvalidError, naming the first violations, unless `instance` matches the schema."""
    if found := problems(name, instance):
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""  # noqa: PLR2004
        raise InvalidError("; ".join(found[:3]) + more)
