"""JSON Schemas (draft 2020-12) and validation with messages that name the place."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haios_dag.errors import InvalidError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_PACKAGE = Path(__file__).parent


def resource(name: str) -> Path:
    """Return the path of a file that ships with the package: `dodo.py` or `schemas/...`.

    In a wheel it stands inside the package, in a checkout beside it.
    """
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name


@functools.cache
def load(name: str) -> dict[str, Any]:
    """Return the schema `schemas/<name>.schema.json`."""
    text = resource(f"schemas/{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@functools.cache
def _validator(name: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 70 ms, only where used

    return Draft202012Validator(load(name), format_checker=Draft202012Validator.FORMAT_CHECKER)


def problems(name: str, instance: object) -> list[str]:
    """Return every violation as `place: reason`, in the order of their places; [] when valid.

    `place` is the dotted path inside `instance`, `(top)` for the whole.
    """
    found = sorted(_validator(name).iter_errors(instance), key=lambda e: [str(p) for p in e.path])
    return [f"{'.'.join(map(str, e.absolute_path)) or '(top)'}: {e.message[:300]}" for e in found]


def validate(name: str, instance: object) -> None:
    """Raise InvalidError, naming the first violations, unless `instance` matches the schema."""
    if found := problems(name, instance):
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""  # noqa: PLR2004
        raise InvalidError("; ".join(found[:3]) + more)
