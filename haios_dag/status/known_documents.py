"""The documents of a workspace as the status sees them: path, last change, front matter.

Right after ingest, its ledger is used as it is; otherwise files that differ from it are parsed.
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

# What HAIOS calls finished in one place or another (contract section 5), and synonyms.
FINISHED = frozenset({
    "complete", "completed", "done", "closed", "archived", "duplicate", "wontfix", "dismissed",
    "invalid", "deferred", "superseded", "resolved", "rejected", "cancelled", "final",
})  # fmt: skip
_ADR = "architecture_decision_record"  # the one template that `accepted` finishes
_BYTES = 2 * front_matter.MAX_CHARACTERS
_EMPTY = {"", "null"}


class KnownDocument(NamedTuple):
    """One Markdown file: its path from the workspace, its last change (ns), its front matter.

    `fields` is empty without front matter, or when `problem` says why that cannot be used.
    """

    path: str
    changed: int
    fields: Mapping[str, Any]
    problem: str | None

    @property
    def folder(self) -> str:
        """Its folder, "" for the top of the workspace."""
        return self.path.rpartition("/")[0]

    @property
    def template(self) -> str:
        """Its kind; `unknown` when it has none."""
        return self.text("template") or "unknown"

    @property
    def status(self) -> str:
        """Its status in lower case; `unknown` when it has none."""
        return (self.text("status") or "unknown").lower()

    @property
    def is_finished(self) -> bool:
        """Whether its status is a final one."""
        return self.status in FINISHED or (self.status == "accepted" and self.template == _ADR)

    @property
    def is_open(self) -> bool:
        """Whether it has a status that is not final."""
        return self.text("status") is not None and not self.is_finished

    def text(self, name: str) -> str | None:
        """Return a field as text, a number as it is written; None without, and for `null`.

        HAIOS's own reader took the four letters `null` for an id (contract 3.1).
        """
        value = self.fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return value.strip() or None if isinstance(value, str) and value != "null" else None

    def texts(self, name: str) -> list[str]:
        """Return the texts of a field that holds a list, or one text."""
        value = self.fields.get(name)
        found = value if isinstance(value, list) else [value]
        return [one.strip() for one in found if isinstance(one, str) and one.strip() not in _EMPTY]

    def when(self) -> dt.datetime | None:
        """Return its own date of the last change, naive and local; None without."""
        return instant(self.fields.get("last_updated")) or instant(self.fields.get("date"))


def instant(value: object) -> dt.datetime | None:
    """Return a date or time in ISO 8601 as naive local time; None for anything else."""
    try:
        found = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone().replace(tzinfo=None) if found and found.tzinfo else found
    except (ValueError, OverflowError, OSError):
        return None


def gather(workspace: Workspace, *, has_looked: bool) -> tuple[list[KnownDocument], list[str]]:
    """Return every document that ingest reads, in the order of paths, and warnings.

    `has_looked`: ingest has just compared the files with its ledger. Raise ConfigError.
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
    """Return ingest's ledger; None when there is no memory or it cannot be read."""
    if not workspace.has_memory():
        return None
    try:
        with open_memory(workspace, write=False) as store:
            return store.documents.heads()
    except MemoryUnavailableError:  # the step has warned of that
        return None


def _read(workspace: Workspace, ledger: Iterable[_Known], warnings: list[str]) -> Iterator[_Known]:
    """Yield every file with its front matter, parsed when the ledger does not have this version."""
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
    """Yield the documents; all heads are parsed as one JSON list, in half the time."""
    try:
        heads = json.loads(f"[{','.join(text for *_, text in known)}]")
    except (ValueError, RecursionError):
        heads = []
    if len(heads) != len(known):  # another program wrote to the ledger
        heads = [document_head.load(text) for *_, text in known]
    for (path, (_, modified, changed), _text), said in zip(known, heads, strict=True):
        fields = said if isinstance(said, dict) else {}
        yield KnownDocument(
            path, modified or changed, fields, said if isinstance(said, str) else None
        )
