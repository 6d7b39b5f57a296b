"""What a memory offers to the rest of the package, whichever database keeps it.

Callers annotate with these protocols alone. Methods that change rows run inside `transaction` or
`undo.record`; all raise MemoryUnavailableError when the database cannot be used.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from haios_dag.memory import records

if TYPE_CHECKING:
    from haios_dag.base.arrays import Ids, Matrix


class Items(Protocol):
    """Concepts and traces: what they say and where they stand."""

    def text(self, kind: records.Kind, item: int) -> str:
        """Return the text of an item that is embedded and compared; "" where it is gone."""

    def places(self, kind: records.Kind, item: int) -> list[records.Place]:
        """Return where an item stands in the documents, ordered by path and line."""

    def standing(self, kind: records.Kind, item: int) -> records.Standing | None:
        """Return the state and the cluster of an item; None when the beat does not know it."""

    def trace_title(self, trace: int) -> str:
        """Return the title of a trace's strategy, or what it asked."""

    def adopt(self) -> int:
        """Take in what other programs added, clustered and bridged; return how many are new."""


class Documents(Protocol):
    """The ledger of files read, and what each of them states. Used by ingest."""

    def recorded(self) -> dict[str, records.FileState]:
        """Return every file read so far by its path from the workspace, with `/`."""

    def heads(self) -> list[tuple[str, records.FileState, str]]:
        """Return the path, state and head of every file read so far, in no order."""

    def recorded_hash(self, path: str) -> str | None:
        """Return the SHA-256 of a file when it was read, in hexadecimal; None if it never was."""

    def refuses_traces(self) -> str | None:
        """Return why this database takes no new traces, or None. It is tried, and taken back."""

    def replace(
        self,
        path: str,
        recorded: records.Recorded,
        statements: Sequence[records.Statement],
        traces: Sequence[records.Trace],
        boilerplate_documents: int,
    ) -> int:
        """Make memory say what the file says now; return how many concepts are new.

        Neither concepts nor traces are deleted: what no file has any more becomes an orphan. A
        statement whose form stands in `boilerplate_documents` documents is boilerplate.
        """

    def remove(self, path: str, boilerplate_documents: int) -> None:
        """Forget where a deleted file stated its concepts; the concepts and traces stay."""

    def touch(self, path: str, state: records.FileState) -> None:
        """Note a file's new time stamps; its content is unchanged."""


class Vectors(Protocol):
    """Which items have a vector in which embedding space, and the vectors. Used by embed."""

    def space(self) -> str | None:
        """Return the model of the embedding space in use; None before the first beat."""

    def use_space(self, model: str) -> None:
        """Make `model` the space in use: every item waits for a vector in it again."""

    def has_unembedded(self) -> bool:
        """Tell whether any item waits for a vector, or other programs have added items."""

    def unembedded(self, limit: int) -> list[records.Waiting]:
        """Return up to `limit` items that wait for a vector, in the order of their ids."""

    def of_text(self, text_hash: bytes, model: str) -> bytes | None:
        """Return the vector that an item with the same text already has, or None."""

    def embedded(self, kind: records.Kind, items: Sequence[int], model: str) -> list[int]:
        """Return those of the items that have a vector of this model, in the same order."""

    def put(self, model: str, rows: Sequence[tuple[records.Kind, int, bytes]]) -> None:
        """Store little-endian float32 vectors of items, and mark the items as embedded."""

    def read(self, kind: records.Kind, ids: Sequence[int], model: str, dimensions: int) -> "Matrix":
        """Return the vectors of items as rows of float32, in the order of `ids`.

        Raise MemoryUnavailableError when one is missing or has another length.
        """

    def blocks(
        self, kind: records.Kind, model: str, dimensions: int, size: int
    ) -> "Iterator[tuple[Ids, Matrix]]":
        """Yield ids and vectors of all items of a kind, insights too, up to `size` rows at a time.

        They may come from a cache, with vectors that an item had before: only `read` decides.
        """

    def refresh_cache(self, model: str, dimensions: int) -> list[str]:
        """Update the cache of vectors, under the beat's lock; return what to warn of."""

    def remove_cache(self) -> None:
        """Delete the cache; raise MemoryUnavailableError where that fails."""


class Insights(Protocol):
    """Clusters and the insights made of them. Used by synthesize and bridge."""

    def has_unconsidered(self) -> bool:
        """Tell whether any concept or trace has not been clustered yet."""

    def unconsidered(self, kind: records.Kind) -> list[int]:
        """Return the ids of items not clustered yet, ascending."""

    def leading(self, kind: records.Kind, ids: Sequence[int]) -> list[int]:
        """Return those of the items that lead a cluster, ascending."""

    def cluster_sizes(self, kind: records.Kind, leaders: Sequence[int]) -> list[int]:
        """Return how many members each cluster has, including its leader."""

    def live_members(self, kind: records.Kind, leader: int) -> list[records.ClusterMember]:
        """Return the members of a cluster that some document still states, by id."""

    def are_live(self, kind: records.Kind, items: Sequence[int]) -> bool:
        """Tell whether all these items may still be taken as sources."""

    def put_members(
        self, kind: records.Kind, members: Sequence[records.ClusterMember], beat: str | None
    ) -> None:
        """Record the clusters of new items; from then on they are considered."""

    def of_cluster(self, kind: records.Kind, leader: int) -> int | None:
        """Return the id of the insight of the cluster that `leader` leads, or None."""

    def lead(self, kind: records.Kind, leader: int, insight: int) -> None:
        """Make `insight` the one of the cluster that `leader` leads."""

    def add(self, kind: records.ClusterType, draft: records.Draft, beat: str | None) -> int:
        """Write a new insight with its cluster, members, provenance, vector; return its id.

        The sources of a bridge (`kind` cross) are its concept and its trace, in this order.
        """

    def revise(
        self, kind: records.ClusterType, insight: int, draft: records.Draft, beat: str | None
    ) -> None:
        """Give an insight its new text and the sources it gained; earlier texts are kept."""

    def written_by(self, beat: str) -> tuple[int, int]:
        """Return how many insights and how many bridges a beat has added."""

    def product(self, concept: int) -> records.Product | None:
        """Return the insight or bridge with this id, also one of another program."""

    def newest(self, count: int) -> list[records.Insight]:
        """Return up to `count` insights, those written last first, without bridges."""


class Bridges(Protocol):
    """Pairs of a concept and a trace. Used by bridge."""

    def has_unbridged(self) -> bool:
        """Tell whether any pair waits to be compared or bridged."""

    def unbridged(self, kind: records.Kind) -> list[int]:
        """Return the ids of items whose pairs have not been compared, ascending."""

    def bridgeable(self, kind: records.Kind, ids: Sequence[int]) -> list[int]:
        """Return those of the items that take part in bridges, ascending."""

    def count_bridgeable(self, kind: records.Kind) -> int:
        """Return how many items take part in bridges, including those others have deleted."""

    def put_pairs(self, pairs: Sequence[records.Pair]) -> None:
        """Keep pairs to be bridged; one that is known already stays as it is."""

    def mark_bridged(self, kind: records.Kind, ids: Sequence[int]) -> None:
        """Record that all pairs of these items have been compared."""

    def of_trace(self, trace: int) -> dict[int, int]:
        """Return the bridges of a trace that a beat wrote: insight ids by concept."""

    def waiting(self, limit: int) -> list[records.Pair]:
        """Return pairs not bridged yet, the most similar first, ties by id."""

    def drop(self, pair: records.Pair) -> None:
        """Forget a pair that cannot be put in words; it stays compared."""

    def link(self, pair: records.Pair, insight: int) -> None:
        """Record the insight that bridges a pair."""


class Search(Protocol):
    """Which concepts may answer a query, by words and by vectors. Used by recall."""

    def lacks_words(self) -> str | None:
        """Return why words cannot be searched, or None when they can."""

    def by_words(self, terms: Sequence[str], limit: int) -> list[int]:
        """Return the ids of concepts with any of these words or phrases, best BM25 first."""

    def rarity(self, terms: Sequence[str]) -> list[float]:
        """Return how much each term tells: its inverse document frequency, above 0."""

    def answering(self, concepts: Sequence[int], model: str) -> list[int]:
        """Return those of the concepts that may answer and have a vector, ascending."""

    def found(self, concept: int) -> records.FoundConcept:
        """Return a concept with its places, or an insight with its sources and theirs."""


class Undo(Protocol):
    """The record of the last beat's synthesis. Used by synthesize, bridge and synthesis-undo."""

    def record(self, step: records.UndoableStep, beat: str | None) -> AbstractContextManager[None]:
        """Run the body as one transaction that `take_back` can reverse; `adopt` runs first.

        The steps of one beat are one record. By hand, where `beat` is None, a `bridge` belongs
        to the `synthesize` before it. A record replaces the one of an earlier beat.
        """

    def take_back(self) -> records.Undone:
        """Reverse the recorded synthesis; raise UndoError, and change nothing, where it cannot."""


class Health(Protocol):
    """Whether a memory is sound, and what can be put right. Used by doctor."""

    def damage(self) -> list[str]:
        """Return what is wrong with the database file itself, at most ten things."""

    def dangling(self) -> dict[str, int]:
        """Return how many rows of each table refer to a row that is gone."""

    def broken(self) -> Iterator[records.Broken]:
        """Yield the invariants of synthesis that do not hold."""

    def count(self, fault: records.Fault, model: str, dimensions: int) -> int:
        """Return how many items have a fault, where this is our embedding space.

        `leaderless`: its cluster's leader does not lead; `vanished`: another program has deleted
        it; `vector damaged`: missing, or of another length; `vector of others`: of another space
        than the one in use; `product unembedded`: an insight or bridge without a vector. `total`
        counts the kept counts that are not those of the items.
        """

    def coverage(self) -> tuple[int, int]:
        """Return how many items have a vector in the space in use, and how many should."""

    def word_index(self, seconds: float = 5) -> str | None:
        """Return what is wrong with the word index, or None.

        Takes the writer's lock; raise MemoryUnavailableError where these seconds are too few.
        """

    def cache_disagrees(self, model: str, dimensions: int) -> str | None:
        """Return where the vector cache is not what the database says, or None. Reads all of it."""

    def undone(self) -> set[str]:
        """Return the beats whose synthesis was taken back."""

    def written(self) -> dict[str, records.WrittenRows]:
        """Return what each beat wrote."""

    def back_up(self, target: Path, step: Callable[[int, int], None]) -> None:
        """Copy the memory to a new, private file; `step` is given the pages left and in all."""

    def forget_vanished(self) -> int:
        """Mark items that another program has deleted as orphans; return how many."""

    def forget_dangling(self) -> int:
        """Remove rows of our tables that refer to a row that is gone; return how many."""

    def embed_again(self, model: str, dimensions: int) -> int:
        """Let items with a missing, damaged or foreign vector wait for one; return how many."""

    def count_again(self) -> None:
        """Make the kept counts those of the items."""

    def rebuild_words(self) -> None:
        """Build the word index again from the texts."""


class Store(Protocol):
    """A memory that is open, made of its parts; a context manager that closes it."""

    path: Path
    items: Items
    documents: Documents
    vectors: Vectors
    insights: Insights
    bridges: Bridges
    search: Search
    undo: Undo

    def health(self) -> Health:
        """Return the part that examines and repairs."""

    def is_prepared(self) -> bool:
        """Tell whether a beat has ever worked on this memory."""

    def check_prepared(self) -> None:
        """Raise MemoryUnavailableError when no beat has worked on this memory yet."""

    def counts(self) -> dict[str, int]:
        """Return what the memory holds, for the status; costs the same at any size.

        `unembedded`, `unconsidered` and `waiting_pairs` are the backlog. A memory that no beat has
        prepared has only `concepts`, `entities` and `traces`.
        """

    def snapshot(self) -> AbstractContextManager[None]:
        """Let the body read one state of the memory, also while others commit."""

    def transaction(self) -> AbstractContextManager[object]:
        """Run the body as one write transaction, the writer's lock taken first.

        All of it is committed, durably, with the words of its new concepts, or none of it.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
