"""The step `ingest`: read changed, new and deleted documents and traces into memory."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haios_dag.base.errors import DocumentError, MemoryUnavailableError
from haios_dag.base.progress import batches
from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import document_head
from haios_dag.ingest.scan import ScannedFile, find_files, read_file
from haios_dag.memory import open_memory
from haios_dag.memory.records import Recorded

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
            ingest = _Ingest(workspace, store, found)
            if next(ingest.changed(), None) or ingest.known.keys() - found.keys():
                return None
    elif found:
        return None
    return "no document changed"


def run(beat: BeatContext) -> None:
    """Make memory say what the files say; raise DocumentError at the end.

    A file that cannot be read does not stop the others; it is tried again at every beat.
    """
    workspace, counts = beat.workspace, beat.counts
    counts.start("documents", "removed", "new_concepts", "traces")
    found = find_files(workspace)
    problems: list[str] = []
    with open_memory(workspace, write=True, create=True) as store:
        ingest = _Ingest(workspace, store, found)
        refusal = ingest.remove_gone(counts)
        changed = sorted(ingest.changed())
        for paths in batches("ingest", changed, _BATCH):
            problems += ingest.read(paths, counts, keep_traces=not refusal)
        ingest.note_touched(set(changed))
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


class _Ingest:
    """The files that were found, beside those that the memory knows."""

    def __init__(self, workspace: Workspace, store: "Store", found: dict[str, ScannedFile]) -> None:
        self.settings = workspace.config.ingest
        self.store = store
        self.found = found
        self.known = store.documents.recorded()

    def changed(self) -> Iterator[str]:
        """Yield the files that are new, or whose content is not what memory has recorded.

        The content is hashed only where stat differs. A file that cannot be hashed counts as
        changed: reading it will say why.
        """
        for path, (file, state) in self.found.items():
            before = self.known.get(path)
            if before is None:
                yield path
            elif before != state:
                try:
                    data = read_file(file, self.settings.max_megabytes)
                    digest = hashlib.sha256(data).hexdigest()
                except DocumentError:
                    digest = ""
                if digest != self.store.documents.recorded_hash(path):
                    yield path

    def remove_gone(self, counts: Counts) -> str | None:
        """Forget the files that are gone; return why the memory takes no traces, or None."""
        gone = sorted(self.known.keys() - self.found.keys())
        with self.store.transaction():
            refusal = self.store.documents.refuses_traces()
            for path in gone:
                self.store.documents.remove(path, self.settings.boilerplate_documents)
        counts.add(removed=len(gone))
        return refusal

    def read(self, paths: Sequence[str], counts: Counts, *, keep_traces: bool) -> list[str]:
        """Store what some files say in one short transaction; return what is wrong with others."""
        problems: list[str] = []
        parsed: list[tuple[str, Recorded, Sequence[Statement], Sequence[Trace]]] = []
        for path in paths:
            file, (size, mtime_ns, ctime_ns) = self.found[path]
            begun = time.time_ns()
            try:
                data = read_file(file, self.settings.max_megabytes)
                head, statements, traces = _parse(path, data, counts)
            except DocumentError as error:
                problems.append(f"{path}: {error}")
                continue
            digest = hashlib.sha256(data).hexdigest()
            if mtime_ns > begun - _RACY_NS:
                mtime_ns = 0  # it may change again without its time stamp telling
            if traces and not keep_traces:  # read again until the memory takes them
                counts.add(untaken_traces=len(traces))
                mtime_ns, digest, traces = 0, "", []
            recorded = Recorded((size, mtime_ns, ctime_ns), digest, head)
            parsed.append((path, recorded, statements, traces))
        new = 0
        with self.store.transaction():
            for one in parsed:
                new += self.store.documents.replace(*one, self.settings.boilerplate_documents)
        read = sum(len(traces) for *_, traces in parsed)
        counts.add(documents=len(parsed), new_concepts=new, traces=read)
        return problems

    def note_touched(self, changed: set[str]) -> None:
        """Keep the new time stamps of files that were only touched: they are not hashed again."""
        with self.store.transaction():
            for path, (_, state) in self.found.items():
                if self.known.get(path, state) != state and path not in changed:
                    self.store.documents.touch(path, state)


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
