"""Text that is safe to show, and showing it."""

import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import IO

from haios_dag.errors import HaiosError


def printable(text: str) -> str:
    r"""Return a text with control and direction characters written as escapes.

    Document text, file names and errors are not trusted to leave a terminal alone: `\x1b` sets
    its title, `\r` overwrites the line, U+202E turns it around.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def tolerate_any_console() -> None:
    """Let a character that the console cannot show come out as an escape, not as an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(lines: Iterable[str], stream: IO[str] | None = None) -> None:
    """Print lines. When the reader has gone (`| head -1`), quietly print no more.

    Raise HaiosError when the output cannot be written for another reason, such as a full disk.
    """
    out = stream or sys.stdout
    if out is None:  # a Windows process without a console
        return
    try:
        for line in lines:
            print(line, file=out)
        out.flush()
    except OSError as error:
        # What is still buffered would fail once more when Python exits.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise HaiosError(f"the output could not be written: {error.strerror}") from None
