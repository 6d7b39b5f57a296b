"""Every fault that the doctor knows is planted in a real workspace, and found with its advice."""

import contextlib
import json
import os
import re
import sqlite3
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import haios_databases
import pytest
import workspaces
from doctors import BEAT, MARKER, STATUS, examine, program, sql, tree, trouble
from freezegun import freeze_time
from workspaces import doit, log

from haios_dag import init
from haios_dag.base import files, schema
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import examination, place_checks, repair
from haios_dag.doctor import memory_checks as doctor_memory
from haios_dag.doctor.findings import FINDINGS, FIXES, Finding
from haios_dag.schedule import cron, job, systemctl

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes and programs of POSIX")


@pytest.fixture
def root(scheduled: Path) -> Path:
    """A workspace in which all is well."""
    return scheduled


@pytest.fixture(autouse=True)
def unpatch() -> Iterator[None]:
    """Take back what a fault has put into the package."""
    yield
    PATCH.undo()


def test_sound(root: Path) -> None:
    """After a beat every check is ok."""
    assert trouble(root) == {}


def test_fresh(tmp_path: Path, root: Path) -> None:
    """Before the first beat nothing is wrong or unknown, and the advice is a beat."""
    fresh = workspaces.make(tmp_path / "fresh")
    found = trouble(fresh)
    assert {f.level for fs in found.values() for f in fs} == {"warning"}
    assert found["memory"][0].advice == found["beats"][0].advice == "run: doit heartbeat"
    assert not (fresh / "memory.db").exists()
    assert not (fresh / ".haios").exists()
    assert root.exists()


def change_json(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change a file that is one JSON object."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content) + "\n")


def corrupt(table: str) -> Callable[[Path], None]:
    """Return what overwrites the first page of a table."""

    def plant(root: Path) -> None:
        with contextlib.closing(sqlite3.connect(root / "memory.db")) as connection:
            (page,) = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = ? UNION ALL SELECT 1", (table,)
            ).fetchone()
        with (root / "memory.db").open("rb+") as file:
            file.seek(4096 * (page - 1) + 100)
            file.write(b"\xff" * 3996)

    return plant


def cache_byte(root: Path) -> None:
    """Change a vector in the cache and keep the file's time."""
    (path,) = (root / "memory.db-vectors").glob("*.vectors")
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def tear(root: Path) -> None:
    """Leave half a line at the end of the log."""
    with (root / ".claude" / "haios-events.jsonl").open("a") as file:
        file.write('{"ts')


def claim(name: str, number: int) -> Callable[[Path], None]:
    """Let the last heartbeat claim more, or fewer."""

    def plant(root: Path) -> None:
        path = root / ".claude" / "haios-events.jsonl"
        change_json(path, lambda event: event.update({name: int(str(event[name])) + number}))

    return plant


def statement(*statements: str) -> Callable[[Path], None]:
    """Return what runs SQL in the memory of a workspace."""
    return lambda root: sql(root, *statements)


def write(name: str, text: str, mode: int = 0o600) -> Callable[[Path], None]:
    """Return what writes a file of a workspace."""

    def plant(root: Path) -> None:
        (root / name).write_text(text)
        (root / name).chmod(mode)

    return plant


def events_log(root: Path) -> Path:
    """Return the path of the event log."""
    return root / ".claude" / "haios-events.jsonl"


def event(**changes: object) -> Callable[[Path], None]:
    """Return what changes the last heartbeat, which is the only one."""
    return lambda root: change_json(events_log(root), lambda one: one.update(changes))


def module(name: str, value: object) -> Callable[[Path], None]:
    """Return what gives a name of the package another value, until the test ends."""

    def plant(_: Path) -> None:
        owner, attribute = name.rsplit(".", 1)
        PATCH.setattr(sys.modules[f"haios_dag.{owner}"], attribute, value)

    return plant


PATCH = pytest.MonkeyPatch()
PRODUCT = "(SELECT min(synthesized_concept_id) FROM synthesis_clusters)"
EARLY = "20200101T000000-00000000"


def remote(root: Path) -> None:
    """Let the workspace lie on a network file system."""
    mounts = root.parent / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 d rw\n2 1 0:2 / {root} rw - nfs4 s:/ rw\n")
    PATCH.setattr(place_checks, "_MOUNTS", mounts)


def timer(root: Path, state: str = "inactive") -> None:
    """Let systemd have a timer, and cron nothing."""
    program(root.parent / "bin/crontab", "echo 'no crontab for me' >&2; exit 1")
    program(root.parent / "bin/systemctl", f"echo {state}; test {state} = active || exit 3")
    units = root.parent / ".config/systemd/user"
    units.mkdir(parents=True)
    (units / "pulse.service").write_text(f"ExecStart=python -m doit -f {root}/dodo.py heartbeat\n")
    PATCH.setenv("HOME", str(root.parent))
    PATCH.setattr(systemctl, "RUNS", root.parent)


def drifted(root: Path) -> None:
    """Let the crontab have a block of ours that somebody has edited."""
    (block,) = cron.render(job.of(Workspace(root))).values()
    (root.parent / "crontab").write_bytes(block.replace(b"# haios-dag: ", b"# edited: "))


def of_another_beat(beat: str) -> Callable[[Path], None]:
    """Return what adds a revision of another beat to an insight."""
    return statement(
        "INSERT INTO dag_revisions SELECT insight_id, revision + 1, content, sources, method,"
        f" reason, '{beat}', created_at FROM dag_revisions WHERE insight_id = {PRODUCT}"
    )


def by_another(root: Path) -> None:
    """Let another program have an insight whose counts differ."""
    sql(
        root,
        "INSERT INTO concepts (type, content, synthesized_at) VALUES ('X', 'y', 'now')",
        "INSERT INTO synthesis_clusters (cluster_type, member_count, synthesized_concept_id,"
        " status, synthesized_at) SELECT 'concept', 7, max(id), 'synthesized', 'now' FROM concepts",
        "UPDATE concepts SET synthesis_cluster_id = (SELECT max(id) FROM synthesis_clusters)"
        " WHERE id = (SELECT max(id) FROM concepts)",
    )


def unprepared(root: Path) -> None:
    """Put a memory of HAIOS there that no beat has seen."""
    (root / "memory.db").unlink()
    haios_databases.v3(root / "memory.db")


def late(root: Path) -> None:
    """Let many heartbeats be dated ahead."""
    (one,) = log(root)
    with events_log(root).open("a") as file:
        for number in range(2500):
            file.write(json.dumps(one | {"beat": f"29990101T000000-{number:08x}"}) + "\n")


def fifo(name: str) -> Callable[[Path], None]:
    """Return what puts a pipe that nobody writes to in the place of a file."""

    def plant(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        os.mkfifo(root / name)

    return plant


OLD_GRAPH = next((Path(init.__file__).parent / "older_graphs").glob("*.txt")).read_text()
Plant = Callable[[Path], object]
# the finding, words of it, what plants it
FAULTS: list[tuple[str, str, Plant]] = [
    ("not-writable", "cannot be written", lambda root: PATCH.setattr(
        os, "access", lambda path, _: path != root / STATUS)),
    ("graph-older", "of an older version", write("dodo.py", OLD_GRAPH)),
    ("graph-broken", "No module named", write("dodo.py", "import haios_dag, nosuch\n")),
    ("not-a-regular-file", "nothing else was checked", fifo(STATUS)),
    ("modules-missing", "nosuchmodule", module("doctor.place_checks._NEEDED", ("nosuchmodule",))),
    ("no-fts5", "3.0 has no FTS5", module("memory.word_index.sqlite", lambda: ("3.0", False))),
    ("settings-unusable", "every_minutes", write("haios.toml", "[schedule]\nevery_minutes = 0\n")),
    ("settings-unusable", "Invalid initial character", write("haios.toml", "[[[")),
    ("env-open", "chmod 600", write(".env", "KEY=secret\n", 0o644)),
    ("others-may-change", "every user", lambda root: (root / "dodo.py").chmod(0o666)),
    ("group-may-change", "its group", lambda root: (root / "dodo.py").chmod(0o664)),
    ("disk-full", "nearly full", module("doctor.place_checks.LEAST", 1 << 60)),
    ("no-room-for-copy", "for a copy", module("doctor.place_checks.size", lambda _: 1 << 60)),
    ("remote-disk", "nfs4", remote),
    ("lines-unreadable", "1 of 2 lines cannot be read: 1 torn last line", tear),
    ("no-beat", "no beat yet", lambda root: events_log(root).unlink()),
    ("beat-undated", "no readable time", event(ts="yesterday")),
    ("beat-ahead", "in the future", event(ts="2999-01-01T00:00:00+00:00")),
    ("beat-late", "one was due at 2020-01-01T01:00", event(ts="2020-01-01T00:00:00+00:00")),
    ("beat-interrupted", "interrupted: it was late", event(
        outcome="interrupted", reason="it was late", steps={})),
    ("beat-not-well", "the last beat is failed: bridge: no", event(
        outcome="failed", steps={"bridge": {"outcome": "failed", "error": "no"}})),
    ("beat-cut-off", "b, pid 1 on h since s", write(BEAT, MARKER)),
    ("beat-cut-off", "its marker is incomplete", write(BEAT, MARKER[:-9])),
    ("leftover", "killed write", write(f"{STATUS}.0123456789ab.tmp", "")),
    ("no-status", "is missing", lambda root: (root / STATUS).unlink()),
    ("status-not-json", "not JSON", write(STATUS, "{")),
    ("status-invalid", "required property", write(STATUS, '{"generated": 1}')),
    ("status-stale", "2020", lambda root: change_json(root / STATUS, lambda one: one.update(
        stale_after="2020-01-01T00:00:00+00:00"))),
    ("not-scheduled", "cron has no entry for this workspace", lambda root: (
        root.parent / "crontab").write_text(f"# {root}/dodo.py\n")),
    ("schedule-off", "pulse.service is installed, but off", timer),
    ("schedule-drift", "in cron has drifted: haios-heartbeat.cron (- installed", drifted),
    ("schedule-drift", ", + wanted): -# edited: one beat", drifted),
    ("schedule-unknown", "cron cannot be asked (it broke)", lambda root: program(
        root.parent / "bin/crontab", "echo it broke >&2; exit 1")),
    ("no-memory", "no memory yet", lambda root: (root / "memory.db").unlink()),
    ("memory-unusable", "is not a database", write("memory.db", "x" * 9999)),
    ("memory-unusable", "is damaged", corrupt("its schema")),
    ("memory-damaged", "is damaged", corrupt("embeddings")),
    ("not-prepared", "no beat has used it yet", unprepared),
    ("words-wrong", "disagrees", statement(
        "INSERT INTO dag_text (rowid, content) VALUES (1, 'heron')")),
    ("words-wrong", "not in it", statement("DELETE FROM dag_text_docsize WHERE id = 1")),
    ("words-wrong", "stale", statement(
        "INSERT INTO dag_meta (key, value) VALUES ('text', 'stale')")),
    ("dangling-ours", "rows of dag_", statement(f"DELETE FROM concepts WHERE id = {PRODUCT}")),
    ("dangling-theirs", "concept_occurrences", statement(
        "UPDATE concept_occurrences SET artifact_id = 9999 WHERE id = 1")),
    *[("invariant-broken", words, statement(text)) for words, text in {
        "counts of sources differ": "UPDATE synthesis_clusters SET member_count = 99 WHERE id = 1",
        "of another type":
            "UPDATE synthesis_cluster_members SET member_type = 'trace' WHERE id = 1",
        "not its provenance": "UPDATE synthesis_provenance SET source_id = 9999 WHERE id = 1",
        "source is missing": "UPDATE synthesis_cluster_members SET member_id = 9999 WHERE id = 1",
        "names another cluster": "UPDATE concepts SET synthesis_cluster_id = 99 WHERE id ="
            " (SELECT member_id FROM synthesis_cluster_members WHERE id = 1)",
        "a product itself": "UPDATE concepts SET synthesized_at = 'now' WHERE id ="
            " (SELECT member_id FROM synthesis_cluster_members WHERE id = 1)",
        "in it twice": "UPDATE synthesis_cluster_members SET member_id ="
            " (SELECT member_id FROM synthesis_cluster_members WHERE id = 1) WHERE id = 2",
        "without two sides": "DELETE FROM synthesis_cluster_members WHERE id ="
            " (SELECT max(id) FROM synthesis_cluster_members WHERE member_type = 'cross')",
        "not marked as synthesized":
            "UPDATE synthesis_clusters SET status = 'pending' WHERE id = 1",
        "outside its cluster":
            f"UPDATE concepts SET synthesis_cluster_id = NULL WHERE id = {PRODUCT}",
    }.items()],
    ("invariant-of-others", "counts of sources differ", by_another),
    ("leaderless", "does not lead", statement(
        "UPDATE dag_items SET leader = 9999 WHERE kind = 'concept' AND id = 1")),
    ("items-vanished", "another program deleted", statement("DELETE FROM concepts WHERE id = 1")),
    ("counts-kept-wrong", "stored counts are wrong", statement(
        "UPDATE dag_counts SET number = number + 1 WHERE state = 'live'")),
    ("vectors-damaged", "1 vectors are missing or not of length", statement(
        "UPDATE embeddings SET vector = x'00' WHERE concept_id = 1")),
    ("vectors-damaged", "1 vectors are missing", statement(
        "DELETE FROM embeddings WHERE concept_id = 1")),
    ("vectors-damaged", "1 vectors are missing", statement("DELETE FROM dag_trace_vectors")),
    ("vectors-mixed", "another model", statement(
        "UPDATE dag_items SET model = 'other' WHERE kind = 'concept' AND id = 1")),
    ("space-of-others", "the vectors are of other", statement(
        "UPDATE dag_meta SET value = 'other' WHERE key = 'space'")),
    ("insights-without-vector", "recall misses", statement(
        f"UPDATE dag_items SET model = NULL WHERE kind = 'concept' AND id = {PRODUCT}")),
    ("cache-wrong", "is another one", cache_byte),
    ("claims-fewer", "claim fewer", claim("new_insights", -1)),
    ("claims-more", "does not have", claim("new_bridges", 1)),
    ("beats-unlogged", "-ffffffff", lambda root: of_another_beat(
        f"{log(root)[0]['beat'][:16]}ffffffff")(root)),
    ("log-too-short", EARLY, of_another_beat(EARLY)),
    ("beats-meanwhile", "1,500 beats ended during this check, or are dated in the future", late),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words", "plant"), FAULTS, ids=[f"{name}-{words}" for name, words, _ in FAULTS]
)
def test_fault(
    root: Path, name: str, words: str, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    """A planted fault is found with its place and advice, and changed only by `--fix`."""
    plant(root)
    check, level, _, _ = FINDINGS[name]
    fix = FIXES.get(name, "")
    before = tree(root)
    rows = dump(root / "memory.db") if fix in repair._REPAIRS else None
    hits = [one for one in trouble(root)[check] if one.name == name and words in one.what]
    assert [one.level for one in hits] == [level]
    assert hits[0].advice
    assert hits[0].where or check == "python"
    worst = {f.level for fs in trouble(root).values() for f in fs}
    code = 1 if "error" in worst else 2 if "unknown" in worst else 0
    assert examination.show(Workspace(root), fix=False, json=True) == code
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(words in one["what"] for one in lines if one["name"] == name)
    assert [problem for line in lines for problem in schema.problems("doctor", line)] == []
    assert tree(root) == before
    fixes = any(one.fix for ones in trouble(root).values() for one in ones)
    examination.show(Workspace(root), fix=True, json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [problem for line in lines for problem in schema.problems("doctor", line)] == []
    assert any(line["level"] == "fixed" for line in lines) == fixes
    left = [one for one in trouble(root).get(check, []) if one.name == name]
    assert bool(left) == (not fix)
    if rows is not None:
        (copy,) = root.glob("memory.db.backup-*")
        assert copy.stat().st_mode & 0o777 == 0o600
        assert dump(copy) == rows
    elif not fixes:
        assert tree(root) == before


def dump(memory: Path) -> dict[str, list[str]]:
    """Return all rows of a memory, which must be whole."""
    with contextlib.closing(sqlite3.connect(memory)) as connection:
        assert connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        ).fetchall()
        return {
            name: sorted(repr(row) for row in connection.execute(f'SELECT * FROM "{name}"'))
            for (name,) in names
        }


def test_a_check_with_a_bug(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bug in a check shows itself, without codes for the terminal, and the others go on."""

    def broken(_: Workspace) -> Iterator[Finding]:
        raise KeyError("\x1b[2J")
        yield

    PATCH.setitem(examination._CHECKS, "disk", broken)
    (one,) = trouble(root)["disk"]
    assert (one.level, one.name) == ("unknown", "not-checked")
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "\x1b" not in said


def test_every_finding_is_planted() -> None:
    """The list above leaves none out, nor do the schema and the checks of a whole examination."""
    assert {name for name, _, _ in FAULTS} == set(FINDINGS)
    names = schema.load("doctor")["properties"]["name"]["enum"]
    assert set(names) == {"", "not-checked", *FINDINGS}
    checks = schema.load("doctor")["properties"]["check"]["enum"]
    assert set(checks) == {"files", "fix", *examination._CHECKS, *doctor_memory.NAMES}
    assert {check for check, *_ in FINDINGS.values()} <= set(checks)


def test_a_beat_heals_the_rest(root: Path) -> None:
    """What `--fix` lets wait is done by the next beat, and then all is well."""
    sql(root, "UPDATE embeddings SET vector = x'00' WHERE concept_id = 1")
    assert examination.show(Workspace(root), fix=True, json=True) == 0
    done = doit(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert log(root)[-1]["steps"]["embed"]["outcome"] == "ran"
    assert trouble(root) == {}


def test_no_room_no_repair(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a copy does not fit, the memory is left alone, and that is said."""
    sql(root, "DELETE FROM embeddings WHERE concept_id = 1")
    (root / f"{STATUS}.0123456789ab.tmp").touch()
    monkeypatch.setattr(place_checks, "LEAST", 1 << 60)
    before = tree(root)
    assert examination.show(Workspace(root), fix=True, json=False) == 1
    assert tree(root) == before


def test_late(root: Path) -> None:
    """A heart that stopped is an error; one that beats in the future is a wrong clock."""
    when = str(log(root)[-1]["ts"])
    with freeze_time(when[:11] + "00:00:00", tz_offset=0) as frozen:
        frozen.tick(60 * 60 * 24 * 3)
        assert "and one was due at" in trouble(root)["beats"][0].what
        frozen.tick(-60 * 60 * 24 * 5)
        assert "in the future" in trouble(root)["beats"][0].what


def test_beat_under_way(root: Path) -> None:
    """A beat that runs is no fault, and nothing is repaired beside it."""
    (root / BEAT).write_text(MARKER)
    with files.lock(root / BEAT, wait=False):
        assert "a beat is running" in examine(root)["lock"][0].what
        done = doit(root, "doctor", "--fix")
    assert done.returncode == 1
    assert "a beat is running" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.real
def test_real_workspace(haios_workspace: Path) -> None:
    """A real workspace after a beat has no error, and nothing is unknown but its schedule."""
    (haios_workspace / "dodo.py").write_bytes((workspaces.ROOT / "dodo.py").read_bytes())
    assert doit(haios_workspace).returncode == 0
    found = trouble(haios_workspace)
    found.pop("schedule", None)
    assert [f for fs in found.values() for f in fs if f.level != "warning"] == []


def test_check_that_breaks_is_unknown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a check from its end is unknown, never ok, and the exit code says it."""

    def denied(_: Workspace) -> Iterator[Finding]:
        raise PermissionError(13, "Permission denied", "x")
        yield

    monkeypatch.setitem(examination._CHECKS, "log", denied)
    assert trouble(root)["log"][0].level == "unknown"
    assert examination.show(Workspace(root), fix=False, json=False) == 2


@pytest.mark.parametrize(("plant", "code"), [(None, 0), ("memory.db", 1)])
def test_exit_codes(root: Path, plant: str | None, code: int) -> None:
    """`doit doctor` exits with 0 only where nothing is wrong; its last line is the verdict."""
    if plant:
        (root / plant).write_text("x" * 999)
    done = doit(root, "doctor", env={"PATH": os.environ["PATH"]})
    assert done.returncode == code
    assert done.stdout.splitlines()[-1].startswith("not healthy" if code else "healthy: 0 error")
    lines = doit(root, "doctor", "--json", env={"PATH": os.environ["PATH"]}).stdout
    assert {json.loads(line)["level"] for line in lines.splitlines()} >= {"ok"}


def test_every_dependency_is_looked_for() -> None:
    """A module of each package that an installation needs is among those that are looked for."""
    project = tomllib.loads((workspaces.ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def plain(name: str) -> str:
        return name.lower().replace("-", "_")

    needed = {plain(re.split("[<>=]", one)[0]) for one in project["project"]["dependencies"]}
    modules = metadata.packages_distributions()
    assert needed == {plain(name) for module in place_checks._NEEDED for name in modules[module]}
    assert len(place_checks._NEEDED) == len(needed)


def test_coverage_is_said(copy: Path) -> None:
    """Of how many there are, how many have a vector; one that waits is no fault."""
    (before,) = examine(copy)["vectors"]
    sql(copy, "UPDATE dag_items SET model = NULL WHERE kind = 'concept' AND id = 1")
    (after,) = examine(copy)["vectors"]
    assert before.level == after.level == "ok"
    (have, every), (fewer, same) = (
        re.findall("[0-9]+", one.what.partition(";")[2]) for one in (before, after)
    )
    assert have == every == same
    assert int(fewer) == int(have) - 1
