"""The one exception tree.

Each message is one sentence for the operator: what happened, to which path, what to do next. Any
other exception is a bug.
"""


class HaiosError(Exception):
    """Something outside the program is wrong; the message says what to do."""


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

    `is_busy`: another program has locked it, so its state is unknown.
    """

    is_busy = False


class ModelError(HaiosError):
    """The embedding model cannot be loaded, or does not return a vector."""


class ScheduleError(HaiosError):
    """A scheduler entry cannot be made, installed or removed."""


class StatusError(HaiosError):
    """A status file cannot be read or written."""


class UndoError(HaiosError):
    """A synthesis cannot be taken back."""


class OutputError(HaiosError):
    """Output cannot be written; a message on stderr says so when the program ends."""
