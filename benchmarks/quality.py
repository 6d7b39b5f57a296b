"""What insights are worth: `python benchmarks/quality.py [--workspace DIR] [--json FILE]`.

Deterministic. Near copies are planted pairs; the others need a memory: without `--workspace` a
small generated one, with it a copy of a real workspace, whose labels are then compared too.

`labels.json` holds what a reader thought of insights of one real workspace, and none of its text.
An entry has the hash of the cluster's texts, the hash of the insight that was read, its label, one
word why, and the sample it was drawn in: `first` was read before the extraction was improved,
`second` was used to improve it, `fresh` was read afterwards, `blind` likewise and without seeing
the confidence, `other` in the same way by a reader who had written no rule.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

import workspaces  # noqa: E402 - the generated documents are the tests' own

from haios_dag.embedding import space, thresholds  # noqa: E402
from haios_dag.memory.store import SqliteStore  # noqa: E402
from haios_dag.synthesis import insight_text, near_copies  # noqa: E402

LABELS = ("useful", "weak", "useless")
SAMPLES = ("first", "second", "fresh", "blind", "other")
UNTUNED = SAMPLES[2:]


@dataclass(frozen=True)
class Insight:
    """An insight with the texts of its cluster, those of its sources, and its confidence."""

    content: str
    members: Sequence[str]
    sources: Sequence[str]
    confidence: float | None


# --- near copies ---------------------------------------------------------------------------------


def pairs() -> list[tuple[str, str, str, str]]:
    """Return the planted pairs: `repeat` or `apart`, what is planted, one text, the other."""
    rows = json.loads((HERE / "near_copies.json").read_text(encoding="utf-8"))
    return [(kind, planted, one, other) for kind, planted, one, other in rows]


def near_copy_scores() -> dict[str, Any]:
    """Return pairwise precision, recall and F1 of repeats: with facts, and by nearness alone."""
    planted = pairs()
    vectors = space.embed([text for *_, one, other in planted for text in (one, other)])
    near = [
        float(vectors[2 * i] @ vectors[2 * i + 1]) >= thresholds.DUPLICATE
        for i in range(len(planted))
    ]
    truth = [kind == "repeat" for kind, *_ in planted]
    told = [
        close and near_copies.repeats(one, other)
        for close, (*_, one, other) in zip(near, planted, strict=True)
    ]
    return {
        "pairs": len(planted),
        "with facts": _scores(truth, told),
        "nearness alone": _scores(truth, near),
        "wrong": [row[1] for row, a, b in zip(planted, truth, told, strict=True) if a != b],
    }


def _scores(truth: Sequence[bool], told: Sequence[bool]) -> dict[str, float]:
    both = sum(a and b for a, b in zip(truth, told, strict=True))
    precision, recall = both / max(1, sum(told)), both / max(1, sum(truth))
    f1 = 2 * both / max(1, sum(told) + sum(truth))
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}


# --- a memory ------------------------------------------------------------------------------------


def insights(memory: Path) -> Iterator[Insight]:
    """Yield the insights of clusters in a memory, in the order of their ids."""
    with SqliteStore.open(memory, write=False) as store:
        rows = store.database.connection.execute(
            "SELECT kind, leader, synthesized_concept_id, content, synthesis_confidence"
            " FROM dag_clusters JOIN synthesis_clusters ON synthesis_clusters.id = cluster_id"
            " JOIN concepts ON concepts.id = synthesized_concept_id ORDER BY concepts.id"
        ).fetchall()
        for kind, leader, insight, content, confidence in rows:
            sources = store.database.connection.execute(
                "SELECT source_id FROM synthesis_provenance WHERE synthesized_concept_id = ?"
                " AND source_type = ?",
                (insight, kind),
            ).fetchall()
            members = [member.id for member in store.insights.live_members(kind, leader)]
            yield Insight(
                content,
                [store.items.text(kind, member) for member in members],
                [store.items.text(kind, source) for (source,) in sources],
                confidence,
            )


def _facts_in(text: str) -> set[str]:
    found = near_copies.facts(text)
    return {*found.numbers, *found.ids, *found.names}


def facts_kept(found: Sequence[Insight]) -> dict[str, float]:
    """Return which share of numbers, dates, ids and names insights keep in their words.

    `quoted` is the share of the facts of those sources that are quoted; `all sources` that of the
    facts of the whole cluster; `linked` counts a fact as kept where it stands in a source that
    provenance names. Each insight counts once, however many facts it has.
    """
    quoted: list[float] = []
    everything: list[float] = []
    linked: list[float] = []
    for insight in found:
        kept = _facts_in(insight.content) | set(near_copies.facts(insight.content).words)
        spoken = [
            text
            for text in insight.members
            if any(quote in insight.content for quote in insight_text.quotable(text))
        ]
        reachable = {fact for text in insight.sources for fact in _facts_in(text)}
        for shares, texts, have in (
            (quoted, spoken, kept),
            (everything, insight.members, kept),
            (linked, insight.members, reachable),
        ):
            said = {fact for text in texts for fact in _facts_in(text)}
            if said:
                shares.append(len(said & have) / len(said))
    return {"quoted": _mean(quoted), "all sources": _mean(everything), "linked": _mean(linked)}


def _mean(numbers: Sequence[float]) -> float:
    return round(sum(numbers) / len(numbers), 3) if numbers else 1.0


# --- labels --------------------------------------------------------------------------------------


def key(texts: Sequence[str]) -> str:
    """Return what names a cluster: the hash of its texts."""
    return _hash("\n".join(sorted(texts)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def labelled(found: Sequence[Insight]) -> dict[str, Any]:
    """Return what labels say of these insights; those whose text is another by now are left out."""
    rows = json.loads((HERE / "labels.json").read_text(encoding="utf-8"))
    by_key = {key(insight.members): insight for insight in found}
    same = [
        (row, by_key[row["key"]])
        for row in rows
        if row["key"] in by_key and _hash(by_key[row["key"]].content) == row["text"]
    ]
    samples = {
        name: Counter(row["label"] for row in rows if row["sample"] == name) for name in SAMPLES
    }
    silent = Counter(row["label"] for row in rows if row["key"] not in by_key)
    return {
        "labels": len(rows),
        "compared": len(same),
        "as read": {name: _shares(counts) for name, counts in samples.items()},
        "refused by now": {label: silent[label] for label in LABELS},
        "by confidence": {
            "all": _terciles(same, lambda _: True),
            "even keys": _terciles(same, lambda row: int(row["key"], 16) % 2 == 0),
            "odd keys": _terciles(same, lambda row: int(row["key"], 16) % 2 == 1),
            "not tuned on": _terciles(same, lambda row: row["sample"] in UNTUNED),
        },
    }


def _shares(counts: Counter[str]) -> dict[str, float]:
    return {label: round(counts[label] / counts.total(), 2) for label in LABELS}


def _terciles(
    same: Sequence[tuple[dict[str, str], Insight]], chosen: Callable[[dict[str, str]], bool]
) -> list[dict[str, Any]]:
    """Return the shares of labels a third of the confidence, the lowest first."""
    ranked = sorted(
        (insight.confidence or 0.0, row["key"], row["label"])
        for row, insight in same
        if chosen(row)
    )
    thirds = [ranked[len(ranked) * i // 3 : len(ranked) * (i + 1) // 3] for i in range(3)]
    return [
        {
            "insights": len(third),
            "confidence": [round(third[0][0], 2), round(third[-1][0], 2)],
            **_shares(Counter(label for *_, label in third)),
        }
        for third in thirds
        if third
    ]


# --- workspaces ----------------------------------------------------------------------------------


def remember(workspace: Path | None, folder: Path) -> Path:
    """Return the memory of a copy of a workspace, or of a generated one, after one beat."""
    root = folder / "workspace"
    if workspace is None:
        workspaces.make(root, 9)
        workspaces.grow(root, 1, 60)
    else:
        shutil.copytree(workspace, root)
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        subprocess.run(
            [sys.executable, "-m", "haios_dag", "init", str(root)],
            env=workspaces.environment(None),
            check=True,
            capture_output=True,
        )
    subprocess.run(
        workspaces.command(root),
        env=workspaces.environment(None),
        check=True,
        capture_output=True,
    )
    return next(path for path in root.glob("*memory.db") if re.fullmatch(r"\w+\.db", path.name))


def main() -> None:
    """Measure, print, and write as JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--workspace", type=Path, help="a HAIOS workspace; only a copy is touched")
    parser.add_argument("--json", type=Path, help="write the results here too")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"near copies": near_copy_scores()}
    with tempfile.TemporaryDirectory() as folder:
        found = list(insights(remember(arguments.workspace, Path(folder))))
    results["facts kept"] = facts_kept(found) | {"insights": len(found)}
    if arguments.workspace:
        results["labels"] = labelled(found)
    else:
        results["labels"] = "skipped: the labels are of a real workspace; name it: --workspace"
    text = json.dumps(results, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
