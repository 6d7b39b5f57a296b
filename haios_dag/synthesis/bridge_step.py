"""The step `bridge`: link concepts with the reasoning traces they explain."""

from haios_dag.base.step import BeatContext
from haios_dag.base.workspace import Workspace
from haios_dag.memory import open_memory


def idle(workspace: Workspace) -> str | None:
    """Return why there is nothing to bridge, or None."""
    if not workspace.has_memory():
        return f"there is no memory at {workspace.memory}"
    with open_memory(workspace, write=False) as store:
        return None if store.bridges.has_unbridged() else "no new pairs of concepts and traces"


def run(beat: BeatContext) -> None:
    """Compare every new pair once, and write the best within the budget."""
    from haios_dag.synthesis.bridger import Bridger  # numpy

    with open_memory(beat.workspace, write=True) as store:
        bridging = Bridger(store, beat.id, beat.counts)
        bridging.search()
        bridging.write(beat.config.bridge.budget)
