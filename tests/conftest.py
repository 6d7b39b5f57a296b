"""Fixtures that every test may use."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test asserts on time: not hypothesis on its own either. In CI the examples are always the same.
settings.register_profile(
    "project",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("project")

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))  # what they measure is tested too

# The only place that knows of material beside the project; what needs it skips without it.
REAL_WORKSPACE = Path(__file__).parents[2] / "shared" / "workspaces" / "haios"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real workspace where there is none."""
    if REAL_WORKSPACE.is_dir():
        return
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=f"no real workspace at {REAL_WORKSPACE}"))


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own settings out of every test."""
    monkeypatch.delenv("DB_PATH", raising=False)


@pytest.fixture
def haios_workspace(tmp_path: Path) -> Path:
    """A writable copy of the real HAIOS workspace, for tests marked `real`."""
    target = tmp_path / "haios"
    shutil.copytree(REAL_WORKSPACE, target)
    for folder, _, files in os.walk(target):
        Path(folder).chmod(0o755)
        for name in files:
            (Path(folder) / name).chmod(0o644)
    return target


@pytest.fixture
def as_plain_user() -> list[str]:
    """A prefix to a command that makes permissions count, even for root."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root ignores permissions, and setpriv is not there to change that")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
