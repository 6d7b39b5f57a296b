"""The quality benchmark: facts are kept or linked, and labels hold no text."""

import json
import re
import sqlite3
from collections import Counter
from pathlib import Path

import quality
import themes

STATEMENTS = [
    "SQLite needs a busy timeout of 30 s, or the ingester crashes while synthesis holds the lock.",
    "Since ADR-036 the ingester sets a busy timeout on SQLite before synthesis takes the lock.",
    "On 2025-12-28 the ingester crashed as SQLite had no busy timeout and synthesis held the lock.",
]


def test_facts_are_kept_or_linked(tmp_path: Path) -> None:
    """An insight keeps the facts of what it quotes, and provenance links every fact it leaves."""
    workspace = themes.made(tmp_path)
    themes.each_in_its_own(workspace, "lock", *STATEMENTS)
    themes.each_in_its_own(workspace, "more", *themes.LOCKING, *themes.PLANS)
    themes.beat(workspace)
    found = list(quality.insights(workspace.memory))
    assert len(found) >= 2
    kept = quality.facts_kept(found)
    assert kept["linked"] == 1.0
    assert kept["quoted"] >= 0.9
    assert kept["all sources"] <= kept["quoted"]


def test_a_missing_source_lowers_the_share(tmp_path: Path) -> None:
    """Without its provenance rows, an insight links less: the measure can fall."""
    workspace = themes.made(tmp_path)
    themes.each_in_its_own(workspace, "lock", *STATEMENTS)
    themes.beat(workspace)
    with sqlite3.connect(workspace.memory) as connection:
        connection.execute("DELETE FROM synthesis_provenance WHERE source_id = 1")
    connection.close()
    assert quality.facts_kept(list(quality.insights(workspace.memory)))["linked"] < 1.0


def test_labels_hold_hashes_and_words_only() -> None:
    """At least 100 clusters are labelled, once each, and no text of theirs is told."""
    rows = json.loads((quality.HERE / "labels.json").read_text(encoding="utf-8"))
    assert len({row["key"] for row in rows}) == len(rows) >= 100
    for row in rows:
        assert row.keys() == {"key", "text", "label", "reason", "sample"}
        assert re.fullmatch(r"[0-9a-f]{16}", row["key"])
        assert re.fullmatch(r"[0-9a-f]{16}", row["text"])
        assert re.fullmatch(r"[a-z]+", row["reason"])
        assert row["label"] in quality.LABELS
        assert row["sample"] in quality.SAMPLES
    fresh = Counter(row["label"] for row in rows if row["sample"] in {"fresh", "blind"})
    assert fresh.total() >= 40
    assert fresh["useless"] / fresh.total() < 0.2


def test_a_changed_insight_loses_its_label() -> None:
    """A label counts only for the very text that was read, and only where the cluster speaks."""
    none = quality.labelled([])
    assert none["compared"] == 0
    assert sum(none["refused by now"].values()) == none["labels"]
