"""The memory: HAIOS's tables, our bookkeeping, and all the SQL there is.

Callers use `open_memory`, the protocols in `protocol` and the records in `records`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace
    from haios_dag.memory.protocol import Store


def open_memory(workspace: "Workspace", *, write: bool, create: bool = False) -> "Store":
    """Open the memory of a workspace, for a `with`; with `create`, make it where there is none.

    A reader never creates or changes anything. Raise ConfigError, or MemoryUnavailableError where
    there is no memory, or it cannot be used.
    """
    from haios_dag.memory.store import SqliteStore

    return SqliteStore.open(workspace.memory, write=write, create=create)
