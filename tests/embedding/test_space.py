"""The default space: unit vectors, the same everywhere, made without a network."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import processes
import pytest
import wordllama
from hypothesis import given, settings
from hypothesis import strategies as st

from haios_dag.embedding import space, thresholds

TEXTS = [
    "A lock must be held by the kernel so that it dies with the process.",
    "Agents must write the status atomically.",
    "x",
    "日本語の文 and 🙂 with `code_like(names)`",
    "word " * 300,
]
# Text of any length, with what breaks tokenizers: controls, lone surrogates, nothing at all.
ANY_TEXT = st.text(st.characters(), max_size=60) | st.text("lock beat 20 200 not.\n", max_size=400)


def cosine(one: str, other: str) -> float:
    """Return how alike two texts are."""
    vectors = space.embed([one, other])
    return float(vectors[0] @ vectors[1])


def test_vectors_are_unit_float32() -> None:
    """Each text has one row of 768 float32 at length 1."""
    vectors = space.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), space.DEFAULT.dimensions) == (5, 768)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-6)


def test_parts_have_their_weights() -> None:
    """The dot product is 0.65 of the meaning's cosine and 0.35 of the words'."""
    vectors = space.embed(TEXTS[:2])
    lengths = [np.linalg.norm(vectors[:, part], axis=1) for part in (slice(256), slice(256, None))]
    assert lengths[0] ** 2 == pytest.approx([0.65, 0.65], abs=1e-6)
    assert lengths[1] ** 2 == pytest.approx([0.35, 0.35], abs=1e-6)


def test_no_texts() -> None:
    """No texts make no rows."""
    assert space.embed([]).shape == (0, 768)


@pytest.mark.parametrize(
    "text", ["", " ", "!!!", "\n\t", "\0\x01\x1b", "\u202e", "\ufeff", "\ud800", "a \udfff lock"]
)
def test_hostile_texts(text: str) -> None:
    """Text without words or with what is no text gives a unit vector, nothing gives zeros."""
    (vector,) = space.embed([text])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1.0 if text else 0.0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=80), seed=st.randoms())
def test_neighbours_do_not_matter(texts: list[str], seed: object) -> None:
    """A text's vector is the same alone, in any company and in any order."""
    together = space.embed(texts)
    order = sorted(range(len(texts)), key=lambda i: hashlib.sha256(f"{i}{seed}".encode()).digest())
    shuffled = space.embed([texts[i] for i in order])
    assert np.abs(shuffled - together[order]).max() <= 1e-6
    last = space.embed(texts[-1:])
    assert np.abs(last[0] - together[-1]).max() <= 1e-6


def test_long_company_does_not_matter() -> None:
    """A short text beside long ones, more than a batch of them, keeps its vector."""
    texts = [*TEXTS, *(f"{number} {'long ' * 900}" for number in range(70))]
    assert np.abs(space.embed(texts)[:5] - space.embed(TEXTS)).max() <= 1e-6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("wait 20 seconds for the lock", "wait 200 seconds for the lock"),
        ("agents must write the status", "agents must not write the status"),
        ("see WORK-071 for the reason", "see WORK-017 for the reason"),
    ],
)
def test_small_words_count(one: str, other: str) -> None:
    """A number, a negation and an id make another vector."""
    assert cosine(one, other) < 0.97
    assert cosine(one, one) == pytest.approx(1.0, abs=1e-6)


def test_meaning_counts() -> None:
    """Two ways to say a thing are nearer than two things."""
    said = "The ingester crashed because the SQLite database was locked."
    again = "A locked SQLite database made the ingester crash."
    assert cosine(said, again) > thresholds.CLUSTER
    assert cosine(said, "Bananas ripen faster beside apples in a paper bag.") < 0.3


def test_thresholds_are_ordered() -> None:
    """What repeats also belongs together; no threshold is beyond a cosine."""
    assert 0 < thresholds.BRIDGE < thresholds.DUPLICATE < 1
    assert 0 < thresholds.CLUSTER < thresholds.DUPLICATE


_CHILD = """
import socket, sys
def refuse(*_, **__):
    raise SystemExit("a network was asked for")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from haios_dag.embedding import space, thresholds
sys.stdout.buffer.write(space.embed(eval(sys.argv[1])).tobytes())
"""


def _without_network() -> list[str]:
    """Return the words before a command that take its network away, where that is possible."""
    if shutil.which("unshare"):
        for words in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
            if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
                return words
    return []


def test_same_vectors_in_another_process_without_a_network(tmp_path: Path) -> None:
    """A fresh process with no network, no home and another hash seed gives the same bytes."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(Path(space.__file__).parents[2]),
        "PYTHONHASHSEED": "7",
        "HOME": str(tmp_path),
    }
    if root := os.environ.get("SYSTEMROOT"):  # Windows starts no socket module without it
        environment["SYSTEMROOT"] = root
    done = subprocess.run(
        [*_without_network(), sys.executable, "-c", _CHILD, ascii(TEXTS)],
        capture_output=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == space.embed(TEXTS).tobytes()
    assert list(tmp_path.iterdir()) == [], "nothing may be cached outside the wheel"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's memory")
def test_long_text_costs_only_itself() -> None:
    """A megabyte beside a batch of short texts stays within memory."""
    program = """
import resource
from haios_dag.embedding import space, thresholds
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))
vectors = space.embed(["the lock " * 120_000] + ["a short text"] * 63)
assert vectors.shape == (64, 768)
"""
    assert processes.run(program) == ""


_LOAD = """
import socket, sys
sys.path.insert(0, sys.argv[1])
def refuse(*_, **__):
    raise SystemExit("a network was asked for")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from haios_dag.embedding import space, thresholds
from haios_dag.base.errors import ModelError
try:
    space.embed(["a"])
except ModelError as error:
    print(error)
"""


@pytest.mark.parametrize("damage", ["no tokenizer", "cut weights", "no package"])
def test_damaged_model_is_named_and_not_downloaded(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with the installed model, one sentence says how to mend it."""
    installed = Path(wordllama.__file__).parent
    package = tmp_path / "wordllama"
    shutil.copytree(
        installed, package, copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__")
    )
    if damage == "no tokenizer":
        for file in package.rglob("*tokenizer*.json"):
            file.unlink()
    elif damage == "cut weights":
        for file in package.rglob("*.safetensors"):
            file.unlink()
            file.write_bytes(b"\x10")
    else:
        (package / "__init__.py").unlink()
        (package / "__init__.py").write_text("raise ImportError('not there')")
    said = processes.run(_LOAD, tmp_path)
    assert "embedding model cannot be loaded" in said
    assert "pip install" in said
