from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from scgenept import settings
from scgenept.registry import fetch
from scgenept.registry.network import Servers
from tests.registry.server import Answer, silence, unused_url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.server import Server


def test_reachable(server: Server) -> None:
    assert Servers([server.url], timeout=2).why_not(f"{server.url}/any") is None


def test_answer_of_one_does_not_wait_for_another(server: Server) -> None:
    with silence() as nowhere:
        servers = Servers([server.url, nowhere], timeout=1)
        started = time.monotonic()
        assert servers.why_not(server.url) is None
        assert time.monotonic() - started < 0.5


def test_unknown_name(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert Servers(["http://bucket.invalid/x"], timeout=1).why_not("http://bucket.invalid/y") == (
        "the name bucket.invalid cannot be looked up"
    )


def test_silent_name_server(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def silent(*_: object, **__: object) -> None:
        time.sleep(1.5)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    started = time.monotonic()
    assert Servers(["http://bucket.invalid"], timeout=0.2).why_not("http://bucket.invalid") == "no answer within 0.2 s"
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("first", ["silent", "refusing"])
def test_any_address_of_a_server_will_do(server: Server, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """As where IPv6 is announced and leads nowhere."""
    with silence() as nowhere:
        bad = nowhere if first == "silent" else unused_url()
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", urlsplit(url).port)) for url in (bad, server.url)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert Servers(["http://bucket.invalid"], timeout=2).why_not("http://bucket.invalid") is None


def test_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only a proxy leads outside, the proxy is asked, and not the name server."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setattr(settings, "base_url", "http://bucket.invalid")
    server.answers["/models/pretrained/scgpt/args.json"] = Answer(b"{}")
    looked_up: list[Any] = []
    really = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *host, **more: looked_up.append(host[0]) or really(*host, **more))
    assert fetch("scgpt/args.json").read_bytes() == b"{}"
    assert set(looked_up) == {"127.0.0.1"}
