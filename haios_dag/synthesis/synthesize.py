"""The step `synthesize`: cluster what is new, write or extend insights."""

from haios_dag.counts import Counts
from haios_dag.memory.store import Store
from haios_dag.workspace import Workspace


def idle(workspace: Workspace) -> str | None:
    """Return why there is nothing to synthesize, or None."""
    if not workspace.memory.exists():
        return f"there is no memory at {workspace.memory}"
    with Store.open(workspace.memory, write=False) as store:
        return None if store.has_unconsidered() else "no new concepts or traces"


def run(workspace: Workspace, beat: str | None, counts: Counts) -> None:
    """Consider every new concept and trace once."""
    from haios_dag.synthesis.insights import Synthesis  # noqa: PLC0415 - numpy, only where used

    with Store.open(workspace.memory, write=True) as store:
        synthesis = Synthesis(store, beat, counts)
        synthesis.consider("concept")
        synthesis.consider("trace")
