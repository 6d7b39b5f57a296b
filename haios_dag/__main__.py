"""`python -m haios_dag`: what is needed where there is no `dodo.py` to run."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from haios_dag import __version__
from haios_dag.base.console import printable, say, tolerate_any_console
from haios_dag.base.errors import HaiosError, OutputError, StatusError
from haios_dag.base.workspace import Workspace

_INIT = (
    "Write dodo.py, a commented haios.toml, the folders for documents and traces, and the"
    " .gitignore lines of run-time files into DIR, which is made when it does not exist."
    " Nothing that is there is overwritten, so it is safe to repeat."
)

_VITALS = (
    "Print what the slim status of the workspace says, in ten lines at most, without doit: for a"
    " prompt hook, which has no time."
)

_VALIDATE = (
    "Check each FILE by its name: haios.toml, haios-status.json, haios-status-slim.json,"
    " *.schema.json, traces/*.jsonl and, as event logs, all other *.jsonl. A folder is checked as"
    " a workspace; without FILE, this one."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 ok, 1 an error or a conflict, 2 usage.

    `vitals` has codes of its own, see its help.
    """
    tolerate_any_console()
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        if given.command == "vitals":
            return _vitals(given.folder)
        if given.command == "validate":
            from haios_dag import validate

            validate.show(Path(), given.files or ["."], json=given.json)
            return 0
        return _init(given.folder)
    except OutputError:
        return 1
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
    files = commands.add_parser(
        "validate",
        help="check files, or a workspace, against their schemas",
        description=_VALIDATE,
        epilog="exit codes: 0 valid, perhaps with warnings; 1 something is not, or cannot be read;"
        " 2 wrong usage",
    )
    files.add_argument("--json", action="store_true", help="as JSON lines")
    files.add_argument("files", metavar="FILE", nargs="*", help="a file, or a workspace's folder")
    vitals = commands.add_parser(
        "vitals",
        help="show what the slim status of a workspace says",
        description=_VITALS,
        epilog="exit codes: 0 the status is fresh; 1 it is stale, as its first line says; 2 there"
        " is none, or wrong usage",
    )
    vitals.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="the workspace's folder"
    )
    return parser


def _vitals(folder: Path) -> int:
    """Show the vital signs and return the exit code."""
    from haios_dag.status import vitals

    try:
        return 0 if vitals.show(Workspace(folder)) else 1
    except StatusError as error:
        print(printable(f"haios_dag: {error}"), file=sys.stderr)
        return 2


def _init(folder: Path) -> int:
    """Make a workspace, say what was done and what to type next."""
    from haios_dag import init

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
