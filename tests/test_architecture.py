"""The structure that the package promises, read from its own source."""

import ast
from pathlib import Path

from pages import DOCS, blocks, page, spans, table
from workspaces import ROOT

import haios_dag

PACKAGE = Path(haios_dag.__file__).parent

# From the ground up; a module imports from its own row or from those above it in this list.
ROWS = [
    {"base"},
    {"events", "memory", "init", "graph_upgrade"},
    {"ingest", "embedding", "schedule"},
    {"synthesis", "recall", "resonance", "pulse", "validate"},
    {"status", "doctor"},
    {"beat"},
    {"commands"},
    {"__main__"},
]
SQL = {"memory"}


def modules() -> list[Path]:
    """Return every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def row(module: str) -> int:
    """Return the level of a top-level name of the package."""
    return next(level for level, names in enumerate(ROWS) if module in names)


def imported(path: Path) -> set[str]:
    """Return the names directly below `haios_dag` that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "haios_dag":
            found |= {alias.name for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("haios_dag."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("haios_dag.")}
    return found


def test_imports_point_one_way() -> None:
    """No module imports from a row that stands above its own."""
    wrong = []
    for path in modules():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own in {"__init__", "dodo"}:
            continue
        wrong += [f"{own} imports {other}" for other in imported(path) if row(other) > row(own)]
    assert not wrong


def test_renderers_know_only_the_job() -> None:
    """What renders an entry imports the job and its slots, paths, errors, and no other renderer."""
    found = {}
    for name in ("windows", "cron", "systemd", "launchd"):
        tree = ast.parse((PACKAGE / "schedule" / f"{name}.py").read_text(encoding="utf-8"))
        found[name] = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("haios_dag")
        }
    allowed = {"base.errors", "schedule.job", "schedule.due_times"}
    assert set().union(*found.values()) == {f"haios_dag.{name}" for name in allowed}


def test_modules_are_short() -> None:
    """No module has more than 400 lines."""
    long = {
        path.name: lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_sql_stands_in_one_place() -> None:
    """Only the memory package talks to sqlite3."""
    assert {
        path.relative_to(PACKAGE).parts[0]
        for path in modules()
        if "sqlite3" in path.read_text(encoding="utf-8").replace("sqlite3's", "")
        and any(
            isinstance(node, ast.Import) and any(a.name == "sqlite3" for a in node.names)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    } == SQL


def test_the_wall_clock_is_read_in_one_place() -> None:
    """Only the clock module asks for the time of day."""
    for path in modules():
        if path.name == "clock.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
                assert getattr(node.value, "id", "") == "clock", path


def test_one_name_is_one_thing() -> None:
    """No two public classes, type aliases or modules have the same name."""
    places: dict[str, list[str]] = {}
    for path in modules():
        name = path.relative_to(PACKAGE).as_posix()
        parent = path.parent.name if path.parent != PACKAGE else "haios_dag"
        places.setdefault(parent if path.stem == "__init__" else path.stem, []).append(name)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                alias = node.targets[0].id
                if alias[0].isupper() and not alias.isupper():
                    places.setdefault(alias, []).append(name)
    public = {name: found for name, found in places.items() if not name.startswith("_")}
    assert {name: found for name, found in public.items() if len(found) > 1} == {}


# --- docs/architecture.md -------------------------------------------------------------------------


def test_the_page_shows_the_levels() -> None:
    """The levels of the page are the rows above, and each part is in the package."""
    levels: dict[int, set[str]] = {}
    for level, part, _ in table(page("architecture"), "level", "part", "what it holds"):
        levels.setdefault(int(level), set()).add(part.strip("`"))
    assert list(levels) == list(range(1, len(ROWS) + 1))
    assert list(levels.values()) == ROWS
    for part in set().union(*ROWS):
        assert (PACKAGE / part / "__init__.py").is_file() or (PACKAGE / f"{part}.py").is_file()


def test_the_page_names_every_part() -> None:
    """No folder or module of the package is missing from the rows."""
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()}
    assert parts - {"__init__", "dodo"} == set().union(*ROWS)


def test_the_page_answers_where_things_are() -> None:
    """Each of the ten answers is one file that exists, and no file answers twice."""
    answers = [row[1].strip("`") for row in table(page("architecture"), "looking for", "file")]
    assert len(set(answers)) == len(answers) == 10
    assert [name for name in answers if not (ROOT / name).is_file()] == []


def test_the_pages_show_the_graph() -> None:
    """The README and the page show the picture that `dodo.py` begins with."""
    doc = ast.get_docstring(ast.parse((ROOT / "dodo.py").read_text(encoding="utf-8")), clean=False)
    assert doc is not None
    picture = f"{doc.split(chr(10) * 2)[1]}\n"
    for path in (DOCS / "architecture.md", ROOT / "README.md"):
        assert picture in blocks(path.read_text(encoding="utf-8"), "text"), path.name


def test_the_page_names_files_that_exist() -> None:
    """Each path in the prose of the page exists, in the repository or in the package."""
    named = [name for name in spans(page("architecture")) if "/" in name or name.endswith(".py")]
    assert len(named) > 10
    places = (ROOT, PACKAGE)
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
