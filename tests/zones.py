"""Local time for tests."""

import contextlib
import time
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def local_time(zone: str) -> Iterator[None]:
    """Live in a time zone for a while; skip the test where a process cannot."""
    if not hasattr(time, "tzset"):
        pytest.skip("Windows takes its time zone from its settings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        try:
            yield
        finally:
            patch.undo()
            time.tzset()
