"""Every command once: a table that serves doit (`doit recall …`) and `haios-dag recall …`.

To add a command, add a row: its function takes the workspace and what the row names, prints its
answer, and returns its exit code, or None for 0. A HaiosError becomes one sentence on stderr.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from haios_dag.base.console import printable, tolerate_any_console
from haios_dag.base.errors import EventError, HaiosError, OutputError, RefusedError
from haios_dag.base.workspace import Workspace

if TYPE_CHECKING:
    from doit.exceptions import TaskError, TaskFailed

_FAILED, _ERROR = 1, 2  # the exit codes that doit gives to a failure and to an error
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ANY_ERROR: Mapping[type[HaiosError], int] = MappingProxyType({HaiosError: _FAILED})
# Where exit code 1 is an answer, an error has 2.
_NO_ANSWER: Mapping[type[HaiosError], int] = MappingProxyType({HaiosError: _ERROR})


class Option(NamedTuple):
    """An option of a command; `type` bool is a flag, and a text that is not given is None."""

    name: str  # the parameter of the function, and the long option unless `long` says another
    help: str
    type: type = bool
    default: Any = False
    short: str = ""
    long: str = ""

    @property
    def flag(self) -> str:
        """The long option without its dashes."""
        return self.long or self.name.replace("_", "-")


class Command(NamedTuple):
    """A command. `call` is "module:function" in this package, "" for a task of the beat's graph.

    `words` names the parameter that takes the words behind the options, `metavar` what they are;
    `least` and `most` are how many there may be. `given` are further arguments of the call.
    `errors` are the exit codes of exceptions, the first class that fits. `anywhere` needs no
    workspace, and `in_doit` is false for what only the script offers.
    """

    name: str
    call: str
    help: str
    options: tuple[Option, ...] = ()
    words: str = ""
    metavar: str = ""
    least: int = 0
    most: int | None = None
    given: Mapping[str, Any] = _NOTHING
    errors: Mapping[type[HaiosError], int] = _ANY_ERROR
    codes: str = ""
    anywhere: bool = False
    in_doit: bool = True

    @property
    def usage(self) -> str:
        """What may stand behind the name, such as `[-n COUNT] [--json] WORDS`."""
        options = [
            f"[-{one.short} {one.flag.upper()}]"
            if one.short
            else f"[--{one.flag}]"
            if one.type is bool
            else f"[--{one.flag} {one.flag.upper()}]"
            for one in self.options
        ]
        return " ".join([*options, *filter(None, [self.metavar])])


JSON = Option("json", "print JSON lines and nothing else on standard output")
_COUNT = Option("count", "how many", int, 10, "n")
_TYPE = Option("kind", "only events of this type", str, None, long="type")
_YES = Option("yes", "do it; without it, only say what would be done")
_WATCHDOG = Option("watchdog", "the watchdog, which reports missed beats, instead of the beat")
_SCHEDULER = "[windows | cron | systemd | launchd]"
_SCHEDULERS = {
    "windows": "HAIOS-Heartbeat.xml for the Windows Task Scheduler",
    "cron": "haios-heartbeat.cron for a crontab",
    "systemd": "haios-heartbeat.service and .timer for systemd --user",
    "launchd": "com.haios.heartbeat.plist for launchd on macOS",
}


def _entry(name: str, what: str, **given: object) -> Command:
    """Return the row of a command that writes some of the schedulers' entries."""
    call = "schedule.schedule_commands:write"
    return Command(f"schedule{name}", call, f"write {what}", given=given)


COMMANDS = (
    Command(
        "heartbeat", "", "run one beat: every step below up to event, then the exit code",
        codes="0 ok or idle, 1 a step failed or another beat runs, 2 the event was not written,"
        " 3 dodo.py or doit broke",
    ),
    Command("ingest", "", "read changed, new and deleted documents and traces"),
    Command("embed", "", "give a vector to every concept and trace without one"),
    Command(
        "synthesize", "", "cluster what is new and write insights",
        (Option("dry_run", "say what would be done, and write nothing"),),
    ),
    Command("bridge", "", "link concepts with the traces they explain"),
    Command("status", "", "write the full and the slim status"),
    Command("event", "", "run a beat and append its event, without the exit code of its steps"),
    Command(
        "recall", "recall.show_recall:show", "search memory, best answer first",
        (_COUNT, JSON), "words", "WORDS",
    ),
    Command(
        "events", "events:show", "show the last events",
        (_COUNT._replace(default=20), _TYPE, JSON),
    ),
    Command(
        "events-since", "events:show_since", "show the events since a date",
        (JSON,), "words", "yesterday | 2h | 3d | DATE",
    ),
    Command("events-stats", "events:stats", "count the events by type, day and outcome", (JSON,)),
    Command(
        "events-add", "events:add", "append a validated event",
        (
            _TYPE._replace(help="the type of the event, unless the data has it"),
            Option("data", "the other keys as a JSON object; - or none: from standard input",
                   str, None),
        ),
        errors=MappingProxyType({RefusedError: _FAILED, EventError: _ERROR, HaiosError: _FAILED}),
        codes="0 appended, 1 refused, 2 the log cannot be written",
    ),
    Command("events-clear", "events:clear_log", "archive the event log and start a new one"),
    Command(
        "resonance", "resonance.show_resonance:show", "say what happened, strongest first",
        (Option("since", "from when on: yesterday, 2h, 3d, a date", str, "yesterday"), JSON),
    ),
    Command(
        "pulse", "pulse.watchdog:show", "say whether beats come: alive, late, down or never",
        (Option("notify", "tell those in [notify], once, when it is late and when it is down"),
         JSON),
        errors=_NO_ANSWER,
        codes="0 alive, 1 late, 2 down or an error, 3 never",
    ),
    Command(
        "vitals", "status.vitals:show", "show the slim status in ten lines",
        (), "folder", "[DIR]", 0, 1,
        errors=_NO_ANSWER,
        anywhere=True,
        codes="0 fresh, 1 stale, 2 there is none",
    ),
    Command(
        "watch", "pulse.watch:run", "beat on schedule in the foreground, where no scheduler runs",
    ),
    Command(
        "validate", "validate:show", "check events, status, settings, traces and schemas",
        (JSON,), "paths", "[FILE ...]",
        anywhere=True,
        codes="0 valid, perhaps with warnings, 1 invalid or unreadable",
    ),
    _entry("", "the entries for every scheduler into scheduler/", names=[], strict=False),
    *(_entry(f":{name}", what, names=[name]) for name, what in _SCHEDULERS.items()),
    _entry(":watchdog", "the entries for a second job, which reports missed beats",
           names=[], strict=False, watchdog=True),
    Command(
        "schedule-install", "schedule.schedule_commands:install",
        "install the job in this system's scheduler, after a trial",
        (_YES, _WATCHDOG), "name", _SCHEDULER, 0, 1,
    ),
    Command(
        "schedule-remove", "schedule.schedule_commands:remove",
        "remove the job from the scheduler, and nothing else",
        (_YES, _WATCHDOG), "name", _SCHEDULER, 0, 1,
    ),
    Command(
        "schedule-status", "schedule.schedule_commands:status",
        "show whether the job is installed as it should be",
        (_WATCHDOG,), "name", _SCHEDULER, 0, 1,
        errors=_NO_ANSWER,
        codes="0 as it should be, 1 not, 2 the scheduler cannot be asked",
    ),
    Command("synthesis-undo", "synthesis.take_back:undo", "take back the last synthesis"),
    Command(
        "synthesis-explain", "synthesis.explain:explain", "show why an insight exists",
        (), "words", "ID",
    ),
    Command(
        "doctor", "doctor.examination:show", "check the installation and the memory",
        (Option("fix", "repair what is safe to repair, after a backup of the memory"), JSON),
        codes="0 sound, 1 something is wrong, 2 something could not be checked",
    ),
    Command(
        "init", "init:show", "make a folder a workspace; overwrites nothing",
        (Option("upgrade", "bring an older dodo.py up to date, show the difference, keep a copy"),),
        "folder", "DIR", 1, 1,
        anywhere=True, in_doit=False,
    ),
    Command(
        "completion", "__main__:completion", "print the shell's code for completion with TAB",
        (), "shell", "bash | zsh | fish", 1, 1,
        anywhere=True, in_doit=False,
    ),
)  # fmt: skip


def run(
    command: Command, workspace: Workspace, options: Mapping[str, Any], words: list[str]
) -> int:
    """Call a command and return its exit code; an error is one sentence on stderr."""
    tolerate_any_console()
    module, _, name = command.call.partition(":")
    try:
        given = _arguments(command, options, words)
        function = getattr(importlib.import_module(f"haios_dag.{module}"), name)
        return int(function(workspace, **command.given, **given) or 0)
    except HaiosError as error:
        return _failed(command, error)


def _failed(command: Command, error: HaiosError) -> int:
    """Say why a command failed, and return its exit code."""
    if not isinstance(error, OutputError):  # which is said when the program ends
        print(f"haios-dag: {printable(str(error))}", file=sys.stderr)
    return next(code for kind, code in command.errors.items() if isinstance(error, kind))


def _arguments(command: Command, options: Mapping[str, Any], words: list[str]) -> dict[str, Any]:
    """Return the arguments of a call; raise HaiosError for more words than it takes."""
    if command.most is not None and len(words) > command.most:
        raise HaiosError(f"{len(words)} words are too many; usage: {command.name} {command.usage}")
    if not command.words:
        return dict(options)
    given = (words[0] if words else None) if command.most == 1 else words
    return {**options, command.words: given}


# --- doit ----------------------------------------------------------------------------------------


def tasks(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Yield a doit task for each command that is not a part of the beat's graph."""
    for command in COMMANDS:
        if command.call and command.in_doit:
            yield _task(command, workspace)


def _task(command: Command, workspace: Workspace) -> dict[str, Any]:
    usage = f": doit {command.name} {command.usage}" if command.usage else ""
    task: dict[str, Any] = {
        "basename": command.name,
        "actions": [_action(command, workspace)],
        "params": [
            {"name": one.name, "long": one.flag, "short": one.short, "type": one.type,
             "default": "" if one.default is None else one.default, "help": one.help}
            for one in command.options
        ],
        "io": {"capture": False},  # a long answer goes straight to its reader
        "meta": {"command": True},
        "doc": command.help + usage,
    }  # fmt: skip
    if command.words:
        task["pos_arg"] = command.words
    return task


def _action(
    command: Command, workspace: Workspace
) -> "Callable[..., TaskFailed | TaskError | None]":
    """Return what doit calls with the options and the words of the command line."""

    def action(**given: object) -> "TaskFailed | TaskError | None":
        from doit.exceptions import TaskError, TaskFailed

        words = given.pop(command.words, None) if command.words else None
        options = {one.name: given[one.name] if one.type is not str else given[one.name] or None
                   for one in command.options}  # fmt: skip
        try:
            behind = _words(command, words if isinstance(words, list) else [])
        except HaiosError as error:
            code = _failed(command, error)
        else:
            code = run(command, workspace, options, behind)
        if code == _FAILED:
            return TaskFailed(command.name, report=False)
        if code == _ERROR:
            return TaskError(command.name, report=False)
        if code:
            sys.exit(code)  # doit itself ends with 0, 1 or 2; `never` of the pulse is 3
        return None

    return action


def _words(command: Command, words: list[str]) -> list[str]:
    """Return the words of a doit command line; raise HaiosError for an option among them.

    doit takes all that follows the first word for words, and those with a `=` for variables of
    its own, which it offers by names known beforehand alone; here any of them may be a word.
    """
    from doit import doit_cmd

    flags = {f"--{one.flag}" for one in command.options}
    if misplaced := [word for word in words if word.partition("=")[0] in flags]:
        raise HaiosError(
            f"with doit, options stand before the words: doit {command.name} {command.usage};"
            f" {misplaced[0]} stands behind them (haios-dag {command.name} takes it there)"
        )
    variables = doit_cmd._CMDLINE_VARS or {}  # noqa: SLF001 - see above: a word would be lost
    return words + [f"{name}={value}" for name, value in variables.items() if name != "memory"]
