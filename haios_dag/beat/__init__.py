"""One beat as doit runs it: its lock, its steps' outcomes, its event, its exit code."""

from haios_dag.beat.beat_tasks import Beat, Task
from haios_dag.beat.doit_settings import DRY_RUN

__all__ = ["DRY_RUN", "Beat", "Task"]
