"""`haios-dag COMMAND`: every command without doit, from any folder of a workspace.

`python -m haios_dag` is the same program.
"""
# PYTHON_ARGCOMPLETE_OK

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from haios_dag import __version__, commands
from haios_dag.base import files
from haios_dag.base.console import printable, say, tolerate_any_console
from haios_dag.base.errors import HaiosError
from haios_dag.base.workspace import Workspace
from haios_dag.commands import COMMANDS, Command

_USAGE = 2  # the exit code of a command line that cannot be understood
_SHELLS = ("bash", "zsh", "fish")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, with what may have been meant."""

    def error(self, message: str) -> NoReturn:
        known = [flag for action in self._actions for flag in action.option_strings]
        hints = [
            f"; did you mean {close[0]}?"
            for word in re.findall(r"--[\w-]+", message)
            if (close := difflib.get_close_matches(word, known, 1)) and close[0] != word
        ]
        said = printable(f"haios-dag: {message}{''.join(hints[:1])}; see: {self.prog} --help")
        self.exit(_USAGE, said + "\n")


def main(given: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code; 2 for one that cannot be understood.

    The other codes are those of the command, which its --help names.
    """
    tolerate_any_console()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete  # 20 ms, only for a shell that asks what could follow

        argcomplete.autocomplete(_whole_parser())
    parser = _parser()
    top, rest = _split(list(sys.argv[1:] if given is None else given))
    if rest[:1] == ["help"]:
        top, rest = ([*top, "--help"], []) if not rest[1:] else (top, [rest[1], "--help"])
    chosen = parser.parse_args(top)
    if not rest:
        parser.print_help(sys.stderr)
        return _USAGE
    command = next((one for one in COMMANDS if one.name == rest[0]), None)
    if command is None:
        return _unknown(rest[0])
    try:
        return _run(command, _command_parser(command), rest[1:], chosen)
    except HaiosError as error:
        print(printable(f"haios-dag: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the options before the command, and the command with all that follows."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in ("-C", "--memory") else 1
    return words[:at], words[at:]


def _parser() -> _Parser:
    """Return the parser of what stands before a command; its help lists the commands."""
    width = max(len(command.name) for command in COMMANDS)
    listed = "\n".join(f"  {command.name:{width}}  {command.help}" for command in COMMANDS)
    parser = _Parser(
        prog="haios-dag",
        usage="haios-dag [-C DIR] [--memory PATH] COMMAND ...",
        description="A pulse for an agent's memory. Works in the workspace, the folder with"
        " dodo.py, that the current folder lies in.",
        epilog=f"commands:\n{listed}\n\nhaios-dag COMMAND --help tells more of one. Tasks of your"
        " own in dodo.py run with doit.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"haios-dag {__version__}")
    parser.add_argument(
        "-C", dest="folder", metavar="DIR", type=_named, help="start in this folder"
    )
    parser.add_argument("--memory", metavar="PATH", type=_named, help="use another memory database")
    return parser


def _named(word: str) -> str:
    """Return a word of the command line; refuse an empty one, as of a variable without a value."""
    if not word:
        raise argparse.ArgumentTypeError("it is empty")
    return word


def _command_parser(command: Command) -> _Parser:
    """Return the parser of a command's options and words."""
    codes = command.codes or "0 done or nothing to do, 1 an error"
    codes += "" if "2 " in codes else ", 2 wrong usage"
    parser = _Parser(
        prog=f"haios-dag {command.name}",
        usage=f"haios-dag {command.name} {command.usage}".rstrip(),
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        epilog=f"exit codes: {codes}",
        allow_abbrev=False,
    )
    _add_arguments(parser, command)
    return parser


def _add_arguments(parser: argparse.ArgumentParser, command: Command) -> None:
    for one in command.options:
        flags = [f"-{one.short}"] * bool(one.short) + [f"--{one.flag}"]
        if one.type is bool:
            parser.add_argument(*flags, dest=one.name, action="store_true", help=one.help)
        else:
            shown = one.help if one.default is None else f"{one.help} (default: {one.default})"
            parser.add_argument(
                *flags, dest=one.name, type=one.type, default=one.default,
                metavar=one.flag.upper(), help=shown,
            )  # fmt: skip
    if command.words:
        parser.add_argument(command.words, nargs="*", metavar=command.metavar.strip("[]"))


def _whole_parser() -> argparse.ArgumentParser:
    """Return one parser of everything, as completion needs it."""
    parser = _parser()
    below = parser.add_subparsers()
    for command in COMMANDS:
        _add_arguments(below.add_parser(command.name, help=command.help), command)
    return parser


def _unknown(word: str) -> int:
    names = [command.name for command in COMMANDS]
    close = difflib.get_close_matches(word, names, 1)
    hint = f"did you mean {close[0]}?" if close else "haios-dag --help lists the commands."
    hint += f" A task of your own runs with: doit {word}"
    print(printable(f"haios-dag: there is no command {word!r}; {hint}"), file=sys.stderr)
    return _USAGE


def _run(command: Command, parser: _Parser, words: list[str], chosen: argparse.Namespace) -> int:
    options = words[: words.index("--")] if "--" in words else words
    given = vars(parser.parse_intermixed_args(options))
    behind = given.pop(command.words) if command.words else []
    behind += words[len(options) + 1 :]  # all words behind `--` are words
    if behind and not command.words:
        parser.error(f"unrecognized arguments: {' '.join(behind)}")
    if command.most == 1 and "" in behind:
        parser.error(f"an empty {command.metavar.strip('[]')}")
    if len(behind) < command.least:
        parser.error(f"name one: {command.metavar}")
    if command.most == 1 and len(behind) > 1:
        parser.error(f"one {command.metavar.strip('[]')} at a time, not {len(behind)}")
    workspace = _workspace(command, chosen)
    if not command.call:
        return _doit(command, workspace, words)
    return commands.run(command, workspace, given, behind)


def _workspace(command: Command, chosen: argparse.Namespace) -> Workspace:
    """Return the workspace that the folder lies in; raise HaiosError where there is none."""
    try:
        folder = Path(chosen.folder or ".")
        here = folder.resolve(strict=True)
        next(here.iterdir(), None)  # an error where it is no folder, or may not be read
    except OSError as error:
        raise HaiosError(f"{error.filename or folder}: {error.strerror}; name a folder") from None
    found = next((one for one in (here, *here.parents) if _is_workspace(one)), None)
    if found is None and not command.anywhere:
        raise HaiosError(
            f"there is no workspace: neither {here} nor a folder above it holds a dodo.py that"
            f" imports haios_dag; to make one: haios-dag init {folder}"
        )
    return Workspace(found or folder, chosen.memory)


def _is_workspace(folder: Path) -> bool:
    """Tell whether a folder holds a graph of ours; other programs have a dodo.py too."""
    try:
        return b"haios_dag" in files.read(folder / "dodo.py")
    except OSError:
        return False


def _doit(command: Command, workspace: Workspace, words: list[str]) -> int:
    """Run a task of the beat's graph, as `doit` does, whatever doit's own settings here say."""
    from doit.doit_cmd import DoitMain

    memory = [f"memory={workspace.memory_flag}"] if workspace.memory_flag else []
    graph = str(workspace.root / "dodo.py")
    return int(DoitMain(config_filenames=()).run(["-f", graph, *memory, command.name, *words]))


def completion(_: Workspace, shell: str) -> None:
    """Print the code that lets a shell complete commands and options; raise HaiosError."""
    from argcomplete.shell_integration import shellcode

    if shell not in _SHELLS:
        raise HaiosError(f"name a shell: {', '.join(_SHELLS)}")
    say([shellcode(["haios-dag"], shell=shell)])


if __name__ == "__main__":
    sys.exit(main())
