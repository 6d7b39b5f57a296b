"""Taking times in turns, and how much memory a process keeps for itself."""

import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the results; times in seconds.

    `other` is the time of what `beside` names, in the same session on the same data; None, with
    the reason as `beside`, where it could not be measured. `met` says whether `target` is reached.
    """

    case: str
    ours: float
    other: float | None
    ratio: float | None
    beside: str
    target: str = ""
    met: bool | None = None
    note: str = ""


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turns(runs: int, *works: Callable[[], float]) -> list[list[float]]:
    """Return the times that each work returns, all of them run in turns after one warm-up each.

    Turns make what else the machine does at the moment a part of both sides of a ratio.
    """
    for work in works:
        work()
    turns = [[work() for work in works] for _ in range(runs)]
    return [list(times) for times in zip(*turns, strict=True)]


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return a work that returns how long it took."""
    return lambda: seconds(work)


def compare(
    case: str,
    ours: list[float],
    other: list[float] | None,
    beside: str,
    *,
    most: float | None = None,
    note: str = "",
) -> Row:
    """Return both medians and the median of the ratios; the target is a ratio of `most`."""
    ratio = (
        None
        if other is None
        else statistics.median(a / b for a, b in zip(ours, other, strict=True))
    )
    return Row(
        case=case,
        ours=statistics.median(ours),
        other=None if other is None else statistics.median(other),
        ratio=ratio,
        beside=beside,
        target="" if most is None else f"ratio <= {most:g}",
        met=None if most is None or ratio is None else ratio <= most,
        note=note,
    )


def growth(
    case: str,
    large: tuple[float, float | None],
    small: tuple[float, float | None],
    beside: str,
    *,
    most: float,
) -> Row:
    """Return how a process compares with one that has less to read, of each seconds and megabytes.

    The target is that its memory is at most `most` times that of the other.
    """
    row = compare(case, [large[0]], [small[0]], beside)
    if large[1] is None or small[1] is None:
        return replace(row, note="memory not measured")
    return replace(
        row,
        note=f"{small[1]:.1f} MB and {large[1]:.1f} MB of their own",
        target=f"memory <= {most:g} times",
        met=large[1] <= most * small[1],
    )


def process(command: list[str], environment: dict[str, str]) -> tuple[float, float | None]:
    """Run a command; return its seconds, and the megabytes of `private_peak`."""
    begun = time.perf_counter()
    peak = private_peak(command, environment)
    return time.perf_counter() - begun, peak


def private_peak(command: list[str], environment: dict[str, str]) -> float | None:
    """Run a command and return the most megabytes that it ever held for itself alone.

    That is RssAnon of /proc: anonymous pages. Pages of files that are mapped are not in it: they
    are the system's cache, which it takes back when it likes. None where there is no /proc.
    """
    peak = 0
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            try:
                text = status.read_text(encoding="ascii")
            except OSError:  # no such system, or the process has just ended
                text = ""
            found = text.partition("RssAnon:")[2].split()
            peak = max(peak, int(found[0]) if found else 0)
            time.sleep(0.002)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak / 1024 or None
