"""Others are told how the beats go: over real sockets, in bounded time, and at no beat's cost."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import processes
import pulses
import pytest
import workspaces
from pages import page
from pulses import Server

from haios_dag import events
from haios_dag.base import schema
from haios_dag.base.workspace import Workspace
from haios_dag.pulse import notifications


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on this computer."""
    with pulses.serving() as one:
        yield one


def env(root: Path, *lines: str) -> None:
    """Write the `.env` of a workspace."""
    (root / ".env").touch(mode=0o600)
    (root / ".env").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def beat(root: Path, code: int = 0) -> dict[str, Any]:
    """Beat, check the exit code, and return the event, which is valid."""
    done = workspaces.doit(root)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    event = workspaces.log(root)[-1]
    schema.validate("event-heartbeat", event)
    return event


def told(event: dict[str, Any]) -> list[tuple[str, str, object]]:
    """Return whom an event says to have told what, and how that went."""
    return [(one["to"], one["about"], one["ok"] or one["error"]) for one in event["notifications"]]


def break_ingest(root: Path, *, broken: bool) -> None:
    """Put a document there that no beat can read, or take it away."""
    path = root / "docs" / "bad.md"
    path.write_bytes(b"\0") if broken else path.unlink()


# --- pings ----------------------------------------------------------------------------------------


def test_a_beat_pings_its_start_and_its_end(copy: Path, server: Server) -> None:
    """/start, then the address as it is when the beat was good, /fail when it was not."""
    env(copy, f"HAIOS_PING_URL={server.url}/uuid?create=1")
    event = beat(copy)
    assert server.paths == ["/uuid/start?create=1", "/uuid?create=1"]
    assert server.heard[1].body == f"beat {event['beat']}: idle"
    assert told(event) == [("ping", "start", True), ("ping", "success", True)]
    break_ingest(copy, broken=True)
    event = beat(copy, 1)
    assert server.paths[2:] == ["/uuid/start?create=1", "/uuid/fail?create=1"]
    assert server.heard[3].body == f"beat {event['beat']}: degraded; failed: ingest"
    assert told(event)[1] == ("ping", "failure", True)


def test_the_settings_may_hold_the_address(copy: Path, server: Server) -> None:
    """`[notify] ping` is enough; .env overrides it."""
    (copy / "haios.toml").write_text(f'[notify]\nping = "{server.url}/toml/"\n', encoding="utf-8")
    beat(copy)
    assert server.paths == ["/toml/start", "/toml/"]
    env(copy, f"HAIOS_PING_URL={server.url}/env")
    beat(copy)
    assert server.paths[2:] == ["/env/start", "/env"]


def test_a_beat_that_is_refused_the_lock_tells_nothing(copy: Path, server: Server) -> None:
    """Only a beat that runs sends notifications."""
    env(copy, f"HAIOS_PING_URL={server.url}")
    program = (
        "import sys; from pathlib import Path; from haios_dag.base import files\n"
        "with files.lock(Path(sys.argv[1]), wait=False):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with processes.start(program, copy / ".haios" / "beat.lock") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert workspaces.doit(copy).returncode == 1
        holder.communicate()
    assert server.heard == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a signal")
def test_an_interrupted_beat_tells_of_its_failure(copy: Path, server: Server) -> None:
    """A signal while the beat is at work: /fail, and its event says so."""
    env(copy, f"HAIOS_PING_URL={server.url}")
    with (copy / "dodo.py").open("a", encoding="utf-8") as file:
        file.write(
            "\nimport time\n"
            "class Slow:\n    @staticmethod\n    def run(*_):\n        time.sleep(60)\n"
            "beat.step('slow', Slow, 'takes long')\n"
            "def task_status() -> Task:\n    return {'actions': [beat._action('slow', Slow)]}\n"
        )
    process = workspaces.start(copy)
    while "/start" not in server.paths:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert server.paths == ["/start", "/fail"]
    event = workspaces.log(copy)[-1]
    assert event["outcome"] == "interrupted"
    assert told(event) == [("ping", "start", True), ("ping", "failure", True)]


def test_a_beat_whose_event_cannot_be_written_has_failed(copy: Path, server: Server) -> None:
    """What was good up to there is called off."""
    env(copy, f"HAIOS_PING_URL={server.url}")
    lock = copy / ".haios" / "events.lock"
    lock.unlink()
    lock.mkdir()
    assert workspaces.doit(copy).returncode == 2
    assert server.paths == ["/start", "/", "/fail"]
    assert "could not be written" in server.heard[2].body


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_closed_port_costs_a_beat_nothing(copy: Path) -> None:
    """The beat is good, its event names the class of the error, and `doit events` shows it."""
    env(copy, f"HAIOS_PING_URL={pulses.closed()}/secret")
    event = beat(copy)
    assert event["outcome"] == "idle"
    refused = "ConnectionRefusedError"
    assert told(event) == [("ping", "start", refused), ("ping", "success", refused)]
    assert "2 notifications failed" in workspaces.doit(copy, "events", "-n", "1").stdout


def test_a_server_that_hangs_is_given_up(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for so long and no longer, also where it has begun to answer."""
    monkeypatch.setattr(notifications, "_LIMIT", 0.3)
    with pulses.hanging() as url, pulses.serving() as server:
        release = threading.Event()
        server.answer = lambda _: release.wait() and 200
        for hung in (url, server.url):
            env(copy, f"HAIOS_PING_URL={hung}")
            news = notifications.Notifications(Workspace(copy))
            news.ping("start", "begun")
            assert [one["error"] for one in news.results()] == ["TimeoutError"]
        release.set()


def test_a_whole_beat_with_a_server_that_hangs(copy: Path) -> None:
    """The beat is good, ends, and says so; as many seconds as the page says are enough for it."""
    with pulses.hanging() as url:
        env(copy, f"HAIOS_PING_URL={url}")
        event = beat(copy)
    assert event["outcome"] == "idle"
    assert told(event) == [("ping", "start", "TimeoutError"), ("ping", "success", "TimeoutError")]
    assert event["seconds"] < notifications._LIMIT  # what is waited for is no part of the beat


@pytest.mark.parametrize("code", [302, 307, 404, 500])
def test_an_answer_that_is_none_is_an_error(copy: Path, server: Server, code: int) -> None:
    """Also a redirect, which is not followed."""
    server.answer = lambda _: code
    env(copy, f"HAIOS_PING_URL={server.url}/x")
    assert told(beat(copy)) == [
        ("ping", "start", f"HTTP {code}"),
        ("ping", "success", f"HTTP {code}"),
    ]
    assert server.paths == ["/x/start", "/x"]


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/x", "file:///etc/hostname", "data:,x", "nothing", "http://[", "http://"],
)
def test_only_http_is_spoken(copy: Path, url: str) -> None:
    """Any other address is an error by its class, and opens nothing."""
    env(copy, f"HAIOS_PING_URL={url}")
    news = notifications.Notifications(Workspace(copy))
    news.ping("success", "good")
    (one,) = news.results()
    assert one["error"] in {"URLError", "ValueError", "InvalidURL"}


def test_an_address_that_is_none_is_refused_unquoted(tmp_path: Path) -> None:
    """The settings say which key is wrong, and nothing of what stands there."""
    for key, value in [
        ("ping", '"ftp://secret"'), ("ping", '["http://secret"]'), ("ping", '"http://se cret"'),
        ("apprise", '"json://secret"'), ("apprise", '["json://a", 5]'), ("apprise", '["a secret"]'),
    ]:  # fmt: skip
        (tmp_path / "haios.toml").write_text(f"[notify]\n{key} = {value}\n", encoding="utf-8")
        with pytest.raises(
            Exception, match=rf"\[notify\] {key}[^:]* must be [^:]*; correct it"
        ) as caught:
            _ = Workspace(tmp_path).config
        assert "cret" not in str(caught.value).replace(str(tmp_path), "")
    (tmp_path / "haios.toml").write_text('notify = "http://secret"\n', encoding="utf-8")
    with pytest.raises(Exception, match="notify must be a section") as caught:
        _ = Workspace(tmp_path).config
    (tmp_path / "haios.toml").write_text('[notify]\nping = "http://secret"\n', encoding="utf-8")
    assert "secret" not in repr(Workspace(tmp_path).config)


# --- nothing to tell ------------------------------------------------------------------------------


def test_without_an_address_nothing_is_loaded(copy: Path) -> None:
    """An idle beat without targets imports no client, starts no thread and has no such key."""
    program = f"""
import sys, threading
sys.argv = ["doit", "-f", {str(copy / "dodo.py")!r}, "heartbeat"]
begun = []
start = threading.Thread.start
threading.Thread.start = lambda self: (begun.append(self), start(self))
from doit.doit_cmd import DoitMain
assert DoitMain().run(sys.argv[1:]) == 0
assert not begun, begun
network = {{"urllib.request", "http.client", "ssl", "apprise", "requests", "smtplib"}}
assert not network & sys.modules.keys(), network & sys.modules.keys()
"""
    processes.run(program)
    assert "notifications" not in workspaces.log(copy)[-1]


# --- messages -------------------------------------------------------------------------------------


@pytest.fixture
def apprise(server: Server) -> str:
    """An address for Apprise that is the server."""
    pytest.importorskip("apprise", reason="the extra haios-dag[notify] is not installed")
    return server.url.replace("http://", "json://")


def messages(server: Server) -> list[str]:
    """Return the titles of the messages that the server got."""
    return [json.loads(heard.body)["title"] for heard in server.heard]


def test_messages_tell_only_what_is_new(copy: Path, server: Server, apprise: str) -> None:
    """The first beat that is not good, and the first good one after it, no other."""
    env(copy, f"HAIOS_APPRISE_URLS={apprise}/a {apprise}/b")
    beat(copy)
    assert server.heard == []
    break_ingest(copy, broken=True)
    event = beat(copy, 1)
    assert told(event) == [("apprise 1", "failing", True), ("apprise 2", "failing", True)]
    assert messages(server) == ["haios-dag: space: failing"] * 2
    assert sorted(server.paths) == ["/a", "/b"]
    assert json.loads(server.heard[0].body)["message"].endswith("degraded; failed: ingest")
    assert "notifications" not in beat(copy, 1)
    break_ingest(copy, broken=False)
    assert told(beat(copy)) == [("apprise 1", "recovered", True), ("apprise 2", "recovered", True)]
    assert messages(server)[2:] == ["haios-dag: space: recovered"] * 2
    assert "notifications" not in beat(copy)


def test_the_first_beat_of_all_may_fail(tmp_path: Path, server: Server, apprise: str) -> None:
    """There was none before, so its failure is news."""
    root = workspaces.make(tmp_path / "space")
    break_ingest(root, broken=True)
    env(root, f"HAIOS_APPRISE_URLS={apprise}")
    assert told(beat(root, 1)) == [("apprise 1", "failing", True)]
    assert messages(server) == ["haios-dag: space: failing"]


def test_a_beat_after_a_silence_has_recovered(copy: Path, server: Server, apprise: str) -> None:
    """After a notification that it was late, the next good beat says that it is not."""
    workspace = Workspace(copy)
    late = schema.load("event-pulse")["examples"][0]
    events.append(workspace, late | {"notifications": []})
    env(copy, f"HAIOS_APPRISE_URLS={apprise}")
    assert "notifications" not in beat(copy)
    events.append(workspace, late)
    assert told(beat(copy)) == [("apprise 1", "recovered", True)]
    assert "notifications" not in beat(copy)
    assert messages(server) == ["haios-dag: space: recovered"]


def test_what_apprise_cannot_do_is_an_error(copy: Path, server: Server, apprise: str) -> None:
    """An invalid address, a server that refuses: named in the event, and not by Apprise."""
    server.answer = lambda _: 500
    env(copy, f"HAIOS_APPRISE_URLS=nothing://secret {apprise}/secret json://127.0.0.1:1/secret")
    break_ingest(copy, broken=True)
    done = workspaces.doit(copy)
    assert done.returncode == 1
    event = workspaces.log(copy)[-1]
    assert [why for _, _, why in told(event)] == ["InvalidURL", "NotDelivered", "NotDelivered"]
    assert "secret" not in done.stdout + done.stderr + json.dumps(event)


def test_without_apprise_it_says_so(copy: Path) -> None:
    """Addresses without the extra are an error by name, and the beat is as it is."""
    env(copy, "HAIOS_APPRISE_URLS=json://127.0.0.1:1")
    break_ingest(copy, broken=True)
    hidden = copy.parent / "hidden" / "apprise"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError\n", encoding="utf-8")
    done = workspaces.doit(
        copy, env={"PYTHONPATH": os.pathsep.join([str(hidden.parent), str(workspaces.ROOT)])}
    )
    assert done.returncode == 1
    assert told(workspaces.log(copy)[-1]) == [("apprise 1", "failing", "ModuleNotFoundError")]


def test_names_are_resolved_in_bounded_time_too(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that does not answer knows no timeout of a socket; it is given up too."""
    monkeypatch.setattr(notifications, "_LIMIT", 0.2)
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait() and [])
    env(copy, "HAIOS_PING_URL=http://name.invalid/")
    news = notifications.Notifications(Workspace(copy))
    news.ping("start", "begun")
    assert news.results()[0]["error"] == "TimeoutError"
    release.set()


def test_a_thread_that_cannot_begin_is_an_error_too(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are as many threads as there may be, nothing is told, and nothing breaks."""

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    env(copy, "HAIOS_PING_URL=http://127.0.0.1:1/")
    news = notifications.Notifications(Workspace(copy))
    news.ping("start", "begun")
    assert news.results()[0]["error"] == "RuntimeError"


def test_the_page_says_how_long_it_takes() -> None:
    """As many seconds as the program waits, for the start and for the end."""
    text = page("pulse")
    assert f"given up after {notifications._LIMIT:.0f} seconds" in text
    assert f"takes {2 * notifications._LIMIT:.0f} seconds longer at most" in text
