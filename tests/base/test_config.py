"""The settings: every key has a default and a meaning, and what is wrong is named."""

import dataclasses
import os
import re
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from processes import run

from haios_dag import init
from haios_dag.base import config, config_errors, schema
from haios_dag.base.errors import ConfigError

SECTIONS: Mapping[str, Any] = schema.load("config")["properties"]


def defaults() -> dict[str, dict[str, Any]]:
    """Return every section with its defaults, as the schema states them."""
    return {
        name: {key: rule["default"] for key, rule in section["properties"].items()}
        for name, section in SECTIONS.items()
    }


def load(folder: Path, text: str) -> dict[str, dict[str, Any]]:
    """Return what a `haios.toml` with this text is read as."""
    path = folder / "haios.toml"
    path.write_text(text, encoding="utf-8")
    return dataclasses.asdict(config.load(path))


# --- drift ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_has_a_default_and_a_meaning(name: str) -> None:
    """Each section and key of the schema says what it means, and each default is allowed."""
    section = SECTIONS[name]
    assert section["description"].endswith(".")
    assert section["additionalProperties"] is False
    for rule in section["properties"].values():
        assert rule["description"].endswith(".")
        assert "default" in rule
    schema.validate("config", {name: defaults()[name]})


def test_the_dataclasses_have_exactly_the_keys_of_the_schema() -> None:
    """No setting exists in code alone or in the schema alone."""
    sections = {field.name: field.type for field in dataclasses.fields(config.Config)}
    assert sections.keys() == SECTIONS.keys()
    for name, section in sections.items():
        assert isinstance(section, type)
        keys = {field.name for field in dataclasses.fields(section)}
        assert keys == SECTIONS[name]["properties"].keys()


def test_every_setting_is_read_somewhere() -> None:
    """No key is an option that does nothing: the package reads each as an attribute."""
    package = Path(config.__file__).parents[1]
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.stem != "config"
    )
    for section in SECTIONS.values():
        for key in section["properties"]:
            assert re.search(rf"\.{key}\b", source), key


# --- haios.toml ----------------------------------------------------------------------------------


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    """Every key is optional, and so is the file."""
    assert dataclasses.asdict(config.load(tmp_path / "haios.toml")) == defaults()
    assert load(tmp_path, "") == defaults()
    assert list(tmp_path.iterdir()) == [tmp_path / "haios.toml"]


def test_the_commented_file_changes_nothing(tmp_path: Path) -> None:
    """What init writes loads to the defaults, as it stands and with every line uncommented."""
    text = init.settings()
    assert load(tmp_path, text) == defaults()
    uncommented, count = re.subn(r"(?m)^# (?=[a-z_]+ = )", "", text)
    with_default = [value for keys in defaults().values() for value in keys.values()
                    if value is not None]  # fmt: skip
    assert count == len(with_default)
    assert load(tmp_path, uncommented) == defaults()
    for section, keys in defaults().items():
        assert f"\n[{section}]\n" in text
        for key in keys:
            assert f"{key} = " in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_given_key_changes_that_key_alone(tmp_path: Path) -> None:
    """A setting is used as given, and the others of its section keep their defaults."""
    read = load(tmp_path, '\ufeff[ingest]\nexclude = ["docs/żółw/*"]\nmax_megabytes = 0.5\n')
    expected = defaults()
    expected["ingest"] |= {"exclude": ["docs/żółw/*"], "max_megabytes": 0.5}
    assert read == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ingest]\nfolder = []", 'line 2: [ingest] has no key "folder"; did you mean "folders"?'),
        (
            "[ingest]\njitter_minutes = 1",
            'line 2: [ingest] has no key "jitter_minutes"; did you mean [schedule] jitter_minutes?',
        ),
        ("[ingest]\nsurprise = 1", 'line 2: [ingest] has no key "surprise"; correct it'),
        ("[ingestion]", "line 1: there is no section [ingestion]; did you mean [ingest]?"),
        ("[zzz]", "line 1: there is no section [zzz]; correct it"),
        ('["a\\nb"]', "line 1: there is no section [a\\nb]; correct it"),
        (
            "enabled = true",
            'line 1: "enabled" stands outside any section; did you mean [ingest] enabled?',
        ),
        ("\ningest = 3", "line 2: ingest must be a section, [ingest], not 3; correct it"),
        (
            "[ingest]\nenabled = 1",
            "line 2: [ingest] enabled must be true or false, not 1; correct it",
        ),
        (
            '[ingest]\nfolders = "docs"',
            'line 2: [ingest] folders must be a list, not "docs"; correct it',
        ),
        (
            '[ingest]\nfolders = ["docs", 3]',
            "line 2: [ingest] folders, item 2, must be non-empty text, not 3; correct it",
        ),
        (
            "[ingest]\nmax_megabytes = 0",
            "line 2: [ingest] max_megabytes must be a number above 0, not 0; correct it",
        ),
        (
            "[signals]\nmemory_percent = 101",
            "line 2: [signals] memory_percent must be a number from 0 to 100, not 101; correct it",
        ),
        (
            "[bridge]\nbudget = 0",
            "line 2: [bridge] budget must be a whole number of at least 1, not 0; correct it",
        ),
        ('[memory]\npath = ""', 'line 2: [memory] path must be non-empty text, not ""; correct it'),
        (
            '# when\n[schedule]\nevery_minutes = "often"',
            'line 3: [schedule] every_minutes must be a whole number from 1 to 44640, not "often"',
        ),
        (
            "schedule = {every_minutes = true}",
            "line 1: [schedule] every_minutes must be a whole number from 1 to 44640, not true;",
        ),
        (
            "[schedule]\nat = 07:30:00",
            'line 2: [schedule] at must be a time from "00:00" to "23:59", not 07:30:00;',
        ),
        (
            '[schedule]\nat = "07:30"\nevery_minutes = 60',
            "line 3: [schedule] every_minutes must be left out where at is set, not 60; correct it",
        ),
        (
            '[bridge]\nbudget = 0\n[status]\ndetail = "no"\n[x]',
            "a whole number of at least 1, not 0; correct it (2 more: doit validate)",
        ),
        (f"[bridge]\nbudget = '{'x' * 900}'", f'not "{"x" * 59}…; correct it'),
        ("[ingest]\nmax_megabytes = nan", "cannot be used: nan is not a finite number; correct it"),
        ("[ingest]\nmax_megabytes = inf", "cannot be used: inf is not a finite number; correct it"),
        ("[ingest]\nmax_megabytes = 1e999", "1e999 is not a finite number; correct it"),
        ("[ingest\n", "line 1"),
        ("[bridge]\nbudget = 1\nbudget = 2\n", "line 3"),
        ("a = " + "[" * 5000, "is nested too deep; correct it"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """A bad file is one sentence: path, line, section and key, what is allowed, what was found."""
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'haios.toml'} ")
    assert message.endswith(("; correct it", "?", "doit validate)"))
    assert "\n" not in message
    assert len(message) < 250 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[notify]\nping = "ftp://canary"', "[notify] ping must be an http or https address"),
        ('[notify]\napprise = ["a", "b canary"]', "[notify] apprise, item 2, must be an address"),
        ('[notify]\napprise = "canary"', "[notify] apprise must be a list"),
        ('notify = "canary"', "notify must be a section, [notify]"),
    ],
)
def test_a_secret_is_not_quoted(tmp_path: Path, text: str, key: str) -> None:
    """What the schema marks as writeOnly stands in no message."""
    with pytest.raises(ConfigError, match=re.escape(key)) as caught:
        load(tmp_path, text)
    assert "canary" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.sampled_from(["07:30", "8-18", "notes", "https://a", 1440, "0-24", time(7, 30)]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=3),
    max_leaves=5,
)  # fmt: skip
KEYS = sorted({key for section in SECTIONS.values() for key in section["properties"]})
GIVEN = st.dictionaries(
    st.sampled_from(sorted(SECTIONS)) | st.text(),
    st.dictionaries(st.sampled_from(KEYS) | st.text(), VALUES, max_size=4) | VALUES,
    max_size=3,
)


@given(given_settings=GIVEN)
@settings(max_examples=300)
def test_the_words_find_what_the_schema_finds(given_settings: dict[str, Any]) -> None:
    """There is a sentence for each setting that the schema refuses, and for no other."""
    wrong = {
        ".".join(map(str, error.absolute_path)): error
        for error in Draft202012Validator(schema.load("config")).iter_errors(given_settings)
    }
    found = config_errors.violations("", given_settings)
    assert bool(found) == bool(wrong)
    assert all("\n" not in one.message for one in found)


def test_every_rule_has_words() -> None:
    """Each key's message says what is allowed, without a pattern of characters."""
    for section in SECTIONS.values():
        for rule in section["properties"].values():
            assert not set(config_errors.allowed(rule)) & set("^$\\|")
            assert "title" in rule or "pattern" not in rule


@pytest.mark.parametrize("data", [b"\xff\xfe[\0", b"\x80"])
def test_a_file_that_is_not_utf8_is_named(tmp_path: Path, data: bytes) -> None:
    """UTF-16, as PowerShell writes it, is refused with the path."""
    path = tmp_path / "haios.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"haios\.toml is not UTF-8 text; save it as UTF-8"):
        config.load(path)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    """What cannot be read is not taken for a missing file."""
    with pytest.raises(ConfigError, match="not a regular file"):
        config.load(tmp_path)


# --- .env ----------------------------------------------------------------------------------------


def dotenv(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    """Write a `.env` file."""
    path = folder / ".env"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_the_process_environment_wins_and_is_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of .env is seen unless the process has its own; os.environ stays as it was."""
    monkeypatch.setenv("HAIOS_TEST_BOTH", "process")
    before = dict(os.environ)
    found = config.environment(
        dotenv(tmp_path, b"\xef\xbb\xbfHAIOS_TEST_NEW='a b'\nexport HAIOS_TEST_BOTH=file\nBARE\n")
    )
    assert found["HAIOS_TEST_NEW"] == "a b"
    assert found["HAIOS_TEST_BOTH"] == "process"
    assert "BARE" not in found
    assert dict(os.environ) == before


def test_values_are_not_expanded(tmp_path: Path) -> None:
    """A dollar in a key or a password stays one."""
    assert config.environment(dotenv(tmp_path, b"VALUE=pa$HOME${X}\n"))["VALUE"] == "pa$HOME${X}"


def test_without_a_file_the_environment_is_the_process_own(tmp_path: Path) -> None:
    """No .env is no error."""
    assert config.environment(tmp_path / ".env") == os.environ


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
@pytest.mark.parametrize(
    ("mode", "refused"),
    [(0o600, False), (0o400, False), (0o640, False), (0o604, True), (0o602, True), (0o620, True)],
)
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int, *, refused: bool) -> None:
    """Keys that anybody may read, or values that anybody may write, are not used."""
    path = dotenv(tmp_path, b"HAIOS_TEST=canary\n", mode)
    if not refused:
        assert config.environment(path)["HAIOS_TEST"] == "canary"
        return
    with pytest.raises(ConfigError, match="run: chmod 600") as caught:
        config.environment(path)
    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    """A .env in UTF-16, a folder, a pipe or a loop of links is named, and nothing hangs."""
    path = dotenv(tmp_path, "A=b\n".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"\.env is not UTF-8 text; save it as UTF-8"):
        config.environment(path)
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="is not a file; move it away"):
        config.environment(path)
    path.rmdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="is not a file; move it away"):
        config.environment(path)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(ConfigError, match="symbolic links"):
        config.environment(path)


def test_importing_is_light() -> None:
    """Importing the settings and the workspace loads no parser, and touches no file."""
    loaded = (
        "import sys, haios_dag.base.workspace\n"
        "print({'yaml', 'jsonschema', 'jsonschema_rs', 'dotenv'} & sys.modules.keys())"
    )
    assert run(loaded) == "set()\n"
