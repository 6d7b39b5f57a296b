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


class InvalidError(HaiosError):
    """Data does not match its JSON Schema."""


class LockedError(HaiosError):
    """Another process holds a lock."""


class MemoryUnavailableError(HaiosError):
    """The memory database is missing, locked, corrupt, full, read-only or not a memory."""


class ModelError(HaiosError):
    """The embedding model cannot be loaded."""


class StatusError(HaiosError):
    """A status file cannot be read or written."""


class UndoError(HaiosError):
    """A synthesis cannot be taken back."""
