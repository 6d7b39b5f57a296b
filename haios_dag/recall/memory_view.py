"""A read-only view of the memory, for steps and scripts of your own.

It needs no SQL, and any database behind the memory can serve it.
"""

import sys

from haios_dag.base.workspace import Workspace
from haios_dag.memory import open_memory
from haios_dag.memory.records import Insight
from haios_dag.recall import ranking
from haios_dag.recall.ranking import Answer


class MemoryView:
    """The memory of a workspace, only to be read; each call opens it and closes it again.

    Before the first beat all answers are empty. Methods raise ConfigError, MemoryUnavailableError
    when the memory cannot be used, or ModelError when the embedding model cannot.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def counts(self) -> dict[str, int]:
        """Return how much there is of everything, as the status has it under `memory`."""
        if not self._workspace.has_memory():
            return {}
        with open_memory(self._workspace, write=False) as store:
            return store.counts()

    def recall(self, query: str, count: int = 10) -> list[Answer]:
        """Return up to `count` answers to a query, best first, as `doit recall` prints them."""
        if not query.strip() or not self._workspace.has_memory():
            return []
        with open_memory(self._workspace, write=False) as store:
            if not store.is_prepared():
                return []
        answers, _ = ranking.recall(self._workspace, query, count)
        return answers

    def newest_insights(self, count: int = 10) -> list[Insight]:
        """Return up to `count` insights, those written or revised last first, without bridges."""
        if not self._workspace.has_memory():
            return []
        with open_memory(self._workspace, write=False) as store:
            return store.insights.newest(min(count, sys.maxsize))
