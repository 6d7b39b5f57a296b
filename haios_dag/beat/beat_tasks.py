"""One beat as doit tasks: the lock, the outcomes of its steps, its event, its exit code.

doit runs what depends on a task that succeeded, and refuses what depends on one that failed. A
failing step must not keep the event from being written, so within a beat a step always succeeds for
doit and leaves its outcome here; the last task turns the outcomes into the exit code. Run by hand
(`doit synthesize`), a step that fails is an ordinary failure.
"""

import contextlib
import copy
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import IO, Any

from doit.exceptions import TaskError, TaskFailed

from haios_dag.base import clock, files
from haios_dag.base.console import printable, say
from haios_dag.base.errors import EventError, HaiosError, LockedError
from haios_dag.base.step import BeatContext, Counts, Step, StepOutcome
from haios_dag.base.workspace import OUTPUT_AT, Workspace
from haios_dag.beat import doit_settings
from haios_dag.pulse.notifications import NotificationResult, Notifications

Task = dict[str, Any]

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
            if hasattr(signal, name)]  # fmt: skip


_ALONE = "--dry-run works for one step alone; nothing was done"
_NOT_BEGUN = (
    "no beat was begun, so there is nothing to tell: doit ran this task without those before it"
    " (-s, --single); run: doit heartbeat"
)


class Beat:
    """One beat in one workspace, as ingredients of doit tasks. Making one does no I/O."""

    def __init__(self, root: Path, memory: str | None = None) -> None:
        self.workspace = Workspace(root, memory)
        self.id: str | None = None  # None: no beat, a step run by hand
        self.steps: dict[str, StepOutcome] = {}
        self._probed: list[str] = []
        self._held: IO[bytes] | None = None
        self._signal: int | None = None
        self._recorded = False
        self._planning = False
        self._said: set[str] = set()  # errors that were printed
        self._news = Notifications(self.workspace)
        self.started = clock.now()
        self._clock = time.perf_counter()

    @property
    def doit_config(self) -> dict[str, Any]:
        """What DOIT_CONFIG is to hold: settings of yours may be added, not these changed."""
        return doit_settings.PINNED | {"outfile": sys.stdout}

    # --- tasks ---------------------------------------------------------------------------------

    def begin(self) -> Task:
        """Return the task that takes the lock; its teardown records a beat that was cut short."""
        return {"actions": [self._begin], "teardown": [self._end]}

    def step(
        self, name: str, step: Step, doc: str, after: str | None = None, *, dry_run: bool = False
    ) -> Task:
        """Return the task of a step; with an `idle` probe, doit skips it when there is no work.

        With `dry_run`, nothing runs before it, and it only says what its `plan` says.
        """
        self.steps[name] = {"outcome": "not reached"}
        if dry_run:
            self._planning = True
            return {"actions": [self._plan(step)], "doc": doc}
        task: Task = {"actions": [self._action(name, step)], "doc": doc}
        if after:
            task["task_dep"] = [after]
        if hasattr(step, "idle"):
            self._probed.append(name)
            task["uptodate"] = [self._probe(name, step.idle)]
        return task

    def event(self, doc: str, after: str) -> Task:
        """Return the task that appends the event of this beat."""
        return {"actions": [self._append], "task_dep": ["_begin", after], "doc": doc}

    def verdict(self, doc: str, after: str) -> Task:
        """Return the task whose failure tells doit, and so the scheduler, that a step failed."""
        return {"actions": [self._verdict], "task_dep": [after], "doc": doc}

    # --- steps ---------------------------------------------------------------------------------

    def _probe(self, name: str, idle: Callable[[Workspace], str | None]) -> Callable[[], bool]:
        """Return an up-to-date check. It never raises: where it cannot tell, the step will."""

        def uptodate() -> bool:
            try:
                reason = idle(self.workspace)
            except (Exception, SystemExit):  # the step runs, meets the same error and reports it
                if self._signal:
                    raise
                return False
            if reason:
                self.steps[name] = {"outcome": "skipped", "reason": str(reason)}
            return bool(reason)

        return uptodate

    def _action(self, name: str, step: Step) -> Callable[[], TaskFailed | None]:
        """Return an action that leaves the step's outcome, and fails only by hand."""

        def action() -> TaskFailed | None:
            if wrong := self._unsuitable():
                return TaskFailed(wrong)
            if self._held:
                self._run(name, step)
                return None
            try:
                with files.lock(self.workspace.beat_lock, wait=False):
                    self._run(name, step)
            except LockedError:
                return TaskFailed(self._busy())
            except OSError as error:
                return TaskFailed(f"{self._unlockable(error)}; nothing was done")
            error_text = self.steps[name].get("error")
            return TaskFailed(error_text, report=False) if error_text else None

        return action

    def _plan(self, step: Step) -> Callable[[], TaskFailed | None]:
        """Return an action that only tells what the step would do."""
        plan: Callable[[Workspace], None] | None = getattr(step, "plan", None)

        def action() -> TaskFailed | None:
            if plan is None:
                return TaskFailed("this step has no plan to show; leave out --dry-run")
            try:
                plan(self.workspace)
            except HaiosError as error:
                return TaskFailed(printable(str(error)))
            return None

        return action

    def _run(self, name: str, step: Step) -> None:
        counts = Counts()
        begun = time.perf_counter()
        outcome: StepOutcome = {"outcome": "interrupted"}  # stands when the step is cut short
        try:
            step.run(
                BeatContext(
                    self.workspace,
                    id=self.id,
                    started=self.started,
                    steps=MappingProxyType(copy.deepcopy(self.steps)),
                    counts=counts,
                )
            )
            outcome = {"outcome": "ran"}
        except HaiosError as error:
            outcome = {"outcome": "failed", "error": str(error) or type(error).__name__}
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            what = error.strerror or str(error) or type(error).__name__
            outcome = {"outcome": "failed", "error": f"{where}{what}"}
        except SystemExit:
            if self._signal:  # of `_stop`: the beat ends
                raise
            outcome = {"outcome": "failed", "error": "the step called sys.exit"}
        except Exception as error:  # noqa: BLE001 - a bug in a step must not hide the beat
            say(map(printable, traceback.format_exc().splitlines()), sys.stderr)
            outcome = {"outcome": "failed", "error": f"{type(error).__name__}: {error}"}
        finally:
            seconds = round(time.perf_counter() - begun, 3)
            self.steps[name] = outcome | {"seconds": seconds} | counts.event()
        self._report(name, self.steps[name])

    def _report(self, name: str, outcome: StepOutcome) -> None:
        """Print what a step did: its numbers, its warnings, its error, each error once."""
        numbers = [f"{value:,} {key.replace('_', ' ')}" for key, value in outcome.items()
                   if isinstance(value, int)]  # fmt: skip
        if numbers:
            print(f"   {', '.join(numbers)} ({outcome['seconds']:.1f} s)")
        for warning in outcome.get("warnings", []):
            print(f"   warning: {printable(warning)}", file=sys.stderr)
        if error := outcome.get("error"):
            said = "for the same reason" if error in self._said else printable(error)
            self._said.add(error)
            print(f"   {name} failed: {said}", file=sys.stderr)

    def _unsuitable(self) -> str | None:
        """Return why this run of doit is not a beat's, or None."""
        if not doit_settings.is_serial():
            return doit_settings.SIDE_BY_SIDE
        return _ALONE if self._planning else None

    # --- begin, event, end, verdict --------------------------------------------------------------

    def _begin(self) -> TaskFailed | TaskError | None:
        if wrong := self._unsuitable():
            return TaskFailed(wrong)
        from haios_dag.base import beat_lock
        from haios_dag.beat import heartbeat_event

        try:
            held = files.lock(self.workspace.beat_lock, wait=False)
        except LockedError:
            return TaskFailed(self._busy())
        except OSError as error:
            return TaskError(f"{self._unlockable(error)}; no beat was begun")
        self._held = held
        for number in _SIGNALS:
            signal.signal(number, self._stop)
        self.started, self._clock = clock.now(), time.perf_counter()
        try:
            files.set_aside(self.workspace.output, OUTPUT_AT)
            for path in (self.workspace.status, self.workspace.status_slim):
                files.remove_leftovers(path)  # also of a step by hand, which leaves no marker
            heartbeat_event.append_unended(self.workspace, held.read())
            self.id = f"{clock.stamp(self.started)}{secrets.randbits(12):03x}"
            beat_lock.write(held, self.id, self.started)
        except (EventError, OSError) as error:
            self._recorded = True  # there is nothing to record: no beat was begun
            said = (
                f"{error.filename or self.workspace.beat_lock}: {error.strerror}"
                if isinstance(error, OSError)
                else error
            )
            return TaskError(printable(f"{said}; no beat was begun"))
        self._news.ping("start", f"beat {self.id} has begun")
        return None

    def _stop(self, number: int, _: FrameType | None) -> None:
        """Leave through doit's `finally`, which runs the teardown; be deaf to further signals."""
        self._signal = number
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    def _unlockable(self, error: OSError) -> str:
        """Say why the lock cannot be used."""
        lock = self.workspace.beat_lock
        return printable(f"{lock} cannot be opened: {error.strerror}; correct that")

    def _busy(self) -> str:
        """Say who holds the lock."""
        from haios_dag.base import beat_lock

        try:
            holder = beat_lock.read(self.workspace)
            who = f"pid {holder['pid']} on {holder['host']} since {holder['started']}"
        except (OSError, KeyError):
            who = "a step run by hand, or a beat that is just starting or ending"
        return f"another beat is running ({printable(who)}); this one did nothing"

    def _append(self) -> TaskError | TaskFailed | None:
        """Append this beat's event; an error makes doit exit with 2."""
        if self.id is None:
            return TaskFailed(_NOT_BEGUN)
        try:
            self._record(self._outcome())
        except EventError as error:
            return TaskError(printable(str(error)))
        return None

    def _end(self) -> None:
        """Record a beat that was cut short, and let go of the lock.

        doit registers a teardown before the action runs, so it also comes for a beat that was
        refused the lock: then there is nothing to end.
        """
        if self._held is None:
            return
        try:
            if self._signal and not self._recorded:
                self._record("interrupted")
            elif not self._recorded:
                self._record("failed", reason="the graph broke before the event; see the output")
        except EventError as error:
            print(printable(str(error)), file=sys.stderr)  # the next beat will record this one
        finally:
            self._held.close()
            self._held = None

    def _record(self, outcome: str, **fields: Any) -> None:  # noqa: ANN401 - keys of the event
        """Tell how the beat ended, append the event once, then clear the marker."""
        from haios_dag.base import beat_lock
        from haios_dag.beat import heartbeat_event

        seconds = round(time.perf_counter() - self._clock, 3)
        if told := self._tell(outcome):
            fields["notifications"] = told
        self._recorded = True
        cut_short = outcome == "interrupted"
        try:
            heartbeat_event.append(
                self.workspace,
                beat=self.id,
                started=clock.iso(self.started),
                outcome=outcome,
                seconds=seconds,
                steps=self.steps,
                rows=heartbeat_event.written_by(self.workspace, str(self.id))
                if cut_short
                else None,
                **fields,
            )
        except EventError:
            self._news.ping("failure", f"the event of beat {self.id} could not be written")
            self._news.results()
            raise
        assert self._held is not None  # noqa: S101 - only a beat that holds the lock records
        beat_lock.clear(self._held)

    def _tell(self, outcome: str) -> list[NotificationResult]:
        """Tell others how the beat ended, and return who was told what, from its start on.

        No text that came out of a document goes there, only the names of steps.
        """
        from haios_dag.pulse import liveness

        self._news.results()  # a start that came behind the end would stand for a beat that hangs
        failed = f"; failed: {', '.join(names)}" if (names := self._failed()) else ""
        text = printable(f"beat {self.id}: {outcome}{failed}")
        self._news.ping("success" if liveness.is_good(outcome) else "failure", text)
        if self._news.has_messages:
            with contextlib.suppress(EventError):  # which the append meets as well
                if about := liveness.news(self.workspace, outcome):
                    self._news.message(about, text)
        told = self._news.results()
        for one in told:
            if not one["ok"]:
                what = f"{one['to']} was not told ({one['about']}): {one['error']}"
                print(f"   warning: {what}", file=sys.stderr)
        return told

    def _failed(self) -> list[str]:
        return [name for name, step in self.steps.items() if step["outcome"] == "failed"]

    def _outcome(self) -> str:
        """Return what the steps add up to.

        failed: every step failed · degraded: some did · idle: no step found work · ok.
        """
        outcomes = {name: step["outcome"] for name, step in self.steps.items()}
        if failed := self._failed():
            return "failed" if len(failed) == len(outcomes) else "degraded"
        idle = all(outcomes[name] == "skipped" for name in self._probed)
        return "idle" if idle else "ok"

    def _verdict(self) -> TaskFailed | None:
        if self.id is None:
            return TaskFailed(_NOT_BEGUN)
        failed = self._failed()
        seconds = time.perf_counter() - self._clock
        if failed:
            return TaskFailed(f"beat {self.id}: {', '.join(failed)} failed; see the event log")
        print(f"   beat {self.id}: {self._outcome()} in {seconds:.1f} s")
        return None
