"""The step `bridge`: link concepts with the reasoning traces they explain."""

from haios_dag.counts import Counts
from haios_dag.memory import open_memory
from haios_dag.workspace import Workspace


def idle(workspace: Workspace) -> str | None:
    """Return why there is nothing to bridge, or None."""
    if not workspace.has_memory():
        return f"there is no memory at {workspace.memory}"
    with open_memory(workspace, write=False) as store:
        return None if store.has_unbridged() else "no new pairs of concepts and traces"


def run(workspace: Workspace, beat: str | None, counts: Counts) -> None:
    """Compare every new pair once, and write the best within the budget."""
    from haios_dag.synthesis.bridges import Bridging  # numpy

    with open_memory(workspace, write=True) as store:
        bridging = Bridging(store, beat, counts)
        bridging.search()
        bridging.write(workspace.config.bridge.budget)
