"""Installing, removing and examining a job in the scheduler of this system."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from haios_dag import events
from haios_dag.base import clock
from haios_dag.base.errors import ScheduleError
from haios_dag.base.workspace import Workspace
from haios_dag.schedule import (
    crontab,
    drift,
    entry_files,
    launchctl,
    schtasks,
    systemctl,
    trial_run,
)
from haios_dag.schedule.job import Job, JobTask
from haios_dag.schedule.scheduler_client import Client, EntryFiles, Operation, State

CLIENTS: dict[str, Client] = {
    "windows": cast("Client", schtasks),
    "cron": cast("Client", crontab),
    "systemd": cast("Client", systemctl),
    "launchd": cast("Client", launchctl),
}


class Managed:
    """A job of a workspace, and the scheduler that has it or is to have it.

    `name` is that of the scheduler; by default the one of this system, on Linux systemd where it
    runs and answers this user, else cron. Raise HaiosError.
    """

    def __init__(self, workspace: Workspace, name: str | None, task: JobTask = "heartbeat") -> None:
        if name is not None and name not in CLIENTS:
            raise ScheduleError(f"there is no scheduler {name!r}; there are {', '.join(CLIENTS)}")
        self.workspace = workspace
        self.name = name or _of_this_system()
        self.job: Job = entry_files.job_of(workspace, task)
        self.client = CLIENTS[self.name]

    def install(self, *, really: bool) -> Iterator[str]:
        """Yield what is done, or would be; nothing is where it is installed as it should be.

        Before anything is changed the job runs once as the scheduler will run it. Raise
        HaiosError, with the scheduler as it was unless a step says otherwise.
        """
        entry = self._wanted()
        state = self._own()
        if state.entry and not state.off and not list(self._drift(state, entry)):
            yield f"{self.job.name} is installed with {self.name}, as it should be"
            return
        steps = self.client.install(self.job, entry)
        if not really:
            yield f"this would beat once as {self.name} does, to see that it works, and then:"
            yield from self._previewed(steps)
            yield from self._advised()
            return
        yield f"a trial, as {self.name} begins it:"
        trial = self.client.trial(self.job, entry)
        try:
            yield f"  {trial_run.check(self.workspace, self.job, trial)}"
        except ScheduleError as error:
            raise ScheduleError(
                f"not installed, because it would not work as {self.name} begins it: {error}"
            ) from None
        entry_files.write(self.workspace, self.name, self.job.task)
        yield from _done(steps)
        after = self._state()
        if wrong := [after.off] if after.off else list(self._drift(after, entry)):
            raise ScheduleError(
                f"{self.name} has taken it, and yet it is not as it should be: {'; '.join(wrong)}"
            )
        yield f"{self.job.name} is installed with {self.name}"
        yield from self._advised()

    def remove(self, *, really: bool) -> Iterator[str]:
        """Yield what is done, or would be, to leave nothing of the job. Raise HaiosError."""
        if not self._own().entry:
            yield f"{self.job.name} is not installed with {self.name}"
            return
        steps = self.client.remove(self.job)
        if really:
            yield from _done(steps)
            yield f"{self.job.name} is removed from {self.name}"
        else:
            yield "this would:"
            yield from self._previewed(steps)

    def drift(self) -> list[str]:
        """Return how what is installed differs from what it should be; [] where nothing is.

        Raise HaiosError where the scheduler cannot be asked.
        """
        state = self._state()
        return list(self._drift(state, self._wanted())) if state.entry else []

    def status(self) -> tuple[bool, list[str]]:
        """Return whether the job is installed, enabled and as it should be, and what to say of it.

        Raise HaiosError where the scheduler cannot be asked.
        """
        state = self._state()
        if not state.entry:
            command = f"doit schedule-install{self._option} {self.name}"
            return False, [f"{self.job.name} is not installed with {self.name}; run: {command}"]
        drift = list(self._drift(state, self._wanted()))
        good = not state.off and not drift
        lines = [
            f"{self.job.name} is installed with {self.name}, "
            + ("enabled, and as it should be" if good else f"and {state.off}" if state.off
               else "enabled, and not as it should be")
        ]  # fmt: skip
        said = {
            "next run": "" if state.off else state.next or self._next_slot(),
            "last run": state.last,
            "ended with": state.result,
            "last beat": self._last_beat() if self.job.task == "heartbeat" else "",
        }
        lines += [f"  {name:12}{value}" for name, value in said.items() if value]
        lines += [f"  {line}" for line in drift]
        if drift:
            lines.append(f"to correct it: doit schedule-install{self._option} {self.name}")
        return good, lines

    def _next_slot(self) -> str:
        """Return when it is due, for a scheduler that does not say it."""
        return f"{clock.iso(next(self.job.slots.after(clock.now())))}, by the settings"

    def _last_beat(self) -> str:
        """Return what the event log says of the last one, however it was begun."""
        for entry in events.recent(self.workspace, 1, "heartbeat"):
            when = clock.iso(entry.when) if entry.when else "at an unknown time"
            return f"{when}: {(entry.event or {}).get('outcome')}, by the event log"
        return "never, by the event log"

    @property
    def _option(self) -> str:
        return " --watchdog" if self.job.task == "watchdog" else ""

    def _state(self) -> State:
        try:
            return self.client.state(self.job)
        except OSError as error:
            raise ScheduleError(
                f"{error.filename} cannot be read ({error.strerror}); correct that"
            ) from None

    def _wanted(self) -> EntryFiles:
        return {path.name: data for path, data in
                entry_files.entries(self.workspace, self.name, self.job.task).items()}  # fmt: skip

    def _own(self) -> State:
        """Return what is installed; raise ScheduleError where it is another workspace's."""
        state = self._state()
        for data in state.entry.values():
            try:
                root = drift.root(self.client.read(data))
            except ScheduleError:
                continue
            if root and Path(root) != self.job.root and Path(root, "dodo.py").exists():
                raise ScheduleError(
                    f"{self.job.name} of {self.name} belongs to the workspace {root}; give the"
                    ' entries of this one another name: [schedule] name = "…" in haios.toml'
                )
        return state

    def _drift(self, state: State, wanted: EntryFiles) -> Iterator[str]:
        """Yield each difference between what is installed and what would be generated now."""
        yield from state.drift
        for file in sorted(wanted):
            there = state.entry.get(file)
            if there is None:
                yield f"{file} is missing"
            elif there != wanted[file]:
                yield from self._differences(file, there, wanted[file])

    def _differences(self, file: str, there: bytes, wanted: bytes) -> Iterator[str]:
        try:
            found = self.client.differences(self.client.read(there), self.client.read(wanted))
        except ScheduleError as error:
            yield f"{file}: {error}"
            return
        for one in found:
            yield (
                f"{file}: {one.name}\n    is         {_shown(one.installed)}"
                f"\n    should be  {_shown(one.wanted)}"
            )
        if not found and self.name != "windows":  # Windows prints it in a way of its own
            yield f"{file}: comments or blanks differ"

    def _previewed(self, steps: list[Operation]) -> Iterator[str]:
        yield from (f"  {step.says}" for step in steps)
        yield "nothing was changed; to do it, add --yes"

    def _advised(self) -> Iterator[str]:
        return (f"note: {line}" for line in self.client.advice(self.job))


def _done(steps: list[Operation]) -> Iterator[str]:
    """Do the steps, one after another; raise ScheduleError with the one that could not be done."""
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


def _shown(value: str | None) -> str:
    return "absent" if value is None else value
