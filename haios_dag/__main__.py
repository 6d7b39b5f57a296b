"""`python -m haios_dag`: what is needed before there is a `dodo.py` to run."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from haios_dag import __version__, init
from haios_dag.errors import HaiosError
from haios_dag.text import printable, say, tolerate_any_console
from haios_dag.workspace import Workspace

_INIT = (
    "Write dodo.py, a commented haios.toml, the folders for documents and traces, and the"
    " .gitignore lines of run-time files into DIR, which is made when it does not exist."
    " Nothing that is there is overwritten, so it is safe to repeat."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 ok, 1 an error or a conflict, 2 usage."""
    tolerate_any_console()
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        return _init(given.folder)
    except HaiosError as error:
        print(printable(f"haios_dag: {error}"), file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    """Return the parser; its help is the documentation of this command."""
    parser = argparse.ArgumentParser(
        prog="python -m haios_dag",
        description="A pulse for an agent's memory. In a workspace, everything else is a task of"
        " its dodo.py: see `doit list` there.",
    )
    parser.add_argument("--version", action="version", version=f"haios-dag {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    folder = commands.add_parser(
        "init",
        help="make a folder a workspace",
        description=_INIT,
        epilog="exit codes: 0 the workspace is ready; 1 something is in the way, the message says"
        " what to do; 2 wrong usage",
    )
    folder.add_argument("folder", metavar="DIR", type=Path, help="the folder, such as . or notes")
    return parser


def _init(folder: Path) -> int:
    """Make a workspace, say what was done and what to type next."""
    done = init.make(folder)
    lines = [f"{path}: {what}" for path, what in done.paths.items()]
    if done.nothing:
        lines.append("nothing to do: it is a workspace already")
    if not done.problems:
        doit = [sys.executable, "-m", "doit", "-f", str(folder / "dodo.py")]
        log = Workspace(folder).events
        lines += ["", f"Next, run a beat, then see what it left in the event log, {log}:"]
        lines += [f"  {_shell([*doit, task])}" for task in ("heartbeat", "events")]
    say(map(printable, lines))
    for problem in done.problems:
        print(printable(f"haios_dag: {problem}"), file=sys.stderr)
    return 1 if done.problems else 0


def _shell(words: list[str]) -> str:
    """Return a command line as this platform's shell takes it."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


if __name__ == "__main__":
    sys.exit(main())
