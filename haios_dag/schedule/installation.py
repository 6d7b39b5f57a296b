"""Installing, removing and comparing a job in a scheduler of this system."""

import sys
from collections.abc import Iterator
from pathlib import Path

from haios_dag import events
from haios_dag.base import clock
from haios_dag.base.errors import ScheduleError
from haios_dag.base.workspace import Workspace
from haios_dag.schedule import crontab, entry_files, job, launchctl, schtasks, systemctl, trial_run
from haios_dag.schedule.job import JobTask
from haios_dag.schedule.scheduler_client import Client, Operation, State

CLIENTS: dict[str, Client] = {
    "windows": schtasks,
    "cron": crontab,
    "systemd": systemctl,
    "launchd": launchctl,
}


class Managed:
    """A job of a workspace in one scheduler.

    `name` is that of the scheduler; by default this system's own, on Linux systemd if it runs and
    answers this user, else cron. Raise ConfigError or ScheduleError.
    """

    def __init__(self, workspace: Workspace, name: str | None, task: JobTask = "heartbeat") -> None:
        if name is not None and name not in CLIENTS:
            raise ScheduleError(f"there is no scheduler {name!r}; choose one of {_NAMES}")
        self.workspace = workspace
        self.name = name or _of_this_system()
        self.job = job.of(workspace, task)
        self.client = CLIENTS[self.name]
        watchdog = " --watchdog" if task == "watchdog" else ""
        self._command = f"doit schedule-install{watchdog} {self.name}"

    def install(self, *, really: bool) -> Iterator[str]:
        """Yield what is done, or would be; nothing if it is installed and up to date.

        Before a change, the job runs once as the scheduler will start it. Raise HaiosError, with
        the scheduler as it was unless the message names a step.
        """
        state = self._own()
        drift = self._drift(state)  # raises what the scheduler cannot express
        if state.entry and not state.off and not drift:
            yield f"{self.job.name} is installed in {self.name} and up to date"
            return
        steps = self.client.install(self.job)
        if not really:
            yield f"this would run the job once, as {self.name} starts it, and if that works:"
            yield from _previewed(steps)
            yield from self._advised()
            return
        yield f"trial run, as {self.name} starts it:"
        try:
            yield f"  {trial_run.check(self.workspace, self.job, self.client.trial(self.job))}"
        except ScheduleError as error:
            raise ScheduleError(
                f"not installed: the trial run, as {self.name} starts it, failed: {error}"
            ) from None
        entry_files.write(self.workspace, self.name, self.job.task)
        yield from _done(steps)
        after = self._state()
        if wrong := [after.off] if after.off else self._drift(after):
            raise ScheduleError(
                f"{self.name} accepted the entry, and yet: {'; '.join(wrong)}; look at it with"
                " doit schedule-status"
            )
        yield f"{self.job.name} is installed in {self.name}"
        yield from self._advised()

    def remove(self, *, really: bool) -> Iterator[str]:
        """Yield what is done, or would be, to leave nothing of the job. Raise HaiosError."""
        if not self._own().entry:
            yield f"{self.job.name} is not installed in {self.name}"
            return
        steps = self.client.remove(self.job)
        if really:
            yield from _done(steps)
            yield f"{self.job.name} is removed from {self.name}"
        else:
            yield "this would:"
            yield from _previewed(steps)

    def drift(self) -> list[str]:
        """Return how the installed entry differs from a fresh one; [] if none is installed."""
        state = self._state()
        return self._drift(state) if state.entry else []

    def status(self) -> tuple[bool, list[str]]:
        """Return whether the job is installed, enabled and up to date, and a report in lines."""
        state = self._state()
        if not state.entry:
            missing = f"{self.job.name} is not installed in {self.name}; run: {self._command}"
            return False, [missing]
        drift = self._drift(state)
        how = f"but off: {state.off}" if state.off else "but has drifted" if drift else "up to date"
        due = f"{clock.iso(next(self.job.slots.after(clock.now())))} (from the settings)"
        report = {
            "next run": "" if state.off else state.next or due,
            "last run": state.last,
            "ended with": state.result,
            "last beat": self._last_beat() if self.job.task == "heartbeat" else "",
        }
        lines = [f"{self.job.name} is installed in {self.name}, {how}"]
        lines += [f"  {name:12}{value}" for name, value in report.items() if value]
        lines += [f"  {line}" for line in drift]
        if drift:
            lines.append(f"to correct it, run: {self._command}")
        return not (state.off or drift), lines

    def _last_beat(self) -> str:
        entry = events.last_beat(self.workspace)
        if not entry or not entry.event:
            return "never (from the event log)"
        when = clock.iso(entry.when) if entry.when else "at an unknown time"
        return f"{when}: {entry.event.get('outcome')} (from the event log)"

    def _state(self) -> State:
        try:
            return self.client.state(self.job)
        except OSError as error:
            raise ScheduleError(
                f"{error.filename} cannot be read ({error.strerror}); correct that"
            ) from None

    def _own(self) -> State:
        """Return what is installed; raise ScheduleError if it belongs to another workspace."""
        state = self._state()
        root = state.root
        if root and Path(root) != self.job.root and Path(root, "dodo.py").exists():
            raise ScheduleError(
                f"{self.job.name} in {self.name} belongs to the workspace {root}; choose another"
                ' name for this one: [schedule] name = "…" in haios.toml'
            )
        return state

    def _drift(self, state: State) -> list[str]:
        found = list(state.drift)
        for file, wanted in sorted(entry_files.render(self.name, self.job).items()):
            installed = state.entry.get(file)
            if installed is None:
                found.append(f"{file} is missing")
            elif installed != wanted and (lines := self.client.differences(installed, wanted)):
                found.append("\n    ".join([f"{file} (- installed, + wanted):", *lines]))
        return found

    def _advised(self) -> Iterator[str]:
        return (f"note: {line}" for line in self.client.advice(self.job))


_NAMES = ", ".join(CLIENTS)


def _previewed(steps: list[Operation]) -> Iterator[str]:
    yield from (f"  {step.says}" for step in steps)
    yield "nothing was changed; add --yes to do it"


def _done(steps: list[Operation]) -> Iterator[str]:
    """Do the steps in order; raise ScheduleError with the one that failed."""
    for step in steps:
        try:
            step.do()
        except (OSError, ScheduleError) as error:
            said = step.says.partition("\n")[0]
            raise ScheduleError(f"{said}: {getattr(error, 'strerror', None) or error}") from None
        yield step.says


def _of_this_system() -> str:
    if sys.platform == "win32":
        return "windows"
    if sys.platform == "darwin":
        return "launchd"
    return "systemd" if systemctl.answers() else "cron"
