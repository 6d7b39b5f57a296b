"""Each signal comes from where its threshold says, and from nothing that is unknown or stands."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from haios_dag.base import config, schema
from haios_dag.status import signals
from haios_dag.status.signals import SignalFacts

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DEFAULTS = config.load(Path("no settings")).signals
FINDING = {
    "rule": "stuck",
    "family": "anti-pattern",
    "strength": 0.7,
    "says": "A is stuck",
    "at": "x",
}


def given(tmp_path: Path, **settings: float) -> config.Signals:
    """Return the settings of a `haios.toml`."""
    rows = "".join(f"{key} = {value}\n" for key, value in settings.items())
    (tmp_path / "haios.toml").write_text(f"[signals]\n{rows}")
    return config.load(tmp_path / "haios.toml").signals


def milestone(progress: float | None) -> dict[str, Any]:
    """Return milestones, one, at some per cent."""
    return {
        "M5": {"name": "x", "items": 20, "complete": 19, "progress": progress, "prior_progress": 0}
    }


def blocked(count: int) -> dict[str, list[str]]:
    """Return so many blocked items."""
    return {f"E2-{number}": ["E2-1"] for number in range(count)}


def stale(count: int) -> dict[str, Any]:
    """Return so many stale documents."""
    items = [{"path": f"docs/{number}.md", "days_stale": 40} for number in range(count)]
    return {"count": count, "items": items}


def judge(settings: config.Signals = DEFAULTS, **facts: Any) -> list[signals.Signal]:  # noqa: ANN401
    """Return the signals, each held against its schema."""
    found = signals.judge(SignalFacts(**facts), settings)
    for one in found:
        schema.validate("signal", json.loads(json.dumps(one)))
    return found


def names(settings: config.Signals = DEFAULTS, **facts: Any) -> list[str]:  # noqa: ANN401
    """Return the names of the signals."""
    return [one["name"] for one in judge(settings, **facts)]


AT = [  # signal, its setting, what is just enough, what is not, another setting for that
    ("APPROACHING", "approaching_above", {"milestones": milestone(90.5)},
     {"milestones": milestone(90)}, 89.9),
    ("BOTTLENECK", "bottleneck_above", {"blocked": blocked(4)}, {"blocked": blocked(3)}, 2),
    ("ATTENTION", "attention_above", {"stale": stale(6)}, {"stale": stale(5)}, 4),
    ("MOMENTUM", "momentum_above", {"completed": list("abcd")}, {"completed": list("abc")}, 2),
    ("LATE", "late_above", {"missed": 1}, {"missed": 0}, None),
    ("DEGRADED", "degraded_beats", {"failing": 3}, {"failing": 2}, 2),
    ("BACKLOG", "backlog_beats", {"waiting": [9, 1, 2, 3, 4]}, {"waiting": [2, 3, 4]}, 2),
    ("MEMORY", "memory_percent", {"memory_before": {"concepts": 100}, "memory": {"concepts": 94}},
     {"memory_before": {"concepts": 100}, "memory": {"concepts": 95}}, 4),
    ("RESONANCE", "resonance_strength", {"findings": [FINDING]},
     {"findings": [FINDING | {"strength": 0.69}]}, 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("name", "setting", "enough", "short", "lower"), AT)
def test_thresholds(
    name: str,
    setting: str,
    enough: dict[str, Any],
    short: dict[str, Any],
    lower: float | None,
    tmp_path: Path,
) -> None:
    """Just enough gives the signal, just less does not, until the setting says so."""
    assert names(**enough) == [name]
    assert names(**short) == []
    if lower is not None:
        assert names(given(tmp_path, **{setting: lower}), **short) == [name]


def test_every_signal_is_tried() -> None:
    """The list above has each signal and each threshold; the schema names the same."""
    assert [one[0] for one in AT] == list(signals.SIGNALS)
    assert schema.load("signal")["properties"]["name"]["enum"] == list(signals.SIGNALS)
    settings = schema.load("config")["properties"]["signals"]["properties"].keys()
    assert {one[1] for one in AT} | {"quiet_days"} == settings


def test_unknown_gives_no_signal() -> None:
    """What is unknown gives no signal, with any thresholds."""
    assert names() == []
    assert names(milestones=milestone(None), memory={"concepts": 5}) == []
    assert names(memory_before={"concepts": None}, memory={"concepts": 0}) == []


def test_a_milestone_at_its_end_approaches_nothing() -> None:
    """At 100 per cent, and beyond."""
    assert names(milestones=milestone(99.9)) == ["APPROACHING"]
    assert names(milestones=milestone(100)) == []
    assert names(milestones=milestone(101)) == []


def test_backlog_has_to_grow_each_time() -> None:
    """A beat in which it stays the same, or falls, ends the row."""
    assert names(waiting=[1, 2, 2, 3]) == []
    assert names(waiting=[1, 2, 3, 2]) == []
    assert names(waiting=[1, 2, 3]) == []


def test_memory_tells_vectors_of_another_space() -> None:
    """Concepts that stay while their vectors go."""
    before, now = {"concepts": 10, "embedded": 10}, {"concepts": 10, "embedded": 0}
    (found,) = judge(memory_before=before, memory=now)
    assert found["says"] == "embedded fell from 10 to 0"
    assert found["evidence"] == {"embedded": [10, 0]}
    assert names(memory_before=now, memory=before) == []


def test_resonance_is_of_trouble_alone() -> None:
    """Compound effects and rhythm are no signals."""
    assert names(findings=[FINDING | {"family": "compound effect", "strength": 0.9}]) == []


def test_evidence_is_short() -> None:
    """Of hundreds of items a few are named, and all are counted."""
    found = judge(blocked=blocked(500), stale=stale(50), completed=list(map(str, range(500))))
    assert [one["says"] for one in found] == [
        "500 items are blocked: E2-0, E2-1, E2-2, E2-3, E2-4 and 495 more",
        "50 documents are stale: docs/0.md, docs/1.md, docs/2.md, docs/3.md, docs/4.md and 45 more",
        "500 items were completed: 0, 1, 2, 3, 4 and 495 more",
    ]
    assert all(len(json.dumps(one)) < 600 for one in found)


def test_a_source_that_stands_still_is_quiet() -> None:
    """After 14 days of saying the same it gives no signal, and again one when it moves."""
    facts = SignalFacts(milestones=milestone(95), blocked=blocked(9), stale=stale(9))
    kept, quiet = signals.watch(facts, {}, DEFAULTS, NOW)
    assert quiet == []
    kept, quiet = signals.watch(facts, kept, DEFAULTS, NOW + timedelta(days=14))
    assert quiet == []
    later = NOW + timedelta(days=14, seconds=1)
    moved = SignalFacts(milestones=milestone(95), blocked=blocked(8), stale=stale(9))
    kept, quiet = signals.watch(moved, kept, DEFAULTS, later)
    assert quiet == ["milestones", "stale"]
    assert [one["name"] for one in signals.judge(moved, DEFAULTS, quiet)] == ["BOTTLENECK"]
    assert kept["blocked"]["since"] == "2026-02-14T12:00:01.000+00:00"
    assert kept["stale"]["since"] == "2026-01-31T12:00:00.000+00:00"


def test_days_alone_do_not_move_a_source() -> None:
    """Stale documents that only get older are the same ones."""
    older = {"count": 9, "items": [one | {"days_stale": 41} for one in stale(9)["items"]]}
    kept, _ = signals.watch(SignalFacts(stale=stale(9)), {}, DEFAULTS, NOW)
    _, quiet = signals.watch(SignalFacts(stale=older), kept, DEFAULTS, NOW + timedelta(days=15))
    assert quiet == ["stale"]


@pytest.mark.parametrize("since", [None, 7, "", "x", "2020-01-01", "9999-01-01T00:00:00+00:00"])
def test_what_others_wrote_there_is_taken_for_new(since: object) -> None:
    """A source whose record was changed by others is not quiet by that."""
    facts = SignalFacts(blocked=blocked(9))
    kept, _ = signals.watch(facts, {}, DEFAULTS, NOW)
    kept["blocked"]["since"] = since
    assert signals.watch(facts, kept, DEFAULTS, NOW)[1] == []
    records: list[dict[str, Any]] = [{"blocked": None}, {"blocked": []}, {"blocked": {"mark": "x"}}]
    for strange in records:
        assert signals.watch(facts, strange, DEFAULTS, NOW)[1] == []


def test_changes() -> None:
    """What came and what is over, against the list of the status before."""
    found = judge(blocked=blocked(4), missed=1)
    lines = list(signals.changes(found, [{"name": "LATE"}, {"name": "MEMORY"}]))
    assert lines == [
        "signal: BOTTLENECK 4 items are blocked: E2-0, E2-1, E2-2, E2-3",
        "over: MEMORY",
    ]
    assert list(signals.changes(found, found)) == []
    others: list[object] = [None, "LATE", 7, {}, [None, 7, {"name": []}]]
    for strange in others:
        assert len(list(signals.changes(found, strange))) == 2
