"""The plain records that go into a memory and come out of it.

They are named tuples: a beat without work imports them all, and one is defined in a tenth of the
time of a dataclass.
"""

import datetime as dt
from typing import Literal, NamedTuple

Kind = Literal["concept", "trace"]
ClusterType = Literal["concept", "trace", "cross"]
TraceOutcome = Literal["success", "partial_success", "failure"]
UndoableStep = Literal["synthesize", "bridge"]
Fault = Literal[
    "leaderless", "vanished", "vector damaged", "vector of others", "product unembedded", "total"
]
"""What an item of a memory can suffer from: see `Health.count`."""

FileState = tuple[int, int, int]
"""What stat said of a file: bytes, mtime and ctime in ns; mtime 0: do not trust the times."""

WrittenRows = tuple[int, int, int, int]
"""What a beat wrote: insights, bridges, revised insights, revised bridges."""

EMBEDDED_CHARACTERS = 8000  # of a text; HAIOS embeds no more (contract section 1.6)


# --- what was read -------------------------------------------------------------------------------


class Statement(NamedTuple):
    """A statement of a document.

    `heading` is its heading path, `A > B`, "" without; `line` is 1-based. `form` is the text with
    names and numbers masked: template text is known by its form.
    """

    text: str
    type: str
    heading: str
    line: int
    form: str


class Trace(NamedTuple):
    """A reasoning trace, named as HAIOS's table names its columns.

    `key` identifies it within its source: "" for a document's, else the line's `id`, or the SHA-256
    of its content. `timestamp` is UTC, `YYYY-MM-DD HH:MM:SS`.
    """

    key: str
    query: str
    approach_taken: str
    outcome: TraceOutcome
    failure_reason: str | None
    strategy_title: str
    strategy_description: str
    strategy_content: str
    timestamp: str | None


class Recorded(NamedTuple):
    """A file as memory knows it; `sha256` in hexadecimal, `head` as `document_head.of` gives it."""

    state: FileState
    sha256: str
    head: str = "null"


class Place(NamedTuple):
    """Where a document states a concept, or holds a trace; heading `A > B`, line from 1."""

    path: str
    heading: str
    line: int


class Waiting(NamedTuple):
    """An item without a vector."""

    kind: Kind
    id: int
    text: str
    text_hash: bytes


# --- what was made of it -------------------------------------------------------------------------


class ClusterMember(NamedTuple):
    """A place of an item in a cluster; the leader's own similarity is 1."""

    id: int
    leader: int
    similarity: float


class Draft(NamedTuple):
    """An insight about to be written.

    `content` is `[title] text`; `sources` are ids with their cosine to the leader; `confidence`
    is between 0 and 1; `vector` is little-endian float32.
    """

    content: str
    sources: list[tuple[int, float]]
    confidence: float
    model: str
    vector: bytes
    method: str
    reason: str


class Pair(NamedTuple):
    """A concept and a trace above the bridge threshold."""

    concept: int
    trace: int
    similarity: float


class Insight(NamedTuple):
    """An insight for a reader. `written` is when it got this text, in UTC, where that is known."""

    id: int
    title: str
    text: str
    confidence: float | None
    written: dt.datetime | None


class Revision(NamedTuple):
    """A text that an insight had; `beat` is None when its step was run by hand."""

    number: int
    content: str
    sources: int
    method: str
    reason: str
    beat: str | None
    created: str


class Product(NamedTuple):
    """An insight or bridge (`kind` cross); `leader` is None where the memory knows of none.

    `sources` are ids with their similarity, a bridge's concept first; `revisions` are all its
    texts, the current one last.
    """

    kind: str
    content: str
    leader: int | None
    sources: list[tuple[int, float | None]]
    revisions: list[Revision]


class Standing(NamedTuple):
    """Where a concept or trace stands: its cluster, if it has been considered."""

    state: str
    leader: int | None
    similarity: float | None
    members: int


class Origin(NamedTuple):
    """A source of an insight, and where it stands."""

    kind: Kind
    id: int
    places: list[Place]


class FoundConcept(NamedTuple):
    """A concept as an answer: `sources` are an insight's, `places` a statement's."""

    id: int
    insight: bool
    type: str
    text: str
    places: list[Place]
    sources: list[Origin]


class Undone(NamedTuple):
    """What was taken back, in rows. `beat` is None for steps that were run by hand."""

    beat: str | None
    insights: int
    revisions: int
    bridges: int
    concepts: int
    traces: int


class Broken(NamedTuple):
    """An invariant that some products break: how many, a few ids, and whether we wrote one."""

    what: str
    number: int
    some: list[int]
    ours: bool


def title_and_text(content: str) -> tuple[str, str]:
    """Return the two parts of `[title] text`, each on one line; other content has no title."""
    title, closed, text = content.removeprefix("[").partition("] ")
    if content.startswith("[") and closed:
        return " ".join(title.split()), " ".join(text.split())
    return "", " ".join(content.split())
