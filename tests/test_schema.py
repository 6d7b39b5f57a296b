"""The schemas are sound, and violations are named by their place."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from haios_dag import schema
from haios_dag.errors import InvalidError

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
        """Its identifier is its file's name, and it says what it describes."""
        assert schema.load(name)["$id"] == f"urn:haios-dag:schema:{name}"
        assert schema.load(name)["title"]
        assert schema.load(name)["description"]

    def test_references_stay_inside(self, name: str) -> None:
        """It refers to nothing outside itself, so that nothing is ever fetched."""
        references = [found["$ref"] for found in objects(schema.load(name)) if "$ref" in found]
        assert all(str(reference).startswith("#") for reference in references)
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
    assert schema.problems("event", []) == ["(top): [] is not of type 'object'"]


def test_validate_names_the_first_few() -> None:
    """The message of a refusal has three violations and the number of the others."""
    with pytest.raises(InvalidError) as refusal:
        schema.validate("event-heartbeat", {"type": "heartbeat"})
    assert str(refusal.value).count("is a required property") == 3
    assert str(refusal.value).endswith(" more)")
    schema.validate("event", schema.load("event")["examples"][0])


def test_long_values_are_cut() -> None:
    """A violation by a huge value does not flood the terminal."""
    (problem,) = schema.problems("event", {"ts": "x" * 1_000_000, "type": "note"})
    assert len(problem) < 400


def test_files_are_plain() -> None:
    """Each schema is ASCII with LF, so that it reads the same everywhere."""
    for path in FOLDER.iterdir():
        content = Path(path).read_bytes()
        assert content.isascii()
        assert b"\r" not in content
        assert json.loads(content)
