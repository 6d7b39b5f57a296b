"""The step `embed`: give a vector to every concept and trace that has none."""

from typing import TYPE_CHECKING

from haios_dag.base.progress import progress
from haios_dag.base.step import BeatContext
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space
from haios_dag.memory import open_memory

if TYPE_CHECKING:
    from haios_dag.memory.protocol import Store
    from haios_dag.memory.records import Waiting

_BATCH = 2048


def idle(workspace: Workspace) -> str | None:
    """Return why there is nothing to embed, or None."""
    if not workspace.has_memory():
        return f"there is no memory at {workspace.memory}"
    with open_memory(workspace, write=False) as store:
        if store.vectors.space() == space.DEFAULT.model and not store.vectors.has_unembedded():
            return "every concept and trace has a vector"
    return None


def run(beat: BeatContext) -> None:
    """Embed what waits, in batches that are each kept; count `vectors` made and `reused`."""
    counts = beat.counts
    counts.start("vectors", "reused")
    with open_memory(beat.workspace, write=True) as store:
        with store.transaction():
            store.items.adopt()
            if store.vectors.space() != space.DEFAULT.model:
                store.vectors.use_space(space.DEFAULT.model)
        with progress("embed", store.counts()["unembedded"]) as advance:
            while batch := store.vectors.unembedded(_BATCH):
                made = _embed_batch(store, batch)
                counts.add(vectors=made, reused=len(batch) - made)
                advance(len(batch))


def _embed_batch(store: "Store", batch: "list[Waiting]") -> int:
    """Store a vector for each item; return for how many texts the model was called."""
    model = space.DEFAULT.model
    blobs: dict[bytes, bytes] = {}
    texts: dict[bytes, str] = {}
    for item in batch:
        if (known := store.vectors.of_text(item.text_hash, model)) is not None:
            blobs[item.text_hash] = known
        else:
            texts[item.text_hash] = item.text
    blobs |= zip(texts, space.embed_as_bytes(list(texts.values())), strict=True)
    with store.transaction():
        store.vectors.put(model, [(item.kind, item.id, blobs[item.text_hash]) for item in batch])
    return len(texts)
