"""`haios-dag init --upgrade`: an older dodo.py becomes this version's, with the user's changes."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import workspaces
from test_init import run, tree

from haios_dag import graph_upgrade, init
from haios_dag.base import schema
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import place_checks

if TYPE_CHECKING:
    import subprocess

OLD = next((Path(init.__file__).parent / "older_graphs").glob("*.txt")).read_text(encoding="utf-8")
OURS = schema.resource("dodo.py").read_text(encoding="utf-8")
OWN = """

def task_backup() -> Task:
    return {"actions": [["true"]], "doc": "copy the memory somewhere"}
"""
DIGEST = """def task_digest() -> Task:
    return beat.step("digest", digest, "keep the newest insights in a file", after="bridge")


def task_status() -> Task:
    return beat.step("status", beat.status, "write the full and the slim status", after="digest")


"""
STEP = '''"""The step `digest`."""


def run(beat):
    (beat.workspace.root / "digest.txt").write_text(str(beat.id))
    beat.counts.add(lines=1)
'''


def with_own_step(graph: str) -> str:
    """Return the older graph with a step of the user's, as its documentation said."""
    start, end = graph.index("def task_status"), graph.index("def task_event()")
    graph = graph[:start] + DIGEST + graph[end:]
    return graph.replace("from doit import get_var\n", "from doit import get_var\nimport digest\n")


def older(root: Path, graph: str) -> Path:
    """Make a workspace with an older graph."""
    run("init", root)
    (root / "dodo.py").write_text(graph, encoding="utf-8")
    return root


def test_an_unchanged_older_graph_becomes_ours(tmp_path: Path) -> None:
    """It equals this version's, the difference is shown, the old one is kept, and it beats."""
    root = older(tmp_path / "space", OLD)
    assert workspaces.doit(root).returncode == 3
    done = run("init", "--upgrade", root)
    assert (done.returncode, done.stderr) == (0, "")
    assert "-def task_recall() -> Task:" in done.stdout.splitlines()
    assert "+def task_commands() -> Iterator[Task]:" in done.stdout.splitlines()
    assert (root / "dodo.py").read_text(encoding="utf-8") == OURS
    (copy,) = root.glob("dodo.py.before-upgrade-*")
    assert copy.read_text(encoding="utf-8") == OLD
    assert str(copy) in done.stdout
    assert run("-C", root, "heartbeat").returncode == 0
    before = tree(root)
    assert "nothing to upgrade" in run("init", "--upgrade", root).stdout
    assert tree(root) == before


def test_the_users_step_and_task_are_kept(tmp_path: Path) -> None:
    """A step in the middle of the chain, its import and a task at the end are in the new graph."""
    root = older(tmp_path / "space", with_own_step(OLD) + OWN)
    (root / "digest.py").write_text(STEP, encoding="utf-8")
    assert run("init", "--upgrade", root).returncode == 0
    graph = (root / "dodo.py").read_text(encoding="utf-8")
    assert (
        'beat.step("status", status_step, "write the full and the slim status", after="digest")'
        in graph
    )
    done = workspaces.doit(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert workspaces.log(root)[-1]["steps"]["digest"]["lines"] == 1
    assert list(workspaces.log(root)[-1]["steps"]).index("digest") == 4
    assert "backup" in workspaces.doit(root, "list").stdout
    assert "recall" in workspaces.doit(root, "list").stdout


def test_a_conflict_is_said_and_nothing_written(tmp_path: Path) -> None:
    """Where the user and this version changed the same words, the file stays as it is."""
    root = older(tmp_path / "space", OLD.replace('"verbosity": 2', '"verbosity": 1'))
    before = tree(root)
    done = run("init", "--upgrade", root)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "DOIT_CONFIG" in sentence
    assert "was left alone" in sentence
    assert tree(root) == before


@pytest.mark.parametrize("text", ["def (", "import haios_dag\n\0", OLD + "\ndef ("])
def test_what_is_not_python_is_left_alone(tmp_path: Path, text: str) -> None:
    """A file that does not parse is never written over."""
    root = older(tmp_path / "space", text)
    before = tree(root)
    assert run("init", "--upgrade", root).returncode in (0, 1)
    assert tree(root) == before


def test_an_older_graph_is_named_by_init_and_doctor(tmp_path: Path) -> None:
    """Both say how to bring it up to date; a current graph with the user's changes is not older."""
    root = older(tmp_path / "space", OLD + OWN)
    done = run("init", root)
    assert done.returncode == 1
    assert f"haios-dag init --upgrade {root}" in done.stderr
    found = [one.name for one in place_checks.graph(Workspace(root))]
    assert found == ["graph-older"]
    (root / "dodo.py").write_text(OURS + OWN, encoding="utf-8")
    assert run("init", root).returncode == 0
    assert [one.level for one in place_checks.graph(Workspace(root))] == ["ok"]


def test_nothing_is_lost_in_a_merge() -> None:
    """Each statement that only the user has is in the result, in the user's order."""
    mine = OLD.replace("\n\n\ndef task_embed", "\n\n\nA = 1\n\n\ndef task_embed") + "\nB = A\n"
    new = graph_upgrade.merged(OLD, mine, OURS)
    assert new.index("A = 1") < new.index("def task_embed") < new.index("B = A")
    assert graph_upgrade.merged(OLD, OLD, OURS) == OURS
    assert graph_upgrade.merged(OURS, OURS + OWN, OURS) == OURS + OWN


def test_the_copy_has_a_name_of_its_own(tmp_path: Path) -> None:
    """A second upgrade does not write over the copy of the first."""
    root = older(tmp_path / "space", OLD)
    run("init", "--upgrade", root)
    (root / "dodo.py").write_text(OLD + OWN, encoding="utf-8")
    run("init", "--upgrade", root)
    assert len(list(root.glob("dodo.py.before-upgrade-*"))) == 2


def test_the_upgraded_graph_is_python(tmp_path: Path) -> None:
    """What is written compiles, and doit lists it."""
    root = older(tmp_path / "space", with_own_step(OLD))
    (root / "digest.py").write_text(STEP, encoding="utf-8")
    run("init", "--upgrade", root)
    done: subprocess.CompletedProcess[str] = workspaces.doit(root, "list")
    assert done.returncode == 0, done.stderr


AGAIN = """

def task_again() -> Task:
    return beat.step("again", {}, "once more", after="status")
"""
FIND = OLD.replace("def task_recall", "def task_find")
LEAN = OLD[: OLD.index("\n\ndef task_recall")].replace(
    OLD[OLD.index("DOIT_CONFIG") : OLD.index("\n\ndef task__begin")],
    'DOIT_CONFIG = {"default_tasks": ["heartbeat"]}\n',
)


def refused(root: Path) -> str:
    """Return the one sentence of an upgrade that changed nothing."""
    before = tree(root)
    done = run("init", "--upgrade", root)
    assert done.returncode == 1, done.stdout
    assert tree(root) == before
    (sentence,) = done.stderr.splitlines()
    assert "was left alone" in sentence
    return sentence


def upgraded(root: Path) -> str:
    """Return the graph that an upgrade made; doit can read it."""
    done = run("init", "--upgrade", root)
    assert (done.returncode, done.stderr) == (0, "")
    assert "; the one before is kept as " in done.stdout
    listed = workspaces.doit(root, "list")
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert not init.is_older((root / "dodo.py").read_bytes())
    return (root / "dodo.py").read_bytes().decode()


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (FIND, "recall"),
        (OLD + "\n\nOUT = beat.output\n", "output"),
        (OLD + AGAIN.format("embed"), "embed"),
        (OLD + "\n\nraise SystemExit(1)\n", "it says nothing"),
        (OLD + "\n\nfrom nowhere import thing\n", "nowhere"),
    ],
)
def test_what_would_not_load_is_not_written(tmp_path: Path, graph: str, says: str) -> None:
    """Doit loads the result before it is written; the sentence has what doit said."""
    sentence = refused(older(tmp_path / "space", graph))
    _, _, said = sentence.partition("doit could not load it: ")
    assert says in said


def test_a_task_with_the_name_of_a_command_is_refused(tmp_path: Path) -> None:
    """The user's own is not lost, and there are not two of one name."""
    own = '\n\ndef task_doctor():\n    return {"actions": []}\n'
    graph = OLD[: OLD.index("\n\ndef task_doctor")]
    assert "it changes task_doctor," in refused(older(tmp_path / "space", graph + own))


def test_a_lean_graph_is_older(tmp_path: Path) -> None:
    """Its imports tell; settings of its own that this version changed too are a conflict."""
    root = older(tmp_path / "space", LEAN)
    assert init.is_older(LEAN.encode())
    assert "both changed DOIT_CONFIG" in refused(root)


def test_a_deleted_task_stays_deleted(tmp_path: Path) -> None:
    """Also one that this version changed."""
    start, end = OLD.index("def task_bridge"), OLD.index("def task_status")
    root = older(
        tmp_path / "space",
        (OLD[:start] + OLD[end:]).replace('after="bridge"', 'after="synthesize"'),
    )
    assert "task_bridge" not in upgraded(root)
    assert workspaces.doit(root).returncode == 0


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_mark_and_line_ends_are_kept(tmp_path: Path, mark: str, end: str) -> None:
    """The bytes at the start and at the ends of the lines are the user's."""
    root = older(tmp_path / "space", "")
    (root / "dodo.py").write_bytes((mark + OLD.replace("\n", end)).encode())
    assert upgraded(root) == mark + OURS.replace("\n", end)


def test_what_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Nothing is put in the place of bytes that cannot be read."""
    root = older(tmp_path / "space", "")
    (root / "dodo.py").write_bytes(OLD.encode() + "# Grüße\n".encode("latin-1"))
    assert "it is not UTF-8" in refused(root)


def test_comments_are_kept(tmp_path: Path) -> None:
    """Behind the last statement, and above one that changes."""
    graph = OLD.replace("def task_embed", "# above embed\ndef task_embed")
    new = upgraded(older(tmp_path / "space", graph + "\n# at the end\n\x0c# of it\n"))
    assert new.count("# above embed\ndef task_embed") == 1
    assert new.endswith("\n\n# at the end\n\x0c# of it\n")


def test_a_changed_command_is_refused(tmp_path: Path) -> None:
    """What the user changed in a task that goes is not lost in silence."""
    changed = OLD.replace("return commands.recall", "print()\n    return commands.recall")
    assert "it changes task_recall" in refused(older(tmp_path / "space", changed))


def test_the_copy_has_the_mode_of_the_original(tmp_path: Path) -> None:
    """Who could read the graph can read the copy."""
    root = older(tmp_path / "space", OLD)
    (root / "dodo.py").chmod(0o640)
    upgraded(root)
    (copy,) = root.glob("dodo.py.before-upgrade-*")
    assert copy.stat().st_mode == (root / "dodo.py").stat().st_mode
    assert copy.stat().st_mode & 0o777 == 0o640


def test_many_functions_do_not_hide_the_version(tmp_path: Path) -> None:
    """With hundreds of functions beside it, each graph is what it is, and upgraded once."""
    own = "".join(f"\n\ndef own_{number}() -> None:\n    pass\n" for number in range(400))
    assert not init.is_older((OURS + own).encode())
    root = older(tmp_path / "space", OLD + own)
    assert init.is_older((OLD + own).encode())
    assert upgraded(root).replace(own, "") == OURS
    before = tree(root)
    assert "nothing to upgrade" in run("init", "--upgrade", root).stdout
    assert tree(root) == before


@pytest.mark.parametrize("text", ["a = 1", "\n\na = 1\n", OURS.rstrip("\n"), "\n" + OURS])
def test_what_is_not_older_is_not_touched(tmp_path: Path, text: str) -> None:
    """Neither another program's graph nor this version's is written, be its ends as they are."""
    root = older(tmp_path / "space", text)
    before = tree(root)
    assert "nothing to upgrade" in run("init", "--upgrade", root).stdout
    assert tree(root) == before
