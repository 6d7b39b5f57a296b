"""Jobs for tests, and how each scheduler takes an entry apart again."""

import os
import plistlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import workspaces

from haios_dag.base import schema
from haios_dag.base.config import Schedule
from haios_dag.schedule import cron, job, launchd, systemd, windows

# A folder's name with whatever means something to a shell or a scheduler.
HOSTILE = "a b & c%d 'x\" ž;${HOME} $HOME `id`\\%\\\\s <é> #!\\"
# The same as far as Windows has it.
HOSTILE_WINDOWS = "a b & c%d 'x ž;${HOME} $HOME `id` é #!"
needs_posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such shell")
POSIX = PurePosixPath("/srv/space")
CRON = "haios-heartbeat.cron"
SERVICE, TIMER = "haios-heartbeat.service", "haios-heartbeat.timer"
PLIST = "com.haios.heartbeat.plist"
TASK = "HAIOS-Heartbeat.xml"
SPACE = PureWindowsPath(r"C:\Users\ana\space")


def settings(**changes: Any) -> Schedule:  # noqa: ANN401
    """Return a `[schedule]` with some keys set."""
    rules = schema.load("config")["properties"]["schedule"]["properties"]
    return Schedule(**{key: rule["default"] for key, rule in rules.items()} | changes)


def posix(root: PurePath = POSIX, python: PurePath | None = None, **changes: Any) -> job.Job:  # noqa: ANN401
    """Return a job on Linux or macOS."""
    return job.make(python or root / ".venv/bin/python", root, settings(**changes), "host")


def on_windows(root: PurePath = SPACE, **changes: Any) -> job.Job:  # noqa: ANN401
    """Return a job on Windows."""
    return job.make(root / ".venv/Scripts/python.exe", root, settings(**changes), "host")


# --- cron -----------------------------------------------------------------------------------------


def cron_line(one: job.Job) -> tuple[str, str]:
    """Return the five fields and the command, as they stand in the file."""
    line, at_boot = (
        line
        for line in cron.render(one)[CRON].decode().split("\n")
        if line and not line.startswith("#")
    )
    assert at_boot == f"@reboot {line.split(' ', 5)[5]}"
    *fields, command = line.split(" ", 5)
    return " ".join(fields), command


def as_cron_runs(command: str, *, pairs: bool = True) -> str:
    r"""Return what cron gives to the shell: everything before a bare `%`, with `\%` as `%`.

    With `pairs`, as Vixie's and Debian's cron do, `\\` becomes `\` too; without, as cronie.
    Source: do_command.c of both.
    """
    out: list[str] = []
    escaped = False
    for one in command:
        if escaped:
            if one == "%" or (pairs and one == "\\"):
                out[-1] = one
            else:
                out.append(one)
            escaped = False
            continue
        if one == "%":
            break
        out.append(one)
        escaped = one == "\\"
    return "".join(out)


# --- systemd --------------------------------------------------------------------------------------


def unit(one: job.Job, name: str) -> dict[str, list[str]]:
    """Return the settings of a unit file, section names left out."""
    found: dict[str, list[str]] = {}
    for line in systemd.render(one)[name].decode().split("\n"):
        assert not line.endswith("\\"), "systemd would go on reading the next line"
        if "=" in line:
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def as_systemd_reads(value: str) -> list[str]:
    """Return the words of a command line: quotes and escapes taken off, then `%%`.

    Source: systemd.syntax(7), "Quoting", and systemd.unit(5), "Specifiers".
    """
    words: list[str] = []
    for found in re.finditer(r"\"((?:[^\"\\]|\\.)*)\"|([^ \t\"'\\]+)", value):
        text = found[2] if found[1] is None else re.sub(r"\\(.)", r"\1", found[1])
        assert not re.search(r"%(?!%)", text.replace("%%", "")), "a specifier"
        words.append(text.replace("%%", "%"))
    rest = re.sub(r"\"((?:[^\"\\]|\\.)*)\"|([^ \t\"'\\]+)", "", value)
    assert not rest.strip(), "not a word of its own"
    return words


# --- Windows --------------------------------------------------------------------------------------

NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def task(one: job.Job) -> ET.Element:
    """Return the root element of the task."""
    return ET.fromstring(windows.render(one)[TASK])  # noqa: S314 - our own


def at(root: ET.Element, path: str) -> str:
    """Return the text of the only element at a path."""
    (found,) = root.findall("/".join(f"{NAMESPACE}{name}" for name in path.split("/")))
    return found.text or ""


def as_windows_splits(line: str) -> list[str]:
    """Return the arguments of a command line, the program's name left out.

    Source: the rules of CommandLineToArgvW, which the C run-time shares.
    """
    return list(_arguments(line))


def _arguments(line: str) -> Iterator[str]:
    word, quoted, begun, slashes = "", False, False, 0
    for one in line:
        if one == "\\":
            slashes += 1
            continue
        if one == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            begun, slashes = True, 0
            continue
        word += "\\" * slashes
        begun, slashes = begun or slashes > 0, 0
        if one in " \t" and not quoted:
            if begun:
                yield word
            word, begun = "", False
        else:
            word, begun = word + one, True
    word += "\\" * slashes
    if begun or word:
        yield word


# --- launchd --------------------------------------------------------------------------------------


def agent(one: job.Job) -> dict[str, Any]:
    """Return the content of the property list."""
    found: dict[str, Any] = plistlib.loads(launchd.render(one)[PLIST])
    return found


# --- real -----------------------------------------------------------------------------------------


def hostile_workspace(parent: Path) -> tuple[Path, Path]:
    """Make a workspace with a hostile name and a virtual environment in it; return both paths.

    The environment finds the package without any variable, as after an installation.
    """
    root = workspaces.make(parent / HOSTILE)
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(root / ".venv")],
        check=True,
        capture_output=True,
    )
    (packages,) = (root / ".venv" / "lib").glob("python*/site-packages")
    found = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "found.pth").write_text("\n".join([str(workspaces.ROOT), *found]))
    return root, root / ".venv" / "bin" / "python"
