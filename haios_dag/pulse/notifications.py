"""Notifications: pings to a dead man's switch, messages through Apprise, and their retry.

The targets are secret: of an error that may quote one, only the class leaves this module. Nothing
here raises or blocks its caller for more than ten seconds: daemon threads do the sending. What
failed is sent again at the next run of the watchdog, only to the targets that were not reached.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from haios_dag import __version__
from haios_dag.base.console import printable
from haios_dag.base.errors import ConfigError
from haios_dag.base.json_values import as_list, as_object
from haios_dag.base.workspace import Workspace

PING, APPRISE = "HAIOS_PING_URL", "HAIOS_APPRISE_URLS"
"""Variables of the environment or `.env`, which override `[notify]`."""

_LIMIT = 10.0  # seconds
# of healthchecks.io and compatible programs
_PATHS = {"start": "/start", "success": "", "failure": "/fail"}
NotificationResult = dict[str, Any]


class Notifications:
    """The notifications of a beat, or of a run of the watchdog. Creating one does no I/O.

    `retry_of` are earlier events of type `pulse` with the same news: a target that one of them
    reached is not notified again.
    """

    def __init__(self, workspace: Workspace, retry_of: Iterable[Mapping[str, Any]] = ()) -> None:
        self._workspace = workspace
        self._reached = set().union(*map(_reached, retry_of))
        self._sent: list[_Sending] = []

    @functools.cached_property
    def _urls(self) -> tuple[str | None, list[str]]:
        try:
            environment, settings = self._workspace.environment, self._workspace.config.notify
        except ConfigError:  # reported by the code that needs the settings
            return None, []
        return (
            environment.get(PING, "").strip() or settings.ping,
            environment.get(APPRISE, "").split() or settings.apprise,
        )

    @property
    def has_targets(self) -> bool:
        """Whether any target is configured."""
        return any(self._urls)

    @property
    def has_messages(self) -> bool:
        """Whether any target for messages is configured."""
        return bool(self._urls[1])

    def ping(self, kind: str, text: str, about: str | None = None) -> None:
        """Start a ping (`start`, `success`, `failure`) with a line of text, `about` its kind."""
        if url := self._urls[0]:
            self._send("ping", about or kind, functools.partial(_ping, url, kind, text))

    def message(self, about: str, text: str) -> None:
        """Start a message to each address of Apprise, with one line of text."""
        title = f"haios-dag: {printable(self._workspace.root.name)}: {about}"
        for number, url in enumerate(self._urls[1], 1):
            self._send(f"apprise {number}", about, functools.partial(_message, url, title, text))

    def _send(self, to: str, about: str, send: Callable[[], str | None]) -> None:
        if to not in self._reached:
            self._sent.append(_Sending(to, about, send))

    def results(self) -> list[NotificationResult]:
        """Wait for all, and return whom each went `to`, its subject, and `ok` or the `error`."""
        return [sending.result() for sending in self._sent]


def _reached(event: Mapping[str, Any]) -> set[object]:
    """Return the targets that an event says were reached; another program may have written it."""
    told = map(as_object, as_list(event.get("notifications")))
    return {str(one.get("to")) for one in told if one.get("ok") is True}


class _Sending:
    def __init__(self, to: str, about: str, send: Callable[[], str | None]) -> None:
        self._told = {"to": to, "about": about}
        self._error: str | None = "TimeoutError"  # until there is an answer
        self._ends = time.monotonic() + _LIMIT
        self._thread = threading.Thread(target=self._run, args=(send,), daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads can be started
            self._error = _name(error)

    def _run(self, send: Callable[[], str | None]) -> None:
        try:
            self._error = send()
        except Exception as error:  # noqa: BLE001 - its text, which may have the address, is never shown
            self._error = _name(error)

    def result(self) -> NotificationResult:
        if self._thread.ident:  # it was started
            self._thread.join(max(0.0, self._ends - time.monotonic()))
        error = self._error
        return self._told | ({"ok": False, "error": error[:60]} if error else {"ok": True})


def _name(error: Exception) -> str:
    code = getattr(error, "code", None)
    if isinstance(code, int):  # urllib's HTTPError
        return f"HTTP {code}"
    reason = getattr(error, "reason", None)  # of its URLError
    return type(reason if isinstance(reason, Exception) else error).__name__


def _ping(url: str, kind: str, text: str) -> None:
    """Send a ping; raise what urllib raises, OSError and ValueError among others.

    Only http and https are used. Redirects are not followed, since they would carry the address to
    another host.
    """
    from urllib import request  # 40 ms

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    parts = urlsplit(url)
    if path := _PATHS[kind]:
        parts = parts._replace(path=parts.path.rstrip("/") + path)
    headers = {
        "User-Agent": f"haios-dag/{__version__}",
        "Content-Type": "text/plain; charset=utf-8",
    }
    data = text.encode(errors="backslashreplace")
    ping = request.Request(parts.geturl(), data, headers)  # noqa: S310 - the opener knows no other
    opener.open(ping, timeout=_LIMIT).close()


def _message(url: str, title: str, text: str) -> str | None:
    """Send a message through Apprise; return why that failed, which Apprise only logs."""
    import logging
    import warnings

    for name in ("apprise", "urllib3"):  # their logs may have the address
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    warnings.filterwarnings("ignore", module=r"(apprise|requests|urllib3)\b")
    import apprise  # 0.3 s, and an extra

    one = apprise.Apprise(asset=apprise.AppriseAsset(app_id="haios-dag", async_mode=False))
    if not one.add(url):
        return "InvalidURL"
    return None if one.notify(title=title, body=text) else "NotDelivered"
