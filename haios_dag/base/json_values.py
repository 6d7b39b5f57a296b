"""Values of JSON that another program may have written, so that each may have any type."""

import itertools
from typing import Any


def as_object(value: object) -> dict[str, Any]:
    """Return an object, {} for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list, [] for anything else."""
    return value if isinstance(value, list) else []


def as_texts(value: object) -> list[str]:
    """Return the texts in a list, [] for anything else."""
    return [one for one in as_list(value) if isinstance(one, str)]


def as_text(value: object) -> str:
    """Return a text, "" for anything else."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """Return a whole number of at least 0, None for anything else."""
    return value if type(value) is int and value >= 0 else None


def as_number(value: object) -> int | float | None:
    """Return a number, None for anything else; `true` and `false` are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def is_deeper(value: object, levels: int) -> bool:
    """Tell whether a value is nested deeper than so many levels of objects and lists."""
    level = [value]
    for _ in range(levels):
        inner = [item.values() if isinstance(item, dict) else item
                 for item in level if isinstance(item, dict | list)]  # fmt: skip
        if not inner:
            return False
        level = list(itertools.chain.from_iterable(inner))
    return any(isinstance(item, dict | list) for item in level)
