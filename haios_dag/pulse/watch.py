"""`doit watch`: the schedule kept in the foreground, where no scheduler is: containers, WSL.

Each beat is a process of its own, begun by the command line that schedulers are given, so that
whatever becomes of it the watch goes on. It is one more beginner of beats and no more than that:
the lock of the beat keeps order between them.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
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
_STEP = 1.0  # seconds, after which it looks again at the clock and whether it is to stop
_PATIENCE = 60.0  # seconds that a beat has to end in order; it may be waiting for a network
_STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
             if hasattr(signal, name)]  # fmt: skip

if sys.platform == "win32":
    # There, only a process in a group of its own can be told to end in order.
    _GROUP, _END = subprocess.CREATE_NEW_PROCESS_GROUP, signal.CTRL_BREAK_EVENT
else:
    _GROUP, _END = 0, signal.SIGTERM


def run(workspace: Workspace) -> None:
    """Beat whenever a beat is due, at once when one was missed, until a signal comes.

    Print a line for each beat. Raise ConfigError or EventError, before the first beat, when the
    workspace cannot be used.
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
    """The beats of a workspace, one after another."""

    def __init__(self, workspace: Workspace) -> None:
        self.stopping = False
        self._workspace = workspace
        self._job = self._described()
        self._process: subprocess.Popen[bytes] | None = None

    def _described(self) -> job.Job:
        """Return the job by the settings as they are now; raise ConfigError or ScheduleError."""
        one = self._workspace
        schedule = Workspace(one.root).config.schedule
        return job.make(Path(sys.executable), one.root, schedule, socket.gethostname())

    def seconds_to_beat(self, since: datetime | None, now: datetime) -> float:
        """Return how long it is to the beat that is due after an instant; 0 when there is none."""
        if since is None:
            return 0
        return (next(self._job.slots.after(since)) - now).total_seconds()

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let signals stop the watch and end the beat that is at work, while the body runs.

        Those that are ignored, as by `nohup`, remain so.
        """
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
        """Let one beat begin and end, and say what became of it."""
        begun = clock.now()
        try:
            self._job = self._described()
            code = self._run()
        except (HaiosError, OSError) as error:
            # The workspace may be on its way to another state; the next beat will see.
            self.say(f"no beat could be begun: {error}")
            return
        self.say(self._became(begun, code))

    def _run(self) -> int | str:
        """Run one beat; return its exit code, or why it was ended."""
        flag = self._workspace.memory_flag
        *start, task = self._job.argv
        words = [*start, *([f"memory={flag}"] if flag else []), task]
        with files.appending(self._workspace.output) as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command of the job, without a shell
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, creationflags=_GROUP
            )
        try:
            if self.stopping:  # a signal came while it was begun
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
        """Return what became of a beat: its event, or what there is to say without one."""
        with contextlib.suppress(HaiosError):
            for entry in reversed(events.recent(self._workspace, 1, "heartbeat")):
                if entry.when and entry.when >= begun.replace(microsecond=0):
                    return show_events.line(entry) + (f"; {code}" if isinstance(code, str) else "")
        if isinstance(code, int):
            said = f"exit code {code}" if code >= 0 else f"signal {-code}"
        else:
            said = code
        return f"a beat left no event: {said}; see {self._workspace.output}"

    def say(self, text: str) -> None:
        """Print a line; where it cannot be written, the work goes on."""
        with contextlib.suppress(OutputError):  # which is said when the program ends
            say([printable(text)])
