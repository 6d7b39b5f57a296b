"""Refuse merge-conflict markers: `python .ci/markers.py FOLDER` looks at every file git tracks."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Lines that begin with seven `<` or `>`, and lines of exactly seven `=`.
_MARKER = re.compile(rb"^(?:<{7}|>{7}|={7}\r?$)", re.MULTILINE)


def markers(data: bytes) -> list[int]:
    """Return the numbers of the lines of a file that are conflict markers."""
    return [data.count(b"\n", 0, found.start()) + 1 for found in _MARKER.finditer(data)]


def tracked(repository: Path) -> list[Path]:
    """Return the files that git tracks in a repository, links aside."""
    done = subprocess.run(
        ["git", "-C", str(repository), "ls-files", "-z"], capture_output=True, check=True
    )
    paths = [repository / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def found(paths: list[Path]) -> Iterator[str]:
    """Yield the place of each conflict marker in some files."""
    for path in paths:
        yield from (f"{path}:{line}" for line in markers(path.read_bytes()))


def main(repository: Path) -> int:
    """Print the place of each marker; return 1 when there is one."""
    places = list(found(tracked(repository)))
    for place in places:
        print(f"{place}: merge-conflict marker", file=sys.stderr)
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
