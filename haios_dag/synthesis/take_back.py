"""`doit synthesis-undo`: take back the last beat's synthesis."""

from haios_dag.base import files
from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError, LockedError, UndoError
from haios_dag.base.workspace import Workspace
from haios_dag.memory import open_memory


def undo(workspace: Workspace) -> None:
    """Take back what synthesize and bridge wrote last, and say what; raise HaiosError."""
    if not workspace.has_memory():
        raise UndoError(f"there is no memory at {workspace.memory}, so nothing to take back")
    lock = workspace.beat_lock
    try:
        held = files.lock(lock, wait=False)
    except LockedError:
        raise UndoError("a beat is running; nothing was taken back, try again after it") from None
    except OSError as error:
        raise HaiosError(f"{lock} cannot be opened: {error.strerror}") from error
    with held, open_memory(workspace, write=True) as store:
        done = store.undo.take_back()
    of = f"beat {done.beat}" if done.beat else "the steps run by hand"
    say(
        [
            printable(
                f"   took back what {of} made: {done.insights:,} insights,"
                f" {done.revisions:,} revisions, {done.bridges:,} bridges;"
                f" {done.concepts:,} concepts and {done.traces:,} traces wait again"
            ),
            "   the next beat makes the same of them, as long as the documents stay the same",
        ]
    )
