"""Every path in a workspace, the folder that holds `dodo.py`."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from haios_dag.base import files
from haios_dag.base.errors import ConfigError

if TYPE_CHECKING:
    from haios_dag.base.config import Config

# What scheduled tasks print goes to these files. A task that finds more than OUTPUT_AT bytes there
# renames the file to NAME.1 first.
OUTPUT_AT = 1_000_000
OUTPUTS = {"heartbeat": ".haios/beat.log", "watchdog": ".haios/watchdog.log"}
_LEVELS = 2000  # of nesting, at most; HAIOS's own configuration has 183
_SESSION_BYTES = 4096  # read of `.claude/session`
_NUMBER = re.compile(r"\s*[0-9]{1,6}\s*")


class Workspace:
    """The paths and settings of one workspace, read when they are first used.

    `memory_flag` is the path given on the command line (`doit memory=PATH …`), or None.
    """

    def __init__(self, root: Path, memory_flag: str | None = None) -> None:
        self.root = root
        self.memory_flag = memory_flag
        claude, ours = root / ".claude", root / ".haios"
        self.events = claude / "haios-events.jsonl"
        self.events_lock = ours / "events.lock"  # of those who write events
        self.status = claude / "haios-status.json"  # the full one
        self.status_slim = claude / "haios-status-slim.json"  # which agents read
        self.beat_lock = ours / "beat.lock"  # with the marker of the beat under way
        self.pulse_lock = ours / "pulse.lock"  # of the watchdogs, which report a late pulse
        self.schedules = root / "scheduler"  # the generated entries
        self.output = root / OUTPUTS["heartbeat"]
        self.watchdog_output = root / OUTPUTS["watchdog"]
        # HAIOS's governance log, and its former place; both are only read.
        log = "governance-events.jsonl"
        self.governance_logs = [claude / log, claude / "haios" / log]

    @cached_property
    def config(self) -> "Config":
        """The settings in `haios.toml`; raise ConfigError, with the same message each time."""
        from haios_dag.base import config

        return config.load(self.root / "haios.toml")

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The process environment, then `.env`; raise ConfigError likewise."""
        from haios_dag.base import config

        return config.environment(self.root / ".env")

    @cached_property
    def session(self) -> int | None:
        """The first line of `.claude/session` that is a number; None without one."""
        try:
            with files.open_plain(self.root / ".claude" / "session") as file:
                lines = file.read(_SESSION_BYTES).decode("utf-8-sig", "replace").splitlines()
        except OSError:
            return None
        return next((int(line) for line in lines if _NUMBER.fullmatch(line)), None)

    @cached_property
    def memory(self) -> Path:
        """The memory database, which may not exist yet; raise ConfigError.

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
        return usual if _exists(usual) else self.root / "memory.db"

    def has_memory(self) -> bool:
        """Tell whether the memory database exists; raise ConfigError."""
        return _exists(self.memory)

    def _below_root(self, named: str) -> Path:
        """Return a path from the root; raise ConfigError when it is not one."""
        if "\0" in named:
            raise ConfigError(f"the memory's path {named!r} has a NUL character; correct it")
        try:
            return self.root / Path(named).expanduser()
        except RuntimeError:
            raise ConfigError(f"the memory's path {named!r} names an unknown user") from None

    def _haios_memory(self) -> str | None:
        """Return `paths.memory_db` of HAIOS's configuration, if any."""
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
            # A guess could begin a second, empty memory beside the real one.
            reason = " ".join(str(error).split())
            raise ConfigError(f"{path}: {reason}; set [memory] path in haios.toml") from None
        return found if isinstance(found, str) and found else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; check that disk") from None
