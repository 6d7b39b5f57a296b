"""The line of a value in a text of JSON or TOML, which their parsers do not keep."""

import json
import re


def in_json(text: str, path: list[str | int]) -> int:
    """Return the line, from 1, of the value at a path in a valid JSON text."""
    decoder = json.JSONDecoder()
    blank = re.compile(r"[\s,:]*")

    def skip(position: int) -> int:
        found = blank.match(text, position)
        return found.end() if found else position

    position = skip(0)
    for part in path:
        position, index = skip(position + 1), 0
        while True:
            key: object = index
            if isinstance(part, str):
                key, position = decoder.raw_decode(text, position)
                position = skip(position)
            if key == part:
                break
            _, position = decoder.raw_decode(text, position)
            position, index = skip(position), index + 1
    return text.count("\n", 0, position) + 1


def in_toml(text: str, path: list[str | int]) -> int:
    """Return the line of a setting, its section's where it is not found, or 1, in a TOML text."""
    names = [rf"[\"']?{re.escape(str(part))}[\"']?[ \t]*" for part in path[:2]]
    start = 0
    if names and (section := re.search(rf"^[ \t]*\[[ \t]*{names[0]}\]", text, re.MULTILINE)):
        start = section.start()
        names = names[1:]
    key = re.compile(rf"^[ \t]*{names[0]}[.=]", re.MULTILINE).search(text, start) if names else None
    return text.count("\n", 0, key.start() if key else start) + 1
