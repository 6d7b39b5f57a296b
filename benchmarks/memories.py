"""Generated memories of any size, and workspaces that have one.

A memory looks as if HAIOS had filled it and beats had worked on it ever since: concepts that no
document states, embedded, clustered and compared, clusters of three and more with an insight. The
vectors are made, not embedded: with a million texts nobody could know the clusters otherwise. They
are built like those of the default space, a dense part with a common direction and a sparse part
of signed words, so leaders are far from each other, and members near the leader they are made from.
The same arguments always give the same rows, but for time stamps.
"""

import math
import os
import random
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import workspaces  # the generated documents are the tests' own

from haios_dag.embedding import space
from haios_dag.memory.records import ClusterMember, Draft
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis import insight_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from haios_dag.memory.records import Kind

    Vectors = NDArray[np.float32]

TRACES = 1_500
CHUNK = 10_000  # items a transaction: 30 MB of vectors
TOPICS = 20  # large clusters of concepts that traces are about
MEMBERS = 0.3  # share of the items that join a leader
SPEAKS = 3  # from this size on a cluster has an insight
_DENSE = 256


class _Clusters:
    """Makes the vectors of one kind of item, and knows the clusters that they form.

    With `about`, unit vectors as rows, there is one cluster near each of them, and no other.
    """

    def __init__(self, seed: int, about: "Vectors | None" = None, members: float = MEMBERS) -> None:
        self._share = members
        self._random = np.random.default_rng(seed)
        self._common = self._random.standard_normal(_DENSE, np.float32) * 0.3
        self._old: tuple[NDArray[np.int64], Vectors] | None = None  # the leaders of the first chunk
        self._about = about
        self.members: dict[int, list[ClusterMember]] = {}

    @property
    def topics(self) -> "Vectors":
        """The vectors of the leaders that have the most members."""
        assert self._old is not None  # noqa: S101 - there is a chunk
        return self._old[1][:TOPICS]

    def grow(self, ids: range) -> "tuple[Vectors, list[ClusterMember]]":
        """Return vectors for new items as rows, and where they belong.

        Of the items that do not lead, half join one of their own chunk, half one of the first.
        """
        vectors = self._alone(len(ids))
        numbers = np.asarray(ids)
        joins = self._random.random(len(ids)) < self._share
        joins[0] = False
        if self._about is not None and self._old is None:
            joins[:] = np.arange(len(ids)) >= len(self._about)
            vectors[~joins] = _mix(self._about[: len(ids)], vectors[~joins], 0.95)
        rows, leads = np.flatnonzero(joins), np.flatnonzero(~joins)
        earlier = (self._random.random(len(rows)) * np.searchsorted(leads, rows)).astype(np.int64)
        leaders, near = numbers[leads[earlier]], vectors[leads[earlier]]
        if self._old is None:
            self._old = numbers[leads], vectors[leads]
        else:
            old = np.flatnonzero(self._random.random(len(rows)) < 0.5)
            # The square makes some clusters large, and most of them small.
            chosen = (self._random.random(len(old)) ** 2 * len(self._old[0])).astype(np.int64)
            leaders[old], near[old] = self._old[0][chosen], self._old[1][chosen]
        cosines = self._random.uniform(0.72, 0.98, (len(rows), 1)).astype(np.float32)
        vectors[rows] = _mix(near, vectors[rows], cosines)
        exact = np.einsum("ij,ij->i", vectors[rows].astype(float), near.astype(float))
        similarities = np.round(exact, 6)
        placed = [ClusterMember(item, item, 1.0) for item in ids]
        for row, leader, one in zip(
            rows.tolist(), leaders.tolist(), similarities.tolist(), strict=True
        ):
            placed[row] = ClusterMember(ids[row], leader, one)
            self.members.setdefault(leader, [ClusterMember(leader, leader, 1.0)]).append(
                placed[row]
            )
        return vectors, placed

    def _alone(self, count: int) -> "Vectors":
        """Return unit vectors of which no two are alike."""
        vectors = np.zeros((count, space.DEFAULT.dimensions), np.float32)
        dense, words = vectors[:, :_DENSE], vectors[:, _DENSE:]
        dense[:] = self._random.standard_normal(dense.shape, np.float32) + self._common
        buckets = self._random.integers(words.shape[1], size=(count, 14))
        signs = self._random.integers(2, size=buckets.shape) * 2 - 1
        words[np.arange(count)[:, None], buckets] = signs
        dense *= math.sqrt(0.65) / np.linalg.norm(dense, axis=1, keepdims=True)
        words *= math.sqrt(0.35) / np.linalg.norm(words, axis=1, keepdims=True)
        return vectors


def _mix(near: "Vectors", other: "Vectors", cosine: "Vectors | float") -> "Vectors":
    """Return unit vectors with about this cosine to `near`; `other` is almost at right angles."""
    mixed = cosine * near + np.sqrt(1 - np.square(cosine)) * other
    unit: Vectors = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return unit.astype(np.float32)


def vectors(count: int, members: float) -> "Vectors":
    """Return vectors as those of a memory's concepts; `members` is the share that do not lead."""
    clusters = _Clusters(0, members=members)
    starts = range(0, count, CHUNK)
    return np.concatenate(
        [clusters.grow(range(start, min(start + CHUNK, count)))[0] for start in starts]
    )


def sentences(seed: int) -> Iterator[str]:
    """Yield different sentences without end, of words as unevenly common as real ones are.

    Some say an earlier one in other words, so that those belong together when they are embedded.
    """
    chance = np.random.default_rng(seed)
    words = _words()
    serial = 0
    while True:
        rows = (chance.pareto(0.6, (CHUNK, 14)) * 50).astype(np.int64) % len(words)
        for number in np.flatnonzero(chance.random(CHUNK) < MEMBERS)[1:].tolist():
            row = rows[chance.integers(number)].copy()
            row[chance.integers(14, size=3)] = rows[number, :3]
            rows[number] = row
        for ranks in rows.tolist():
            serial += 1
            yield f"The {' '.join([words[rank] for rank in ranks])} in case {serial}."


def _words() -> list[str]:
    """Return real words, most of them English: those that the embedding model knows as a whole."""
    tokens = space._model().tokenizer.get_vocab()  # noqa: SLF001 - a list of words is all we need
    words = sorted(token[1:] for token in tokens if re.fullmatch("\u2581[a-z]{4,}", token))
    random.Random(0).shuffle(words)  # noqa: S311 - no secret
    return words


def make(
    path: Path, concepts: int, *, traces: int = TRACES, seed: int = 0, bridged: bool = True
) -> None:
    """Make a memory with so many concepts and traces, and insights, on which a beat is idle.

    If not `bridged`, the traces are about large clusters of concepts, and every pair is new.
    """
    model = space.DEFAULT.model
    with SqliteStore.open(path, write=True, create=True) as store:
        for fast in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000"):
            store.database.connection.execute(f"PRAGMA {fast}")
        with store.transaction():
            store.vectors.use_space(model)
        # Words are indexed at the end, all at once.
        indexing, store.database.before_commit = store.database.before_commit, []
        clusters = _Clusters(seed)
        _fill(store, "concept", concepts, clusters, bridged=bridged)
        of_traces = _Clusters(seed + 1, about=None if bridged else clusters.topics)
        _fill(store, "trace", traces, of_traces, bridged=bridged)
        with store.transaction():
            for leader, members in clusters.members.items():
                if len(members) >= SPEAKS:
                    text = store.items.text("concept", leader)
                    draft = Draft(
                        content=f"[{' '.join(text.split()[1:5])}] {text}",
                        sources=[(m.id, m.similarity) for m in members],
                        confidence=0.5,
                        model=model,
                        vector=store.vectors.read(
                            "concept", [leader], model, space.DEFAULT.dimensions
                        )
                        .astype("<f4")
                        .tobytes(),
                        method=insight_text.METHOD,
                        reason=f"{len(members)} new concepts",
                    )
                    store.insights.lead(
                        "concept", leader, store.insights.add("concept", draft, None)
                    )
        store.database.before_commit = indexing
        with store.transaction():
            store.items.adopt()
        store.database.connection.execute("PRAGMA journal_mode = WAL")


def _fill(
    store: SqliteStore, kind: "Kind", count: int, clusters: _Clusters, *, bridged: bool
) -> None:
    """Add items of one kind as another program would, and do with them what beats do."""
    texts = sentences(len(kind))
    insert = {
        "concept": "INSERT INTO concepts (type, content) VALUES ('Episteme', ?)",
        "trace": "INSERT INTO reasoning_traces (query, approach_taken, outcome)"
        " VALUES (?, 'Looked into it and wrote down what was seen.', 'success')",
    }[kind]
    for start in range(1, count + 1, CHUNK):
        ids = range(start, min(start + CHUNK, count + 1))
        vectors, placed = clusters.grow(ids)
        with store.transaction():
            store.database.executemany(insert, [(next(texts),) for _ in ids])
            store.items.adopt()
            rows = zip(ids, vectors.astype("<f4"), strict=True)
            store.vectors.put(
                space.DEFAULT.model, [(kind, item, vector.tobytes()) for item, vector in rows]
            )
            store.insights.put_members(kind, placed, None)
            if bridged:
                store.bridges.mark_bridged(kind, ids)


def workspace(root: Path, concepts: int, documents: int) -> Path:
    """Return a workspace with so many concepts in its memory besides those of its documents.

    It is made where there is none, documents read and bridged to the last pair: a beat is idle.
    """
    if root.exists():
        return root
    under_way = root.with_name(f"{root.name}.part")  # what was cut short is not used
    shutil.rmtree(under_way, ignore_errors=True)
    workspaces.make(under_way)
    workspaces.grow(under_way, 1, documents)
    make(under_way / "memory.db", concepts)
    change(under_way, 1)
    age(under_way.rglob("*.md"))
    settle(under_way)
    return under_way.replace(root)


def settle(root: Path) -> None:
    """Run beats until one is idle."""
    while True:
        beat(root)
        if workspaces.log(root)[-1]["outcome"] == "idle":
            return


def change(root: Path, concepts: int) -> None:
    """Rewrite one document so that it states so many new concepts, and its last ones no more.

    Half of them resemble what other documents state.
    """
    path = root / "docs" / "changing.md"
    before = re.search(r"\d+", path.read_text(encoding="utf-8")) if path.exists() else None
    revision = int(before[0]) + 1 if before else 1
    chance = random.Random(revision)  # noqa: S311 - no secret
    lines = [
        f"# Revision {revision}",
        "What changes here from one time to the next is all the rest.",
    ]
    reports = sorted(path.parent.glob("report-1-*.md"))[:10]
    said = [
        sentence
        for report in reports
        for sentence in re.findall(r"The .*(?= was seen)", report.read_text(encoding="utf-8"))
    ]
    for number in range(concepts):
        new = f"The {' '.join(chance.sample(workspaces.WORDS, 9))}"
        about = chance.choice(said) if said and number % 2 else new
        lines.append(f"{about} stood beside {' '.join(chance.sample(workspaces.WORDS, 4))}.")
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    age([path])


def age(files: Iterable[Path]) -> None:
    """Make files a minute old: of one written just now, ingest does not trust the time stamp."""
    then = time.time() - 60
    for path in files:
        os.utime(path, (then, then))


def beat(root: Path) -> None:
    """Run one beat as a process; raise RuntimeError with what it said when it fails."""
    done = workspaces.doit(root)
    if done.returncode:
        raise RuntimeError(f"{root}: the beat failed\n{done.stdout}{done.stderr}")
