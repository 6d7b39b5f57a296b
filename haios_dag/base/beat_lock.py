"""The lock file of the beat holds a marker: which beat holds it, and in which process.

The marker stays from the beat's start until its event is on the disk. A marker in a file that is
not locked is that of a beat that never ended.
"""

import json
import os
import re
import socket
from datetime import datetime
from typing import IO, Any

from haios_dag.base import clock, files
from haios_dag.base.errors import LockedError
from haios_dag.base.json_values import as_object
from haios_dag.base.workspace import Workspace

BEAT_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")
"""The id of a beat: `clock.stamp` of its start, then three hexadecimal digits by chance."""


def write(held: IO[bytes], beat: str, started: datetime) -> None:
    """Write the marker of a beat of this process, durably; raise OSError."""
    marker = {
        "beat": beat,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": clock.iso(started),
    }
    _rewrite(held, json.dumps(marker).encode())


def clear(held: IO[bytes]) -> None:
    """Remove the marker, durably; raise OSError."""
    _rewrite(held, b"")


def parse(data: bytes) -> dict[str, Any]:
    """Return the marker in a lock file's content, unchecked; {} without one."""
    try:
        return as_object(json.loads(data))
    except (ValueError, RecursionError):
        return {}


def read(workspace: Workspace) -> dict[str, Any]:
    """Return the marker of the beat under way or cut off, {} without one; raise OSError."""
    try:
        return parse(files.read(workspace.beat_lock))
    except FileNotFoundError:
        return {}


def is_held(workspace: Workspace) -> bool:
    """Tell whether the lock is held, by trying it; raise OSError.

    Call this only when there is a marker, so that a beat about to begin is never refused.
    """
    try:
        files.lock(workspace.beat_lock, wait=False).close()
    except LockedError:
        return True
    return False


def _rewrite(file: IO[bytes], data: bytes) -> None:
    file.seek(0)
    file.truncate()
    file.write(data)
    os.fsync(file.fileno())
