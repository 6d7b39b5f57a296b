"""Run the commands that the README shows, each in a fresh clone, and compare what they print.

A command is a `sh` block of one line; the `text` block behind it is its output. Numbers and times
differ from machine to machine: digits compare equal to digits, and a line `…` stands for any lines.
`python3` is the interpreter that runs this program; on Windows, `.venv/bin` is `.venv/Scripts`.
"""

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

_BLOCKS = re.compile(r"```sh\n([^\n]+)\n```\n(?:(?!```).)*?```text\n(.*?)```", re.DOTALL)


def pairs(readme: str) -> list[tuple[str, str]]:
    """Return each command that a README shows, with its output."""
    return _BLOCKS.findall(readme)


def same(shown: str, printed: str) -> bool:
    """Tell whether every shown line was printed, in this order."""

    def mask(text: str) -> list[str]:
        masked = re.sub(r"[0-9a-f]{8}\b|\d[\d,.]*", "#", text)
        lines = (re.sub(r"\s+|\.{3,}", " ", line).strip() for line in masked.splitlines())
        return [line for line in lines if line]

    lines = iter(mask(printed))
    return all(line == "…" or line in lines for line in mask(shown))


def for_this_system(command: str) -> str:
    """Return a command of the README with this interpreter and this system's `.venv`."""
    command = command.replace("python3 ", f"{shlex.quote(Path(sys.executable).as_posix())} ", 1)
    return command.replace(".venv/bin/", ".venv/Scripts/") if os.name == "nt" else command


def main(repository: Path, folder: Path) -> None:
    """Run every command of the repository's README in clones below `folder`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    readme = (repository / "README.md").read_text(encoding="utf-8")
    found = pairs(readme)
    if len(found) != 2:
        sys.exit(f"the README shows {len(found)} commands with their output, not 2")
    for number, (command, shown) in enumerate(found):
        clone = folder / f"readme-{number}" / "main"
        subprocess.run(["git", "clone", "-q", str(repository), str(clone)], check=True)
        print(f"$ {command}", flush=True)
        done = subprocess.run(
            ["bash", "-c", for_this_system(command)],
            cwd=clone,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        print(done.stdout, done.stderr, sep="", flush=True)
        if done.returncode:
            sys.exit(f"exit code {done.returncode}")
        if not same(shown, done.stdout):
            sys.exit(f"the README's output differs from what was printed:\n{shown}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
