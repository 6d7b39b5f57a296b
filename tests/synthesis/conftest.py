"""Fixtures for the tests of synthesis."""

from pathlib import Path

import pytest
import themes

from haios_dag.base.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with an empty memory."""
    return themes.made(tmp_path)
