"""Heartbeats that other programs wrote, with anything at any place, before every reader."""

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from logs import heartbeat

from haios_dag import events
from haios_dag.base import clock, schema
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import examination
from haios_dag.pulse import liveness

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
STEPS = st.dictionaries(
    st.sampled_from(["ingest", "status", "x"]),
    VALUES
    | st.fixed_dictionaries(
        {"outcome": st.sampled_from(["failed", "ran"]) | VALUES},
        optional=dict.fromkeys(("seconds", "error", "warnings", "reason"), VALUES),
    ),
    max_size=2,
)
CHANGES = st.dictionaries(st.sampled_from(sorted(heartbeat())), VALUES, max_size=3)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """An empty workspace."""
    made = Workspace(tmp_path_factory.mktemp("space"))
    made.events.parent.mkdir()
    return made


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, steps=STEPS | st.none())
@example(changes={"outcome": []}, steps=None)
@example(changes={"ts": {}, "outcome": {"a": 1}}, steps=None)
@example(changes={"seconds": 10**400}, steps={"x": {"outcome": "ran", "seconds": 10**400}})
def test_every_reader_takes_any_heartbeat(
    workspace: Workspace, changes: dict[str, Any], steps: dict[str, Any] | None
) -> None:
    """No reader stumbles, and what a status and a program get of it is as their schemas say."""
    event = heartbeat(**changes) | ({} if steps is None else {"steps": steps})
    workspace.events.write_text(json.dumps(event) + "\n", encoding="ascii")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        events.show(workspace)
        events.show_since(workspace, ["1970-01-02"])
        events.stats(workspace)
        found = [
            one.name for name, one in examination.examine(workspace) if name in {"log", "beats"}
        ]
    assert all(line.isprintable() for line in printed.getvalue().split("\n"))
    assert "Traceback" not in printed.getvalue()
    assert "not-checked" not in found
    with contextlib.redirect_stdout(io.StringIO()) as numbers:
        events.stats(workspace, json=True)
    schema.validate("stats", json.loads(numbers.getvalue()))
    facts = liveness.facts(workspace, None, clock.now(), {})
    _validate_pulse(facts)


def _validate_pulse(facts: dict[str, Any]) -> None:
    """Hold what the status gets against its part of the schema of a status."""
    from jsonschema import Draft202012Validator

    whole = schema.load("status-slim")
    described = whole["properties"]["pulse"] | {"$defs": whole["$defs"]}
    Draft202012Validator(described).validate(facts)
