"""What is wrong with the settings, in words: section and key, what is allowed, what was found."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from haios_dag.base import line_numbers, schema

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

_LONGEST = 60  # characters of a value that are quoted

SettingPath = list[str | int]


class SettingError(NamedTuple):
    """One wrong setting: its path from the top, its line, and what is wrong with it."""

    path: SettingPath
    line: int
    message: str


def violations(text: str, settings: Mapping[str, Any]) -> list[SettingError]:
    """Return what is wrong with the settings parsed from `text`, in the order of lines."""
    if _accepts(schema.validator("config"), settings):
        return []
    sections = schema.load("config")["properties"]
    found = [
        SettingError(path, line_numbers.in_toml(text, path), message)
        for name, values in settings.items()
        for path, message in _of_section(name, values, sections)
    ]
    return sorted(found, key=lambda one: one.line)


def sentence(path: Path, found: Sequence[SettingError]) -> str:
    """Return the sentence that names the first of some errors, and how many more there are."""
    first = found[0]
    ending = "" if first.message.endswith("?") else "; correct it"
    more = f" ({len(found) - 1} more: doit validate)" if len(found) > 1 else ""
    return f"{path} line {first.line}: {first.message}{ending}{more}"


def allowed(rule: Mapping[str, Any]) -> str:
    """Return in words which values a key's schema allows."""
    if "title" in rule:
        return str(rule["title"])
    if "enum" in rule:
        return " or ".join(_quoted(value) for value in rule["enum"])
    kind = _type(rule)
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _limits(rule)
    text = "non-empty text" if rule.get("minLength") else "text"
    return {"boolean": "true or false", "array": "a list"}.get(kind, text)


def _limits(rule: Mapping[str, Any]) -> str:
    if "exclusiveMinimum" in rule:
        return f" above {rule['exclusiveMinimum']}"
    if "maximum" in rule:
        return f" from {rule['minimum']} to {rule['maximum']}"
    return f" of at least {rule['minimum']}" if "minimum" in rule else ""


def _of_section(
    name: str, values: object, sections: Mapping[str, Any]
) -> Iterator[tuple[SettingPath, str]]:
    rule = sections.get(name)
    if rule is None:
        yield [name], _unknown(name, values, sections)
        return
    if not isinstance(values, dict):
        yield [name], f"{name} must be a section, [{name}]{_but(values, rule)}"
        return
    keys = rule["properties"]
    applies = "if" in rule and _matches(rule["if"], values)
    conditions = rule["then"]["properties"] if applies else {}
    for key, value in values.items():
        if key not in keys:
            elsewhere = [f"[{one}] {key}" for one in sections if key in sections[one]["properties"]]
            near = _close(key, keys, '"{}"') or elsewhere
            yield [name, key], f"[{name}] has no key {_quoted(key)}{_did_you_mean(near)}"
        elif not _matches(keys[key], value):
            yield from _of_value([name, key], f"[{name}] {key}", value, keys[key])
        elif key in conditions and not _matches(conditions[key], value):
            yield from _of_value([name, key], f"[{name}] {key}", value, conditions[key])


def _of_value(
    path: SettingPath, label: str, value: object, rule: Mapping[str, Any]
) -> Iterator[tuple[SettingPath, str]]:
    if _type(rule) == "array" and isinstance(value, list):
        for number, item in enumerate(value):
            if not _matches(rule["items"], item):
                yield from _of_value(
                    [*path, number], f"{label}, item {number + 1},", item, rule["items"]
                )
    else:
        yield path, f"{label} must be {allowed(rule)}{_but(value, rule)}"


def _unknown(name: str, values: object, sections: Mapping[str, Any]) -> str:
    if isinstance(values, dict):
        near = _close(name, sections, "[{}]")
        return f"there is no section [{_quoted(name)[1:-1]}]{_did_you_mean(near)}"
    near = [f"[{one}] {name}" for one in sections if name in sections[one]["properties"]]
    return f"{_quoted(name)} stands outside any section{_did_you_mean(near)}"


def _close(name: str, known: Iterable[str], form: str) -> list[str]:
    import difflib

    return [form.format(one) for one in difflib.get_close_matches(name, known, n=1)]


def _did_you_mean(near: Sequence[str]) -> str:
    return f"; did you mean {near[0]}?" if near else ""


def _but(value: object, rule: Mapping[str, Any]) -> str:
    """Return what was found instead, unless that is a secret."""
    return "" if rule.get("writeOnly") else f", not {_quoted(value)}"


def _quoted(value: object) -> str:
    """Return a value as TOML has it, on one line and cut to 60 characters."""
    plain = isinstance(value, str | bool | int | float | list | dict)
    text = json.dumps(value, ensure_ascii=False, default=str) if plain else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _type(rule: Mapping[str, Any]) -> str:
    """Return the type that a rule asks for; TOML has no null."""
    kinds = rule.get("type", "")
    return str(next(one for one in kinds if one != "null") if isinstance(kinds, list) else kinds)


def _matches(rule: Mapping[str, Any], value: object) -> bool:
    from jsonschema_rs import Draft202012Validator

    return _accepts(Draft202012Validator(dict(rule)), value)


def _accepts(by: "Draft202012Validator", value: object) -> bool:
    try:
        return by.is_valid(value)
    except ValueError:  # a date of TOML, which no setting takes
        return False
