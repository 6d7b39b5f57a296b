"""Fixtures that every test may use."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import doctors
import pytest
import workspaces
from hypothesis import HealthCheck, settings

from haios_dag.base.workspace import Workspace
from haios_dag.doctor import schedule_checks
from haios_dag.schedule import systemctl

# No test asserts on time: not hypothesis on its own either. In CI the examples are always the same.
settings.register_profile(
    "project",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("project")

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))  # what they measure is tested too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real workspace where there is none."""
    if workspaces.REAL.is_dir():
        return
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=f"no real workspace at {workspaces.REAL}"))


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own settings out of every test."""
    for name in ("DB_PATH", "HAIOS_PING_URL", "HAIOS_APPRISE_URLS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")  # servers of tests are asked themselves


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty folder as a workspace."""
    return Workspace(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a small workspace before its first beat."""
    return workspaces.make(tmp_path / "space")


@pytest.fixture(scope="session")
def beaten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after its first beat; copy it before changing it."""
    root = workspaces.make(tmp_path_factory.mktemp("beaten") / "space")
    done = workspaces.doit(root)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def copy(beaten: Path, tmp_path: Path) -> Path:
    """A copy of a workspace after its first beat."""
    return Path(shutil.copytree(beaten, tmp_path / "space"))


@pytest.fixture
def scheduled(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace after its first beat, whose next ones the crontab begins and nothing else."""
    table = tmp_path / "crontab"
    table.write_text(f"0 * * * * python -m doit -f {copy}/dodo.py heartbeat\n", encoding="utf-8")
    (tmp_path / "bin").mkdir()
    doctors.program(tmp_path / "bin" / "crontab", f'cat "{table}"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(schedule_checks, "_CRON", ())
    monkeypatch.setattr(systemctl, "RUNS", tmp_path / "nowhere")
    return copy


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A file that must never change."""
    path = tmp_path / "precious"
    path.write_bytes(b"precious")
    yield path
    assert path.read_bytes() == b"precious"


@pytest.fixture
def haios_workspace(tmp_path: Path) -> Path:
    """A writable copy of the real HAIOS workspace, for tests marked `real`."""
    target = tmp_path / "haios"
    shutil.copytree(workspaces.REAL, target)
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
