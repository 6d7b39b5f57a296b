"""The event log of a workspace: append, read, archive, and show it to people."""

from haios_dag.events.add import add
from haios_dag.events.dates import since
from haios_dag.events.lines import Entry
from haios_dag.events.log import append, archives, clear
from haios_dag.events.reading import (
    has_beat,
    read,
    read_back,
    read_governance,
    read_governance_back,
    read_log,
    read_since,
    recent,
)
from haios_dag.events.report import clear_log, show, show_since
from haios_dag.events.stats import stats

__all__ = [
    "Entry",
    "add",
    "append",
    "archives",
    "clear",
    "clear_log",
    "has_beat",
    "read",
    "read_back",
    "read_governance",
    "read_governance_back",
    "read_log",
    "read_since",
    "recent",
    "show",
    "show_since",
    "since",
    "stats",
]
