"""Real processes for tests: programs in Python that use the package."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import haios_dag

_ROOT = Path(haios_dag.__file__).parents[1]


def start(
    program: str,
    *arguments: object,
    prefix: Sequence[str] = (),
    stdout: int | IO[Any] = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start a Python program that may import the package, with UTF-8 pipes as its streams."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # buffered, as users run it: what is still in a buffer may fail when Python exits
        env=os.environ | {"PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": ""},
    )


def run(
    program: str, *arguments: object, prefix: Sequence[str] = (), timeout: float | None = None
) -> str:
    """Run a Python program to its end and return what it printed; it must succeed silently.

    One still at work after `timeout` seconds is ended, and subprocess.TimeoutExpired raised.
    """
    with start(program, *arguments, prefix=prefix) as process:
        try:
            printed, complaints = process.communicate(timeout=timeout)
        finally:
            process.kill()
    assert process.returncode == 0, complaints
    assert complaints == ""
    return printed
