"""What whole beats cost, each a process as a scheduler would start it."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import memories
import workspaces
from measuring import Row, compare, in_turns, private_peak, seconds, timed

EMPTY = """DOIT_CONFIG = {"backend": "sqlite3", "dep_file": ":memory:"}
def task_heartbeat():
    return {"actions": None}
"""
_MOST = (None, 1.5, 3.0)  # targets: how much longer a beat may take in each larger memory
_PRIVATE = 500  # megabytes: the target in the largest memory
_IDLE_MOST = 3.0
_STATEMENTS = 4  # of one generated document


def name(count: int) -> str:
    """Return 10k for 10,000 and 1m for 1,000,000."""
    for unit, size in (("m", 1_000_000), ("k", 1_000)):
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


# --- new concepts in a large memory --------------------------------------------------------------


def new_concepts(
    folder: Path, sizes: Sequence[int], counts: Sequence[int], runs: int
) -> Iterator[Row]:
    """Run beats with one changed document in memories of several sizes, beside the smallest."""
    roots = [memories.workspace(folder / name(size), size, min(size, 100)) for size in sizes]
    for count in counts:
        times = in_turns(runs, *(_changed(root, count) for root in roots))
        for size, root, mine, most in zip(sizes, roots, times, _MOST, strict=False):
            memories.change(root, count)
            peak = private_peak(workspaces.command(root), workspaces.environment(None))
            row = compare(
                f"{count} new among {name(size)}",
                mine,
                times[0],
                f"the same among {name(sizes[0])}",
                most=most,
                note="memory not measured" if peak is None else f"{peak:.0f} MB of its own",
            )
            if size == sizes[-1] and peak is not None:
                target, met = f"{row.target}, < {_PRIVATE} MB", bool(row.met) and peak < _PRIVATE
                row = replace(row, target=target, met=met)
            yield row


def _changed(root: Path, count: int) -> Callable[[], float]:
    """Return a work: a beat after so many new concepts; only the beat is timed."""

    def work() -> float:
        memories.change(root, count)
        taken = seconds(lambda: memories.beat(root))
        found = workspaces.log(root)[-1]["steps"]["ingest"].get("new_concepts")
        if found != count:
            raise RuntimeError(f"{root}: {found} new concepts instead of {count}")
        return taken

    return work


# --- many documents ------------------------------------------------------------------------------


def documents(folder: Path, sizes: Sequence[int], runs: int) -> Iterator[Row]:
    """Run the first beat, then idle beats, in workspaces of several sizes."""
    roots = [_written(folder / f"documents-{name(size)}", size) for size in sizes]
    smallest = f"with {name(sizes[0])} documents"
    first = [[seconds(partial(memories.beat, root))] for root in roots]
    for size, mine in zip(sizes, first, strict=True):
        note = f"{mine[0] / size * 1000:.1f} ms a document"
        yield compare(f"first beat, {name(size)} documents", mine, first[0], smallest, note=note)
    for root in roots:
        memories.settle(root)
    idle = in_turns(runs, *(timed(partial(memories.beat, root)) for root in roots))
    for size, mine in zip(sizes, idle, strict=True):
        most = _IDLE_MOST if size == sizes[-1] else None
        yield compare(f"idle beat, {name(size)} documents", mine, idle[0], smallest, most=most)


def _written(root: Path, count: int) -> Path:
    """Make a workspace of documents that were written a while ago, a hundred a folder."""
    workspaces.make(root)
    sentences = memories.sentences(1)
    for number in range(count - 4):  # the workspace has four
        path = root / "docs" / f"part-{number // 100}" / f"report-{number}.md"
        path.parent.mkdir(exist_ok=True)
        lines = [f"# Report {number}", *itertools.islice(sentences, _STATEMENTS)]
        path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    memories.age(root.rglob("*.md"))
    return root


# --- no work -------------------------------------------------------------------------------------


def idle(folder: Path, count: int, runs: int) -> Iterator[Row]:
    """Compare a beat with nothing to do with a doit run that has nothing in it."""
    root = _written(folder / "idle", count)
    memories.settle(root)
    empty = folder / "empty"
    empty.mkdir()
    (empty / "dodo.py").write_text(EMPTY, encoding="utf-8")
    mine, other = in_turns(
        runs, timed(lambda: memories.beat(root)), timed(lambda: memories.beat(empty))
    )
    case = f"idle beat, {name(count)} documents"
    yield compare(case, mine, other, "an empty doit run", most=_IDLE_MOST)
