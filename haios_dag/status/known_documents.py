"""The documents of a workspace as the status sees them: path, last change, head.

What ingest keeps of each file is used as it is where ingest has just looked; else each file is
compared with it and parsed where it differs. The words for finished stand here, once.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from haios_dag.base import files
from haios_dag.base.errors import DocumentError, MemoryUnavailableError
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import document_head, front_matter
from haios_dag.ingest.scan import find_files
from haios_dag.memory import open_memory
from haios_dag.memory.records import FileState

# What HAIOS calls finished in one place or another (contract section 5), and its plain synonyms.
FINISHED = frozenset({
    "complete", "completed", "done", "closed", "archived", "duplicate", "wontfix", "dismissed",
    "invalid", "deferred", "superseded", "resolved", "rejected", "cancelled", "final",
})  # fmt: skip
_ADR = "architecture_decision_record"  # for which alone `accepted` is an end
_BYTES = 2 * front_matter.MAX_CHARACTERS


_EMPTY = {"", "null"}


class KnownDocument(NamedTuple):
    """One Markdown file: its path from the workspace, when it changed (ns), what its head says.

    `fields` is empty without front matter, or where `problem` says why it cannot be used.
    """

    path: str
    changed: int
    fields: Mapping[str, Any]
    problem: str | None

    @property
    def folder(self) -> str:
        """The folder it stands in, "" for the top of the workspace."""
        return self.path.rpartition("/")[0]

    @property
    def template(self) -> str:
        """What kind of document it is by its own words; `unknown` without."""
        return self.text("template") or "unknown"

    @property
    def status(self) -> str:
        """Its own word for its state, in lower case; `unknown` without."""
        return (self.text("status") or "unknown").lower()

    @property
    def is_finished(self) -> bool:
        """Whether its status is an end."""
        return self.status in FINISHED or (self.status == "accepted" and self.template == _ADR)

    @property
    def is_open(self) -> bool:
        """Whether it has a status, and that is no end."""
        return self.text("status") is not None and not self.is_finished

    def text(self, name: str) -> str | None:
        """Return a field that should be text; a number is taken as it is written, `null` is none.

        HAIOS's own line reading let the four letters `null` pass for an id (contract 3.1).
        """
        value = self.fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return value.strip() or None if isinstance(value, str) and value != "null" else None

    def texts(self, name: str) -> list[str]:
        """Return the texts in a field that should be a list of them, or is one alone."""
        value = self.fields.get(name)
        found = value if isinstance(value, list) else [value]
        return [one.strip() for one in found if isinstance(one, str) and one.strip() not in _EMPTY]

    def when(self) -> dt.datetime | None:
        """Return when it says it was written last, naive and local; None where it does not."""
        return instant(self.fields.get("last_updated")) or instant(self.fields.get("date"))


def instant(value: object) -> dt.datetime | None:
    """Return a date or time in ISO 8601 as HAIOS keeps it, naive and local; None for others."""
    try:
        found = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone().replace(tzinfo=None) if found and found.tzinfo else found
    except (ValueError, OverflowError, OSError):
        return None


def gather(workspace: Workspace, *, has_looked: bool) -> tuple[list[KnownDocument], list[str]]:
    """Return every document that ingest reads, in the order of paths, and warnings.

    `has_looked` tells that ingest has just compared the files with the ledger. Raise ConfigError.
    """
    warnings: list[str] = []
    known = _ledger(workspace)
    if not (has_looked and known is not None and workspace.config.ingest.enabled):
        try:
            known = list(_read(workspace, known or [], warnings))
        except DocumentError as error:
            known, warnings = known or [], [f"the status may be old: {error}"]
    known = sorted(one for one in known if one[0].endswith(".md"))
    return list(_documents(known)), warnings


_Known = tuple[str, FileState, str]


def _ledger(workspace: Workspace) -> list[_Known] | None:
    """Return what the memory's ledger holds; None where there is none or it cannot be read."""
    if not workspace.has_memory():
        return None
    try:
        with open_memory(workspace, write=False) as store:
            return store.documents.heads()
    except MemoryUnavailableError:  # of which the step has told already
        return None


def _read(workspace: Workspace, ledger: Iterable[_Known], warnings: list[str]) -> Iterator[_Known]:
    """Yield every file there is with its head, parsed where the ledger does not know the file."""
    known = {path: (state, text) for path, state, text in ledger}
    for path, (file, state) in find_files(workspace).items():
        before = known.get(path)
        if before and before[0] == state:
            yield path, state, before[1]
        elif path.endswith(".md"):
            try:
                with files.open_plain(Path(file), follow=False) as stream:
                    data = stream.read(_BYTES)
            except OSError as error:
                warnings.append(f"{path} cannot be read: {error.strerror}")
                continue
            wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
            found = front_matter.split(data.decode("utf-16" if wide else "utf-8", "replace"))
            yield path, state, document_head.of(found.fields, found.problem)


def _documents(known: Sequence[_Known]) -> Iterator[KnownDocument]:
    """Yield the documents; all heads are parsed as one JSON list, which takes half the time."""
    try:
        heads = json.loads(f"[{','.join(text for *_, text in known)}]")
    except (ValueError, RecursionError):
        heads = []
    if len(heads) != len(known):  # something else has written into the ledger
        heads = [document_head.load(text) for *_, text in known]
    for (path, (_, modified, changed), _text), said in zip(known, heads, strict=True):
        fields = said if isinstance(said, dict) else {}
        yield KnownDocument(
            path, modified or changed, fields, said if isinstance(said, str) else None
        )
