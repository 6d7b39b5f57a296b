"""The clusters are those of the rule, however the work is cut into beats, blocks and accidents."""

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haios_dag.synthesis.clustering import Kept, Leaders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


def cosine(one: "Vectors", other: "Vectors") -> float:
    """Return the dot product of two vectors, correctly rounded."""
    return math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def reference(
    ids: list[int], vectors: "Vectors", threshold: float, max_members: int
) -> dict[int, int]:
    """Return the leader of each item by HAIOS's greedy rule, seed by seed (contract section 2).

    The first free item seeds a cluster and takes every later free item within the threshold, up
    to the cap; then the next free item seeds.
    """
    found: dict[int, int] = {}
    for row, seed in enumerate(ids):
        if seed in found:
            continue
        found[seed] = seed
        members = 1
        for later in range(row + 1, len(ids)):
            if max_members and members == max_members:
                break
            if ids[later] not in found and cosine(vectors[later], vectors[row]) >= threshold:
                found[ids[later]] = seed
                members += 1
    return found


def placed(
    leaders: Leaders, ids: list[int], vectors: "Vectors", *cuts: int
) -> list[tuple[int, int, float]]:
    """Let the product place items, in blocks that end at the cuts."""
    ends = [0, *sorted(cut % (len(ids) + 1) for cut in cuts), len(ids)]
    found: list[tuple[int, int, float]] = []
    for start, end in itertools.pairwise(ends):
        if start < end:
            found += leaders.assign(ids[start:end], vectors[start:end])
    return found


def assigned(
    threshold: float, ids: list[int], vectors: "Vectors", *cuts: int, max_members: int = 0
) -> dict[int, int]:
    """Return the leader of each item as the product finds it in one run."""
    leaders = Leaders(threshold, max_members=max_members)
    return {item: leader for item, leader, _ in placed(leaders, ids, vectors, *cuts)}


@st.composite
def ties(draw: st.DrawFn) -> tuple[list[int], "Vectors", float]:
    """Ids with gaps, unit vectors whose cosines are exact multiples of 1/4, such a threshold."""
    one = st.tuples(
        st.permutations(range(7)).map(lambda order: order[:4]),
        st.tuples(*[st.sampled_from([-0.5, 0.5, 0.5])] * 4),
    )
    rows = draw(st.lists(one, min_size=1, max_size=24))
    vectors = np.zeros((len(rows), 7), np.float32)
    for vector, (places, signs) in zip(vectors, rows, strict=True):
        vector[places] = signs
    ids = draw(st.sets(st.integers(1, 10**12), min_size=len(rows), max_size=len(rows)))
    return sorted(ids), vectors, draw(st.sampled_from([0.25, 0.5, 0.75, 1.0]))


@st.composite
def brinks(draw: st.DrawFn) -> tuple[list[int], "Vectors", float]:
    """Real-valued unit vectors of full length, and the very cosine of a pair as the threshold."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    number = draw(st.integers(2, 30))
    vectors = random.normal(size=(number, 768)) + 1.2 * random.normal(size=768)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    one, other = draw(st.lists(st.integers(0, number - 1), min_size=2, max_size=2, unique=True))
    return list(range(3, 3 + 2 * number, 2)), unit, cosine(unit[one], unit[other])


CASES = st.one_of(ties(), brinks())
CUTS = st.lists(st.integers(0, 30), max_size=4)
CAPS = st.sampled_from([0, 0, 1, 2, 3, 20])


@settings(deadline=None)
@given(case=CASES, cuts=CUTS, cap=CAPS)
def test_clusters_are_those_of_the_reference(
    case: tuple[list[int], "Vectors", float], cuts: list[int], cap: int
) -> None:
    """Same vectors, same clusters as HAIOS's rule, with its cap of members and without."""
    ids, vectors, threshold = case
    found = assigned(threshold, ids, vectors, *cuts, max_members=cap)
    assert found == reference(ids, vectors, threshold, cap)


def test_clusters_of_many_are_those_of_the_reference() -> None:
    """Hundreds of items in dense groups, with HAIOS's own cap and threshold: the same clusters."""
    random = np.random.default_rng(20)
    centres = random.normal(size=(9, 64))
    vectors = centres[random.integers(0, 9, 700)] + 0.35 * random.normal(size=(700, 64))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = list(range(5, 705))
    found = assigned(0.85, ids, unit, 130, 300, max_members=20)
    assert found == reference(ids, unit, 0.85, 20)
    sizes = Counter(found.values())
    assert max(sizes.values()) == 20
    assert len(sizes) < 200


@settings(deadline=None)
@given(case=CASES, cuts=CUTS, sizes=st.integers(1, 7), cap=CAPS)
def test_any_split_into_beats_gives_the_same_clusters(
    case: tuple[list[int], "Vectors", float], cuts: list[int], sizes: int, cap: int
) -> None:
    """Each beat starts from the leaders that were kept, in blocks of any size."""
    ids, vectors, threshold = case
    found: dict[int, int] = {}
    ends = [0, *sorted(cut % (len(ids) + 1) for cut in cuts), len(ids)]
    for start, end in itertools.pairwise(ends):
        leaders = kept(threshold, found, ids, vectors, cap)
        new = placed(leaders, ids[start:end], vectors[start:end], sizes)
        found |= {item: leader for item, leader, _ in new}
    assert found == assigned(threshold, ids, vectors, max_members=cap)


def kept(
    threshold: float, found: dict[int, int], ids: list[int], vectors: "Vectors", cap: int = 0
) -> Leaders:
    """Return the leaders among what was found, as a beat reads them back from memory."""
    rows = [row for row, item in enumerate(ids) if found.get(item) == item]
    sizes = Counter(found.values())
    old = Kept([ids[row] for row in rows], vectors[rows], [sizes[ids[row]] for row in rows])
    return Leaders(threshold, lambda _: old, cap)


@settings(deadline=None)
@given(case=CASES, before=st.integers(0, 12), survivors=st.sets(st.integers(0, 24)))
def test_a_crash_changes_no_cluster(
    case: tuple[list[int], "Vectors", float], before: int, survivors: set[int]
) -> None:
    """When only some clusters of a beat were kept, each whole, the next beat finds the others."""
    ids, vectors, threshold = case
    whole = assigned(threshold, ids, vectors)
    earlier = ids[: before % (len(ids) + 1)]
    found = {item: whole[item] for item in earlier}
    gained: dict[int, list[int]] = {}
    for item in ids[len(earlier) :]:
        gained.setdefault(whole[item], []).append(item)
    for number, (leader, members) in enumerate(gained.items()):
        if number in survivors:
            found |= dict.fromkeys(members, leader)
    rest = [row for row, item in enumerate(ids) if item not in found]
    leaders = kept(threshold, found, ids, vectors)
    again = placed(leaders, [ids[row] for row in rest], vectors[rest], 5)
    assert found | {item: leader for item, leader, _ in again} == whole


@settings(deadline=None)
@given(case=CASES, cuts=CUTS)
def test_similarity_is_the_cosine_to_the_leader(
    case: tuple[list[int], "Vectors", float], cuts: list[int]
) -> None:
    """Each place says how near the item is to its leader, the same however the work is cut."""
    ids, vectors, threshold = case
    row_of = {item: row for row, item in enumerate(ids)}
    found = placed(Leaders(threshold), ids, vectors, *cuts)
    for item, leader, similarity in found:
        exact = cosine(vectors[row_of[item]], vectors[row_of[leader]])
        assert similarity == pytest.approx(1.0 if item == leader else exact, abs=1e-6)
    assert found == placed(Leaders(threshold), ids, vectors)


def test_late_item_joins_or_leads_without_moving_others() -> None:
    """An item with a lower id than the leaders, when it comes late, moves nobody."""
    vectors = np.eye(3, dtype=np.float32)
    leaders = Leaders(0.9)
    assert placed(leaders, [10, 20], vectors[:2]) == [(10, 10, 1.0), (20, 20, 1.0)]
    late = vectors[[0, 2, 2, 1]]
    assert placed(leaders, [1, 2, 3, 30], late) == [
        (1, 10, 1.0),
        (2, 2, 1.0),
        (3, 2, 1.0),
        (30, 20, 1.0),
    ]


def test_nothing_to_place() -> None:
    """No items make no clusters, with leaders or without."""
    none = np.empty((0, 4), np.float32)
    leaders = Leaders(0.5)
    leaders.add([], none)
    assert leaders.assign([], none) == []
