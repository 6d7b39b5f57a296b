"""Checks of the memory."""

import os
from collections.abc import Iterator

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.base.workspace import Workspace
from haios_dag.doctor.count_checks import claims
from haios_dag.doctor.findings import Finding, found, ok, or_ok
from haios_dag.embedding.space import DEFAULT
from haios_dag.memory import open_memory
from haios_dag.memory.protocol import Store
from haios_dag.memory.vectors import cache_folder

_LONGEST = 500  # characters of what SQLite says of damage
NAMES = ("memory", "words", "references", "invariants", "items", "vectors", "cache", "counts")


def checks(workspace: Workspace) -> Iterator[tuple[str, Iterator[Finding]]]:
    """Yield the checks of the memory, only one where it cannot be opened; raise HaiosError."""
    path = workspace.memory
    if not os.path.lexists(path):
        yield "memory", iter([found("no-memory", path)])
        return
    try:
        store = open_memory(workspace, write=False)
    except MemoryUnavailableError as error:
        if error.is_busy:
            raise
        yield "memory", iter([found("memory-unusable", path, error=error)])
        return
    with store:
        yield "memory", _pages(store)
        if not store.is_prepared():
            yield "invariants", iter([found("not-prepared", path)])
            return
        yield "words", _words(store)  # takes the writer's lock, so in no snapshot
        with store.snapshot():  # so that a beat's commits do not look like faults
            yield "references", _references(store)
            yield "invariants", _invariants(store)
            yield "items", _items(store)
            yield "vectors", _vectors(store)
            yield "cache", _cache(store)
        yield "counts", claims(workspace, store)


@or_ok("it opens, and SQLite finds no damage in its pages and indexes")
def _pages(store: Store) -> Iterator[Finding]:
    if damage := store.health().damage():
        yield found("memory-damaged", store.path, damage="; ".join(damage)[:_LONGEST])


@or_ok("no row refers to a missing one")
def _references(store: Store) -> Iterator[Finding]:
    for table, number in store.health().dangling().items():
        name = "dangling-ours" if table.startswith("dag_") else "dangling-theirs"
        yield found(name, store.path, table=table, number=number)


@or_ok("insights and bridges are consistent")
def _invariants(store: Store) -> Iterator[Finding]:
    for one in store.health().broken():
        ids = ", ".join(map(str, one.some)) + (", …" if one.number > len(one.some) else "")
        name = "invariant-broken" if one.ours else "invariant-of-others"
        where = f"{store.path}: concepts {ids}"
        yield found(name, where, number=one.number, what=one.what, one=one.some[0])
    if leaderless := store.health().count("leaderless", *DEFAULT):
        yield found("leaderless", store.path, number=leaderless)


@or_ok("no concept or trace that the beat works on is missing")
def _items(store: Store) -> Iterator[Finding]:
    if vanished := store.health().count("vanished", *DEFAULT):
        yield found("items-vanished", store.path, number=vanished)
    if wrong := store.health().count("total", *DEFAULT):
        yield found("counts-kept-wrong", store.path, number=wrong)


def _vectors(store: Store) -> Iterator[Finding]:
    damaged = store.health().count("vector damaged", *DEFAULT)
    mixed = store.health().count("vector of others", *DEFAULT)
    if damaged:
        yield found("vectors-damaged", store.path, number=damaged, length=DEFAULT.dimensions)
    if mixed:
        yield found("vectors-mixed", store.path, number=mixed)
    if other := (space := store.vectors.space()) not in (None, DEFAULT.model):
        yield found("space-of-others", store.path, space=space, ours=DEFAULT.model)
    if products := store.health().count("product unembedded", *DEFAULT):
        yield found("insights-without-vector", store.path, number=products)
    if not (damaged or mixed or other or products):
        embedded, every = store.health().coverage()
        yield ok(
            f"all vectors are whole and of one model; {embedded:,} of {every:,} concepts,"
            " traces and insights have one"
        )


@or_ok("the word index matches the texts")
def _words(store: Store) -> Iterator[Finding]:
    if wrong := store.health().word_index():
        yield found("words-wrong", store.path, wrong=wrong)


@or_ok("the vector cache matches the database, or there is none")
def _cache(store: Store) -> Iterator[Finding]:
    if wrong := store.health().cache_disagrees(*DEFAULT):
        yield found("cache-wrong", cache_folder(store.path), wrong=wrong)
