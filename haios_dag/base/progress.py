"""A progress bar for long work, shown on a terminal only."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_One = TypeVar("_One")


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yield a function to call with the number of things done; a bar appears after a second.

    Nothing is shown, and nothing imported, unless standard error is a terminal.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm  # 45 ms, only on a terminal

    with tqdm(total=total, desc=what, delay=1, leave=False) as bar:
        yield bar.update


def batches(what: str, every: Sequence[_One], size: int) -> Iterator[Sequence[_One]]:
    """Yield up to `size` things at a time, with the progress bar of `progress`."""
    with progress(what, len(every)) as advance:
        for start in range(0, len(every), size):
            batch = every[start : start + size]
            yield batch
            advance(len(batch))
