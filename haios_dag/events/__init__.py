"""The event log of a workspace: append, read, archive, and show it to people."""

from haios_dag.events.add_event import add
from haios_dag.events.event_stats import stats
from haios_dag.events.log_lines import Entry
from haios_dag.events.log_reader import (
    has_beat,
    last_beat,
    read,
    read_back,
    read_governance,
    read_log,
    recent,
)
from haios_dag.events.log_writer import append, archives, clear
from haios_dag.events.show_events import clear_log, show, show_since

__all__ = [
    "Entry",
    "add",
    "append",
    "archives",
    "clear",
    "clear_log",
    "has_beat",
    "last_beat",
    "read",
    "read_back",
    "read_governance",
    "read_log",
    "recent",
    "show",
    "show_since",
    "stats",
]
