"""Tasks that are commands: they look at what the beats left, and have no place in the graph."""

from haios_dag.commands.health import doctor, show_pulse, validate, vitals, watch
from haios_dag.commands.log import (
    add_event,
    clear_events,
    resonate,
    show_events,
    show_events_since,
    show_events_stats,
)
from haios_dag.commands.memory import explain_synthesis, recall, undo_synthesis
from haios_dag.commands.schedule import (
    install_schedule,
    remove_schedule,
    schedule,
    schedule_status,
    schedule_watchdog,
)

__all__ = [
    "add_event",
    "clear_events",
    "doctor",
    "explain_synthesis",
    "install_schedule",
    "recall",
    "remove_schedule",
    "resonate",
    "schedule",
    "schedule_status",
    "schedule_watchdog",
    "show_events",
    "show_events_since",
    "show_events_stats",
    "show_pulse",
    "undo_synthesis",
    "validate",
    "vitals",
    "watch",
]
