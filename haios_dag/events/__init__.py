"""The event log of a workspace: append, read, archive, and show it to people."""

from haios_dag.events.dates import since
from haios_dag.events.lines import Entry
from haios_dag.events.log import append, archives, clear, has_beat, read, recent
from haios_dag.events.report import clear_log, show, show_since, stats

__all__ = [
    "Entry",
    "append",
    "archives",
    "clear",
    "clear_log",
    "has_beat",
    "read",
    "recent",
    "show",
    "show_since",
    "since",
    "stats",
]
