"""The repairs of `--fix`, made after a copy of the memory; none loses a source."""

import shutil
from collections.abc import Callable, Iterator

from haios_dag.base import clock, files
from haios_dag.base.errors import HaiosError
from haios_dag.base.progress import progress
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import beat_checks, place_checks
from haios_dag.doctor.findings import Finding
from haios_dag.embedding.space import DEFAULT
from haios_dag.memory import open_memory
from haios_dag.memory.protocol import Store


def fix(workspace: Workspace, wanted: set[str], *, damaged: bool) -> Iterator[Finding]:
    """Make the named repairs and yield what was done; the caller holds the beat's lock.

    The memory is copied first; if that fails, nothing is repaired. A damaged memory is not touched.
    Raise HaiosError or OSError.
    """
    repairs = [] if damaged else [one for name, one in _REPAIRS.items() if name in wanted]
    if repairs:
        with open_memory(workspace, write=False) as store:
            yield _back_up(store)
    if "env" in wanted:
        path = workspace.root / ".env"
        path.chmod(files.PRIVATE)
        yield Finding("fixed", "now only its owner may read it", str(path))
    if "leftovers" in wanted:
        for path in beat_checks.written(workspace):
            files.remove_leftovers(path)
        yield Finding("fixed", "the temporary files of killed writes are removed")
    if repairs:
        with open_memory(workspace, write=True) as store:
            for repair, said in repairs:
                yield Finding("fixed", said.format(repair(store)), str(workspace.memory))


def _back_up(store: Store) -> Finding:
    now = f"{clock.now():%Y%m%dT%H%M%SZ}"
    target = store.path.with_name(f"{store.path.name}.backup-{now}")
    needed = place_checks.size(store.path) + place_checks.LEAST
    if shutil.disk_usage(target.parent).free < needed:
        raise HaiosError(
            f"{target} does not fit on its disk, so nothing was changed; free {needed >> 20:,} MB"
        )
    with progress("back up", 100) as advance:
        done = 0

        def step(left: int, total: int) -> None:
            nonlocal done
            now = 100 * (total - left) // max(total, 1)
            advance(now - done)
            done = now

        store.health().back_up(target, step)
    return Finding("fixed", "the memory was copied before anything was changed", str(target))


# What each repair is, and what is said of the number that it returns.
_REPAIRS: dict[str, tuple[Callable[[Store], object], str]] = {
    "dangling": (
        lambda store: store.health().forget_dangling(),
        "{:,} rows of ours that referred to missing rows are removed",
    ),
    "vanished": (
        lambda store: store.health().forget_vanished(),
        "{:,} missing concepts and traces are set aside",
    ),
    "vectors": (
        lambda store: store.health().embed_again(*DEFAULT),
        "{:,} concepts and traces wait for a vector; the next beat makes it",
    ),
    "totals": (lambda store: store.health().count_again(), "the items are counted again"),
    "words": (lambda store: store.health().rebuild_words(), "the word index is built again"),
    "cache": (lambda store: store.vectors.remove_cache(), "the vector cache is deleted"),
}
