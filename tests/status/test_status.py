"""The status says what is true, and null for what is unknown."""

import json
from pathlib import Path

import pytest
from freezegun import freeze_time
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processes import run
from statuses import FILES, FULL, HAIOS, LATE, MEMORY, NOW, OURS, PULSE, both, put, write

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace
from haios_dag.ingest import front_matter
from haios_dag.status import infrastructure, status_keys


@freeze_time("2026-01-31 12:00:00")
def test_an_empty_workspace_gets_nulls_and_no_invented_value(workspace: Workspace) -> None:
    """What is unknown is null in both files, and what is known is there."""
    assert write(workspace) == []
    for keys in both(workspace):
        assert set(keys) == OURS
        assert keys["generated"] == NOW
        assert keys["counts"] == {"concepts": 12, "entities": 0}
        assert (keys["signals"], keys["signal_sources"]) == ([], {})
        assert keys["documents"]["total"] == 0
        assert keys["infrastructure"] == {"commands": [], "skills": [], "agents": [], "mcps": []}
        assert keys["memory"] == {"present": True, **MEMORY}
        assert (keys["pulse"], keys["stale_after"]) == (PULSE, LATE)


@pytest.mark.real
def test_a_real_workspace_keeps_its_live_state(haios_workspace: Path) -> None:
    """A beat in a real workspace changes only what it computes: contract cases 10 and 11."""
    workspace = Workspace(haios_workspace)
    before = [json.loads(path.read_bytes()) for path in (workspace.status, workspace.status_slim)]
    assert write(workspace) == []
    for old, new in zip(before, both(workspace), strict=True):
        assert new.keys() >= OURS | HAIOS
        theirs = old.keys() - OURS - HAIOS - FULL - set(status_keys._DETAIL) | {"session_state"}
        assert {key: new[key] for key in theirs} == {key: old[key] for key in theirs}
        offered = new["infrastructure"]
        assert [len(offered[kind]) for kind in ("commands", "skills", "agents")] == [19, 33, 14]
        assert [server["name"] for server in offered["mcps"]] == [
            "haios-memory",
            "haios-operations",
        ]
        assert new["counts"] == {"concepts": 12, "entities": 0, "backlog_pending": 28}
    slim = json.loads(workspace.status_slim.read_bytes())
    for kind in ("commands", "skills", "agents"):
        assert slim["infrastructure"][kind] == before[1]["infrastructure"][kind]
    assert slim["session_state"]["active_cycle"] == "implementation-cycle"
    assert slim["session_state"]["current_phase"] == "DONE"
    assert slim["session_state"]["work_id"] == "WORK-289"
    assert slim["session_state"]["entered_at"] == "2026-03-10T23:44:20.502755"
    assert slim["context_pct"] == 13.0
    for path in [*haios_workspace.glob(".claude/skills/*/SKILL.md"),
                 *haios_workspace.glob(".claude/agents/*.md")]:  # fmt: skip
        name = front_matter.split(path.read_text(encoding="utf-8")).fields.get("name")
        assert infrastructure._name(path) == ([name] if name else [])


def test_a_second_write_differs_only_in_time(workspace: Workspace) -> None:
    """Without any change the files differ in `generated` alone, also in the order of keys."""
    put(workspace.status_slim, b'{"context_pct": 13.0, "session_state": {"work_id": "WORK-1"}}')
    texts = []
    for hour in (12, 13):
        with freeze_time(f"2026-01-31 {hour}:00:00"):
            write(workspace)
        texts.append(workspace.status_slim.read_text().replace(f"T{hour}:00:00.000", "T"))
    instant = '"generated": "2026-01-31T+00:00"'
    assert [text.count(instant) for text in texts] == [1, 1]
    lines = [[line for line in text.splitlines() if "2026-01-31" not in line] for text in texts]
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("counts", "known"),
    [
        (None, (None, None)),
        ({"concepts": 89957, "entities": 11219}, (89957, 11219)),
        ({"concepts": "many", "entities": True}, (None, None)),
        ({"concepts": -1}, (None, None)),
        ([1], (None, None)),
    ],
)
def test_without_memory_counts_are_the_last_known_or_null(
    workspace: Workspace, counts: object, known: tuple[int | None, ...]
) -> None:
    """No memory never looks like an empty one, and nothing makes one: contract case 14."""
    put(workspace.status, json.dumps({"counts": counts}).encode())
    assert write(workspace, memory=None) == []
    full = next(both(workspace))
    assert (full["counts"]["concepts"], full["counts"]["entities"]) == known
    reason = "there is no memory database at memory.db"
    assert full["memory"] == {"present": False, "reason": reason}
    assert not workspace.memory.exists()


def test_a_memory_that_cannot_be_asked_is_not_called_missing(workspace: Workspace) -> None:
    """A memory that is there but gave no numbers is present, with the reason."""
    workspace.memory.write_bytes(b"not a database")
    write(workspace, memory=None)
    for keys in both(workspace):
        reason = "the memory database memory.db could not be read"
        assert keys["memory"] == {"present": True, "reason": reason}


def test_names_come_from_files_and_front_matter(workspace: Workspace) -> None:
    """Commands are named by their files, skills and agents by front matter however it is spelt."""
    claude = workspace.root / ".claude"
    for name in ("go.md", "README.md", "readme.md", "notes.txt"):
        put(claude / "commands" / name, b"")
    (claude / "commands" / "folder.md").mkdir()
    heads = {
        "plain": b"---\nname: zebra\n---\n",
        "crlf": b'\xef\xbb\xbf---\r\nname: "quoted: one"\r\n---\r\n',
        "led": b"# generated: today\n---\ntype: x\nname: led-by-comment\n---\n",
        "again": b"---\nname: first\nname: second\n---\n",
        "folded": b"---\nname: >-\n  two\n  words\n---\n",
        "yes": b"---\nname: yes\n---\n",
        "open": b"---\nname: never-closed\n",
        "none": b"# no front matter\nname: prose\n",
        "bad": b"---\ntitle: a: b\nname: lost\n---\n",
        "later": b"---\nname: found\ndescription: Use: often\n---\n",
        "long": b"---\nname: %b\n---\n" % (b"x" * 201),
        "binary": bytes(range(256)),
    }
    for folder, head in heads.items():
        put(claude / "skills" / folder / "SKILL.md", head)
    (claude / "skills" / "empty").mkdir()
    put(claude / "agents" / "one.md", b"---\nname: agent-one\n---\n")
    put(workspace.root / ".mcp.json", b'{"mcpServers": {"b": {}, "a": {}}}')
    assert write(workspace) == []
    for keys in both(workspace):
        assert keys["infrastructure"] == {
            "commands": ["/go"],
            "skills": ["found", "led-by-comment", "quoted: one", "second", "two words", "zebra"],
            "agents": ["agent-one"],
            "mcps": [{"name": "a", "tools": None}, {"name": "b", "tools": None}],
        }


WORDS = st.sampled_from(["name", ":", " ", "\n", "A", "yes", "'", '"', "#", "- ", "0", "\t", "\r"])


@given(text=st.text(max_size=10) | st.lists(WORDS, max_size=8).map("".join))
@example(text="A")
@example(text="A\n b")
@example(text="A\n\n b")
@example(text="A\n'name': b")
@settings(max_examples=300, deadline=None)
def test_the_fast_reading_of_a_name_is_what_yaml_says(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """For any text behind `name:`, the name is the one YAML finds, if it can read the block."""
    text = f"---\nname: {text}\n---\nbody\n"
    path = tmp_path_factory.getbasetemp() / "SKILL.md"
    path.write_bytes(text.encode())
    whole = front_matter.split(text)
    if not whole.problem:
        value = whole.fields.get("name")
        assert infrastructure._name(path) == ([value] if isinstance(value, str) and value else [])


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"mcpServers": []}', b"[" * 100_000, b" " * (2**20 + 1), None]
)
def test_a_list_that_cannot_be_known_is_null(workspace: Workspace, content: bytes | None) -> None:
    """An unusable .mcp.json costs its list and a warning that names it, not the status."""
    path = workspace.root / ".mcp.json"
    path.mkdir() if content is None else path.write_bytes(content)
    (warning,) = write(workspace)
    assert str(path) in warning
    assert "\n" not in warning
    for keys in both(workspace):
        assert keys["infrastructure"]["mcps"] is None
        assert keys["infrastructure"]["commands"] == []


def test_hooks_and_templates(workspace: Workspace) -> None:
    """The full status of HAIOS names the templates and counts hooks, whose commands stay secret."""
    claude = workspace.root / ".claude"
    put(claude / "session", b"7")
    put(claude / "templates" / "report.md", b"---\ntemplate: {{X}}\n---\n")
    hooks = {"Stop": [{"hooks": [{"command": "a --token=1"}, {"command": "b"}]}, {"hooks": 3}, 4],
             "PreToolUse": [], "Odd": "text"}  # fmt: skip
    put(claude / "settings.json", json.dumps({"hooks": hooks}).encode())
    assert write(workspace) == []
    full, slim = both(workspace)
    assert full["hooks"] == {"Odd": 0, "PreToolUse": 0, "Stop": 2}
    assert full["valid_templates"] == ["report"]
    assert slim["infrastructure"].keys() == {"commands", "skills", "agents", "mcps"}
    assert not slim.keys() & {"hooks", "valid_templates"}
    (claude / "settings.json").write_bytes(b"{")
    (warning,) = write(workspace)
    assert "settings.json" in warning
    assert next(both(workspace))["hooks"] is None


def test_what_only_the_dashboard_shows_is_read_for_it_alone(workspace: Workspace) -> None:
    """Without HAIOS the hooks are not read: unreadable settings give no warning."""
    put(workspace.root / ".claude" / "settings.json", b"{")
    assert write(workspace) == []
    assert not any(keys.keys() & {"hooks", "valid_templates"} for keys in both(workspace))


def test_importing_is_light() -> None:
    """Importing the status loads neither YAML nor JSON Schema."""
    heavy = "{'yaml', 'jsonschema', 'jsonschema_rs'}"
    loaded = f"import sys, haios_dag.status\nprint({heavy} & sys.modules.keys())"
    assert run(loaded) == "set()\n"


def test_the_full_schema_is_the_slim_one_and_more() -> None:
    """What both files have, both schemas describe in the same words."""
    full, slim = (schema.load(name) for name in FILES)
    more = {"open"}
    assert full["$defs"] == slim["$defs"]
    assert set(full["properties"]) - set(slim["properties"]) == FULL | set(status_keys._DETAIL)
    for name, rule in slim["properties"].items():
        if name == "work":
            assert set(full["properties"][name]["properties"]) - set(rule["properties"]) == more
        else:
            assert full["properties"][name] == rule
