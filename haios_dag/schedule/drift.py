"""What an entry says, field by field, to tell how an installed one differs from what it should be.

Whoever edited an entry may have made anything of it: what cannot be read raises ScheduleError.
"""

import plistlib
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.parsers.expat import ExpatError

from haios_dag.base.errors import ScheduleError

Fields = dict[str, str]


class Difference(NamedTuple):
    """A field that differs; None is absent."""

    name: str
    installed: str | None
    wanted: str | None


_COMMAND = re.compile(r"umask 077; cd (?P<folder>.+?) && mkdir -p \.haios && (?P<command>.+)")
_ROOTS = (
    "folder", "[Service] WorkingDirectory", "WorkingDirectory", "Actions/Exec/WorkingDirectory",
)  # fmt: skip
_TIMES = 5  # fields of a crontab's line before its command


def of_cron(data: bytes) -> Fields:
    """Return the fields of a block of a crontab, other lines by their number.

    `when`, `folder` and `command` are of the line of a schedule, `at` and `then` of one like
    `@reboot`.
    """
    found: Fields = {}
    for number, line in enumerate(_text(data).split("\n"), 1):
        if line.startswith("@"):
            found |= dict(zip(("at", "then"), line.split(" ", 1), strict=False))
            continue
        words = line.split(" ", _TIMES)
        if line.startswith("#") or len(words) <= _TIMES:
            found |= {f"line {number}": line} if line else {}
            continue
        when, command = " ".join(words[:_TIMES]), words[_TIMES]
        known = _COMMAND.fullmatch(command)
        parts = {"folder": _word(known["folder"]), "command": known["command"]} if known else {}
        found |= {"when": when, **(parts or {"command": command})}
    return found


def of_systemd(data: bytes) -> Fields:
    """Return the fields of a unit file, as `[Section] Key`; a repeated key is numbered."""
    found: Fields = {}
    section, seen = "", Counter[str]()
    for line in _text(data).split("\n"):
        if re.fullmatch(r"\[[^]]*\]", line):
            section = line
        elif line.strip():
            key, equals, value = line.partition("=")
            name = f"{section} {key.strip()}" if equals else f"{section} {line}"
            seen[name] += 1
            found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = value
    return found


def of_launchd(data: bytes) -> Fields:
    """Return the fields of a property list, as `Key.Key[0]`."""
    try:
        content = plistlib.loads(data)
    except (ValueError, TypeError, AttributeError, RecursionError, ExpatError,
            plistlib.InvalidFileException) as error:  # fmt: skip
        raise ScheduleError(f"it is no property list: {error or type(error).__name__}") from None
    return dict(_flat("", content))


def of_windows(data: bytes) -> Fields:
    """Return the fields of a task, as `Element/Element`; a repeated element is numbered.

    Raise ScheduleError for one with a document type, which could define entities.
    """
    try:
        text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8")
        if "<!DOCTYPE" in text:
            raise ScheduleError("it is no task: it has a document type")
        task = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # noqa: S314 - no entities
    except (ValueError, ET.ParseError, RecursionError) as error:
        raise ScheduleError(f"it is no task: {error}") from None
    return dict(_elements("", task))


def differences(installed: Fields, wanted: Fields) -> list[Difference]:
    """Return each field that differs, in the order of their names."""
    return [
        Difference(name, installed.get(name), wanted.get(name))
        for name in sorted(installed.keys() | wanted.keys())
        if installed.get(name) != wanted.get(name)
    ]


def root(found: Fields) -> str | None:
    """Return the workspace that an entry is for, None where it does not say it as ours do."""
    for name in _ROOTS:
        if name in found:
            return found[name].replace("%%", "%") if name.startswith("[") else found[name]
    return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _word(quoted: str) -> str:
    """Return the one word of a shell, as cron hands it on."""
    try:
        return " ".join(shlex.split(quoted.replace("\\%", "%")))
    except ValueError:
        return quoted


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(f"{name}[{number}]", inner)
    else:
        yield name, str(value)


def _elements(path: str, element: ET.Element) -> Iterator[tuple[str, str]]:
    """Yield the path and text of each element without children, and of each attribute but names."""
    seen = Counter[str]()
    for inner in element:
        tag = inner.tag.rpartition("}")[2]
        seen[tag] += 1
        name = f"{path}/{tag}" if path else tag
        name += f" ({seen[tag]})" if seen[tag] > 1 else ""
        if len(inner):
            yield from _elements(name, inner)
        else:
            yield name, (inner.text or "").strip()
