"""A compact schema of a scheduled task: what the Windows Task Scheduler requires of ours.

Source: MS-TSCH 2.5, and the order of elements in which Windows exports a trigger. It is stricter
than the official schema: what a task of ours has no use for is not in it.
"""

import re
from typing import Any
from xml.etree import ElementTree as ET

from jobs import NAMESPACE

_FLAG = "true|false"
_SPAN = r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?)?"
_PATH = r".{1,260}"
_TEXT = r"(?s:.+)"
_START = r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z?"

# A text is a pattern for an element's text; a list of pairs are its children. In a sequence the
# order counts; "?" may be absent, "+" may come again.
_TRIGGER: list[tuple[str, Any]] = [("StartBoundary", _START), ("Enabled", _FLAG)]
_TASK: list[tuple[str, Any]] = [
    ("RegistrationInfo", [("Description", _TEXT), ("URI", r"\\[^\\]+")]),
    (
        "Triggers",
        [
            ("TimeTrigger?", [("Repetition", [("Interval", _SPAN)]), *_TRIGGER]),
            ("CalendarTrigger?+", [*_TRIGGER, ("ScheduleByDay", [("DaysInterval", r"\d+")])]),
        ],
    ),
    (
        "Principals",
        [("Principal", [("LogonType", "InteractiveToken|S4U"), ("RunLevel", "LeastPrivilege")])],
    ),
    (
        "Settings",
        [
            ("MultipleInstancesPolicy", "Parallel|Queue|IgnoreNew|StopExisting"),
            ("DisallowStartIfOnBatteries", _FLAG),
            ("StopIfGoingOnBatteries", _FLAG),
            ("AllowHardTerminate", _FLAG),
            ("StartWhenAvailable", _FLAG),
            ("RunOnlyIfNetworkAvailable", _FLAG),
            ("AllowStartOnDemand", _FLAG),
            ("Enabled", _FLAG),
            ("Hidden", _FLAG),
            ("RunOnlyIfIdle", _FLAG),
            ("WakeToRun", _FLAG),
            ("ExecutionTimeLimit", _SPAN),
            ("Priority", r"\d|10"),
        ],
    ),
    (
        "Actions",
        [("Exec", [("Command", _PATH), ("Arguments", _TEXT), ("WorkingDirectory", _PATH)])],
    ),
]


def problems(root: ET.Element) -> list[str]:
    """Return what is wrong with a task, place by place; [] when it is right."""
    if root.tag != f"{NAMESPACE}Task":
        return ["Task: not in the namespace of tasks"]
    found = [] if root.get("version") == "1.2" else ["Task: its version is not 1.2"]
    found += _within(root, _TASK, "Task")
    names = [one.get("id") for one in root.iter(f"{NAMESPACE}Principal")]
    actions = root.find(f"{NAMESPACE}Actions")
    if actions is not None and actions.get("Context") not in names:
        found.append("Actions: its Context is no Principal's id")
    triggers = root.find(f"{NAMESPACE}Triggers")
    if triggers is not None and not 1 <= len(triggers) <= 48:
        found.append("Triggers: not 1 to 48")
    return found


def _within(element: ET.Element, rule: list[tuple[str, Any]], place: str) -> list[str]:
    """Return what is wrong with the children of an element."""
    found, rest = [], list(element)
    for key, inside in rule:
        name = key.rstrip("?+")
        these = 0
        while rest and rest[0].tag == f"{NAMESPACE}{name}" and (these == 0 or key.endswith("+")):
            child = rest.pop(0)
            these += 1
            if isinstance(inside, list):
                found += _within(child, inside, f"{place}/{name}")
            elif len(child) or not re.fullmatch(inside, child.text or ""):
                found.append(f"{place}/{name}: {child.text!r}")
        if not these and "?" not in key:
            found.append(f"{place}/{name}: missing or out of order")
    return found + [f"{place}: {one.tag.removeprefix(NAMESPACE)} does not belong" for one in rest]
