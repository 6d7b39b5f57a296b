"""A workspace is the folder that holds `dodo.py`; here is every path of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from haios_dag.base import files
from haios_dag.base.errors import ConfigError

if TYPE_CHECKING:
    from haios_dag.base.config import Config

# From the root: what scheduled tasks print, where nobody sees it. A task that finds more bytes
# there sets the file aside, so that there are two such files at most.
OUTPUT_AT = 1_000_000
OUTPUTS = {"heartbeat": ".haios/beat.log", "watchdog": ".haios/watchdog.log"}
_LEVELS = 2000  # the real configuration has 183
_SESSION_BYTES = 4096  # of `.claude/session`, which has comment lines before its number
_NUMBER = re.compile(r"\s*[0-9]{1,6}\s*")

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Workspace:
    """The paths and settings of one workspace; nothing is read before it is asked for.

    `memory_flag` is the path given on the command line (`doit memory=PATH …`), or None.
    """

    root: Path
    memory_flag: str | None = None

    @property
    def config(self) -> "Config":
        """The settings; raise ConfigError, the same object each time."""
        return _result(self._config)

    @cached_property
    def _config(self) -> "Config | ConfigError":
        from haios_dag.base import config

        return _attempt(config.load, self.root / "haios.toml")

    @property
    def environment(self) -> Mapping[str, str]:
        """The process environment over `.env`; raise ConfigError, the same object each time."""
        return _result(self._environment)

    @cached_property
    def _environment(self) -> Mapping[str, str] | ConfigError:
        from haios_dag.base import config

        return _attempt(config.environment, self.root / ".env")

    @property
    def events(self) -> Path:
        """The event log."""
        return self.root / ".claude" / "haios-events.jsonl"

    @property
    def governance_logs(self) -> list[Path]:
        """The governance log of HAIOS and the place where it used to be; we never write either."""
        name = "governance-events.jsonl"
        return [self.root / ".claude" / name, self.root / ".claude" / "haios" / name]

    @property
    def status(self) -> Path:
        """The full status."""
        return self.root / ".claude" / "haios-status.json"

    @property
    def status_slim(self) -> Path:
        """The slim status, which agents read."""
        return self.root / ".claude" / "haios-status-slim.json"

    @property
    def beat_lock(self) -> Path:
        """The lock of the beat; its content is the beat under way (see `beat`)."""
        return self.root / ".haios" / "beat.lock"

    @property
    def pulse_lock(self) -> Path:
        """The lock of those that tell when the pulse is late (see `alarm`)."""
        return self.root / ".haios" / "pulse.lock"

    @property
    def output(self) -> Path:
        """What scheduled beats printed, where their scheduler does not keep it itself."""
        return self.root / OUTPUTS["heartbeat"]

    @property
    def watchdog_output(self) -> Path:
        """What scheduled watchdogs printed, likewise."""
        return self.root / OUTPUTS["watchdog"]

    @property
    def schedules(self) -> Path:
        """The folder of the entries for schedulers."""
        return self.root / "scheduler"

    @property
    def events_lock(self) -> Path:
        """The lock of the event log's writers."""
        return self.root / ".haios" / "events.lock"

    @property
    def events_times(self) -> Path:
        """What is known of the times in the event log (see `events.times`)."""
        return self.root / ".haios" / "events-times.json"

    @cached_property
    def session(self) -> int | None:
        """The session in `.claude/session`: its first line that is a number; None without."""
        try:
            with files.open_plain(self.root / ".claude" / "session") as file:
                lines = file.read(_SESSION_BYTES).decode("utf-8-sig", "replace").splitlines()
        except OSError:
            return None
        return next((int(line) for line in lines if _NUMBER.fullmatch(line)), None)

    @cached_property
    def memory(self) -> Path:
        """The memory database, which need not exist; raise ConfigError.

        In this order: the command line, DB_PATH, `[memory] path`, the HAIOS configuration's
        `paths.memory_db`, `haios_memory.db` where it exists, `memory.db`.
        """
        named = (
            self.memory_flag
            or self.environment.get("DB_PATH")
            or self.config.memory.path
            or self._haios_memory()
        )
        if named:
            return self._below_root(named)
        usual = self.root / "haios_memory.db"
        try:
            return usual if usual.exists() else self.root / "memory.db"
        except OSError as error:
            raise ConfigError(f"{usual}: {error.strerror}; check that disk") from None

    def has_memory(self) -> bool:
        """Tell whether there is a memory; raise ConfigError."""
        try:
            return self.memory.exists()
        except OSError as error:
            raise ConfigError(f"{self.memory}: {error.strerror}; check that disk") from None

    def _below_root(self, named: str) -> Path:
        """Return a path that somebody gave; raise ConfigError when it cannot be one."""
        if "\0" in named:
            raise ConfigError(f"the memory's path {named!r} has a NUL character; correct it")
        try:
            return self.root / Path(named).expanduser()
        except RuntimeError:
            raise ConfigError(f"the memory's path {named!r} names an unknown user") from None

    def _haios_memory(self) -> str | None:
        """Return `paths.memory_db` of the HAIOS configuration, where there is one."""
        path = self.root / ".claude" / "haios" / "config" / "haios.yaml"
        try:
            text = files.read(path).decode("utf-8-sig")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}; set [memory] path in haios.toml") from None
        import yaml  # 25 ms

        try:
            # libyaml's loader is ten times faster, but some 4,000 levels overflow a 1 MB C stack.
            levels = sum(map(text.count, "[{-:?"))  # at most
            safe = yaml.SafeLoader
            loader = getattr(yaml, "CSafeLoader", safe) if levels < _LEVELS else safe
            found = yaml.load(text, Loader=loader)["paths"]["memory_db"]  # noqa: S506 - it is safe
        except (KeyError, TypeError):
            return None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            # To guess here could begin a second, empty memory beside the real one.
            reason = " ".join(str(error).split())
            raise ConfigError(f"{path}: {reason}; set [memory] path in haios.toml") from None
        return found if isinstance(found, str) and found else None


def _attempt(read: Callable[[Path], _Read], path: Path) -> _Read | ConfigError:
    """Return what was read, or the ConfigError that it raised, so that either can be kept."""
    try:
        return read(path)
    except ConfigError as error:
        return error


def _result(found: _Read | ConfigError) -> _Read:
    """Return what was read, or raise the error."""
    if isinstance(found, ConfigError):
        raise found.with_traceback(None)
    return found
