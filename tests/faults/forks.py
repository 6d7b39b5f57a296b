"""Programs that start in milliseconds: a process with everything imported, which forks itself.

A fault suite runs a thousand beats, and of each the start of Python and its imports are the larger
part. Here they are paid once; each program is a process of its own all the same, with its own
files and locks, and it dies alone.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, NamedTuple, Self

from workspaces import environment

BEAT = """
from doit.doit_cmd import DoitMain
sys.exit(DoitMain().run(["-f", sys.argv[1] + "/dodo.py", *(sys.argv[2:] or ["heartbeat"])]))
"""


class Done(NamedTuple):
    """How a program ended: minus the signal or the exit code, and what it printed."""

    code: int
    out: str


class Forks:
    """The client of the process that forks."""

    def __init__(self, folder: Path) -> None:
        self._out = folder / "out"
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment({"OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}),
        )
        assert self._reply() == "ready"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe(self._server.stdin).close()
        self._server.wait()
        self._pipe(self._server.stdout).close()

    def run(self, source: str, *arguments: object) -> Done:
        """Run a program, in a process group of its own, to its end."""
        words = [str(one) for one in arguments]
        self._ask(json.dumps({"source": source, "arguments": words, "out": str(self._out)}))
        code = int(self._reply())
        out = self._out.read_text(errors="replace") if self._out.exists() else ""
        self._out.unlink(missing_ok=True)
        return Done(code, out)

    def beat(self, root: Path, *words: str) -> Done:
        """Run a beat, or another task."""
        return self.run(BEAT, root, *words)

    def _ask(self, line: str) -> None:
        pipe = self._pipe(self._server.stdin)
        pipe.write(line + "\n")
        pipe.flush()

    def _reply(self) -> str:
        return self._pipe(self._server.stdout).readline().rstrip("\n")

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe
