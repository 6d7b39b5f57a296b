"""What a beat and its parts cost, beside what they stand on: `python benchmarks/run.py`.

Every case runs our side and the others in turns, in one session on the same data, and reports
medians and their ratio, because absolute times differ from machine to machine and from hour to
hour. docs/benchmarks.md says what each case is.
"""

import argparse
import dataclasses
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import beats
import log
import products
import resonances
import states
import validate
from measuring import Row

# What each case is run on: at full size, and at one that shows only that everything runs.
_Case = Callable[[Path, Path, bool], Iterator[Row]]
_K = 1_000
CASES: dict[str, _Case] = {
    "pairs": lambda folder, _, tiny: (
        products.pairs(folder, 600, 60, 1) if tiny else products.pairs(folder, 60 * _K, 1_500, 5)
    ),
    "clusters": lambda _, __, tiny: (
        products.clusters(600, 1) if tiny else products.clusters(60 * _K, 3)
    ),
    "new": lambda _, kept, tiny: (
        beats.new_concepts(kept, (20,), (2,), 1)
        if tiny
        else beats.new_concepts(kept, (10 * _K, 100 * _K, _K * _K), (1, 100), 5)
    ),
    "documents": lambda folder, _, tiny: (
        beats.documents(folder, (5,), 1)
        if tiny
        else beats.documents(folder, (_K, 10 * _K, 50 * _K), 7)
    ),
    "idle": lambda folder, _, tiny: beats.idle(folder, *((5, 1) if tiny else (100, 11))),
    "status": lambda folder, _, tiny: states.status_step(
        folder, *((9, 1) if tiny else (2_276, 15))
    ),
    "append": lambda folder, _, tiny: log.append(folder, 1 if tiny else 31),
    "log": lambda folder, _, tiny: log.read(folder, *((1, 1) if tiny else (_K, 9))),
    "validate": lambda folder, _, tiny: validate.check(
        folder, *((100, 1) if tiny else (100 * _K, 5))
    ),
    "resonance": lambda folder, _, tiny: resonances.year(folder, *((40, 1) if tiny else (365, 5))),
    "embedding": lambda _, __, tiny: products.embedding(*((40, 1) if tiny else (5 * _K, 5))),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cases, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(CASES),
        metavar="CASE,...",
        help=f"of {', '.join(CASES)}",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep the memories of the case `new` here and use those that are there: the largest"
        " takes minutes to make, and 5 GB",
    )
    parser.add_argument(
        "--tiny", action="store_true", help="sizes so small that they only show that it runs"
    )
    given = parser.parse_args(arguments)
    if unknown := set(given.only) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    rows: list[Row] = []
    print(f"{'case':40} {'ours':>10} {'other':>10} {'ratio':>8}  beside; target; note")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for case in given.only:
            for row in CASES[case](folder, given.keep or folder, given.tiny):
                rows.append(row)
                print(line(row), flush=True)
    if given.json:
        machine = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        }
        results = {"machine": machine, "rows": [dataclasses.asdict(row) for row in rows]}
        given.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def line(row: Row) -> str:
    """Return a row of the table."""
    other = "-" if row.other is None else f"{row.other:.3f} s"
    ratio = "-" if row.ratio is None else f"{row.ratio:.3g}"
    verdict = {True: f"{row.target}: met", False: f"{row.target}: MISSED", None: ""}[row.met]
    said = "; ".join(filter(None, [row.beside, verdict, row.note]))
    return f"{row.case:40} {row.ours:8.3f} s {other:>10} {ratio:>8}  {said}"


if __name__ == "__main__":
    main()
