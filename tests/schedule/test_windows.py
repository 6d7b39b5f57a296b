"""The task for the Windows Task Scheduler."""

import codecs
import re
from collections.abc import Callable
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import task_shape
import workspaces
from hypothesis import given
from hypothesis import strategies as st
from jobs import HOSTILE_WINDOWS, NAMESPACE, SPACE, TASK, as_windows_splits, at, on_windows
from jobs import task as parsed

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import windows

XSD = workspaces.REAL.parents[1] / "reference" / "task.xsd"
# Schedules that Windows can say, with their number of triggers.
SCHEDULES: list[tuple[dict[str, Any], int]] = [
    ({}, 1),
    ({"every_minutes": 1}, 1),
    ({"every_minutes": 7}, 1),
    ({"every_minutes": 15}, 1),
    ({"every_minutes": 44640}, 1),
    ({"every_minutes": 120}, 12),
    ({"at": "07:30"}, 1),
    ({"hours": "8-18"}, 10),
    ({"hours": "8-20", "every_minutes": 15}, 48),
    ({"jitter_minutes": 30}, 1),
    ({"time_limit_minutes": 90}, 1),
]
QUOTED = "a b & c%d 'x\" ž\\"  # such a name there is on other systems only
# The fragment with which the first heartbeat was to be scheduled.
FRAGMENT = """<?xml version="1.0"?>
<Task>
  <Triggers>
    <CalendarTrigger>
      <Repetition><Interval>PT1H</Interval></Repetition>
    </CalendarTrigger>
  </Triggers>
  <Actions>
    <Exec><Command>doit</Command><Arguments>heartbeat</Arguments></Exec>
  </Actions>
</Task>
"""


@pytest.fixture(scope="module")
def official() -> Callable[[bytes], list[str]]:
    """Return what validates against the schema of tasks, where that is at hand."""
    if not XSD.is_file():
        pytest.skip(f"no schema of tasks at {XSD}")
    etree = pytest.importorskip("lxml.etree", reason="lxml is not installed")
    schema = etree.XMLSchema(etree.parse(str(XSD)))

    def problems(data: bytes) -> list[str]:
        schema.validate(etree.fromstring(data))
        return [str(error) for error in schema.error_log]

    return problems


@pytest.mark.parametrize(
    "root", [SPACE, PureWindowsPath("C:/", HOSTILE_WINDOWS), PurePosixPath("/", QUOTED)]
)
@pytest.mark.parametrize(("changes", "triggers"), SCHEDULES)
def test_it_is_valid(
    official: Callable[[bytes], list[str]],
    root: PurePath,
    changes: dict[str, Any],
    triggers: int,
) -> None:
    """Every task is valid against the official schema."""
    assert official(windows.render(on_windows(root, **changes))[TASK]) == []
    assert len(parsed(on_windows(root, **changes)).find(f"{NAMESPACE}Triggers") or ()) == triggers


@pytest.mark.parametrize(
    "root", [SPACE, PureWindowsPath("C:/", HOSTILE_WINDOWS), PurePosixPath("/", QUOTED)]
)
@pytest.mark.parametrize(("changes", "triggers"), SCHEDULES)
def test_it_has_the_required_shape(root: PurePath, changes: dict[str, Any], triggers: int) -> None:
    """The same by the compact schema, which stands in where the official one is not at hand."""
    task = parsed(on_windows(root, **changes))
    assert task_shape.problems(task) == []
    assert len(task.find(f"{NAMESPACE}Triggers") or ()) == triggers


def broken(old: str, new: str) -> str:
    """Return our task with one thing changed."""
    text = windows.render(on_windows())[TASK].decode("utf-16").partition("?>")[2].strip()
    assert old in text
    return text.replace(old, new)


TRIGGER = (
    "<TimeTrigger>\r\n      <Repetition>\r\n        <Interval>PT1H</Interval>\r\n"
    "      </Repetition>\r\n      <StartBoundary>2024-01-01T00:00:00Z</StartBoundary>"
)
# What is wrong with a task, and whether the official schema sees it.
WRONG = [
    (lambda: FRAGMENT, True),
    (lambda: broken(' xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"', ""), True),
    (lambda: broken(' version="1.2"', ""), False),
    (lambda: broken("TimeTrigger>", "CalendarTrigger>"), True),
    (lambda: broken("<StartBoundary>2024-01-01T00:00:00Z</StartBoundary>", ""), False),
    (lambda: broken("2024-01-01T00:00:00Z", "tomorrow"), True),
    (lambda: broken(">PT1H<", ">1h<"), True),
    (lambda: broken(TRIGGER, TRIGGER.replace("      <Repetition>", "").replace(
        "<TimeTrigger>", "<TimeTrigger><Enabled>true</Enabled><Repetition>")), True),
    (lambda: broken('Context="Author"', 'Context="Other"'), True),
    (lambda: broken(">IgnoreNew<", ">Ignore<"), True),
    (lambda: broken(">PT30M<", ">30<"), True),
    (lambda: broken(r"C:\Users\ana\space<", "C:\\" + "x" * 258 + "<"), True),
    (lambda: broken("<Exec>", "<Exec><EnvironmentVariables/>"), True),
    (lambda: re.sub(r"(?s)<Actions.*</Actions>", "", broken("Exec", "Exec")), True),
]  # fmt: skip


@pytest.mark.parametrize("make", [make for make, _ in WRONG])
def test_what_is_wrong_is_seen(make: Callable[[], str]) -> None:
    """The compact schema refuses what Windows would, also what the official schema lets pass."""
    assert task_shape.problems(ET.fromstring(make())) != []  # noqa: S314 - our own


@pytest.mark.parametrize(("make", "by_official"), WRONG)
def test_what_is_wrong_is_seen_by_the_official_schema(
    official: Callable[[bytes], list[str]],
    make: Callable[[], str],
    by_official: bool,
) -> None:
    """The official schema refuses these tasks, but for two rules that stand in prose alone."""
    assert bool(official(make().encode())) == by_official


def test_its_bytes() -> None:
    """UTF-16, little-endian with its mark, CRLF: the one encoding that every importer takes."""
    data = windows.render(on_windows())[TASK]
    assert data.startswith(codecs.BOM_UTF16_LE)
    text = data.decode("utf-16")
    assert text.startswith('<?xml version="1.0" encoding="UTF-16"?>\r\n')
    assert text.endswith("</Task>\r\n")
    assert text.count("\n") == text.count("\r\n")
    with pytest.raises(ET.ParseError):
        ET.fromstring(text.encode())  # noqa: S314 - UTF-8 that says UTF-16


def test_its_settings() -> None:
    """It runs on batteries, after a missed time, never twice, unprivileged, and not for ever."""
    task = parsed(on_windows(time_limit_minutes=45))
    wanted = {
        "MultipleInstancesPolicy": "IgnoreNew",
        "DisallowStartIfOnBatteries": "false",
        "StopIfGoingOnBatteries": "false",
        "StartWhenAvailable": "true",
        "RunOnlyIfNetworkAvailable": "false",
        "RunOnlyIfIdle": "false",
        "ExecutionTimeLimit": "PT45M",
        "Enabled": "true",
    }
    assert {name: at(task, f"Settings/{name}") for name in wanted} == wanted
    assert at(task, "Principals/Principal/LogonType") == "InteractiveToken"
    assert at(task, "Principals/Principal/RunLevel") == "LeastPrivilege"


def test_it_repeats_without_end() -> None:
    """An interval is a time trigger that began on the hour, in UTC, and has no duration."""
    task = parsed(on_windows(every_minutes=15))
    assert at(task, "Triggers/TimeTrigger/Repetition/Interval") == "PT15M"
    assert at(task, "Triggers/TimeTrigger/StartBoundary") == "2024-01-01T00:00:00Z"
    assert task.findall(f".//{NAMESPACE}Duration") == []
    assert task.findall(f".//{NAMESPACE}EndBoundary") == []


def test_local_times_are_daily() -> None:
    """Each local time is a daily trigger of its own, in local time, without repetition."""
    task = parsed(on_windows(hours="22-1", every_minutes=30))
    starts = [one.text for one in task.iter(f"{NAMESPACE}StartBoundary")]
    assert starts == [f"2024-01-01T{time}:00" for time in
                      ("00:00", "00:30", "22:00", "22:30", "23:00", "23:30")]  # fmt: skip
    assert task.findall(f".//{NAMESPACE}Repetition") == []


def test_no_window_opens() -> None:
    """The interpreter is the one without a console, its path whole and without quotes."""
    assert (
        at(parsed(on_windows()), "Actions/Exec/Command")
        == r"C:\Users\ana\space\.venv\Scripts\pythonw.exe"
    )
    assert at(parsed(on_windows()), "Actions/Exec/WorkingDirectory") == str(SPACE)


NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\0%\ufffe\uffff"),
    min_size=1,
    max_size=40,
).filter(lambda name: name not in {".", ".."} and "$(" not in name)


@pytest.mark.parametrize("root", [PureWindowsPath("C:/"), PureWindowsPath("//server/share/x")])
def test_a_root_is_a_folder_too(root: PurePath) -> None:
    """The backslash at the end of a drive does not swallow the words behind it."""
    words = as_windows_splits(at(parsed(on_windows(root)), "Actions/Exec/Arguments"))
    assert words == [
        "-m",
        "doit",
        "-f",
        str(root / "dodo.py"),
        "-o",
        ".haios/beat.log",
        "heartbeat",
    ]


@given(NAMES)
def test_any_path_comes_out_as_it_went_in(name: str) -> None:
    """Arguments are split into the very words, and paths are the very paths."""
    root = PurePosixPath("/", name)
    task = parsed(on_windows(root))
    words = as_windows_splits(at(task, "Actions/Exec/Arguments"))
    assert words == [
        "-m",
        "doit",
        "-f",
        str(root / "dodo.py"),
        "-o",
        ".haios/beat.log",
        "heartbeat",
    ]
    assert at(task, "Actions/Exec/WorkingDirectory") == str(root)


@pytest.mark.parametrize("name", ["100%done%", "%PATH%", "$(Arg0)"])
def test_what_windows_would_replace_is_refused(name: str) -> None:
    """A name in which Windows could put a variable has no right form, so there is none."""
    with pytest.raises(ScheduleError, match="rename that folder"):
        windows.render(on_windows(PureWindowsPath("C:/", name)))


def test_what_it_cannot_say_is_refused() -> None:
    """More times of a day than triggers, and a path that is too long."""
    with pytest.raises(ScheduleError, match="a day has 52 beats; set a longer"):
        windows.render(on_windows(hours="8-21", every_minutes=15))
    with pytest.raises(ScheduleError, match="shorter path"):
        windows.render(on_windows(PureWindowsPath("C:/", "x" * 258)))
