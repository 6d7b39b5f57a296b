"""The step `synthesize`: cluster what is new, write or extend insights."""

from haios_dag.base.console import printable, say
from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space
from haios_dag.memory import open_memory


def idle(workspace: Workspace) -> str | None:
    """Return why there is nothing to synthesize, or None."""
    if not workspace.has_memory():
        return f"there is no memory at {workspace.memory}"
    with open_memory(workspace, write=False) as store:
        return None if store.insights.has_unconsidered() else "no new concepts or traces"


def run(beat: BeatContext) -> None:
    """Consider every new concept and trace once."""
    from haios_dag.synthesis.synthesizer import Synthesizer  # numpy

    with open_memory(beat.workspace, write=True) as store:
        beat.counts.warn(store.vectors.refresh_cache(*space.DEFAULT))
        synthesis = Synthesizer(store, beat.id, beat.counts, beat.config.synthesis.max_members)
        synthesis.consider("concept")
        synthesis.consider("trace")


def plan(workspace: Workspace) -> None:
    """Print what `run` would do with what is embedded already; write nothing."""
    if reason := idle(workspace):
        say([f"   nothing to do: {printable(reason)}"])
        return
    from haios_dag.synthesis.synthesizer import Synthesizer  # numpy

    counts, notes = Counts(), list[str]()
    with open_memory(workspace, write=False) as store, store.snapshot():
        limit = workspace.config.synthesis.max_members
        synthesis = Synthesizer(store, None, counts, limit, notes)
        synthesis.consider("concept")
        synthesis.consider("trace")
        waiting = store.counts()["unembedded"]
    numbers = [f"{n:,} {name.replace('_', ' ')}" for name, n in counts.event().items()]
    say(f"   {printable(note)}" for note in notes)
    say([f"   would be: {', '.join(numbers)}; nothing was written"])
    if waiting:
        say([f"   not looked at: {waiting:,} concepts and traces without a vector"])
