"""Checks of the environment: Python, settings, permissions, disk, file system."""

import contextlib
import os
import platform
import shlex
import shutil
import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from haios_dag import init
from haios_dag.base import files
from haios_dag.base.errors import ConfigError
from haios_dag.base.workspace import Workspace
from haios_dag.doctor.findings import Finding, found, ok, or_ok
from haios_dag.memory import word_index

LEAST = 64 << 20
"""Bytes that a disk needs: a beat's write-ahead log, both status files, the event log's growth."""

_NEEDED = ("argcomplete", "merge3", "doit",
           "jsonschema", "jsonschema_rs", "markdown_it", "numpy", "orjson", "dateutil",
           "dotenv", "yaml", "tqdm", "wordllama")  # fmt: skip
# File systems on which SQLite's locks and shared memory do not work between computers.
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "davfs"}
_MOUNTS = Path("/proc/self/mountinfo")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def regular_files(workspace: Workspace) -> Iterator[Finding]:
    """Name what is not a regular file at a path of the workspace: reading it could block."""
    root = workspace.root
    for path in (root / "dodo.py", root / "haios.toml", root / ".env",
                 root / ".claude" / "haios" / "config" / "haios.yaml",
                 workspace.events, workspace.status, workspace.status_slim,
                 workspace.beat_lock, workspace.events_lock):  # fmt: skip
        with contextlib.suppress(OSError):  # missing, or unreadable, which the other checks say
            if not stat.S_ISREG(path.stat().st_mode):
                yield found("not-a-regular-file", path)


def python(_: Workspace) -> Iterator[Finding]:
    """Say whether all modules that a beat imports are installed, and SQLite has FTS5."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        yield found("modules-missing", modules=", ".join(missing))
    sqlite, fts5 = word_index.sqlite()
    if not fts5:
        yield found("no-fts5", version=sqlite)
    if fts5 and not missing:
        yield ok(f"Python {platform.python_version()}, SQLite {sqlite} with FTS5")


@or_ok("haios.toml and .env can be used")
def settings(workspace: Workspace) -> Iterator[Finding]:
    """Say whether haios.toml and .env are valid, and the path of the memory too."""
    for name in ("config", "environment", "memory"):
        try:
            getattr(workspace, name)
        except ConfigError as error:
            path = workspace.root / (".env" if name == "environment" else "haios.toml")
            is_open = name == "environment" and "chmod 600" in str(error)
            yield found("env-open" if is_open else "settings-unusable", path, error=error)
            return


@or_ok("dodo.py has the commands and steps of this version")
def graph(workspace: Workspace) -> Iterator[Finding]:
    """Say whether dodo.py is of this version, and doit can load it."""
    path = workspace.root / "dodo.py"
    if init.is_older(files.read(path)):
        yield found("graph-older", path, folder=shlex.quote(str(workspace.root)))
        return
    if wrong := init.load_error(path, workspace.root):
        yield found("graph-broken", path, error=wrong)


@or_ok("the beat can write its files, and others cannot write what it runs")
def permissions(workspace: Workspace) -> Iterator[Finding]:
    """Say whether the beat can write its files, and no other user can write what it runs."""
    root = workspace.root
    memory = workspace.memory
    for path in (workspace.events.parent, workspace.beat_lock.parent, memory.parent, memory,
                 workspace.events, workspace.status, workspace.status_slim):  # fmt: skip
        need = os.W_OK | (os.X_OK if path.is_dir() else 0)
        if path.exists() and not os.access(path, need):
            yield found("not-writable", path)
    for path in (root, root / "dodo.py", root / "haios.toml"):
        mode = path.stat().st_mode if path.exists() else 0
        if os.name != "posix" or not mode & _OTHERS_WRITE:
            continue
        everybody = mode & stat.S_IWOTH and not (path == root and mode & stat.S_ISVTX)
        name = "others-may-change" if everybody else "group-may-change"
        yield found(name, path, path=shlex.quote(str(path)))


@or_ok("there is room for the next beat and for a copy of the memory")
def disk(workspace: Workspace) -> Iterator[Finding]:
    """Say whether there is room for the next beat, and for a copy of the memory."""
    memory = workspace.memory
    disks = {}
    for path, copy in ((workspace.events.parent, 0), (memory.parent, size(memory))):
        there = next(one for one in (path, *path.parents) if one.exists())
        disks[there.stat().st_dev] = there, copy  # one entry for a disk that has both
    for there, copy in disks.values():
        free = shutil.disk_usage(there).free
        inodes = os.statvfs(there) if hasattr(os, "statvfs") else None
        if free < LEAST or (inodes and inodes.f_files and not inodes.f_favail):
            yield found("disk-full", there, free=free >> 20, needed=LEAST >> 20)
        elif free < copy + LEAST:
            missing = (copy + LEAST - free >> 20) + 1
            yield found("no-room-for-copy", there, free=free >> 20, missing=missing)


def size(memory: Path) -> int:
    """Return the bytes of a memory with its write-ahead log, 0 if there is none."""
    both = (memory, memory.with_name(f"{memory.name}-wal"))
    return sum(path.stat().st_size for path in both if path.exists())


def locks(workspace: Workspace) -> Iterator[Finding]:
    """Say whether file locks work for workspace and memory, if the system tells."""
    if not _MOUNTS.exists():
        return
    kinds = {}
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        kinds[left.split()[4].replace("\\040", " ")] = right.split()[0]
    sound = True
    for path in {workspace.root, workspace.memory.parent}:
        at = next((str(one) for one in (path.resolve(), *path.resolve().parents)
                   if str(one) in kinds), "/")  # fmt: skip
        if kinds.get(at) in _REMOTE:
            sound = False
            yield found("remote-disk", path, system=kinds[at])
    if sound:
        yield ok("the workspace and the memory are on file systems with reliable locks")
