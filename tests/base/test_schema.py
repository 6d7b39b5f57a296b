"""The schemas are sound, and violations are named by their place."""

import contextlib
import copy
import functools
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as also
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from haios_dag.base import schema
from haios_dag.base.errors import InvalidError

FOLDER = schema.resource("schemas")
NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.iterdir())


def objects(value: object) -> list[dict[str, object]]:
    """Return every object inside a JSON value."""
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in objects(inner))]
    if isinstance(value, list):
        return [found for inner in value for found in objects(inner)]
    return []


def test_every_file_is_a_schema() -> None:
    """The folder holds schemas and nothing else."""
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.schema.json" for name in NAMES}
    assert {"config", "event", "event-heartbeat"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestEverySchema:
    """What holds for each schema that ships."""

    def test_is_valid(self, name: str) -> None:
        """It is valid JSON Schema of draft 2020-12 and says so."""
        Draft202012Validator.check_schema(schema.load(name))
        assert schema.load(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    def test_is_named(self, name: str) -> None:
        """Its identifier is its file's name, of events with a version, and it says what it is."""
        version = ":1" if name.startswith("event") else ""
        assert schema.load(name)["$id"] == f"urn:haios-dag:schema:{name}{version}"
        assert schema.load(name)["title"]
        assert schema.load(name)["description"]

    def test_references_stay_inside(self, name: str) -> None:
        """It refers to nothing outside itself, so that nothing is ever fetched.

        Another schema of ours stands in its `$defs` when it is loaded, and is found by its `$id`.
        """
        loaded = schema.load(name)
        within = {one["$id"] for one in loaded.get("$defs", {}).values() if "$id" in one}
        references = [str(found["$ref"]) for found in objects(loaded) if "$ref" in found]
        assert all(one.startswith("#") or one in within for one in references)
        validator = Draft202012Validator(schema.load(name))
        for reference in references:
            validator.evolve(schema={"$ref": reference, **schema.load(name)}).is_valid({})

    def test_examples_are_valid(self, name: str) -> None:
        """Its examples are valid."""
        for example in schema.load(name).get("examples", []):
            assert schema.problems(name, example) == []

    def test_defaults_are_valid(self, name: str) -> None:
        """Each default is a value that its own rule accepts."""
        for rule in objects(schema.load(name)):
            if "default" in rule and "type" in rule:
                assert Draft202012Validator(rule).is_valid(rule["default"]), rule

    def test_required_keys_are_described(self, name: str) -> None:
        """A key that is required is one that is described, where a type is given."""
        for rule in objects(schema.load(name)):
            required, described = rule.get("required"), rule.get("properties")
            if isinstance(required, list) and isinstance(described, dict) and "type" in rule:
                assert set(required) <= set(described)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("event-")])
def test_event_types_fit_the_envelope(name: str) -> None:
    """The examples of an event type are events of that type."""
    examples = schema.load(name)["examples"]
    assert examples
    for example in examples:
        assert schema.problems("event", example) == []
        assert example["type"] == name.removeprefix("event-")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("event")])
def test_patterns_of_events_are_strict(name: str) -> None:
    r"""Python's `$` lets a line break pass and its `\d` every script; the patterns do not."""
    for rule in objects(schema.load(name)):
        if isinstance(pattern := rule.get("pattern"), str):
            assert pattern.endswith("$(?!\\n)")
            assert "\\d" not in pattern


def test_problems_are_placed_and_ordered() -> None:
    """Every violation is named with its dotted place, in the order of the places."""
    found = schema.problems("event", {"ts": 5, "type": "Bad Type"})
    assert [problem.split(": ")[0] for problem in found] == ["ts", "type"]
    assert schema.problems("event", []) == ['(top): [] is not of type "object"']


def test_validate_names_the_first_few() -> None:
    """The message of a refusal has three violations and the number of the others."""
    with pytest.raises(InvalidError) as refusal:
        schema.validate("event-heartbeat", {"type": "heartbeat"})
    assert str(refusal.value).count("is a required property") == 3
    assert str(refusal.value).endswith(" more)")
    schema.validate("event", schema.load("event")["examples"][0])


def test_long_values_are_cut() -> None:
    """A violation by a huge value does not flood the terminal."""
    found = schema.problems("event", {"ts": "x" * 1_000_000, "type": "note"})
    assert found
    assert max(map(len, found)) < 400


def test_files_are_plain() -> None:
    """Each schema is ASCII with LF, so that it reads the same everywhere."""
    for path in FOLDER.iterdir():
        content = Path(path).read_bytes()
        assert content.isascii()
        assert b"\r" not in content
        assert json.loads(content)


# --- the validator beside another one, jsonschema ------------------------------------------------

TIMES = st.from_regex(
    r"\A[0-9]{4}-(0[0-9]|1[0-3])-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,10})?"
    r"(Z|[+-][0-2][0-9]:[0-6][0-9])\n?\Z"
)
ODD = (
    TIMES
    | st.sampled_from(
        [
            "",
            "2026-01-31T12:00:00+00:00\n",
            "0000-01-01T00:00:00Z",
            "2026-02-31T00:00:00Z",
            "2026-01-31",
            "\u0663",
            "\ud800",
            "ok",
            "success",
            1.0,
            10**30,
            10**400,
            -1,
            1e300,
        ]
    )
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.recursive(
        st.text() | st.integers(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)


def samples(name: str) -> list[Any]:
    """Return valid values of a schema: its examples, or the least that is one."""
    least = {
        "trace": {"query": "q", "approach_taken": "a", "outcome": "success"},
        "config": {"ingest": {"folders": ["docs"]}, "bridge": {"budget": 1}},
    }
    return [*schema.load(name).get("examples", []), *([least[name]] if name in least else [])]


def mutate(value: Any, draw: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value with one of its places, at any depth, changed, added or removed."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        what = draw(st.sampled_from(["inside", "inside", "remove", "add"]))
        if what == "inside":
            value[key] = mutate(value[key], draw)
        elif what == "remove":
            del value[key]
        else:
            value[draw(st.sampled_from(["ts", "seconds", "timestamp", "id"]) | st.text())] = draw(
                ODD
            )
        return value
    if isinstance(value, list) and value and draw(st.booleans()):
        index = draw(st.integers(0, len(value) - 1))
        value[index] = mutate(value[index], draw)
        return value
    return draw(ODD)


def _is_date_time(value: object) -> bool:
    """Tell whether a text names a day and a time that exist."""
    try:
        return not isinstance(value, str) or bool(datetime.fromisoformat(value))
    except ValueError:
        return False


@functools.cache
def _other(name: str) -> Draft202012Validator:
    """Return the validator of jsonschema, with the patterns as they stand in the schema."""
    formats = FormatChecker(formats=())
    formats.checks("date-time")(_is_date_time)
    return Draft202012Validator(schema.load(name), format_checker=formats)


def both(name: str, value: object) -> tuple[bool | None, bool]:
    """Return what each validator says; None where the quick one cannot take the value."""
    slow: bool = _other(name).is_valid(value)
    try:
        return schema.validator(name).is_valid(value), slow
    except ValueError:
        return None, slow


@pytest.mark.parametrize("name", NAMES)
def test_there_is_something_to_mutate(name: str) -> None:
    """Both validators accept what the mutations of each schema begin with."""
    for sample in samples(name):
        assert both(name, sample) == (True, True)
    assert samples(name) or "status" in name


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300)
@given(data=st.data())
def test_validators_agree(name: str, data: st.DataObject) -> None:
    """Ours accepts what jsonschema accepts, and nothing else, formats included."""
    found = samples(name)
    value = copy.deepcopy(data.draw(st.sampled_from(found))) if found else data.draw(ODD)
    for _ in range(data.draw(st.integers(1, 3))):
        value = mutate(value, data.draw)
    quick, slow = both(name, value)
    assert quick is None or quick == slow
    assert (schema.violations(name, value) == []) == slow


@settings(max_examples=500)
@given(text=TIMES | st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | st.text())
@also("2024-02-29T12:00:00Z")
@also("2023-02-29T12:00:00Z")
@also("1900-02-29T12:00:00Z")
@also("2026-04-31T12:00:00Z")
@also("2026-12-31T23:59:60Z")
@also("0000-01-01T00:00:00Z")
@also("0999-01-01T00:00:00Z")
@also("1000-01-01T00:00:00.123456789-23:59")
@also("9999-12-31T23:59:59+23:59")
@also("2026-01-31T24:00:00Z")
@also("2026-01-31t12:00:00z")
@also("2026-01-31 12:00:00Z")
@also("2026-01-31T12:00:00+24:00")
@also("2026-01-31T12:00:00,5Z")
@also("2026-01-31T12:00:00Z\n")
def test_validators_agree_on_times(text: str) -> None:
    """Both validators take the same texts for the time of an event."""
    quick, slow = both("event", {"ts": text, "type": "note"})
    assert quick is None or quick == slow


@pytest.mark.parametrize("name", NAMES)
def test_times_have_the_pattern(name: str) -> None:
    """Beside each `date-time` stands the pattern under which both validators mean the same."""
    pattern = schema.load("event")["properties"]["ts"]["pattern"]
    for rule in objects(schema.load(name)):
        assert rule.get("format") in (None, "date-time")
        if "format" in rule:
            assert rule["pattern"] == pattern


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("event-")])
@settings(max_examples=100)
@given(data=st.data())
def test_violations_are_placed_alike(name: str, data: st.DataObject) -> None:
    """Each validator finds fault with the same places of an event."""
    value = copy.deepcopy(data.draw(st.sampled_from(samples(name))))
    for _ in range(data.draw(st.integers(1, 3))):
        value = mutate(value, data.draw)
    names = ("event", name)
    ours = {tuple(one.path) for one in schema.violations(names, value)}
    assert ours == {tuple(e.absolute_path) for one in names for e in _other(one).iter_errors(value)}
    with contextlib.suppress(ValueError):  # the quick one cannot take it
        assert schema.validator(*names).is_valid(value) == (not ours)


def test_what_the_validator_cannot_take_is_made_plain() -> None:
    """Half a surrogate pair and great depth do not end in an error, in valid and other values."""
    event: dict[str, Any] = dict(schema.load("event")["examples"][0])
    assert schema.problems("event", event | {"note": "\ud800", "\ud800": 1}) == []
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep}
    assert schema.problems("event", event | {"deep": deep}) == []
    (problem,) = schema.problems("event", event | {"type": deep})
    assert problem.startswith("type: ")
    (problem,) = schema.problems("event", event | {"type": "\ud800"})
    assert problem.startswith("type: ")


def test_the_same_violation_of_two_schemas_is_one() -> None:
    """What an event's type says again is named once."""
    found = schema.violations(("event", "event-heartbeat"), {"ts": 5, "type": "heartbeat"})
    assert len([one for one in found if one.path == ["ts"]]) == 1


def test_paths_are_json_paths() -> None:
    """A path is written as JSON path."""
    assert schema.json_path([]) == "$"
    assert schema.json_path(["steps", "embed", 2, "a"]) == "$.steps.embed[2].a"


def test_names_of_an_event_are_no_paths() -> None:
    """Only a plain word is looked for among the schemas."""
    assert schema.names_of_event("heartbeat") == ("event", "event-heartbeat")
    for kind in ("note", "../event", "heartbeat.schema.json/../heartbeat", "heartbeat\n", 7, None):
        assert schema.names_of_event(kind) == ("event",)
