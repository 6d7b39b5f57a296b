"""What the beat's status has of resonance, and when it is looked for again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stories
from freezegun import freeze_time

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace
from haios_dag.events import log_lines
from haios_dag.resonance import recent_findings, story_reader

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    """Noon."""
    with freeze_time(NOW):
        yield


class Spy:
    """Counts how often the findings are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        made = story_reader.lately

        def counting(*given: Any) -> Any:  # noqa: ANN401 - passed on
            self.times += 1
            return made(*given)

        monkeypatch.setattr(story_reader, "lately", counting)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """Counts how often the findings are made."""
    return Spy(monkeypatch)


def append(root: Path, *told: dict[str, Any], name: str = "haios-events.jsonl") -> Workspace:
    """Append events to a log."""
    path = root / ".claude" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in told)
    return Workspace(root)


def look(workspace: Workspace, found: object = None, missed: int | None = 0) -> dict[str, Any]:
    """Look, and hold the findings against their schema."""
    now = recent_findings.look(workspace, found, missed=missed)
    for one in now["findings"]:
        schema.validate("resonance", one)
    return now


STUCK = [stories.phase(-96, "A", "DO"), stories.phase(-24, "A", "CHECK")]
SKIPPED = [stories.phase(-20, f"S{n}", "DONE", before="PLAN") for n in range(5)]


def test_the_strongest_three(tmp_path: Path) -> None:
    """Three findings of the last seven days, without their evidence, and not the digest."""
    old = stories.phase(-200, "OLD", "DONE", before="PLAN")
    workspace = append(tmp_path, old, stories.done(-30, "X", "unblock:B", "unblock:C"), *SKIPPED)
    found = look(workspace)["findings"]
    assert [one["rule"] for one in found] == ["skipped-phase"] * 3
    assert look(append(tmp_path, *STUCK))["findings"][0]["rule"] == "stuck"
    assert all("evidence" not in one for one in found)
    assert look(Workspace(tmp_path / "new"))["findings"] == []


def test_idle_beats_carry_over(tmp_path: Path, spy: Spy) -> None:
    """As long as nothing but idle beats came, what was found stands."""
    workspace = append(tmp_path, *STUCK)
    first = look(workspace)
    for hour in range(3):
        workspace = append(tmp_path, stories.beat(-3 + hour, "idle"))
        assert look(workspace, first) == first
    assert spy.times == 1
    assert first["findings"][0]["says"] == "A was in DO for 3.0 days"


@pytest.mark.parametrize(
    "news",
    [stories.beat(-1, "ok"), stories.session(-1, "start", 1), stories.beat(-1, "failed"), {}],
    ids=["a beat with work", "another's event", "a beat that failed", "a foreign line"],
)
def test_news_is_looked_at(tmp_path: Path, spy: Spy, news: dict[str, Any]) -> None:
    """Also when it came before an idle beat's event, as while that beat was at work."""
    workspace = append(tmp_path, *STUCK)
    first = look(workspace)
    append(tmp_path, news, stories.beat(-0.5, "idle"))
    look(workspace, first)
    assert spy.times == 2


def test_the_governance_log_is_news(tmp_path: Path, spy: Spy) -> None:
    """It counts by its size."""
    workspace = append(tmp_path, *STUCK)
    first = look(workspace)
    append(tmp_path, {"type": "x", "timestamp": "2026-01-31"}, name="haios/governance-events.jsonl")
    look(workspace, first)
    assert spy.times == 2


def test_missed_beats_are_news(tmp_path: Path, spy: Spy) -> None:
    """A silence leaves no event."""
    workspace = append(tmp_path, *(stories.beat(-100 + hour, "idle") for hour in range(30)))
    found = look(workspace, look(workspace), missed=70)
    assert spy.times == 2
    assert found["findings"][0]["rule"] == "gap"


def test_many_idle_beats_are_not_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 25 of them in a row the rest of the log is not news."""
    workspace = append(tmp_path, *(stories.beat(-99 + n, "idle") for n in range(99)))
    first = look(workspace)
    parsed = 0
    parse = log_lines.Parser.parse

    def counting(self: log_lines.Parser, line: bytes, number: int = 0) -> log_lines.Entry:
        nonlocal parsed
        parsed += 1
        return parse(self, line, number)

    monkeypatch.setattr(log_lines.Parser, "parse", counting)
    assert look(workspace, first) == first
    assert parsed == 25


def test_so_many_lines_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies further back than the last lines is not found."""
    workspace = append(tmp_path, *SKIPPED, *(stories.done(-1, str(n)) for n in range(3)))
    monkeypatch.setattr(recent_findings, "LINES", 4)
    assert len(look(workspace)["findings"]) == 1


def test_what_others_wrote_there_is_not_believed(tmp_path: Path, spy: Spy) -> None:
    """Of a status that others changed only findings are kept, and only those of the last days."""
    workspace = append(tmp_path, *STUCK)
    first = look(workspace)
    good = first["findings"][0]
    old = good | {"at": (NOW - timedelta(days=8)).isoformat()}
    for findings in (None, "x", 7, [None, {}, good | {"rule": "made-up"}, old]):
        assert look(workspace, first | {"findings": findings})["findings"] == []
    others: list[object] = [None, [], "x", {}, {"newest": None, "findings": [good]}]
    for found in others:
        assert look(workspace, found) == first
    assert spy.times == 6
