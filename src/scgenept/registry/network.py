"""The only place that opens connections: is a server there, and bring me this address."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .._progress import bar
from .._settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BLOCK: Final = 1 << 18
_SECONDS_BETWEEN_BLOCKS: Final = 30.0
SILENT: Final = "the server does not answer"
"""Why an address could not be had whose server took the connection and then fell silent."""
_PORTS: Final = {"http": 80, "https": 443}


class Servers:
    """Which of some servers can be reached, asked of all of them at once.

    HTTP clients wait for name servers, and then for every address of a server in turn: minutes where packets vanish.
    Here all of it together takes no longer than ``timeout``.

    Parameters
    ----------
    urls
        Addresses whose servers are asked, or the proxies in front of them.
    timeout
        Seconds.
    """

    def __init__(self, urls: Iterable[str], *, timeout: float) -> None:
        self._end = time.monotonic() + timeout
        self._silence = f"no answer within {timeout:g} s"
        self._reasons: dict[str, str | None] = {}
        self._threads = {server: self._start(server, url) for server, url in _one_url_each(urls).items()}

    def why_not(self, url: str) -> str | None:
        """Say why the server of an address cannot be reached, or nothing."""
        server = urlsplit(url).netloc
        self._threads[server].join(max(0.0, self._end - time.monotonic()))
        return self._reasons.get(server, self._silence)

    def _start(self, server: str, url: str) -> threading.Thread:
        # A daemon, because looking up a name cannot be interrupted.
        thread = threading.Thread(target=self._ask, args=(server, _host_and_port(url)), daemon=True)
        thread.start()
        return thread

    def _ask(self, server: str, address: tuple[str, int]) -> None:
        try:
            _connect(address, until=self._end)
        except socket.gaierror:
            self._reasons[server] = f"the name {address[0]} cannot be looked up"
        except TimeoutError:
            self._reasons[server] = self._silence
        except OSError as error:
            self._reasons[server] = f"no connection ({error.strerror or error})"
        else:
            self._reasons[server] = None


def retrieve(url: str, work: Path) -> str | None:
    """Download one address to a file with pooch.

    Parameters
    ----------
    url
        Where it is.
    work
        The file to write.

    Returns
    -------
    Why it could not be had, or nothing.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    answers: list[Any] = []
    with ExitStack() as stack:
        shown = bar(0, url.rsplit("/", 1)[-1], unit="B", unit_scale=True)
        stack.callback(shown.close)
        import pooch  # after the bar, whose way of finding a notebook is the quiet one

        stack.callback(lambda: [answer.close() for answer in answers])
        downloader = pooch.HTTPDownloader(
            progressbar=shown,
            chunk_size=_BLOCK,
            timeout=settings.timeout,
            headers={"Accept-Encoding": "identity"},  # so that the bytes can be counted
            hooks={"response": [lambda answer, **_: answers.append(answer), _wait_longer]},
        )
        try:
            downloader(url, str(work), None)
        except OSError as error:
            if not hasattr(error, "response"):  # of the disk; those of the network have one, perhaps empty
                raise
            return _in_words(error)
    announced = answers[-1].headers.get("Content-Length")
    if announced is not None and work.stat().st_size != int(announced):
        return f"the connection was cut after {work.stat().st_size:,} of {int(announced):,} bytes"
    return None


def _wait_longer(answer: Any, **_: object) -> None:
    """Once a server has answered, allow for pauses in a long download."""
    connection = getattr(answer.raw, "connection", None)
    body = getattr(
        getattr(answer.raw, "_fp", None), "fp", None
    )  # holds the socket of a connection that closes after it
    opened = getattr(connection, "sock", None) or getattr(getattr(body, "raw", None), "_sock", None)
    if opened is not None:
        opened.settimeout(max(settings.timeout, _SECONDS_BETWEEN_BLOCKS))


def _connect(address: tuple[str, int], *, until: float) -> None:
    """Open and close a connection to whichever address of a server answers first."""
    failure: OSError = TimeoutError()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for family, kind, protocol, _, target in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            try:
                opened = stack.enter_context(socket.socket(family, kind, protocol))
                opened.setblocking(False)  # noqa: FBT003
                opened.connect(target)
            except BlockingIOError:  # on its way
                selector.register(opened, selectors.EVENT_WRITE, data=opened)
            except OSError as error:
                failure = error
            else:
                return
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                code = key.data.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return
                failure = OSError(code, os.strerror(code))
                selector.unregister(key.fileobj)
    raise failure


def _one_url_each(urls: Iterable[str]) -> dict[str, str]:
    return {urlsplit(url).netloc: url for url in urls}


def _host_and_port(url: str) -> tuple[str, int]:
    """Return whom a request for an address is sent to: the server, or the proxy of the user's environment."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and parts.hostname and not urllib.request.proxy_bypass(parts.hostname):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)


def _in_words(error: OSError) -> str:
    """Say what went wrong while a server was asked."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"the server answered {answer.status_code} {answer.reason}"
    kind = type(error).__name__
    if kind == "ChunkedEncodingError":
        return "the connection was cut before the end of the file"
    if "Timeout" in kind or "timed out" in str(error):
        return SILENT
    return f"the connection failed ({kind}: {error})"
