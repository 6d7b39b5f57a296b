"""The memory database: HAIOS's tables, our bookkeeping, and all the SQL there is."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace
    from haios_dag.memory.store import Store


def open_memory(workspace: "Workspace", *, write: bool, create: bool = False) -> "Store":
    """Open the memory of a workspace, for a `with`; raise ConfigError, and as `Store.open` does."""
    from haios_dag.memory.store import Store

    return Store.open(workspace.memory, write=write, create=create)
