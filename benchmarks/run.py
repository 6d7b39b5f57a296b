"""What a beat costs, beside what it stands on: `python benchmarks/run.py [--json FILE]`.

Each case runs our side and the other side in turns in one session and reports both medians and
their ratio, because absolute times differ from machine to machine and from hour to hour.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import workspaces  # the generated documents are the tests' own

from haios_dag.embedding import space
from haios_dag.synthesis.leaders import BLOCK, Leaders

EMPTY = """DOIT_CONFIG = {"backend": "sqlite3", "dep_file": ":memory:"}
def task_heartbeat():
    return {"actions": None}
"""


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def compare(
    case: str, ours: Callable[[], object], other: Callable[[], object], runs: int, unit: str
) -> dict[str, object]:
    """Run both in turns after one warm-up each; return medians in seconds and their ratio."""
    ours()
    other()
    pairs = [(seconds(ours), seconds(other)) for _ in range(runs)]
    return {
        "case": case,
        "ours": statistics.median(a for a, _ in pairs),
        "other": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
        "other_is": unit,
    }


def beat(root: Path) -> None:
    """Run one beat as a process."""
    subprocess.run(
        workspaces.command(root),
        env=workspaces.environment(None),
        check=True,
        capture_output=True,
    )


def idle_beat(folder: Path, documents: int) -> dict[str, object]:
    """Compare a beat with nothing to do with a doit run that has nothing in it."""
    root = workspaces.make(folder / f"idle-{documents}")
    workspaces.grow(root, 1, documents, checkpoints=False)
    beat(root)
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    (empty / "dodo.py").write_text(EMPTY, encoding="utf-8")
    case = f"idle beat, {documents:,} documents"
    return compare(case, lambda: beat(root), lambda: beat(empty), 9, "an empty doit run")


def embedding() -> dict[str, object]:
    """Compare the space with the bare model that it contains, on 5,000 statements."""
    texts = [
        f"The {a} of the {b} was kept by the {c} when number {i} of the locks was taken."
        for i, (a, b, c) in enumerate(
            zip(*(workspaces.WORDS[k:] + workspaces.WORDS[:k] for k in (0, 7, 13)), strict=True)
        )
        for _ in range(125)
    ]
    texts = [f"{text} {i}" for i, text in enumerate(texts)]
    model = space._model()  # noqa: SLF001 - the other side of the comparison
    row = compare(
        f"embed {len(texts):,} statements",
        lambda: space.embed(texts),
        lambda: model.embed(texts, norm=True),
        5,
        "the bare WordLlama model",
    )
    return row | {"per_second": len(texts) / float(str(row["ours"]))}


def clustering(count: int = 20_000) -> dict[str, object]:
    """Compare leader clustering with the bare matrix product of every pair of the triangle."""
    vectors = np.random.default_rng(1).standard_normal((count, 768), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def ours() -> None:
        leaders = Leaders(space.DEFAULT.cluster)
        for start in range(0, count, BLOCK):
            block = vectors[start : start + BLOCK]
            leaders.assign(list(range(start, start + len(block))), block)

    def product() -> None:
        for start in range(0, count, BLOCK):
            for other in range(0, start + 1, BLOCK):
                vectors[start : start + BLOCK] @ vectors[other : other + BLOCK].T

    return compare(f"cluster {count:,}, none alike", ours, product, 3, "the matrix products alone")


def main() -> None:
    """Run every case, print a table, and write it as JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results here too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            idle_beat(Path(folder), 100),
            idle_beat(Path(folder), 1_000),
            embedding(),
            clustering(),
        ]
    print(f"{'case':32} {'ours':>9} {'other':>9} {'ratio':>6}  other is")
    for row in rows:
        times = f"{row['ours']:8.3f}s {row['other']:8.3f}s {row['ratio']:6.2f}"
        rate = f" ({row['per_second']:,.0f} a second)" if "per_second" in row else ""
        print(f"{row['case']:32} {times}  {row['other_is']}{rate}")
    if arguments.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        text = json.dumps({"machine": machine, "cases": rows}, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
