"""A workspace in which every name and text is an attack, and all commands run in it as bytes."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import workspaces
from pages import generate

Done = subprocess.CompletedProcess[bytes]

# Sets a title, clears the screen, returns the carriage, turns the line around, one-byte CSI, BEL.
TERMINAL = "\x1b]0;owned\x07\x1b[2J\rfake\u202eevil\x9b31m"
FOLDER = "a;touch PWNED $(touch PWNED) `touch PWNED` \"x\" 'y' %n\x1b[2J\n\u202eb"
NAMES = [
    b"line\nbreak.md",
    b"$(touch PWNED).md",
    b"`touch PWNED`.md",
    b";touch PWNED;.md",
    b'it\'s "quoted" | touch PWNED.md',
    b"-rf --flag.md",
    b"not utf-8 \xff\xfe.md",
    b"\x1b]0;owned\x07\x1b[2J\r.md",
    "\u202eturned.md".encode(),
    b"x" * 237 + b".md",
    b"%s {0} {name} '; DROP TABLE concepts; --.md",
]
# Commands that between them fail at settings, memory, log and lock.
FEW = [
    ["ingest"], ["synthesize", "--dry-run"], ["recall", "lock"], ["events"], ["validate"],
    ["doctor"], ["synthesis-explain", "1"], ["events-clear"], ["synthesis-undo"],
]  # fmt: skip
_SENTENCE = (
    "The {} must be written atomically because {} hooks read it at moment {}, said {}number {}."
)


def make(parent: Path) -> Path:
    """Make the workspace below `parent`; return its folder."""
    root = workspaces.make(parent / FOLDER)
    for number, name in enumerate(NAMES):
        with open(os.path.join(os.fsencode(root / "docs"), name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(document(number).encode())
    (root / "traces").mkdir()
    lines = [
        {"query": f"why {TERMINAL} is the slim status written atomically", "approach_taken": "read",
         "outcome": "success", "strategy_title": TERMINAL},
        {"query": "q", "approach_taken": "a", "outcome": TERMINAL, TERMINAL: TERMINAL},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "traces" / f"t{TERMINAL}.jsonl").write_text(f"{text}{TERMINAL}\n", encoding="utf-8")
    claude = root / ".claude"
    event = {"ts": "2026-01-01T00:00:00+00:00", "type": TERMINAL, TERMINAL: TERMINAL}
    beat = {"ts": event["ts"], "type": "heartbeat", "outcome": TERMINAL, "reason": TERMINAL,
            "steps": {TERMINAL: {"outcome": "failed", "error": TERMINAL}}}  # fmt: skip
    (claude / "haios-events.jsonl").write_text(
        f"{json.dumps(event)}\n{json.dumps(beat)}\n{TERMINAL}\n", encoding="utf-8"
    )
    (claude / "haios-status.json").write_text(TERMINAL, encoding="utf-8")
    (claude / "haios-status-slim.json").write_text(json.dumps({TERMINAL: TERMINAL}))
    (claude / "commands").mkdir()
    (claude / "commands" / f"c{TERMINAL}.md").write_text("x")
    (root / ".mcp.json").write_text(json.dumps({"mcpServers": {TERMINAL: {}}}))
    return root


def document(number: int) -> str:
    """Return a Markdown text with an attack in its title, headings, statements and code."""
    said = _SENTENCE.format("slim status", "agent", number, TERMINAL, number)
    again = _SENTENCE.format("slim status", "gate", number, "", number)
    return (
        f"---\ntitle: !!python/object/apply:os.system [touch PWNED]\nx: {number}\n---\n"
        f"# Title {TERMINAL} $(touch PWNED)\n\n## Heading {TERMINAL} {number}\n\n{said}\n\n"
        f"- {again}\n\n'; DROP TABLE concepts; -- is what they wrote here as number {number}.\n"
    )


def command_lines(hostile: str = TERMINAL) -> Iterator[list[str]]:
    """Yield every task of `doit list`, those that take words with hostile ones too."""
    words = {
        "recall": [["slim status written atomically"], [hostile], ["--json", "slim status"]],
        "events": [[], ["--json"]],
        "events-since": [["2020"], [hostile], ["--json", "2020"]],
        "resonance": [["--since", "2020"], ["--since", hostile], ["--since", "2020", "--json"]],
        "events-stats": [[], ["--json"]],
        "synthesis-explain": [["1"], [hostile], *([str(n)] for n in (40, 50))],
        "synthesize": [["--dry-run"]],
        "validate": [[], ["--json"], [hostile]],
        "doctor": [[], ["--json"], ["--fix"]],
        "pulse": [[], ["--json"], ["--notify"]],
        "watch": [],  # never ends by itself; it has tests of its own
        "events-add": [[], ["--type", hostile, "--data", "{}"], ["--type", "x", "--data", hostile]],
    }
    last = ("events-clear", "synthesis-undo")
    names = [name for name in generate.task_names() if name not in last]
    for name in [*names, *last]:
        for given in words.get(name, [[]]):
            yield [name, *given]


def run(
    root: Path, words: list[str], *, env: Mapping[str, str] | None = None, umask: int = -1
) -> Done:
    """Run a task to its end; its output stays as the bytes that a terminal would get."""
    return subprocess.run(
        workspaces.command(root, *words),
        capture_output=True,
        check=False,
        cwd=root.parent,
        env=workspaces.environment(env),
        stdin=subprocess.DEVNULL,
        umask=umask,
        timeout=120,
    )
