"""What the doctor finds in a workspace, and other programs that do something to it."""

import sqlite3
from pathlib import Path

from haios_dag.base.workspace import Workspace
from haios_dag.doctor import examination
from haios_dag.doctor.findings import Finding

BEAT = ".haios/beat.lock"
MARKER = '{"beat": "b", "pid": 1, "host": "h", "started": "s"}'
STATUS = ".claude/haios-status.json"


def program(path: Path, body: str) -> None:
    """Write a program for the shell."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def examine(root: Path) -> dict[str, list[Finding]]:
    """Return what every check finds."""
    found: dict[str, list[Finding]] = {}
    for name, finding in examination.examine(Workspace(root)):
        found.setdefault(name, []).append(finding)
    return found


def trouble(root: Path) -> dict[str, list[Finding]]:
    """Return the findings that are not ok."""
    bad = {n: [f for f in fs if f.level != "ok"] for n, fs in examine(root).items()}
    return {name: findings for name, findings in bad.items() if findings}


def sql(root: Path, *statements: str) -> None:
    """Let a program that knows nothing of us change the memory, without foreign keys."""
    connection = sqlite3.connect(root / "memory.db", isolation_level=None)
    connection.create_function("dag_hash", 1, lambda _: b"")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return what stands in a workspace, but for what opening its lock and its memory makes."""
    return {
        str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in root.rglob("*")
        if path.name != "beat.lock" and not path.name.endswith(("-wal", "-shm"))
    }
