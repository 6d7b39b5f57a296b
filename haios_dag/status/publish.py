"""Write both status files: complete or not at all, and never over a newer foreign change."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haios_dag import clock, files, schema
from haios_dag.errors import InvalidError, StatusError
from haios_dag.status import attention, infrastructure, model, previous
from haios_dag.workspace import Workspace

_TRIES = 10


class _ChangedError(Exception):
    """Another program wrote the file since it was read."""


def write(
    workspace: Workspace, *, memory: Mapping[str, Any] | None, pulse: Mapping[str, Any]
) -> list[str]:
    """Write the full and the slim status, and return warnings, each a sentence.

    `memory` is what the store counts, with at least `concepts` and `entities`, or None when it
    cannot be asked; `pulse` is described in `schemas/status-slim.schema.json`. Raise StatusError
    when a file cannot be written, with the old one in place, ConfigError or EventError.
    """
    offered, warnings = infrastructure.gather(workspace)
    before = previous.peek(workspace.status_slim)
    attended, more = attention.keys(workspace, before, pulse=pulse, memory=memory, work={})
    warnings += more
    facts = model.Facts(workspace, clock.iso(clock.now()), offered, memory, pulse, attended)
    for path, name in ((workspace.status, "status"), (workspace.status_slim, "status-slim")):
        warnings += _publish(path, name, facts)
    return warnings


def _publish(path: Path, name: str, facts: model.Facts) -> list[str]:
    """Merge, validate and replace one file, again when it changed meanwhile; return warnings."""
    warnings: list[str] = []
    for _ in range(_TRIES):
        before = previous.read(path)
        if before.warning:
            warnings.append(before.warning)
        keys = model.build(facts, before.keys)
        try:
            schema.validate(name, keys)
            unchanged = functools.partial(_check_unchanged, path, before.data)
            files.write_atomic(path, _json(keys), just_before=unchanged)
        except InvalidError as error:
            raise StatusError(f"{path} was left as it was: {error}") from None
        except _ChangedError:
            continue
        except OSError as error:
            raise StatusError(f"{path} cannot be written: {error.strerror}") from None
        return warnings
    raise StatusError(
        f"{path} was changed by another program at each of {_TRIES} attempts to write it;"
        " the next beat tries again"
    )


def _check_unchanged(path: Path, data: bytes | None) -> None:
    """Raise _ChangedError unless the file still has the content that was merged."""
    try:
        if previous.content(path) == data:
            return
    except previous.UnusableError:
        pass  # it was usable a moment ago
    raise _ChangedError


def _json(keys: Mapping[str, Any]) -> bytes:
    """Return a status as it stands on disk: UTF-8 without BOM, indented by 2, LF."""
    try:
        return (json.dumps(keys, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell and UTF-8 cannot
        return (json.dumps(keys, indent=2) + "\n").encode()
