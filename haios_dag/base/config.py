"""The settings in `haios.toml` and `.env`, checked before they are used."""

import contextlib
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from haios_dag.base import config_errors, files, schema
from haios_dag.base.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """Section `[ingest]`."""

    enabled: bool
    folders: list[str]
    exclude: list[str]
    traces: str
    max_megabytes: float
    boilerplate_documents: int


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Section `[memory]`."""

    path: str | None


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Section `[synthesis]`."""

    max_members: int


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """Section `[bridge]`."""

    budget: int


@dataclass(frozen=True, kw_only=True)
class Events:
    """Section `[events]`."""

    rotate_at: float


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Section `[signals]`."""

    approaching_above: float
    bottleneck_above: int
    attention_above: int
    momentum_above: int
    late_above: int
    degraded_beats: int
    backlog_beats: int
    memory_percent: float
    resonance_strength: float
    quiet_days: float


@dataclass(frozen=True, kw_only=True)
class Resonance:
    """Section `[resonance]`."""

    stuck_days: float
    fixtures: list[str]


@dataclass(frozen=True, kw_only=True)
class Status:
    """Section `[status]`."""

    detail: bool


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Section `[schedule]`."""

    every_minutes: int
    at: str | None
    hours: str
    jitter_minutes: int
    time_limit_minutes: int
    name: str | None
    logged_on_only: bool
    grace_minutes: int | None


@dataclass(frozen=True, kw_only=True)
class Notify:
    """Section `[notify]`; its values are secrets, which no representation shows."""

    ping: str | None = field(repr=False)
    apprise: list[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All sections; `schemas/config.schema.json` has their meanings and defaults."""

    ingest: Ingest
    memory: Memory
    synthesis: Synthesis
    bridge: Bridge
    events: Events
    signals: Signals
    resonance: Resonance
    status: Status
    schedule: Schedule
    notify: Notify


def parse(text: str) -> dict[str, Any]:
    """Return the settings in TOML, unchecked; raise ValueError, also for nan, or RecursionError."""
    return tomllib.loads(text, parse_float=schema.finite)


def load(path: Path) -> Config:
    """Return the settings in a `haios.toml`, or the defaults when there is no such file.

    Raise ConfigError, naming line and key, when the file is unreadable, not TOML or not valid.
    """
    given: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError), _named(path):
        text = files.read(path).decode("utf-8-sig")
        given = parse(text)
    if given and (found := config_errors.violations(text, given)):
        raise ConfigError(config_errors.sentence(path, found))

    rules = schema.load("config")["properties"]

    def section(name: str) -> dict[str, Any]:
        defaults = {key: rule["default"] for key, rule in rules[name]["properties"].items()}
        return {**defaults, **given.get(name, {})}

    return Config(**{name: kind(**section(name)) for name, kind in get_type_hints(Config).items()})


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn the errors of reading a file into a ConfigError that names it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; correct that") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deep; correct it") from None
    except ValueError as error:
        raise ConfigError(f"{path} cannot be used: {error}; correct it") from None


def environment(path: Path) -> Mapping[str, str]:
    """Return the process environment over the variables of a `.env` file, if there is one.

    A scheduler starts a beat with almost no environment, so the file is read here; the process
    environment itself is not changed. Raise ConfigError when others than the owner may read the
    file (it holds keys), or when it is not a file of UTF-8 text.
    """
    try:
        with _named(path):
            mode = path.stat().st_mode
    except FileNotFoundError:
        return os.environ
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is not a file; move it away")
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise ConfigError(f"{path} can be read or written by others; run: chmod 600 {path}")
    from dotenv import dotenv_values  # 20 ms

    with _named(path):
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
    return {key: value for key, value in values.items() if value is not None} | dict(os.environ)
