"""`doit resonance` as people and programs get it, on real logs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hostile
import pytest
import resonances
import workspaces
from freezegun import freeze_time

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace
from haios_dag.resonance import rules, show_resonance

NOW = "2026-01-31T12:00:00"


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, resonances.Year]:
    """A workspace after a year, and what was planted in it."""
    root = tmp_path_factory.mktemp("year")
    return root, resonances.Year(root, datetime(2026, 1, 31, 12, tzinfo=UTC), 365, seed=7)


@freeze_time(NOW)
def test_a_year_of_planted_patterns(year: tuple[Path, resonances.Year]) -> None:
    """Each pattern of each rule is found among ten times as much noise, under 5% is false."""
    root, made = year
    found = resonances.findings(root, "365d")
    scores = resonances.score(made.planted, found)
    assert made.noise >= 10 * made.lines
    assert {one.rule for one in made.planted} == rules.RULES.keys() - {rules.DIGEST}
    assert len(made.planted) > 100
    assert scores.missed == []
    assert len(scores.false) < 0.05 * scores.findings
    for one in found:
        schema.validate("resonance", one)


@freeze_time(NOW)
def test_the_score_can_be_bad(year: tuple[Path, resonances.Year]) -> None:
    """Without the patterns in mind all findings are false; without findings all are missed."""
    root, made = year
    found = resonances.findings(root, "365d")
    assert len(resonances.score([], found).false) == len(found) - 1
    assert len(resonances.score(made.planted, []).missed) == len(made.planted)


@freeze_time(NOW)
def test_strongest_first_and_at_most_five_of_a_rule(
    year: tuple[Path, resonances.Year], capsys: pytest.CaptureFixture[str]
) -> None:
    """People get the digest, then findings by strength, and how many more there are."""
    show_resonance.show(Workspace(year[0]), "365d", json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("since ")
    assert lines[1].startswith("left out: ")
    assert "in bursts" in lines[1]
    assert "of made-up items or sessions" in lines[1]
    assert lines[2].startswith("what happened: 8,")
    strengths = [float(line[:4]) for line in lines if line.startswith("0.")]
    assert strengths == sorted(strengths, reverse=True)
    assert sum(" gap: " in line for line in lines) == 5
    assert "and 5 more of gap; --json has them" in lines


def test_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new workspace gets one sentence, and no line of JSON."""
    show_resonance.show(Workspace(tmp_path), "2h", json=False)
    assert capsys.readouterr().out.splitlines()[1:] == ["no events since then"]
    show_resonance.show(Workspace(tmp_path), "2h", json=True)
    assert capsys.readouterr().out == ""


def test_the_command(copy: Path) -> None:
    """A workspace after its first beat has it as a finding; an invalid date is one sentence."""
    done = workspaces.doit(copy, "resonance")
    assert done.returncode == 0, done.stderr
    _, told, rest = done.stdout.splitlines()
    assert told == "no patterns found"
    assert rest.startswith("what happened: 1 beat: 1 ok; 4 documents, ")
    done = workspaces.doit(copy, "resonance", "--since", "1h", "--json")
    assert done.returncode == 0, done.stderr
    schema.validate("resonance", json.loads(done.stdout))
    done = workspaces.doit(copy, "resonance", "--since", "the day of the tentacle")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_a_log_that_cannot_be_read(copy: Path) -> None:
    """Exit code 1, and the reason."""
    log = copy / ".claude" / "haios-events.jsonl"
    log.unlink()
    log.mkdir()
    done = workspaces.doit(copy, "resonance")
    assert done.returncode == 1
    assert "haios-events.jsonl" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_no_control_characters(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Items, phases, errors and outcomes that would move a terminal come out as escapes."""
    text = hostile.TERMINAL
    now = datetime.now(UTC)
    steps = {text: {"outcome": "failed", "error": text}}
    told: list[dict[str, Any]] = [
        {"type": "cycle_transition", "backlog_id": text, "from_phase": "PLAN", "to_phase": "DONE"},
        {"type": "cascade", "source": text, "effects": [f"unblock:a{text}", "unblock:b"]},
        *[{"type": "heartbeat", "outcome": text, "steps": steps}] * 3,
        *[{"type": "ValidationOutcome", "gate": text, "work_id": text, "result": text}] * 3,
    ]
    log = copy / ".claude" / "haios-events.jsonl"
    log.write_text("".join(json.dumps({"ts": now.isoformat(), **one}) + "\n" for one in told))
    show_resonance.show(Workspace(copy), "1h", json=False)
    out = capsys.readouterr().out
    assert all(f": {start}" in out for start in ("gate ", "completing "))
    assert "has failed in 3 beats" in out
    assert "without DO, CHECK" in out
    assert out.replace("\n", "").isprintable()
