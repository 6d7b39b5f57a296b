"""One beat as doit runs it: its lock, its steps' outcomes, its event, its verdict."""

from haios_dag.beat.beat_tasks import Beat, Task

__all__ = ["Beat", "Task"]
