"""What is made of matrix products: all pairs of concepts and traces, and clustering.

Everything here runs in one process on the same vectors, in turns with the bare product: with all
that a block of the product costs when nothing is done with it.
"""

import math
import operator
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import memories
import numpy as np
import workspaces
from measuring import Row, compare, in_turns, seconds, timed

from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space, thresholds
from haios_dag.embedding.cosines import above
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis import bridge_step
from haios_dag.synthesis.clustering import BLOCK, Leaders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_ROWS = 4096  # rows a block of the bare product: as large as it gets faster
_BARE = "the bare matrix product"
_SAMPLE = 60, 50  # the plain loop is run on so many of each side
_LOOP = "a plain Python loop"
_EXTRAPOLATED = f"extrapolated from at most {math.prod(_SAMPLE):,} pairs"
_STAGE = 5  # seconds: the target of the whole step


# --- pairs ---------------------------------------------------------------------------------------


def pairs(folder: Path, concepts: int, traces: int, runs: int) -> Iterator[Row]:
    """Compare all pairs of concepts and traces: from vectors in memory, and as a whole step."""
    made = folder / "pairs.db"
    memories.make(made, concepts, traces=traces, bridged=False)
    with SqliteStore.open(made, write=False) as store:
        model, dimensions = space.DEFAULT.model, space.DEFAULT.dimensions
        left = store.vectors.read("concept", store.bridges.unbridged("concept"), model, dimensions)
        right = store.vectors.read("trace", store.bridges.unbridged("trace"), model, dimensions)
    kept: list[tuple[int, int, float]] = []

    def ours() -> None:
        kept[:] = [
            pair
            for found in above(left, right, thresholds.BRIDGE)
            for pair in zip(*(part.tolist() for part in found), strict=True)
        ]

    def bare() -> None:
        out = np.empty((_ROWS, len(right)), np.float32)
        for start in range(0, len(left), _ROWS):
            block = left[start : start + _ROWS]
            np.matmul(block, right.T, out=out[: len(block)])

    flat = _flat(left, right)
    mine, other, loop, *flats = in_turns(
        runs,
        timed(ours),
        timed(bare),
        lambda: _loop(left, right, concepts * traces),
        *([timed(flat)] if flat else []),
    )
    case = f"pairs {concepts:,} x {traces:,}, in memory"
    yield compare(case, mine, other, _BARE, most=2, note=f"{len(kept):,} kept")
    if flat:
        note = f"{flat():,} kept"
        yield compare(case, mine, flats[0], "faiss flat, range search", note=note)
    else:
        yield compare(case, mine, None, "no faiss-cpu here: pip install -e '.[bench]'")
    yield compare(case, mine, loop, _LOOP, note=_EXTRAPOLATED)
    yield _stage(folder, made, f"pairs {concepts:,} x {traces:,}, `bridge`", timed(bare), runs)


def _flat(left: "Vectors", right: "Vectors") -> Callable[[], int] | None:
    """Return the range search of faiss, its index included; None where it is not installed.

    It returns the number of pairs.
    """
    try:
        import faiss  # an extra
    except ImportError:
        return None

    def flat() -> int:
        index = faiss.IndexFlatIP(right.shape[1])
        index.add(right)
        limits, _, _ = index.range_search(left, thresholds.BRIDGE)
        return int(limits[-1])

    return flat


def _stage(folder: Path, made: Path, case: str, bare: Callable[[], float], runs: int) -> Row:
    """Measure the step `bridge` on a memory in which every pair is new."""
    said: list[str] = []

    def ours() -> float:
        shutil.rmtree(folder / "pairs", ignore_errors=True)  # with whatever stands beside a memory
        workspace = Workspace(workspaces.make(folder / "pairs", 0))
        shutil.copyfile(made, workspace.memory)
        counts = Counts()
        taken = seconds(lambda: bridge_step.run(BeatContext(workspace, counts=counts)))
        said[:] = [f"{value:,} {name.replace('_', ' ')}" for name, value in counts.event().items()]
        return taken

    mine, other = in_turns(runs, ours, bare)
    row = compare(case, mine, other, _BARE, note=", ".join(said))
    return replace(row, target=f"< {_STAGE} s", met=row.ours < _STAGE)


def _loop(left: "Vectors", right: "Vectors", pairs: int) -> float:
    """Return how long a loop over plain lists would take; it is run on the first pairs alone."""
    concepts, traces = left[: _SAMPLE[0]].tolist(), right[: _SAMPLE[1]].tolist()
    kept = []
    begun = time.perf_counter()
    for i, concept in enumerate(concepts):
        for j, trace in enumerate(traces):
            similarity = sum(map(operator.mul, concept, trace))
            if similarity >= thresholds.BRIDGE:
                kept.append((i, j, similarity))
    taken = time.perf_counter() - begun
    return taken * pairs / (len(concepts) * len(traces))


# --- clusters ------------------------------------------------------------------------------------


def clusters(count: int, runs: int) -> Iterator[Row]:
    """Cluster vectors of which none are alike, and vectors with clusters planted in them."""
    for name, share in (("none alike", 0.0), ("planted clusters", memories.MEMBERS)):
        yield from _clusters(f"cluster {count:,}, {name}", memories.vectors(count, share), runs)


def _clusters(case: str, vectors: "Vectors", runs: int) -> Iterator[Row]:
    led: list[int] = []

    def ours() -> None:
        leaders = Leaders(thresholds.CLUSTER)
        placed = []
        for start in range(0, len(vectors), BLOCK):
            block = vectors[start : start + BLOCK]
            placed += leaders.assign(list(range(start, start + len(block))), block)
        led[:] = [sum(item == leader for item, leader, _ in placed)]

    def bare() -> None:
        out = np.empty((_ROWS, _ROWS), np.float32)
        for start in range(0, len(vectors), _ROWS):
            block = vectors[start : start + _ROWS]
            for begin in range(0, start + 1, _ROWS):
                other = vectors[begin : begin + _ROWS]
                np.matmul(block, other.T, out=out[: len(block), : len(other)])

    def loop() -> float:
        """Every item meets every leader before it: a sample of the pairs that ours compares."""
        return _loop(vectors, vectors, len(vectors) * (led[0] - 1) // 2)

    mine, other, plain = in_turns(runs, timed(ours), timed(bare), loop)
    note = f"{led[0]:,} lead"
    yield compare(case, mine, other, "the bare products of the triangle", note=note)
    yield compare(case, mine, plain, _LOOP, note=_EXTRAPOLATED)


# --- embedding -----------------------------------------------------------------------------------


def embedding(count: int, runs: int) -> Iterator[Row]:
    """Compare the space with the bare model that it contains."""
    texts = [
        f"The {a} of the {b} was kept by the {c} when number {i} of the locks was taken. {n}"
        for i, (a, b, c) in enumerate(
            zip(*(workspaces.WORDS[k:] + workspaces.WORDS[:k] for k in (0, 7, 13)), strict=True)
        )
        for n in range(max(1, count // len(workspaces.WORDS)))
    ]
    model = space._model()  # noqa: SLF001 - the other side of the comparison
    mine, bare = in_turns(
        runs, timed(lambda: space.embed(texts)), timed(lambda: model.embed(texts, norm=True))
    )
    row = compare(f"embed {len(texts):,} statements", mine, bare, "the bare WordLlama model")
    yield replace(row, note=f"{len(texts) / row.ours:,.0f} a second")
