"""The pulse of this workspace: one beat is `doit heartbeat`, and `doit list` shows the rest.

 documents *.md ─┐                  memory                      status files   event log
 traces *.jsonl ─┴▶ ingest ─▶ embed ─▶ synthesize ─▶ bridge ─────▶ status ─────▶ event ─▶ heartbeat
                   concepts  vectors  clusters,     concept ↔ trace              1 line   exit code
                   traces             insights      insights

This file only declares the graph; the package does the work. It is yours: a step of your own is a
module with `run` (and `idle`, which says why there is nothing to do), and a place in the chain.
"""

from collections.abc import Iterator
from pathlib import Path

from doit import get_var

from haios_dag import commands
from haios_dag.beat import Beat, Task
from haios_dag.embedding import embed_step
from haios_dag.ingest import ingest_step
from haios_dag.status import status_step
from haios_dag.synthesis import bridge_step, synthesize_step

beat = Beat(Path(__file__).resolve().parent, memory=get_var("memory"))

DOIT_CONFIG = {
    "default_tasks": ["heartbeat"],
    "backend": "sqlite3",
    "dep_file": ":memory:",  # up to date is what the workspace itself says, so doit keeps no state
    "verbosity": 2,
    "sort": "definition",  # `doit list` in the order of the picture
    "minversion": "0.37.0",
    "outfile": beat.output,
}


def task__begin() -> Task:
    return beat.begin()


def task_ingest() -> Task:
    return beat.step("ingest", ingest_step, "read changed, new and deleted documents and traces")


def task_embed() -> Task:
    return beat.step("embed", embed_step, "give a vector to what has none", after="ingest")


def task_synthesize() -> Task:
    doc = "cluster what is new, write insights: doit synthesize [--dry-run]"
    return beat.step("synthesize", synthesize_step, doc, after="embed")


def task_bridge() -> Task:
    return beat.step(
        "bridge", bridge_step, "link concepts with the traces they explain", after="synthesize"
    )


def task_status() -> Task:
    return beat.step("status", status_step, "write the full and the slim status", after="bridge")


def task_event() -> Task:
    return beat.event("append the beat's event", after="status")


def task_heartbeat() -> Task:
    return beat.verdict("one beat: everything above, then the exit code", after="event")


def task_recall() -> Task:
    return commands.recall(beat.workspace)


def task_events() -> Task:
    return commands.show_events(beat.workspace)


def task_events_since() -> Task:
    return commands.show_events_since(beat.workspace)


def task_events_stats() -> Task:
    return commands.show_events_stats(beat.workspace)


def task_events_add() -> Task:
    return commands.add_event(beat.workspace)


def task_events_clear() -> Task:
    return commands.clear_events(beat.workspace)


def task_resonance() -> Task:
    return commands.resonate(beat.workspace)


def task_pulse() -> Task:
    return commands.show_pulse(beat.workspace)


def task_vitals() -> Task:
    return commands.vitals(beat.workspace)


def task_watch() -> Task:
    return commands.watch(beat.workspace)


def task_validate() -> Task:
    return commands.validate(beat.workspace)


def task_schedule() -> Iterator[Task]:
    return commands.schedule(beat.workspace)


def task_schedule_watchdog() -> Task:
    return commands.schedule_watchdog(beat.workspace)


def task_schedule_install() -> Task:
    return commands.install_schedule(beat.workspace)


def task_schedule_remove() -> Task:
    return commands.remove_schedule(beat.workspace)


def task_schedule_status() -> Task:
    return commands.schedule_status(beat.workspace)


def task_synthesis_undo() -> Task:
    return commands.undo_synthesis(beat.workspace)


def task_synthesis_explain() -> Task:
    return commands.explain_synthesis(beat.workspace)


def task_doctor() -> Task:
    return commands.doctor(beat.workspace)
