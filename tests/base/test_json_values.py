"""What is not of the type that is asked for is taken as none."""

import pytest

from haios_dag.base import json_values

ANY: tuple[object, ...] = ({"a": 1}, [1, "b", None], "c", 7, -7, 1.5, True, False, None)


@pytest.mark.parametrize(
    ("name", "taken", "none"),
    [
        ("as_object", {0: {"a": 1}}, {}),
        ("as_list", {1: [1, "b", None]}, []),
        ("as_texts", {1: ["b"]}, []),
        ("as_text", {2: "c"}, ""),
        ("as_count", {3: 7}, None),
        ("as_number", {3: 7, 4: -7, 5: 1.5}, None),
    ],
)
def test_any_value(name: str, taken: dict[int, object], none: object) -> None:
    """Each function returns the values of its type as they are, and nothing for all others."""
    found = [getattr(json_values, name)(value) for value in ANY]
    assert repr(found) == repr([taken.get(number, none) for number in range(len(ANY))])
