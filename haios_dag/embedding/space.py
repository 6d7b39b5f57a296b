"""The embedding space: 768 floats, made offline from weights that a wheel carries.

A text's vector is two unit vectors side by side: the mean of its WordLlama token vectors (256
floats, weight 0.65), and its signed hashed words (512 floats, weight 0.35). The weights are the
squares of the factors, so the dot product of two texts is 0.65 x cosine + 0.35 x cosine: meaning,
and the very words, which in a workspace full of names often tell more.
"""

import collections
import functools
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from haios_dag.base.errors import ModelError

if TYPE_CHECKING:
    from haios_dag.base.arrays import Matrix

_WORD = re.compile(r"\w+")
_DENSE, _HASHED = 256, 512
_DENSE_WEIGHT, _HASHED_WEIGHT = 0.65, 0.35
# Texts, and characters with the padding, a batch. A token takes a kilobyte of memory, and a
# character can be four tokens.
_BATCH, _BATCH_CHARACTERS = 64, 64_000


class Space(NamedTuple):
    """An embedding model with its number of dimensions: only vectors of one space are compared."""

    model: str
    dimensions: int


_REINSTALL = "reinstall it: pip install --force-reinstall wordllama==0.4.0.post1"
# The release of the weights is a part of the model's name: another one makes other vectors.
DEFAULT = Space("wordllama-0.4.0.post1-256+words-512", _DENSE + _HASHED)


def embed(texts: Sequence[str]) -> "Matrix":
    """Return one unit vector a text, as rows; an empty text gives zeros.

    Raise ModelError when the model is not installed or damaged, or answers with junk.
    """
    import numpy as np  # 70 ms

    model = _model()
    vectors = np.empty((len(texts), DEFAULT.dimensions), np.float32)
    for rows in _batches(texts):
        # The tokenizer takes no lone surrogates, which a command line may hold.
        batch = [texts[i].encode("utf-8", "replace").decode("utf-8") for i in rows]
        dense = np.asarray(model.embed(batch), np.float32)
        expected = len(batch), _DENSE  # numpy would spread one row, or one column, over all
        if dense.shape != expected or not np.isfinite(dense).all():
            raise ModelError(
                f"the embedding model answered {len(batch)} texts with numbers of shape"
                f" {dense.shape}, not all finite or not of shape {expected}; {_REINSTALL}"
            )
        vectors[rows, :_DENSE] = math.sqrt(_DENSE_WEIGHT) * _unit(dense)
        vectors[rows, _DENSE:] = math.sqrt(_HASHED_WEIGHT) * _unit(_hashed_words(batch))
    return _unit(vectors)


def embed_as_bytes(texts: Sequence[str]) -> list[bytes]:
    """Return the vectors of texts as a memory keeps them: little-endian float32."""
    return [vector.tobytes() for vector in embed(texts).astype("<f4")] if texts else []


def embed_once(texts: Iterable[str]) -> "Callable[[Sequence[str]], Matrix]":
    """Embed each of these texts once; return a function that gives some of them as rows."""
    known = sorted(set(texts))
    rows = {text: row for row, text in enumerate(known)}
    vectors = embed(known)
    return lambda some: vectors[[rows[text] for text in some]]


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield the rows of texts of like length; few of long ones: each is padded to the longest."""
    batch: list[int] = []
    for row in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        too_long = len(texts[row]) * len(batch) >= _BATCH_CHARACTERS
        if batch and (too_long or len(batch) == _BATCH):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _unit(rows: "Matrix") -> "Matrix":
    """Return the rows at length 1; a row of zeros, or with no finite length, becomes zeros."""
    import numpy as np  # 70 ms

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    unit: Matrix = np.where(usable, rows / np.where(usable, lengths, 1), 0)
    return unit.astype(np.float32)


def _hashed_words(texts: Sequence[str]) -> "Matrix":
    """Return signed square-rooted word counts in 512 buckets, one row a text.

    The hashing trick of Weinberger et al. (2009): the sign makes collisions cancel on average.
    """
    import numpy as np  # 70 ms

    rows = np.zeros((len(texts), _HASHED), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word, count in collections.Counter(_WORD.findall(text.lower())).items():
            bucket, sign = _bucket(word)
            row[bucket] += sign * math.sqrt(count)
    return rows


@functools.lru_cache(maxsize=100_000)
def _bucket(word: str) -> tuple[int, float]:
    """Return a word's bucket and sign, the same on every machine."""
    code = zlib.crc32(word.encode("utf-8", "surrogatepass"))
    return code % _HASHED, 1.0 if code & 0x8000_0000 else -1.0


@functools.cache
def _model() -> Any:  # noqa: ANN401 - the library has no types
    """Load WordLlama from the files in its own wheel; nothing is ever downloaded.

    The release ships its tokenizer where its default path does not look, and would then ask a hub
    for it; with its own folder named as the cache it finds the file, with downloads forbidden.
    """
    try:
        import wordllama  # 0.5 s

        folder = Path(wordllama.__file__).parent
        return wordllama.WordLlama.load(disable_download=True, cache_dir=folder)
    except Exception as error:  # a damaged installation may raise anything
        raise ModelError(
            f"the embedding model cannot be loaded ({type(error).__name__}: {error}); {_REINSTALL}"
        ) from error
