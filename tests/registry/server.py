"""A server on loopback that lays files out as the bucket and Dataverse do, and can misbehave."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FORBIDDEN = b"<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head><body>Are you a robot?</body></html>"


@dataclass
class Answer:
    """What the server says to one path.

    ``announced`` is the Content-Length where it differs from the body's; ``together`` holds answers back until as many
    requests have come.
    """

    body: bytes = b""
    status: int = 200
    announced: int | None = None
    location: str | None = None
    together: threading.Barrier | None = None


@dataclass
class Server:
    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Server]:
    """Serve ``server.answers`` on a free port; what is not there is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path if self.path.startswith("/") else "/" + self.path.split("/", 3)[3]  # as a proxy
            server.asked.append(path)
            answer = server.answers.get(path, Answer(b"<Error><Code>NoSuchKey</Code></Error>", status=404))
            if answer.together is not None:
                answer.together.wait(timeout=20)
            self.send_response(answer.status)
            if answer.location:
                self.send_header("Location", answer.location)
            self.send_header("Content-Length", str(answer.announced or len(answer.body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the client gave up
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@contextmanager
def silence() -> Iterator[str]:
    """Yield an address on loopback where connections are neither accepted nor refused, as behind a firewall."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # more than fit into the queue
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
        for client in waiting:
            client.close()


def unused_url() -> str:
    """Return an address on loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
