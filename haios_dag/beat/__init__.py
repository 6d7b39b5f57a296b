"""One beat as doit runs it: its lock, its steps' outcomes, its event, its exit code."""

from haios_dag.beat.beat_tasks import DRY_RUN, Beat, Task

__all__ = ["DRY_RUN", "Beat", "Task"]
