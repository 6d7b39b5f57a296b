"""The step `status`: write the full and the slim status."""

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.base.step import BeatContext


def run(beat: BeatContext) -> None:
    """Write both files; raise StatusError, ConfigError or EventError."""
    from haios_dag.pulse import liveness
    from haios_dag.status import signals, status_writer

    try:
        memory = liveness.memory(beat.workspace)
    except MemoryUnavailableError as error:
        memory = None
        beat.counts.warn([str(error)])
    if (waiting := signals.waiting(memory)) is not None:
        beat.counts.add(waiting=waiting)
    facts = liveness.facts(beat.workspace, beat.id, beat.started, beat.steps)
    beat.counts.warn(status_writer.write(beat.workspace, memory=memory, pulse=facts))
