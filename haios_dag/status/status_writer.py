"""Write both status files: complete or not at all, and not over another program's change."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from haios_dag.base import files, schema
from haios_dag.base.errors import InvalidError, StatusError
from haios_dag.base.workspace import Workspace
from haios_dag.status import known_documents, status_keys, status_reader

_TRIES = 10
_LINE = 90  # characters


def write(
    workspace: Workspace, *, memory: Mapping[str, Any] | None, pulse: Mapping[str, Any]
) -> list[str]:
    """Write the full and the slim status; return warnings, each a sentence.

    `memory` has the counts of the store, at least `concepts` and `entities`; None without a
    readable memory. `schemas/status-slim.schema.json` describes `pulse`. Raise StatusError, with
    the old file in place, ConfigError or EventError.
    """
    has_looked = pulse["outcomes"].get("ingest") in ("ran", "skipped")
    documents, warnings = known_documents.gather(workspace, has_looked=has_looked)
    before, beside = map(status_reader.read, (workspace.status, workspace.status_slim))
    warnings += filter(None, [before.warning, beside.warning])
    keys = status_keys.StatusKeys(
        workspace, documents, memory=memory, pulse=pulse, before=before.keys, beside=beside.keys
    )
    warnings += keys.warnings + _publish(workspace.status, "status", keys.full, before)
    return warnings + _publish(workspace.status_slim, "status-slim", keys.slim, beside)


def _publish(
    path: Path,
    name: str,
    build: Callable[[status_keys.FoundKeys], dict[str, Any]],
    before: status_reader.FoundStatus,
) -> list[str]:
    """Merge with what the file held, validate and replace it; return warnings.

    When the file has changed meanwhile, read and merge again.
    """
    warnings: list[str] = []
    for _ in range(_TRIES):
        keys = build(before.keys)
        is_unchanged = functools.partial(_holds, before.data)
        try:
            schema.validate(name, keys)
            if files.compare_and_swap(path, _json(keys), is_unchanged):
                return warnings
        except InvalidError as error:
            raise StatusError(f"{path} was left as it was: {error}") from None
        except OSError as error:
            raise StatusError(f"{path} cannot be written: {error.strerror}") from None
        before = status_reader.read(path)
        warnings += filter(None, [before.warning])
    raise StatusError(
        f"{path} was changed by another program at each of {_TRIES} attempts to write it;"
        " the next beat tries again"
    )


def _holds(data: bytes | None, path: Path) -> bool:
    try:
        return status_reader.content(path) == data
    except status_reader.UnusableError:
        return False


def _json(keys: Mapping[str, Any]) -> bytes:
    """Return a status as it stands on disk: UTF-8 without BOM, LF, indented by 2.

    Short values, members of members and objects in lists take one line each.
    """
    # Half a surrogate pair, which UTF-8 cannot spell, becomes an escape, as JSON spells it.
    return f"{_indented(keys)}\n".encode(errors="backslashreplace")


def _indented(value: object, levels: int = 2, indent: str = "") -> str:
    inner = f"{indent}  "
    line = _dumps(value)
    if indent and len(line) <= _LINE:
        return line
    if levels and isinstance(value, dict) and value:
        members = [
            f"{inner}{_dumps(name)}: {_indented(member, levels - 1, inner)}"
            for name, member in value.items()
        ]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return "[\n" + ",\n".join(inner + _dumps(one) for one in value) + f"\n{indent}]"
    return line


_dumps = functools.partial(json.dumps, ensure_ascii=False)
