"""How an installed entry differs from the one that would be generated now: drift, line by line."""

import difflib
from collections.abc import Sequence


def of_text(installed: bytes, wanted: bytes, *, context: int = 0) -> list[str]:
    """Return the differing lines of two texts: `-` installed, `+` wanted, blank for context.

    Two texts that are not the same to the byte always have such a line.
    """
    old, new = (data.decode("utf-8", "surrogateescape").split("\n") for data in (installed, wanted))
    return [
        line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for line in of_lines(old, new, context=context)
    ]


def of_lines(installed: Sequence[str], wanted: Sequence[str], *, context: int = 0) -> list[str]:
    """Return the lines of a unified diff without its headers."""
    found = list(difflib.unified_diff(installed, wanted, n=context, lineterm=""))
    return [line for line in found[2:] if not line.startswith("@@")]
