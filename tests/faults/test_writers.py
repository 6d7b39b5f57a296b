"""Many writers at once while the log is archived under them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from faulting import Fault, events
from logs import OPEN, TS
from processes import start

pytestmark = pytest.mark.slow


@pytest.mark.skipif(os.name == "nt", reason="fork, for the beat")
@pytest.mark.fault("8 processes with 500 appends each while the log is archived")
def test_writers(
    beaten: Path, tmp_path: Path, fault: Fault, beat: Callable[[Path], tuple[int, str]]
) -> None:
    """Every line is there once, whole, and in its writer's order over all archives."""
    import shutil

    root = Path(shutil.copytree(beaten, tmp_path / "space"))
    (root / "haios.toml").write_text("[events]\nrotate_at = 0.05\n", encoding="ascii")
    append = OPEN + (
        "for number in range(500):\n"
        "    events.append(workspace, {'ts': sys.argv[2], 'type': 'note',"
        " 'writer': sys.argv[3], 'number': number})"
    )
    clear = (
        OPEN + "import time\nfor _ in range(40):\n    time.sleep(0.02)\n    events.clear(workspace)"
    )
    writers = [start(append, root, TS, name) for name in "abcdefgh"]
    for process in [*writers, start(clear, root)]:
        _, complaints = process.communicate()
        assert process.returncode == 0, complaints
    fault.inject()
    written = [event for event in events(root) if event["type"] == "note"]
    for name in "abcdefgh":
        assert [e["number"] for e in written if e["writer"] == name] == list(range(500))
    fault.keep(range(4000), range(len(written)))
    assert len(list((root / ".claude").glob("haios-events.[0-9]*.jsonl"))) > 5
    fault.next_beat(root, beat)
