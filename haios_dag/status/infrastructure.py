"""What a workspace has for its agents: commands, skills, agents, MCP servers, templates, hooks."""

import functools
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from haios_dag.base import files
from haios_dag.base.json_values import as_list, as_object
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import front_matter

_HEAD = front_matter.MAX_CHARACTERS * 2  # bytes read of a file whose front matter names it
_JSON_BYTES = 2**20
_NAME_CHARACTERS = 200

# `name: plain-word` as the first field, on one line and not repeated, means the same in YAML. To
# read it directly is fifty times as fast, and works when a later field is not YAML.
_PLAIN = re.compile(rb"---[ \t]*\r?\nname: +([A-Za-z][A-Za-z0-9_-]{0,199})[ \t]*\r?\n(?=\S)")
_AGAIN = re.compile(rb"^[\"'? ]*name", re.MULTILINE)
_CLOSING = re.compile(rb"^---[ \t]*\r?$", re.MULTILINE)
_NOT_TEXT = {b"true", b"false", b"yes", b"no", b"on", b"off", b"null", b"y", b"n"}


def gather(workspace: Workspace) -> tuple[dict[str, Any], list[str]]:
    """Return `commands`, `skills`, `agents` and `mcps`, and warnings.

    A missing folder or file gives an empty list, an unreadable one None and a warning. `tools` of
    an MCP server is None: only the running server knows.
    """
    claude = workspace.root / ".claude"
    warnings: list[str] = []
    known = functools.partial(_known, warnings)

    def named(paths: Iterable[Path]) -> list[str]:
        lists = [known(path, _name, []) for path in paths]
        return sorted({name for names in lists if names for name in names})

    found = {
        "commands": known(claude / "commands", lambda folder: _stems(_markdown(folder), "/"), []),
        "skills": known(claude / "skills", lambda folder: named(_skills(folder)), []),
        "agents": known(claude / "agents", lambda folder: named(_markdown(folder)), []),
        "mcps": known(workspace.root / ".mcp.json", _servers, []),
    }
    return found, warnings


def dashboard(workspace: Workspace) -> tuple[dict[str, Any], list[str]]:
    """Return `hooks` and `valid_templates`, which HAIOS's dashboard shows, and warnings.

    `hooks` has the number of commands of each event in the settings.
    """
    claude = workspace.root / ".claude"
    warnings: list[str] = []
    known = functools.partial(_known, warnings)
    found = {
        "hooks": known(claude / "settings.json", _hooks, {}),
        "valid_templates": known(
            claude / "templates", lambda folder: _stems(_markdown(folder)), []
        ),
    }
    return found, warnings


def _known(warnings: list[str], path: Path, read: Callable[[Path], object], absent: object) -> Any:  # noqa: ANN401 - what `read` returns
    """Return `read(path)`, `absent` when it is missing, or None and add a warning."""
    try:
        return read(path)
    except FileNotFoundError:
        return absent
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warnings.append(f"{path} cannot be read, so the status cannot list it: {reason}")
        return None


def _markdown(folder: Path) -> list[Path]:
    """Return the Markdown files directly in a folder, without README, sorted by name."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file()]
    return [
        folder / name
        for name in sorted(names)
        if name.endswith(".md") and name.lower() != "readme.md"
    ]


def _skills(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name / "SKILL.md" for entry in entries if entry.is_dir())


def _stems(paths: Iterable[Path], before: str = "") -> list[str]:
    """Return the file names without `.md`; bytes that are not UTF-8 become U+FFFD."""
    return [before + os.fsencode(path.stem).decode("utf-8", "replace") for path in paths]


def _name(path: Path) -> list[str]:
    """Return the `name` in a file's front matter as a list of one, or []; raise OSError."""
    head = _bytes(path, _HEAD)
    plain = _PLAIN.match(head)
    if plain and plain[1].lower() not in _NOT_TEXT:
        closing = _CLOSING.search(head, plain.end())
        if closing and not _AGAIN.search(head, plain.end(), closing.start()):
            return [plain[1].decode()]
    name = front_matter.split(head.decode("utf-8", "replace")).fields.get("name")
    return [name] if isinstance(name, str) and 0 < len(name) <= _NAME_CHARACTERS else []


def _servers(path: Path) -> list[dict[str, Any]]:
    return [{"name": name, "tools": None} for name in sorted(_object(path, "mcpServers"))]


def _hooks(path: Path) -> dict[str, int]:
    """Return the number of commands of each event; the commands may contain secrets."""
    return {
        event: sum(len(as_list(as_object(one).get("hooks"))) for one in as_list(matchers))
        for event, matchers in sorted(_object(path, "hooks").items())
    }


def _object(path: Path, name: str) -> dict[str, Any]:
    """Return that object in a JSON file, {} when it is absent; raise OSError or ValueError."""
    data = _bytes(path, _JSON_BYTES + 1)
    if len(data) > _JSON_BYTES:
        raise ValueError("it is longer than 1 MB")
    content = json.loads(data)
    found = content.get(name, {}) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"it has no object {name}")  # noqa: TRY004 - data, not a program error
    return found


def _bytes(path: Path, limit: int) -> bytes:
    with files.open_plain(path) as file:
        return file.read(limit)
