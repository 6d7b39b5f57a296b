"""Statements that belong together, in the default space, and some that belong to nothing."""

from pathlib import Path

from store_contract import read, trace

from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import embed_step
from haios_dag.memory.records import Trace
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis import bridge_step, synthesize_step

LOCKING = [
    "SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock.",
    "The ingester crashed because the SQLite database was locked by a long synthesis run.",
    "A long synthesis holds the SQLite write lock, so the ingester crashes on a locked database.",
    "With a busy timeout the ingester waits for the SQLite lock that synthesis holds.",
    "When synthesis locks the SQLite database for long, the ingester needs a longer busy timeout.",
]
PLANS = [
    "Reviewing the plan before the work starts saves days of work on the wrong plan.",
    "A plan that nobody reviewed before the work started cost two days of wrong work.",
    "The review of a plan must come before the work on it starts, not after.",
]
ALONE = [
    "Bananas ripen faster beside apples in a closed paper bag.",
    "The orchestra tuned its violins to a slightly higher pitch.",
    "Granite forms slowly under the pressure of deep rock.",
    "Sailors measured longitude with accurate clocks at sea.",
    "Whales sing songs that change from year to year.",
    "Glass blowers turn the pipe while the melt cools down.",
    "Medieval bridges carried houses, shops and a chapel.",
    "Desert foxes lose heat through their very large ears.",
    "Chess openings were catalogued by letters and numbers.",
    "Volcanic ash makes the soil of vineyards fertile.",
    "Postal pigeons crossed the channel with tiny notes.",
    "Lighthouse keepers polished lenses every single morning.",
    "Saffron is picked by hand before the sun is high.",
    "Tram drivers in winter scatter sand upon the rails.",
    "Old maps show islands that nobody ever found again.",
    "Beekeepers wear white since bees attack dark colours.",
    "Typewriters put common letters far from each other.",
    "Glaciers carry boulders far away into the plains.",
    "Silk worms eat nothing but leaves of the mulberry.",
    "Comets grow their tails when they come near the sun.",
]


def made(root: Path) -> Workspace:
    """Make a workspace with an empty memory."""
    workspace = Workspace(root)
    with SqliteStore.open(workspace.memory, write=True, create=True):
        pass
    return workspace


def write(
    workspace: Workspace, path: str, *texts: str, heading: str = "Notes", own: Trace | None = None
) -> None:
    """Let memory read a document, with its own trace if one is given."""
    with SqliteStore.open(workspace.memory, write=True) as store:
        read(store, path, *texts, traces=[own] if own else [], heading=heading)


def each_in_its_own(workspace: Workspace, name: str, *texts: str, heading: str = "Notes") -> None:
    """Let memory read a document for each text."""
    for number, text in enumerate(texts):
        write(workspace, f"docs/{name}-{number}.md", text, heading=heading)


def attempt(query: str, learned: str) -> Trace:
    """Return the trace of a document that tells of one attempt."""
    return trace("", query, approach_taken=learned, strategy_title=query)


def beat(workspace: Workspace, name: str | None = None) -> dict[str, int]:
    """Embed, synthesize and bridge whatever waits; return all counts."""
    counts = Counts()
    for step in (embed_step, synthesize_step, bridge_step):
        if step.idle(workspace) is None:
            step.run(BeatContext(workspace, id=name, counts=counts))
    return {key: value for key, value in counts.event().items() if isinstance(value, int)}


def idle(workspace: Workspace) -> bool:
    """Tell whether no step finds any work."""
    return all(step.idle(workspace) for step in (embed_step, synthesize_step, bridge_step))
