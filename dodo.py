"""The pulse of this workspace: one beat is `doit heartbeat`, and `doit list` shows the rest.

 documents *.md ─┐                  memory                      status files   event log
 traces *.jsonl ─┴▶ ingest ─▶ embed ─▶ synthesize ─▶ bridge ─────▶ status ─────▶ event ─▶ heartbeat
                   concepts  vectors  clusters,     concept ↔ trace              1 line   exit code
                   traces             insights      insights

This file only declares the graph; the package does the work. It is yours: a step of your own is a
module with `run(beat)` (and `idle(workspace)`, which says why there is nothing to do), and a place
in the chain.
"""

from collections.abc import Iterator
from pathlib import Path

from doit import get_var, task_params

from haios_dag import commands
from haios_dag.beat import DRY_RUN, Beat, Task
from haios_dag.embedding import embed_step
from haios_dag.ingest import ingest_step
from haios_dag.status import status_step
from haios_dag.synthesis import bridge_step, synthesize_step

beat = Beat(Path(__file__).resolve().parent, memory=get_var("memory"))

DOIT_CONFIG = beat.doit_config


def task__begin() -> Task:
    return beat.begin()


def task_ingest() -> Task:
    return beat.step("ingest", ingest_step, "read changed, new and deleted documents and traces")


def task_embed() -> Task:
    doc = "give a vector to every concept and trace without one"
    return beat.step("embed", embed_step, doc, after="ingest")


@task_params([DRY_RUN])  # type: ignore[untyped-decorator]
def task_synthesize(dry_run: bool) -> Task:
    doc = "cluster what is new and write insights: doit synthesize [--dry-run]"
    return beat.step("synthesize", synthesize_step, doc, after="embed", dry_run=dry_run)


def task_bridge() -> Task:
    doc = "link concepts with the traces they explain"
    return beat.step("bridge", bridge_step, doc, after="synthesize")


def task_status() -> Task:
    return beat.step("status", status_step, "write the full and the slim status", after="bridge")


def task_event() -> Task:
    return beat.event("append the beat's event", after="status")


def task_heartbeat() -> Task:
    return beat.verdict("run one beat: everything above, then the exit code", after="event")


def task_commands() -> Iterator[Task]:
    yield from commands.tasks(beat.workspace)
