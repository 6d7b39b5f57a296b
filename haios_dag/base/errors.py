"""The one exception tree.

Each message is one sentence for the operator: what happened, to which path, what to do next.
Anything else that is raised is a bug.
"""


class HaiosError(Exception):
    """Something outside the program is wrong, and the message says what to do about it."""


class ConfigError(HaiosError):
    """`haios.toml` or `.env` cannot be used."""


class DocumentError(HaiosError):
    """A document or trace file cannot be read."""


class EventError(HaiosError):
    """An event is invalid, or the log cannot be read or written."""


class RefusedError(EventError):
    """An event is invalid and was not written."""


class InvalidError(HaiosError):
    """Data does not match its JSON Schema."""


class LockedError(HaiosError):
    """Another process holds a lock."""


class MemoryUnavailableError(HaiosError):
    """The memory database is missing, locked, corrupt, full, read-only or not a memory.

    `is_busy` tells that another program has locked it, so that nothing is known of its state.
    """

    is_busy = False


class ModelError(HaiosError):
    """The embedding model cannot be loaded, or what it answers is no vector."""


class ScheduleError(HaiosError):
    """A scheduler cannot be told what it should do."""


class StatusError(HaiosError):
    """A status file cannot be read or written."""


class UndoError(HaiosError):
    """A synthesis cannot be taken back."""


class OutputError(HaiosError):
    """What was to be shown cannot be written; that is said on stderr when the program ends."""
