"""The step `ingest`: read changed, new and deleted documents and traces into memory."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haios_dag.base.errors import DocumentError, MemoryUnavailableError
from haios_dag.base.progress import progress
from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import document_head
from haios_dag.ingest.scan import ScannedFile, find_files, read_file
from haios_dag.memory import open_memory
from haios_dag.memory.records import FileState, Recorded

if TYPE_CHECKING:
    from haios_dag.memory.protocol import Store
    from haios_dag.memory.records import Statement, Trace

_BATCH = 64  # documents a transaction
_NAMED = 5  # problems named in an error; the rest are counted
_RACY_NS = 2_000_000_000  # the coarsest time stamps in use (FAT): 2 s


def idle(workspace: Workspace) -> str | None:
    """Return why there is nothing to read, or None. Documents are compared, not parsed."""
    if not workspace.config.ingest.enabled:
        return "switched off in haios.toml"
    found = find_files(workspace)
    if workspace.has_memory():
        with open_memory(workspace, write=False) as store:
            known = store.documents.recorded()
            limit = workspace.config.ingest.max_megabytes
            if next(_changed(store, found, known, limit), None) or known.keys() - found.keys():
                return None
    elif found:
        return None
    return "no document changed"


def run(beat: BeatContext) -> None:
    """Make memory say what the files say.

    A file that cannot be read does not stop the others; it is tried again at every beat. Raise
    DocumentError naming such files when the others are done.
    """
    workspace, counts = beat.workspace, beat.counts
    settings = beat.config.ingest
    counts.start("documents", "removed", "new_concepts", "traces")
    problems: list[str] = []
    found = find_files(workspace)
    with open_memory(workspace, write=True, create=True) as store:
        known = store.documents.recorded()
        gone = sorted(known.keys() - found.keys())
        with store.transaction():
            refusal = store.documents.refuses_traces()
            for path in gone:
                store.documents.remove(path, settings.boilerplate_documents)
        counts.add(removed=len(gone))
        changed = sorted(_changed(store, found, known, settings.max_megabytes))
        with progress("ingest", len(changed)) as advance:
            for start in range(0, len(changed), _BATCH):
                batch = {path: found[path] for path in changed[start : start + _BATCH]}
                problems += _read_batch(store, workspace, batch, counts, keep_traces=not refusal)
                advance(len(batch))
        _note_touched(store, found, known, set(changed))
    if untaken := counts["untaken_traces"]:
        raise MemoryUnavailableError(
            f"{workspace.memory} refuses {untaken} traces ({refusal}): it mirrors them into a"
            " sqlite-vec table; install haios-dag[vec] in a Python whose sqlite3 can load"
            " extensions, or keep the memory elsewhere with [memory] path in haios.toml"
        )
    if problems:
        rest = len(problems) - _NAMED
        raise DocumentError(
            "; ".join(problems[:_NAMED])
            + (f"; and {rest} more" if rest > 0 else "")
            + "; correct each file, or list it under [ingest] exclude in haios.toml"
        )


def _changed(
    store: "Store",
    found: dict[str, ScannedFile],
    known: dict[str, FileState],
    max_megabytes: float,
) -> Iterator[str]:
    """Yield the files that are new, or whose content is not what memory has recorded.

    The content is hashed only where stat differs. A file that cannot be hashed counts as changed:
    reading it will say why.
    """
    for path, (file, state) in found.items():
        before = known.get(path)
        if before is None:
            yield path
        elif before != state:
            try:
                digest = hashlib.sha256(read_file(file, max_megabytes)).hexdigest()
            except DocumentError:
                digest = ""
            if digest != store.documents.recorded_hash(path):
                yield path


def _read_batch(
    store: "Store",
    workspace: Workspace,
    batch: dict[str, ScannedFile],
    counts: Counts,
    *,
    keep_traces: bool,
) -> list[str]:
    """Parse some files, then write what they say in one short transaction.

    Return what is wrong with those that cannot be read.
    """
    settings = workspace.config.ingest
    problems: list[str] = []
    parsed: list[tuple[str, Recorded, Sequence[Statement], Sequence[Trace]]] = []
    for path, (file, state) in batch.items():
        begun = time.time_ns()
        try:
            data = read_file(file, settings.max_megabytes)
            head, statements, found_traces = _parse(path, data, counts)
        except DocumentError as error:
            problems.append(f"{path}: {error}")
            continue
        size, mtime_ns, ctime_ns = state
        if mtime_ns > begun - _RACY_NS:
            mtime_ns = 0  # it may change again without its time stamp telling
        recorded = Recorded((size, mtime_ns, ctime_ns), hashlib.sha256(data).hexdigest(), head)
        if found_traces and not keep_traces:  # read again until the memory takes them
            recorded = Recorded((size, 0, ctime_ns), "", head)
            counts.add(untaken_traces=len(found_traces))
            found_traces = []
        parsed.append((path, recorded, statements, found_traces))
    new = 0
    with store.transaction():
        for path, recorded, statements, found_traces in parsed:
            new += store.documents.replace(
                path, recorded, statements, found_traces, settings.boilerplate_documents
            )
    read = sum(len(found_traces) for *_, found_traces in parsed)
    counts.add(documents=len(parsed), new_concepts=new, traces=read)
    return problems


def _parse(
    path: str, data: bytes, counts: Counts
) -> tuple[str, Sequence["Statement"], Sequence["Trace"]]:
    """Return the head, the statements and the traces of a file."""
    from haios_dag.ingest import markdown, traces  # their patterns take 20 ms to compile

    if path.endswith(".jsonl"):
        found, problems = traces.from_lines(data)
        counts.warn(f"{path}: {problem}" for problem in problems)
        return document_head.of({}, None), [], found
    document = markdown.parse(data)
    counts.warn(f"{path}: {warning}" for warning in document.warnings)
    trace = traces.from_document(document)
    kept = document_head.of(document.fields, document.problem)
    return kept, document.statements, [trace] if trace else []


def _note_touched(
    store: "Store",
    found: dict[str, ScannedFile],
    known: dict[str, FileState],
    changed: set[str],
) -> None:
    """Keep the new time stamps of files that were only touched, so they are not hashed again."""
    with store.transaction():
        for path, (_, state) in found.items():
            if known.get(path, state) != state and path not in changed:
                store.documents.touch(path, state)
