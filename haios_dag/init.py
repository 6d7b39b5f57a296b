"""Make a folder a workspace, without ever changing what a user wrote there."""

import codecs
import difflib
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haios_dag import graph_upgrade
from haios_dag.base import config, files, schema
from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError
from haios_dag.base.workspace import Workspace

IGNORED = (
    "/.haios/",
    "/memory.db*",
    "/haios_memory.db*",
    "/.claude/haios-events*",
    "/.claude/haios-status*",
    "/scheduler/*",
    "/.env",
    "__pycache__/",
)
_HEADING = "# run-time files of haios-dag"
_THERE = "already there"
_WIDTH = 90


def show(_: Workspace, folder: str, *, upgrade: bool = False) -> int:
    """Make a folder a workspace, or upgrade its graph; print what was done and what is next.

    Return 0, or 1 when something is in the way. Raise HaiosError.
    """
    root = Path(folder)
    if upgrade:
        say(map(printable, upgraded(root)))
        return 0
    done = make(root)
    lines = [f"{path}: {what}" for path, what in done.paths.items()]
    if done.nothing:
        lines.append("nothing to do: it is a workspace already")
    if not done.problems:
        script = [sys.executable, "-m", "haios_dag", "-C", folder]
        log = Workspace(root).events
        lines += ["", f"Next, run a beat, then see what it left in the event log, {log}:"]
        lines += [f"  {_shell([*script, task])}" for task in ("heartbeat", "events")]
    say(map(printable, lines))
    for problem in done.problems:
        print(printable(f"haios-dag: {problem}"), file=sys.stderr)
    return 1 if done.problems else 0


def _shell(words: list[str]) -> str:
    """Return a command line as this platform's shell takes it."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


@dataclass
class Done:
    """What `make` did: each path with what became of it, and a sentence for what is in the way."""

    paths: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether everything was there already."""
        return not self.problems and all(what.startswith(_THERE) for what in self.paths.values())


def make(root: Path) -> Done:
    """Write what a workspace needs and this folder does not have yet; return what was done.

    Nothing that exists is changed, but for lines added to a `.gitignore`. What is in the way of
    one part does not keep the others from being written. Raise HaiosError when the folder itself
    cannot be used.
    """
    done = Done()
    _folder(root)
    parts = {"dodo.py": _dodo, "haios.toml": _settings, ".gitignore": _ignore}
    for name, part in parts.items():
        try:
            done.paths[root / name] = part(root / name)
        except HaiosError as error:
            done.problems.append(str(error))
    try:
        for folder in _folders(root):
            done.paths[folder] = _folder(folder)
    except HaiosError as error:
        done.problems.append(str(error))
    return done


def _folders(root: Path) -> list[Path]:
    """Return the folders inside the workspace that its settings name; raise ConfigError."""
    ingest = config.load(root / "haios.toml").ingest
    top = root.resolve()
    named = dict.fromkeys(root / name for name in (".claude", *ingest.folders, ingest.traces))
    return [folder for folder in named if folder.resolve().is_relative_to(top)]


def _folder(path: Path) -> str:
    """Make a folder unless it is there; return what was done, or raise HaiosError."""
    if path.is_dir():
        return _THERE
    try:
        files.ensure_folder(path)
    except FileExistsError as error:  # perhaps a parent
        where = error.filename
        raise HaiosError(f"{where} is not a folder; move it away or choose another") from None
    except OSError as error:
        raise _unusable(path, error) from None
    return "made"


def _dodo(path: Path) -> str:
    """Write the graph unless there is one; return what was done, or raise HaiosError."""
    found = _read(path)
    if found is None:
        _write(path, _ours())
        return "written; the graph, yours to extend"
    if found == _ours():
        return _THERE
    if is_older(found):
        raise HaiosError(
            f"{path} is of an older version and was left alone; to bring it up to date, keeping"
            f" your changes: haios-dag init --upgrade {path.parent}"
        )
    if b"haios_dag" in found:
        return f"{_THERE}; a graph of your own"
    raise HaiosError(
        f"{path} is another program's and was left alone; to make this folder a workspace, move it"
        " away and run init again"
    )


def _ours() -> bytes:
    """Return the graph of this version; raise HaiosError."""
    source = schema.resource("dodo.py")
    ours = _read(source)
    if ours is None:
        raise HaiosError(f"{source} is missing; install haios-dag again")
    return ours


# --- an older graph --------------------------------------------------------------------------


def is_older(graph: bytes) -> bool:
    """Tell whether a `dodo.py` was made from the graph of an older version; raise HaiosError."""
    text, ours = _lines(graph.decode("utf-8", "replace")), _ours().decode("utf-8")
    return "haios_dag" in text and graph_upgrade.base_of(text, ours) is not None


def _lines(text: str) -> str:
    """Return a text as Python reads it: without a mark, each line with one line feed."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def upgraded(root: Path) -> list[str]:
    """Bring the graph of a workspace up to date; return the difference and where the copy is.

    Raise HaiosError, with the file as it was, when there is no graph, when the user and this
    version changed the same words, or when doit could not load the result.
    """
    path = root / "dodo.py"
    found = _read(path)
    if found is None:
        raise HaiosError(f"there is no {path}; to make a workspace: haios-dag init {root}")
    ours = _ours().decode("utf-8")
    try:
        text = _lines(found.decode("utf-8"))
        base = graph_upgrade.base_of(text, ours)
        new = graph_upgrade.merged(base, text, ours) if base else text
        if new == text:
            return [f"{path}: nothing to upgrade; it is not of an older version"]
        _check_loads(new, root)
    except UnicodeDecodeError:
        raise HaiosError(f"{path} was left alone: it is not UTF-8; save it as UTF-8") from None
    except HaiosError as error:
        raise HaiosError(
            f"{path} was left alone: {error}; change it by hand, as in {schema.resource('dodo.py')}"
        ) from None
    names = str(path), f"{path} (upgraded)"
    difference = difflib.unified_diff(text.splitlines(), new.splitlines(), *names, lineterm="")
    copy = _free(path)
    mark = "\ufeff" if found.startswith(codecs.BOM_UTF8) else ""
    end = "\r\n" if found.count(b"\r\n") * 2 > found.count(b"\n") else "\n"
    _write(copy, found)
    _write(path, (mark + new.replace("\n", end)).encode())
    try:
        copy.chmod(stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise _unusable(copy, error) from None
    return [
        *difference,
        "",
        f"{path}: upgraded; the one before is kept as {copy}",
        "a step of your own is now a module with run(beat) and, if it can tell, idle(workspace)",
    ]


def _check_loads(graph: str, root: Path) -> None:
    """Raise HaiosError when doit cannot load a graph that is not written yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dodo.py")
        path.write_text(graph, encoding="utf-8")
        if wrong := load_error(path, root):
            raise HaiosError(f"with this version's changes doit could not load it: {wrong}")


def load_error(graph: Path, root: Path) -> str | None:
    """Return the last line of what doit says when it cannot list a graph's tasks, else None.

    doit runs as a process of its own. `root` is the workspace, whose modules the graph may import.
    """
    words = [sys.executable, "-m", "doit", "-f", str(graph), "list"]
    found = os.pathsep.join(filter(None, [str(root.resolve()), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603 - as a beat does
        words, cwd=graph.parent, env=environment, capture_output=True, check=False
    )
    if not done.returncode:
        return None
    return (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it says nothing"])[-1]


def _free(path: Path) -> Path:
    """Return a name beside a file that nothing has yet."""
    number = 1
    while (copy := path.with_name(f"{path.name}.before-upgrade-{number}")).exists():
        number += 1
    return copy


# --- the other files -------------------------------------------------------------------------


def _settings(path: Path) -> str:
    """Write the commented settings unless there are some; return what was done."""
    if _read(path) is not None:
        return _THERE
    _write(path, settings().encode())
    return "written; every setting with its default, as a comment"


def _ignore(path: Path) -> str:
    """Add the missing lines to the end of `.gitignore`; return what was done."""
    found = _read(path) or b""
    if b"\0" in found:
        raise HaiosError(f"{path} is not text that git can read; save it as UTF-8")
    # To git, as here, blanks at the end of a line mean nothing, those before it do.
    have = {line.rstrip() for line in found.removeprefix(b"\xef\xbb\xbf").split(b"\n")}
    missing = [line for line in IGNORED if line.encode() not in have]
    if not missing:
        return _THERE
    end = "\r\n" if b"\r\n" in found else "\n"
    start = "" if not found or found.endswith(b"\n") else end
    _write(path, found + (start + "".join(line + end for line in [_HEADING, *missing])).encode())
    return f"{len(missing)} lines added" if len(missing) > 1 else "1 line added"


def settings() -> str:
    """Return a `haios.toml` that changes nothing: each setting's meaning and default, commented."""
    lines = [
        "# Settings of this workspace. As they stand they change nothing: each is a comment that",
        "# shows its default. Take away the # before one to set it.",
    ]
    for name, section in schema.load("config")["properties"].items():
        lines += ["", *_comment(section["description"]), f"[{name}]"]
        for key, rule in section["properties"].items():
            lines += ["", *_comment(rule["description"]), _assignment(key, rule["default"])]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> Iterator[str]:
    lines = textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return (f"# {line}" for line in lines)


def _assignment(key: str, default: Any) -> str:  # noqa: ANN401 - any value that JSON has
    """Return a setting as a comment; what JSON spells for these types is TOML as well."""
    if default is None:
        return f"# Not set by default; to set it, write: {key} = VALUE"
    return f"# {key} = {json.dumps(default, ensure_ascii=False)}"


def _read(path: Path) -> bytes | None:
    """Return the content of a file, or None when there is none; raise HaiosError.

    A symbolic link is refused: what it points to is not this workspace's to write.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise HaiosError(f"{path} is a symbolic link and was left alone; move it away")
        if not stat.S_ISREG(mode):
            raise HaiosError(f"{path} is not a file; move it away")
        return files.read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from None


def _write(path: Path, data: bytes) -> None:
    """Write a file; raise HaiosError."""
    try:
        files.write_atomic(path, data)
    except OSError as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> HaiosError:
    return HaiosError(
        f"{path} cannot be used: {error.strerror}; correct that or choose another folder"
    )
