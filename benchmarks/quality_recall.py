"""Does search find the evidence, also after synthesis: `python benchmarks/quality_recall.py`.

The documents are this repository's own. Each heading with statements under it is a query, all
headings above it included; the statements that stand under it are its evidence. An answer finds a
statement when it is that statement, or an insight with it among its sources, since an insight
links to them. Recall at 10: of the statements that ten answers could hold, how many are found, as
the mean over all queries. It is measured before and after a synthesis of the same memory, and must
not fall; the exit code says so. The same documents always give the same numbers.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from haios_dag import ingest, recall
from haios_dag.counts import Counts
from haios_dag.embedding import embed
from haios_dag.memory.store import Store
from haios_dag.synthesis import bridge, synthesize
from haios_dag.workspace import Workspace

ROOT = Path(__file__).parents[1]
AT = 10


def make(root: Path) -> Workspace:
    """Make a workspace of this repository's documents, read and embedded but not synthesized."""
    shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("*.py", "__*"))
    shutil.copytree(ROOT / "traces", root / "traces")
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, root / name)
    workspace = Workspace(root)
    for step in (ingest, embed):
        step.run(workspace, None, Counts())
    return workspace


def evidence(workspace: Workspace) -> dict[str, set[int]]:
    """Return the statements under each heading; headings as a query in words."""
    found: dict[str, set[int]] = {}
    with Store.open(workspace.memory, write=False) as store:
        every = range(store.counts()["concepts"] + 1)
        for concept in store.bridgeable("concept", every):
            for place in store.places("concept", concept):
                if place.heading:
                    found.setdefault(place.heading.replace(" > ", " "), set()).add(concept)
    return found


def found_by(workspace: Workspace, query: str) -> set[int]:
    """Return the statements that the first ten answers are or link to."""
    answers, _ = recall.recall(workspace, query, AT)
    return {
        id_
        for answer in answers
        for id_ in (
            answer.ranked.id,
            *(source.id for source in answer.found.sources if source.kind == "concept"),
        )
    }


def recall_at_10(
    wanted: dict[str, set[int]], search: Callable[[str], set[int]]
) -> dict[str, float]:
    """Return the share of the evidence that is found, for each query."""
    return {
        query: min(1, len(search(query) & statements) / min(AT, len(statements)))
        for query, statements in wanted.items()
    }


def measure(root: Path) -> dict[str, float]:
    """Return the number of queries, and recall at 10 before and after synthesis."""
    workspace = make(root)
    wanted = evidence(workspace)
    before = recall_at_10(wanted, lambda query: found_by(workspace, query))
    for step in (synthesize, bridge):
        step.run(workspace, None, Counts())
    after = recall_at_10(wanted, lambda query: found_by(workspace, query))
    return {
        "queries": len(wanted),
        "statements": len(set().union(*wanted.values())),
        "before": round(sum(before.values()) / len(before), 4),
        "after": round(sum(after.values()) / len(after), 4),
        "queries_better": sum(after[query] > before[query] for query in wanted),
        "queries_worse": sum(after[query] < before[query] for query in wanted),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write JSON when asked; return 1 when synthesis made search worse."""
    parser = argparse.ArgumentParser(description="Evidence recall before and after synthesis.")
    parser.add_argument("--json", type=Path, help="write the results here too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    for name, value in found.items():
        print(f"{name.replace('_', ' '):15} {value:g}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 1 if found["after"] < found["before"] else 0


if __name__ == "__main__":
    sys.exit(main())
