"""Text that is safe to show."""


def printable(text: str) -> str:
    r"""Return a text with control and direction characters written as escapes.

    Document text, file names and errors are not trusted to leave a terminal alone: `\x1b` sets
    its title, `\r` overwrites the line, U+202E turns it around.
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )
