"""Text that is safe to show, and showing it."""

import atexit
import contextlib
import functools
import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import IO

from haios_dag.base.errors import OutputError

_unwritten: list[str] = []  # why the output was given up


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
    """Let what the console cannot take come out as an escape, or not at all, but not as an error.

    Where nothing can be written, as on a full disk, that is said once on stderr, and the work goes
    on. Others than us print too, such as doit's reporter, so it is the stream that is changed.
    """
    _open_closed()
    for stream in (sys.stderr, sys.stdout):  # to be flushed in the other order
        if isinstance(stream, TextIOWrapper) and "write" not in vars(stream):
            stream.reconfigure(errors="backslashreplace")
            if stream in (sys.__stdout__, sys.__stderr__):
                setattr(stream, "write", functools.partial(_write, stream))  # noqa: B010
                atexit.register(_flush, stream)


def _open_closed() -> None:
    """Let what is closed, as by `>&-` or where Windows gives no console, be the null device.

    Without that, the next file that is opened takes the number of the closed one, and with it
    what other code prints there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


def _write(stream: TextIOWrapper, text: str) -> int:
    try:
        return TextIOWrapper.write(stream, text)
    except OSError as error:
        _give_up(stream, error)
        return len(text)


def _flush(stream: TextIOWrapper) -> None:
    """Write what is still buffered, before Python does it in its own way, and say what was lost."""
    with contextlib.suppress(ValueError):  # it was closed
        try:
            stream.flush()
        except OSError as error:
            _give_up(stream, error)
    if _unwritten and stream is sys.stderr:  # the last to be flushed
        print(_unwritten[0], file=sys.stderr)


def _give_up(stream: IO[str], error: OSError) -> None:
    """Let the rest of the output go nowhere, for a reader that has left (`| head -1`) quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
        _unwritten.append(f"the output could not be written: {error.strerror}")


def say(lines: Iterable[str], stream: IO[str] | None = None) -> None:
    """Print lines. When the reader has gone (`| head -1`), quietly print no more.

    Raise OutputError when the output cannot be written for another reason, such as a full disk.
    """
    out = stream or sys.stdout
    if out is None:  # a Windows process without a console
        return
    try:
        for line in lines:
            print(line, file=out)
        out.flush()
    except OSError as error:
        _give_up(out, error)
    if _unwritten:
        raise OutputError(_unwritten[0])
