"""A progress bar on a terminal, and nowhere else."""

import os
import select
import subprocess
import sys

import pytest
import workspaces

LONG = """
import time
from haios_dag.base.progress import progress
with progress("reading", 30) as advance:
    for _ in range(30):
        time.sleep(0.05)
        advance(1)
"""
SHORT = LONG.replace("0.05", "0.001")


@pytest.mark.parametrize(("program", "shown"), [(LONG, True), (SHORT, False)])
def test_terminal(program: str, shown: bool) -> None:
    """On a terminal a bar appears for work that takes longer than a second, not for less."""
    termios = pytest.importorskip("termios", reason="pseudo-terminals are a POSIX matter")
    ours, theirs = os.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=theirs, env=workspaces.environment(None)
    )
    os.close(theirs)
    said = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        try:
            said += os.read(ours, 1024) if select.select([ours], [], [], 0.1)[0] else b""
        except OSError:  # the terminal is gone with the process
            break
    os.close(ours)
    assert process.wait() == 0
    assert (b"reading" in said) is shown


def test_no_terminal() -> None:
    """A log file or a scheduler's mail gets no bar."""
    done = subprocess.run(
        [sys.executable, "-c", LONG],
        capture_output=True,
        env=workspaces.environment(None),
        check=True,
    )
    assert done.stdout + done.stderr == b""
