"""Tell others how the beats go: pings to a dead man's switch, messages through Apprise.

Whom to tell stands in `[notify]` or in the environment, and is a secret: no error that quotes it
leaves this module, only the error's class does. Nothing here raises, and nothing keeps its caller
waiting for more than ten seconds, not even a name server that does not answer: what is sent is
sent by threads that end with the process.

Source of the pings: the address with `/start`, as it is, and with `/fail`, as healthchecks.io and
the programs that are compatible with it take them.
"""

import functools
import threading
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from haios_dag import __version__
from haios_dag.base.console import printable
from haios_dag.base.errors import ConfigError
from haios_dag.base.workspace import Workspace

PING, APPRISE = "HAIOS_PING_URL", "HAIOS_APPRISE_URLS"
"""The variables of the environment or `.env`, which come before `[notify]`."""

_LIMIT = 10.0  # seconds
_PATHS = {"start": "/start", "success": "", "failure": "/fail"}
NotificationResult = dict[str, Any]


class Notifications:
    """What is told to others during a beat, or after a look at the pulse. Making one does no I/O.

    `known` names those who know already, and are not told.
    """

    def __init__(self, workspace: Workspace, known: Collection[str] = ()) -> None:
        self._workspace = workspace
        self._known = known
        self._sent: list[_Sending] = []

    @functools.cached_property
    def _urls(self) -> tuple[str | None, list[str]]:
        """The address for pings and those for messages; none while the settings are unusable."""
        try:
            environment, settings = self._workspace.environment, self._workspace.config.notify
        except ConfigError:  # whoever needs the settings says so
            return None, []
        return (
            environment.get(PING, "").strip() or settings.ping,
            environment.get(APPRISE, "").split() or settings.apprise,
        )

    @property
    def has_targets(self) -> bool:
        """Whether there is anybody to tell."""
        return any(self._urls)

    @property
    def has_messages(self) -> bool:
        """Whether there is anybody who gets messages."""
        return bool(self._urls[1])

    def ping(self, kind: str, text: str, about: str | None = None) -> None:
        """Begin a ping: `start`, `success` or `failure`, with a text of one line.

        It is remembered as being `about` something else where that is given.
        """
        url = self._urls[0]
        if url and "ping" not in self._known:
            self._sent.append(
                _Sending("ping", about or kind, functools.partial(_ping, url, kind, text))
            )

    def message(self, about: str, text: str) -> None:
        """Begin a message to each address of Apprise, with a text of one line."""
        title = f"haios-dag: {printable(self._workspace.root.name)}: {about}"
        for number, url in enumerate(self._urls[1], 1):
            to = f"apprise {number}"
            if to not in self._known:
                send = functools.partial(_message, url, title, text)
                self._sent.append(_Sending(to, about, send))

    def results(self) -> list[NotificationResult]:
        """Wait for all that was begun, and return what became of each.

        `to` is `ping` or `apprise` with the number of its address, `about` what it told, `ok`
        whether it was taken; where not, `error` is the class of the error.
        """
        return [sending.result() for sending in self._sent]


class _Sending:
    """One notification on its way."""

    def __init__(self, to: str, about: str, send: Callable[[], str | None]) -> None:
        self._told = {"to": to, "about": about}
        self._error: str | None = "TimeoutError"  # stands until there is an answer
        self._ends = time.monotonic() + _LIMIT
        self._thread = threading.Thread(target=self._run, args=(send,), daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # there are as many threads as there may be
            self._error = _name(error)

    def _run(self, send: Callable[[], str | None]) -> None:
        try:
            self._error = send()
        except Exception as error:  # noqa: BLE001 - named, never shown: its text may hold the address
            self._error = _name(error)

    def result(self) -> NotificationResult:
        if self._thread.ident:  # it was begun
            self._thread.join(max(0.0, self._ends - time.monotonic()))
        error = self._error
        return self._told | ({"ok": False, "error": error[:60]} if error else {"ok": True})


def _name(error: Exception) -> str:
    """Return what kind of error it is, without a word of what it says."""
    code = getattr(error, "code", None)
    if isinstance(code, int):  # urllib's HTTPError
        return f"HTTP {code}"
    reason = getattr(error, "reason", None)  # of its URLError
    return type(reason if isinstance(reason, Exception) else error).__name__


def _ping(url: str, kind: str, text: str) -> None:
    """Send a ping; raise what urllib raises, OSError and ValueError among others.

    Nothing but http and https is spoken, and no redirect is followed: it would carry the address
    to wherever the other end says.
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
    """Send a message through Apprise; return why it was not, which Apprise itself only logs."""
    import logging
    import warnings

    for name in ("apprise", "urllib3"):  # what they log may hold the address
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    warnings.filterwarnings("ignore", module=r"(apprise|requests|urllib3)\b")
    import apprise  # 0.3 s, and an extra

    one = apprise.Apprise(asset=apprise.AppriseAsset(app_id="haios-dag", async_mode=False))
    if not one.add(url):
        return "InvalidURL"
    return None if one.notify(title=title, body=text) else "NotDelivered"
