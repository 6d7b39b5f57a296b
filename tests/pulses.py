"""Event logs for tests of the pulse, and a real HTTP server that is told of it."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import logs

from haios_dag.base import clock

HOURLY = "[schedule]\nevery_minutes = 60\n"


def beat(ts: datetime | str, outcome: str = "ok") -> dict[str, Any]:
    """Return a heartbeat that ended at an instant."""
    return logs.heartbeat(ts=ts if isinstance(ts, str) else clock.iso(ts), outcome=outcome)


def log(root: Path, *events: object) -> Path:
    """Write a log of some events; return the folder."""
    path = root / ".claude" / "haios-events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return root


class Heard(NamedTuple):
    """A request that the server got."""

    path: str
    body: str


class Server:
    """A server on this computer: what it heard, and what it answers."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[str], int] = lambda _: 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.heard.append(Heard(self.path, body.decode()))
                code = outer.answer(self.path)
                self.send_response(code)
                if 300 <= code < 400:
                    self.send_header("Location", f"{outer.url}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        """The paths of all requests, in their order."""
        return [heard.path for heard in self.heard]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Run a server for a while."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """Give the address of a server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def closed() -> str:
    """Return the address of a port at which no program listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"
