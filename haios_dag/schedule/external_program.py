"""Running the programs that manage a scheduler, such as crontab and systemctl."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from haios_dag.base.errors import ScheduleError

_SECONDS = 10  # for another program to answer


class UnansweredError(ScheduleError):
    """A program is missing, does not answer, or refuses; the message says why."""


def ask(
    *words: str, absent: str | None = None, fails: bool = False, given: bytes | None = None
) -> bytes:
    """Run a program on `given` and return what it prints; raise UnansweredError if it fails.

    A failure with `absent` in its errors is an empty answer; with `fails`, its output is one.
    """
    program = shutil.which(words[0])
    if program is None:
        raise UnansweredError(f"there is no program {words[0]}")
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, and no shell
            [program, *words[1:]], input=given or b"", capture_output=True, check=False,
            timeout=_SECONDS, env=os.environ | {"TZ": "UTC", "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UnansweredError(f"{words[0]} did not answer in {_SECONDS} seconds") from None
    except OSError as error:
        raise UnansweredError(f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode == 0 or (fails and done.stdout):
        return done.stdout
    if absent and absent.encode() in done.stderr:
        return b""
    reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
    raise UnansweredError(reason or f"{words[0]} ended with exit code {done.returncode}")


def home() -> Path:
    """Return the home folder of this user; raise UnansweredError if there is none."""
    try:
        return Path.home()
    except RuntimeError:
        raise UnansweredError(
            "this user has no home folder, where the scheduler would look"
        ) from None


def user() -> str:
    """Return the name of this user; raise UnansweredError if there is none."""
    number = uid()
    if sys.platform != "win32":
        import pwd  # Windows has none

        with contextlib.suppress(KeyError):
            return pwd.getpwuid(number).pw_name
    raise UnansweredError("this user has no name, which the scheduler needs")


def uid() -> int:
    """Return the number of this user; raise UnansweredError on Windows."""
    if sys.platform == "win32":
        raise UnansweredError("Windows has no user numbers")
    return os.getuid()
