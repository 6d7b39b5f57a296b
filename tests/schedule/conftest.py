"""Fixtures for the tests of schedules."""

import os
from pathlib import Path

import jobs
import pytest


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A workspace with a hostile name, and the Python of a virtual environment in it."""
    if os.name != "posix":
        pytest.skip("Windows has no such names")
    return jobs.hostile_workspace(tmp_path_factory.mktemp("hostile"))
