"""Which files there are to ingest, and their content. Nothing here parses."""

import fnmatch
import os
import re
from pathlib import Path

from haios_dag.base import files
from haios_dag.base.errors import DocumentError
from haios_dag.base.workspace import Workspace
from haios_dag.memory.records import FileState

_SKIPPED_FOLDERS = {".git", ".haios", "node_modules"}

ScannedFile = tuple[str, FileState]
"""A file's path as the system knows it, and what stat said of it."""


def find_files(workspace: Workspace) -> dict[str, ScannedFile]:
    """Return every file that ingest reads, by its path in memory; no symbolic link is followed."""
    root, settings = workspace.root, workspace.config.ingest
    found: dict[str, ScannedFile] = {}
    for folder in settings.folders:
        _add_files(root / folder, _prefix(folder), ".md", found, deep=True)
    _add_files(root / settings.traces, _prefix(settings.traces), ".jsonl", found, deep=False)
    _add_files(root, "", ".md", found, deep=False)
    if settings.exclude:
        excluded = re.compile("|".join(map(fnmatch.translate, settings.exclude))).match
        found = {path: one for path, one in found.items() if not excluded(path)}
    return found


def _prefix(folder: str) -> str:
    name = os.path.normpath(folder).replace(os.sep, "/")
    return "" if name == "." else f"{name}/"


def _add_files(
    folder: Path | str, prefix: str, suffix: str, found: dict[str, ScannedFile], *, deep: bool
) -> None:
    """Add the regular files with a suffix, by their path from the workspace."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise DocumentError(f"{folder}: {error.strerror}; make the folder readable") from error
    for entry in entries:
        name = entry.name
        if name.endswith(suffix) and entry.is_file(follow_symlinks=False):
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed meanwhile
                continue
            except OSError as error:
                raise DocumentError(f"{entry.path}: {error.strerror}; check that disk") from error
            state = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
            found[_text(prefix + name)] = (entry.path, state)
        elif deep and name not in _SKIPPED_FOLDERS and entry.is_dir(follow_symlinks=False):
            _add_files(entry.path, f"{prefix}{name}/", suffix, found, deep=True)


def _text(name: str) -> str:
    """Return a file name as text that can be stored, even where it is not UTF-8."""
    if name.isascii():
        return name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def read_file(file: str, max_megabytes: float) -> bytes:
    """Return a file's content; raise DocumentError when it is too long or unreadable."""
    try:
        with files.open_plain(Path(file), follow=False) as stream:  # a link, since it was found
            size = os.fstat(stream.fileno()).st_size
            if size > max_megabytes * 1_000_000:
                raise DocumentError(
                    f"{size / 1e6:,.0f} MB long, more than [ingest] max_megabytes ="
                    f" {max_megabytes:g}"
                )
            return stream.read()
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}") from error
