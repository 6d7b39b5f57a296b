"""What stands above the memory knows its protocol and records, and no database."""

import ast
from pathlib import Path

import haios_dag

PACKAGE = Path(haios_dag.__file__).parent

# Beside these, two facts about this computer, for `doctor`: no part of a store.
OPEN = {"haios_dag.memory", "haios_dag.memory.protocol", "haios_dag.memory.records"}
FACTS = {("haios_dag.memory.vectors", "cache_folder"), ("haios_dag.memory", "word_index")}


def above() -> list[Path]:
    """Return every module outside the memory."""
    return [path for path in PACKAGE.rglob("*.py") if path.parent.name != "memory"]


def test_callers_import_the_protocol_alone() -> None:
    """No module above names a class of the SQLite back end, so another one fits without changes."""
    wrong = []
    for path in above():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "haios_dag.memory"
            ):
                names = {(node.module, alias.name) for alias in node.names} - FACTS
                allowed = node.module in OPEN and (
                    node.module != "haios_dag.memory" or names <= {(node.module, "open_memory")}
                )
                wrong += [f"{path.name}: {name}" for name in names if not allowed]
    assert not wrong


def test_callers_touch_no_connection() -> None:
    """What is inside a store stays inside."""
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in above()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"connection", "database"}
    ]
    assert not wrong


def test_the_memory_imports_the_ground_alone() -> None:
    """It knows no parser, no step and no model of texts."""
    wrong = [
        f"{path.name}: {node.module}"
        for path in (PACKAGE / "memory").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("haios_dag.")
        and (node.module or "").split(".")[1] not in {"base", "memory"}
    ]
    assert not wrong
