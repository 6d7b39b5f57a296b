"""Write the generated parts of the pages here, and the samples: `python docs/generate.py`.

With `--check`, write nothing and fail when a part is not what it should be. A part stands between
`<!-- generated: NAME -->` and `<!-- end -->`; what is between them comes from the program itself.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the checkout, whether it is installed or not

from doit.doit_cmd import DoitMain  # noqa: E402 - it needs the path above, as do the next

from haios_dag.base import config, schema  # noqa: E402
from haios_dag.commands import COMMANDS, Option  # noqa: E402
from haios_dag.doctor import findings  # noqa: E402
from haios_dag.embedding import space, thresholds  # noqa: E402
from haios_dag.memory import migrations, word_index  # noqa: E402
from haios_dag.resonance import rules  # noqa: E402
from haios_dag.schedule import cron, job, launchd, systemd, windows  # noqa: E402
from haios_dag.status import signals  # noqa: E402

_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TABLE = re.compile(
    r"((?:^--[^\n]*\n)+)CREATE (?:VIRTUAL )?TABLE (?:IF NOT EXISTS )?(dag_\w+)"
    r"(?: USING fts5)? \(\n(.*?)^\)",
    re.DOTALL | re.MULTILINE,
)
_COLUMN = re.compile(r"^    ([a-z]\w*)[ ,]", re.MULTILINE)


# --- what the program prints ---------------------------------------------------------------------


def task_names() -> list[str]:
    """Return the public tasks, as `doit list` shows them."""
    return [line.split()[0] for line in _doit("list").splitlines()]


def _tasks() -> str:
    return _shown("doit list", _doit("list"))


def _commands() -> str:
    """Return what each row of the command table says: usage, options, exit codes."""
    parts = []
    for command in COMMANDS:
        lines = [f"### `{command.name}`", "", f"{command.help[0].upper()}{command.help[1:]}.", ""]
        lines += ["```text", f"haios-dag {command.name} {command.usage}".rstrip(), "```", ""]
        if command.options:
            rows = [(f"`{_flags(one)}`", _meaning(one)) for one in command.options]
            lines.append(_rows(("option", "meaning"), rows))
        if command.codes:
            lines += [f"Exit codes: {command.codes}.", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _flags(option: Option) -> str:
    short = f"-{option.short}, " if option.short else ""
    return f"{short}--{option.flag}" + ("" if option.type is bool else f" {option.flag.upper()}")


def _meaning(option: Option) -> str:
    default = "" if option.default in (None, False) else f" (default: `{option.default}`)"
    return f"{option.help}{default}"


def _doit(*words: str) -> str:
    """Return what `doit WORDS` prints here; doit changes directory and path, so put them back."""
    printed = io.StringIO()
    folder, path = Path.cwd(), list(sys.path)
    try:
        with contextlib.redirect_stdout(printed):
            code = DoitMain().run(["-f", str(ROOT / "dodo.py"), *words])
    finally:
        os.chdir(folder)
        sys.path[:] = path
    if code:
        raise RuntimeError(f"doit {' '.join(words)} ended with {code}: {printed.getvalue()}")
    return printed.getvalue()


def _shown(command: str, printed: str) -> str:
    return f"```text\n$ {command}\n{printed.rstrip()}\n```\n"


# --- what the schemas say ------------------------------------------------------------------------


def _settings() -> str:
    """Return one table a section of `haios.toml`."""
    parts = []
    for name, section in schema.load("config")["properties"].items():
        rows = [
            (f"`{key}`", _default(rule["default"]), f"{rule['description']}{_limits(rule)}")
            for key, rule in section["properties"].items()
        ]
        head = f"### `[{name}]`\n\n{section['description']}\n\n"
        parts.append(head + _rows(("key", "default", "meaning"), rows))
    return "\n".join(parts)


def _default(value: object) -> str:
    return "not set" if value is None else f"`{json.dumps(value)}`"


def _limits(rule: Mapping[str, Any]) -> str:
    """Return what else a number must be, as sentences."""
    words = {"exclusiveMinimum": "More than", "minimum": "At least", "maximum": "At most"}
    return "".join(f" {said} {rule[key]:,}." for key, said in words.items() if key in rule)


def _event() -> str:
    """Return the tables of a heartbeat's keys and of the keys of each step."""
    found = schema.load("event-heartbeat")
    step = found["$defs"]["step"]
    return "\n".join(
        [
            _keys(found, found),
            f"Keys of each step in `steps`. {step['description']}\n",
            _keys(step, found),
        ]
    )


def _event_types() -> str:
    """Return the table of the types that have a schema, but for the heartbeat, and their keys."""
    rows = []
    for path in sorted((ROOT / "schemas").glob("event-*.schema.json")):
        found = schema.load(path.name.removesuffix(".schema.json"))
        if (kind := found["title"]) != "heartbeat":
            keys = [
                f"`{key}`" + ("" if key in found["required"] else " (may be absent)")
                for key in found["properties"]
                if key not in ("ts", "type")
            ]
            rows.append((f"`{kind}`", found["description"], ", ".join(keys)))
    return _rows(("type", "what happened", "keys besides `ts` and `type`"), rows)


def _line_of_validate(which: str) -> str:
    """Return the table of the keys of a finding or of the numbers."""
    found = schema.load("validate")
    return _keys(found["$defs"][which], found)


def _stats() -> str:
    """Return the table of the keys of the log's numbers."""
    found = schema.load("stats")
    return _keys(found, found)


def _pulse() -> str:
    """Return the table of what `doit pulse --json` says."""
    found = schema.load("pulse")
    return _keys(found, found)


def _resonance() -> str:
    """Return the table of a finding's keys in `doit resonance --json`."""
    found = schema.load("resonance")
    return _keys(found, found)


def _status() -> str:
    """Return the tables of the status's keys: who writes each, and the keys inside ours."""
    found = schema.load("status-slim")
    rows = []
    for name, rule in found["properties"].items():
        ours = "type" in rule or "$ref" in rule
        rows.append((f"`{name}`", "the beat" if ours else "others", rule["description"]))
    parts = [_rows(("key", "written by", "meaning"), rows)]
    for name in ("milestone", "session_delta", "work", "documents", "infrastructure", "pulse"):
        parts += [f"Keys of `{name}`:\n", _keys(found["properties"][name], found)]
    return "\n".join(parts)


def _full_status() -> str:
    """Return the tables of the keys that the full status has beside those of the slim one."""
    found, slim = schema.load("status"), schema.load("status-slim")
    more = [name for name in found["properties"] if name not in slim["properties"]]
    rows = [(f"`{name}`", found["properties"][name]["description"]) for name in more]
    parts = [_rows(("key", "meaning"), rows)]
    parts += ["Keys of `workspace`:\n", _keys(found["properties"]["workspace"], found)]
    return "\n".join(parts)


def _keys(rule: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """Return the table of an object's keys."""
    required = rule.get("required", ())
    rows = [
        (
            f"`{name}`" + ("" if name in required else " (may be absent)"),
            _type(one, whole),
            one.get("description", ""),
        )
        for name, one in rule["properties"].items()
    ]
    return _rows(("key", "value", "meaning"), rows)


def _type(rule: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """Return in a few words what a value is."""
    if "$ref" in rule:
        return _type(whole["$defs"][rule["$ref"].removeprefix("#/$defs/")], whole)
    if "const" in rule:
        return f'`"{rule["const"]}"`'
    if "oneOf" in rule:
        return " or ".join(_type(one, whole) for one in reversed(rule["oneOf"]))
    if "enum" in rule:
        return ", ".join(f'`"{value}"`' for value in rule["enum"])
    if rule.get("format") == "date-time":
        return "time"
    words = {"array": "list", "boolean": "true or false", "integer": "count", "string": "text"}
    given = rule.get("type", "anything")
    return " or ".join(
        words.get(one, one) for one in ([given] if isinstance(given, str) else given)
    )


# --- what the modules say ------------------------------------------------------------------------


def _bookkeeping() -> str:
    """Return the table of our tables in memory, and of the columns that are explained."""
    rows, explained = [], []
    for comment, name, body in _TABLE.findall(
        migrations.script("migration_1.sql") + word_index.INDEX
    ):
        holds, columns = _comment(comment)
        rows.append((f"`{name}`", holds, ", ".join(f"`{c}`" for c in _COLUMN.findall(body))))
        if columns:
            table = _rows(("column", "meaning"), [(f"`{c}`", said) for c, said in columns])
            explained += [f"Columns of `{name}`:\n", table]
    return "\n".join([_rows(("table", "holds", "columns"), rows), *explained])


def _comment(comment: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what a table's comment says of the table, and of each column it explains.

    A line about a column is indented by three blanks and begins with the column's name; lines that
    are indented further go on with it.
    """
    holds: list[str] = []
    columns: list[tuple[str, str]] = []
    for line in comment.splitlines():
        text = line.removeprefix("--")
        indent = len(text) - len(text.lstrip())
        if indent < 3:
            holds.append(text.strip())
        elif indent == 3:
            name, said = text.split(maxsplit=1)
            columns.append((name, said))
        else:
            columns[-1] = (columns[-1][0], f"{columns[-1][1]} {text.strip()}")
    return " ".join(holds), columns


def _space() -> str:
    """Return the table of the embedding space in use."""
    one = space.DEFAULT
    return _rows(
        ("", ""),
        [
            ("model", f"`{one.model}`"),
            ("numbers in a vector", str(one.dimensions)),
            ("two texts belong together from", str(thresholds.CLUSTER)),
            ("two texts say the same from", str(thresholds.DUPLICATE)),
            ("a concept explains a trace from", str(thresholds.BRIDGE)),
        ],
    )


def _rules() -> str:
    """Return what each rule of resonance finds, and whereof."""
    rows = [
        (f"`{name}`", family, _upper(_docstring(rule).removeprefix("Find ")))
        for name, (family, rule) in rules.RULES.items()
    ]
    return _rows(("rule", "family", "what it finds"), rows)


def _signals() -> str:
    """Return when each signal is given, and from which source."""
    rows = [
        (f"`{name}`", source, _upper(_docstring(rule).removeprefix("Tell ").removeprefix("that ")))
        for name, (source, rule) in signals.SIGNALS.items()
    ]
    return _rows(("signal", "source", "when it is given"), rows)


def _docstring(rule: Callable[..., object]) -> str:
    """Return a docstring in one line."""
    return " ".join((rule.__doc__ or "").split())


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _findings() -> str:
    """Return the table of all that the doctor can find."""
    rows = [
        (f"`{check}`", level, f"`{name}`", re.sub(r"{\w+(:,)?}", "…", what),
         "yes" if name in findings.FIXES else "")
        for name, (check, level, what, _) in findings.FINDINGS.items()
    ]  # fmt: skip
    return _rows(("check", "level", "name", "what it says", "`--fix`"), rows)


# --- the entries for schedulers -------------------------------------------------------------------

SAMPLES = ROOT / "scheduler" / "sample"


def _sample(folder: PurePath, python: str) -> job.Job:
    """Return the job of a workspace at a place that stands for the reader's own."""
    schedule = config.load(ROOT / "no settings").schedule
    return job.make(folder / python, folder, schedule, "host")


def samples() -> dict[str, bytes]:
    """Return the sample entries, each by its file's name."""
    python = ".venv/bin/python"
    linux = _sample(PurePosixPath("/home/ana/notes"), python)
    return (
        windows.render(_sample(PureWindowsPath(r"C:\Users\Ana\notes"), r".venv\Scripts\python.exe"))
        | cron.render(linux)
        | systemd.render(linux)
        | launchd.render(_sample(PurePosixPath("/Users/ana/notes"), python))
    )


def _entries() -> str:
    """Return every sample entry as a reader sees it."""
    kinds = {".xml": "xml", ".plist": "xml", ".service": "ini", ".timer": "ini"}
    parts = []
    for name, data in samples().items():
        text = data.decode("utf-16" if name.endswith(".xml") else "utf-8").replace("\r\n", "\n")
        kind = kinds.get(Path(name).suffix, "text")
        parts.append(f"`scheduler/sample/{name}`:\n\n```{kind}\n{text}```\n")
    return "\n".join(parts)


# --- Markdown ------------------------------------------------------------------------------------


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    r"""Return a text that a table may hold: `|` everywhere, `*` and `<` outside code, escaped."""
    return re.sub(r"`[^`]*`|[*<]", lambda m: m[0] if m[0][0] == "`" else f"\\{m[0]}", text).replace(
        "|", "\\|"
    )


PARTS: dict[str, Callable[[], str]] = {
    "tasks": _tasks,
    "commands": _commands,
    "settings": _settings,
    "event": _event,
    "event-types": _event_types,
    "finding": lambda: _line_of_validate("finding"),
    "numbers": lambda: _line_of_validate("numbers"),
    "stats": _stats,
    "pulse": _pulse,
    "resonance": _resonance,
    "rules": _rules,
    "signals": _signals,
    "status": _status,
    "full-status": _full_status,
    "bookkeeping": _bookkeeping,
    "space": _space,
    "findings": _findings,
    "entries": _entries,
}


def render(page: str) -> str:
    """Return a page with its generated parts as they should be."""
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}{part[3]}", page)


def stale(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Return each page in a folder that is not up to date, with what it should be.

    With this folder's own pages come the samples.
    """
    for path in sorted(folder.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        if (wanted := render(page)) != page:
            yield path, wanted.encode()
    if folder == Path(__file__).parent:
        for name, data in samples().items():
            path = SAMPLES / name
            if not path.is_file() or path.read_bytes() != data:
                yield path, data


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; return 1 when a page is not up to date and was to be checked."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the pages.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when out of date")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    given = parser.parse_args(arguments)
    found = list(stale(given.folder))
    for path, wanted in found:
        if given.check:
            print(f"{path} is not up to date; run: python docs/generate.py", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(wanted)
            print(f"{path} written")
    return 1 if given.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
