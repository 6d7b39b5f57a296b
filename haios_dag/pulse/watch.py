"""The command `watch`: run beats on schedule in the foreground, as in containers and WSL.

Each beat is a process of its own, started by the command line that schedulers use, so its crash
does not end the watch. The beat lock keeps order with beats that others start.
"""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from types import FrameType

from haios_dag import events
from haios_dag.base import clock, files
from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError, OutputError
from haios_dag.base.workspace import Workspace
from haios_dag.events import show_events
from haios_dag.pulse import liveness
from haios_dag.schedule import job

_MINUTE = 60.0  # seconds
_STEP = 1.0  # seconds between looks at the clock and at signals
_PATIENCE = 60.0  # seconds for a beat to end in order; it may be waiting for a network
_STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
             if hasattr(signal, name)]  # fmt: skip

if sys.platform == "win32":
    # Windows can only ask a process in a group of its own to end in order.
    _GROUP, _END = subprocess.CREATE_NEW_PROCESS_GROUP, signal.CTRL_BREAK_EVENT
else:
    _GROUP, _END = 0, signal.SIGTERM


def run(workspace: Workspace) -> None:
    """Run each beat when it is due, at once if one was missed, until a signal comes.

    Raise HaiosError before the first beat if the workspace cannot be used.
    """
    heart = liveness.judge(workspace)
    since = heart.last.when if heart.last else None
    watch = _Watch(workspace)
    with watch.stopped_by_signals():
        watch.say("watching; stop it with Ctrl-C or SIGTERM")
        while not watch.stopping:
            now = clock.now()
            since = min(since, now) if since else None  # the clock may have been set back
            wait = watch.seconds_to_beat(since, now)
            if wait <= 0:
                watch.beat()
                since = clock.now()
            else:
                time.sleep(min(wait, _STEP))
        watch.say("stopped")


class _Watch:
    def __init__(self, workspace: Workspace) -> None:
        self.stopping = False
        self._workspace = workspace
        self._job = job.of(workspace)
        self._process: subprocess.Popen[bytes] | None = None

    def seconds_to_beat(self, since: datetime | None, now: datetime) -> float:
        """Return how long until the beat is due that follows `since`; 0 if `since` is None."""
        return (next(self._job.slots.after(since)) - now).total_seconds() if since else 0

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let signals stop the watch and a running beat, unless they are ignored (`nohup`)."""
        heard = [one for one in _STOPPING if signal.getsignal(one) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._stop) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.stopping = True
        if self._process:
            self._process.send_signal(_END)

    def beat(self) -> None:
        """Run one beat, and print its result."""
        begun = clock.now()
        try:
            self._job = job.of(Workspace(self._workspace.root))  # by the settings as they are now
            code = self._run()
        except (HaiosError, OSError) as error:
            # The workspace may just be changing; the next beat tries again.
            self.say(f"a beat could not start: {error}")
            return
        self.say(self._became(begun, code))

    def _run(self) -> int | str:
        flag = self._workspace.memory_flag
        *start, task = self._job.argv
        words = [*start, *([f"memory={flag}"] if flag else []), task]
        with files.appending(self._workspace.output) as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command of the job, without a shell
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, creationflags=_GROUP
            )
        try:
            if self.stopping:  # a signal came while it started
                self._process.send_signal(_END)
            return self._ended(self._process)
        finally:
            self._process = None

    def _ended(self, process: "subprocess.Popen[bytes]") -> int | str:
        """Wait for a beat up to its time limit; return its exit code, or why it was ended."""
        left = self._job.time_limit * _MINUTE
        while left > 0 and not self.stopping:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(left, _STEP))
            left -= _STEP
        if not self.stopping:
            process.send_signal(_END)
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        return code if self.stopping else f"ended after {self._job.time_limit} minutes"

    def _became(self, begun: datetime, code: int | str) -> str:
        """Return the result of a beat: its event, or without one how its process ended."""
        with contextlib.suppress(HaiosError):
            entry = events.last_beat(self._workspace)
            if entry and entry.when and entry.when >= begun.replace(microsecond=0):
                return show_events.line(entry) + (f"; {code}" if isinstance(code, str) else "")
        if isinstance(code, int):
            code = f"exit code {code}" if code >= 0 else f"signal {-code}"
        return f"a beat left no event: {code}; see {self._workspace.output}"

    def say(self, text: str) -> None:
        """Print a line; if that fails, the watch goes on."""
        with contextlib.suppress(OutputError):  # reported when the program ends
            say([printable(text)])
