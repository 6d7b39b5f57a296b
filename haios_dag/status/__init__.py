"""The status that agents read: a full file and a slim one, from one model.

Most keys have other writers (hooks, gates, session starts), so what is found is carried over.
"""

from haios_dag.status.publish import write

__all__ = ["write"]
