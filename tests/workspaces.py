"""Small workspaces to beat in, and real doit processes to beat them with."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# The only place that knows of material beside the project; what needs it skips without it.
REAL = ROOT.parent / "shared" / "workspaces" / "haios"
Process = subprocess.Popen[str]

# Statements on three themes; each theme's sentences differ and belong together.
THEMES = {
    "locking": [
        "The ingester crashed because SQLite had no busy timeout while synthesis held the lock.",
        "SQLite without a busy timeout makes the ingester crash when synthesis holds the lock.",
        "A busy timeout on SQLite stops the ingester crash while synthesis holds the write lock.",
    ],
    "status": [
        "The slim status must be written atomically because hooks read it at any moment.",
        "Hooks read the slim status at any moment, so it must be written atomically by everyone.",
        "Writing the slim status atomically matters since hooks may read it at any moment.",
    ],
    "schedule": [
        "The scheduled heartbeat never ran because the task had no working directory set.",
        "Without a working directory the scheduled heartbeat task never ran at all.",
        "A missing working directory was the reason why the scheduled heartbeat never ran.",
    ],
}


def make(root: Path, documents: int = 3) -> Path:
    """Make a workspace whose documents share themes, with one checkpoint; return its folder."""
    docs = root / "docs"
    docs.mkdir(parents=True)
    (root / ".claude").mkdir()
    shutil.copy(ROOT / "dodo.py", root / "dodo.py")
    for number in range(documents):
        parts = [f"# Notes of week {number}"]
        for theme, sentences in THEMES.items():
            parts += [f"## What we learned about {theme} this time", sentences[number % 3]]
        parts.append(
            f"Only document number {number} says anything about fruit of kind {number * 7}."
        )
        (docs / f"week-{number}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    (docs / "checkpoint.md").write_text(CHECKPOINT, encoding="utf-8")
    return root


CHECKPOINT = """---
template: checkpoint
status: complete
date: 2026-01-05
title: "Session 7: the ingester crash on a locked SQLite database"
---
# Session 7

## Session Summary

We found that the ingester crashed since SQLite had no busy timeout while synthesis held the lock.

## Completed Work

Setting a busy timeout on every SQLite connection ended the ingester crash under the write lock.

## Key Findings

Two connections with different busy timeouts behave differently when synthesis holds the lock.
"""


WORDS = """
    memory beat event status synthesis bridge concept trace lock writer reader index commit
    cluster leader vector budget schedule probe step ledger document heading insight archive
    queue agent session operator workspace database schema validator timeout retry disk crash
""".split()


def grow(root: Path, seed: int, documents: int = 120, *, checkpoints: bool = True) -> None:
    """Add documents with statements that resemble each other, and checkpoints, to a workspace."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    stems = [" ".join(chance.sample(WORDS, 9)) for _ in range(150)]
    for number in range(documents):
        lines = [f"# Report {seed}-{number} about {' and '.join(chance.sample(WORDS, 2))}"]
        for _ in range(12):
            lines.append(f"## The {' '.join(chance.sample(WORDS, 3))} matter")
            lines.append(f"The {chance.choice(stems)} was seen with {chance.choice(WORDS)}.")
        text = "\n\n".join(lines) + "\n"
        if checkpoints and number % 15 == 0:
            text = f"---\ntemplate: checkpoint\nstatus: complete\n---\n{text}"
        (root / "docs" / f"report-{seed}-{number}.md").write_text(text, encoding="utf-8")


def tracked() -> list[Path]:
    """Return the files that git tracks here, or, in an unpacked archive, the files there are."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z"]
    done = subprocess.run(git, capture_output=True, check=False)
    if done.returncode:
        return [path for path in ROOT.rglob("*") if path.is_file()]
    paths = [ROOT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


@contextlib.contextmanager
def reachable(*folders: Path) -> Iterator[None]:
    """Let other users pass to folders for a while; one test at a time, as they share parents."""
    import fcntl  # not on Windows

    lock = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        parents = {parent for one in folders for parent in (one, *one.parents)}
        modes = {one: one.stat().st_mode for one in parents if not one.stat().st_mode & 0o001}
        try:
            for path, mode in modes.items():
                path.chmod(mode | 0o001)
            yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)
    finally:
        os.close(lock)


def doit(
    root: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `doit -f ROOT/dodo.py WORDS` as a process of its own and wait for it."""
    return run(command(root, *words), env=env, cwd=cwd or root.parent)


def run(
    words: list[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command line and wait for it."""
    return subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=cwd, env=environment(env)
    )


def start(root: Path, *words: str, env: Mapping[str, str] | None = None) -> Process:
    """Start `doit` as a process of its own."""
    return subprocess.Popen(
        command(root, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root.parent,
        env=environment(env),
        start_new_session=True,
    )


def command(root: Path, *words: str) -> list[str]:
    """Return the command line that a scheduler would use."""
    return [sys.executable, "-m", "doit", "-f", str(root / "dodo.py"), *(words or ["heartbeat"])]


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment of a process under test: the package is found, DB_PATH is not.

    Python keeps what it compiled, as it does where this is installed.
    """
    not_kept = {"DB_PATH", "PYTHONDONTWRITEBYTECODE"}
    base = {key: value for key, value in os.environ.items() if key not in not_kept}
    return base | {"PYTHONPATH": str(ROOT)} | dict(extra or {})


def log(root: Path) -> list[dict[str, Any]]:
    """Return the events of a workspace; every line must be one."""
    path = root / ".claude" / "haios-events.jsonl"
    text = path.read_text(encoding="ascii") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def steps(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the outcome of each step in an event."""
    return {name: step["outcome"] for name, step in event["steps"].items()}
