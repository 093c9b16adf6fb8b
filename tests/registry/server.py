"""A server on loopback that answers as the bucket and Dataverse do, in all the ways that go wrong."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FORBIDDEN = b"<!DOCTYPE html><html><title>403 Forbidden</title></html>"


@dataclass
class FileServer:
    """What it holds by path, and what it was asked for.

    ``status`` answers a path with another code and a web page; ``cut`` sends only so many bytes of a path while its
    Content-Length tells of all of them.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    silent: threading.Event | None = None
    requests: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[FileServer]:
    """Run a server in a thread."""
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            state.requests.append(path)
            if state.silent is not None:
                state.silent.wait(20)
                return
            code = state.status.get(path, 200 if path in state.files else 404)
            body = state.files[path] if code == 200 else FORBIDDEN
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut.get(path, len(body))])
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        if state.silent is not None:
            state.silent.set()
        server.shutdown()
        server.server_close()
        thread.join()
