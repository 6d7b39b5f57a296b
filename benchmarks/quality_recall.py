"""Does search find the evidence, also after synthesis: `python benchmarks/quality_recall.py`.

Without `--workspace`: `evidence.json` has questions, each with the statements that answer it; they
are planted in a document each, among generated documents. With it: each heading of a copy of that
workspace, those above it included, is a query, and the statements that stand under it are its
evidence; 500 headings are asked, those with the lowest hashes.

An answer finds a statement when it is that statement, or an insight with it among its sources,
since an insight links to them. Recall at 10: of the statements that ten answers could hold, how
many are found, as the mean over all queries. It is measured before and after a synthesis of the
same memory, and must not fall; the exit code says so. What words alone find after it is told too,
since a fusion that finds less would be in the way. The same documents give the same numbers.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

import workspaces  # noqa: E402 - the generated documents are the tests' own

from haios_dag.base.step import BeatContext  # noqa: E402
from haios_dag.base.workspace import Workspace  # noqa: E402
from haios_dag.embedding import embed_step  # noqa: E402
from haios_dag.ingest import ingest_step  # noqa: E402
from haios_dag.memory.store import SqliteStore  # noqa: E402
from haios_dag.recall import ranking  # noqa: E402
from haios_dag.synthesis import bridge_step, synthesize_step  # noqa: E402

AT = 10
QUERIES = 500
DOCUMENTS = 60  # generated ones around the planted statements

Evidence = dict[str, set[int]]  # ids of statements by query


def planted() -> dict[str, list[str]]:
    """Return questions with the statements that answer them."""
    return dict(json.loads((HERE / "evidence.json").read_text(encoding="utf-8")))


def plant(root: Path) -> tuple[Workspace, Evidence]:
    """Make a workspace of planted and generated documents, read and embedded."""
    workspaces.make(root)
    workspaces.grow(root, 1, DOCUMENTS)
    asked = planted()
    for number, statement in enumerate(one for some in asked.values() for one in some):
        path = root / "docs" / f"note-{number}.md"
        path.write_text(f"# Note\n\n{statement}\n", encoding="utf-8")
    workspace = read(root)
    with SqliteStore.open(workspace.memory, write=False) as store:
        every = store.bridges.bridgeable("concept", range(store.counts()["concepts"] + 1))
        ids = {store.items.text("concept", one): one for one in every}
    return workspace, {q: {ids[one] for one in some} for q, some in asked.items()}


def copy(root: Path, source: Path) -> tuple[Workspace, Evidence]:
    """Copy a workspace, read and embed it; its headings are the queries."""
    shutil.copytree(source, root)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    workspace = read(root)
    found: Evidence = {}
    with SqliteStore.open(workspace.memory, write=False) as store:
        every = range(store.counts()["concepts"] + 1)
        for concept in store.bridges.bridgeable("concept", every):
            for place in store.items.places("concept", concept):
                if place.heading:
                    found.setdefault(place.heading.replace(" > ", " "), set()).add(concept)
    asked = sorted(found, key=lambda query: hashlib.sha256(query.encode()).digest())[:QUERIES]
    return workspace, {query: found[query] for query in asked}


def read(root: Path) -> Workspace:
    """Read and embed the documents of a workspace; nothing is synthesized yet."""
    workspace = Workspace(root)
    for step in (ingest_step, embed_step):
        step.run(BeatContext(workspace))
    return workspace


def fused(workspace: Workspace, query: str) -> set[int]:
    """Return the statements that the first ten answers are or link to."""
    answers, _ = ranking.recall(workspace, query, AT)
    return linked(workspace, [answer.ranked.id for answer in answers])


def words_alone(workspace: Workspace, query: str) -> set[int]:
    """Return the statements that the best ten by their words are or link to."""
    with SqliteStore.open(workspace.memory, write=False) as store:
        return linked(workspace, store.search.by_words(ranking.terms(query), AT))


def linked(workspace: Workspace, answers: Iterable[int]) -> set[int]:
    """Return these concepts and the concepts that they were made of."""
    with SqliteStore.open(workspace.memory, write=False) as store:
        found = [store.search.found(one) for one in answers]
    sources = {one.id for each in found for one in each.sources if one.kind == "concept"}
    return sources | {each.id for each in found}


def recall_at_10(wanted: Evidence, search: Callable[[str], set[int]]) -> dict[str, float]:
    """Return the share of the evidence that is found, for each query."""
    return {
        query: min(1, len(search(query) & statements) / min(AT, len(statements)))
        for query, statements in wanted.items()
    }


def measure(workspace: Workspace, wanted: Evidence) -> dict[str, float]:
    """Return the number of queries, and recall at 10 before and after a synthesis."""
    before = recall_at_10(wanted, lambda query: fused(workspace, query))
    for step in (synthesize_step, bridge_step):
        step.run(BeatContext(workspace))
    after = recall_at_10(wanted, lambda query: fused(workspace, query))
    alone = recall_at_10(wanted, lambda query: words_alone(workspace, query))
    return {
        "queries": len(wanted),
        "statements": len(set().union(*wanted.values())),
        "before": _mean(before),
        "after": _mean(after),
        "words_alone_after": _mean(alone),
        "queries_better": sum(after[query] > before[query] for query in wanted),
        "queries_worse": sum(after[query] < before[query] for query in wanted),
    }


def _mean(found: dict[str, float]) -> float:
    return round(sum(found.values()) / len(found), 4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write JSON when asked; return 1 when synthesis made search worse."""
    parser = argparse.ArgumentParser(description="Evidence recall before and after synthesis.")
    parser.add_argument("--workspace", type=Path, help="a workspace; only a copy is touched")
    parser.add_argument("--json", type=Path, help="write the results here too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        found = measure(*(copy(root, given.workspace) if given.workspace else plant(root)))
    for name, value in found.items():
        print(f"{name.replace('_', ' '):18} {value:g}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 1 if found["after"] < found["before"] else 0


if __name__ == "__main__":
    sys.exit(main())
