"""A progress bar for long work, shown on a terminal only."""

import contextlib
import sys
from collections.abc import Callable, Iterator


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
