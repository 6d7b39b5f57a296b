"""The status that agents read: a full file and a slim one, from one model.

Most keys have other writers (hooks, gates, session starts), so what is found is carried over.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace


def write(
    workspace: "Workspace", *, memory: Mapping[str, Any] | None, pulse: Mapping[str, Any]
) -> list[str]:
    """Write the full and the slim status, and return warnings; see `status_files.write`."""
    from haios_dag.status import status_files  # a reader of a status needs none of it

    return status_files.write(workspace, memory=memory, pulse=pulse)
