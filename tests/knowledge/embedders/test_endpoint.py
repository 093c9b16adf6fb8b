"""An OpenAI-compatible endpoint that answers, and one that does everything wrong."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import scgenept as sgp
from scgenept._errors import DataError, DownloadError
from scgenept.knowledge import OpenAIEmbedder
from scgenept.knowledge.embedders import _endpoint
from tests.registry.server import unused_url

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-a-secret"


@dataclass
class Endpoint:
    """Answers of the next requests in ``answers`` (status, body, headers); good ones when those are used up."""

    url: str
    answers: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


def vector(text: str, width: int = 6) -> list[float]:
    return np.random.default_rng(list(text.encode())).normal(size=width).tolist()


def good(wanted: dict[str, Any]) -> str:
    width = wanted.get("dimensions", 6)
    rows = [{"index": i, "embedding": vector(text, width)} for i, text in enumerate(wanted["input"])]
    return json.dumps({"object": "list", "data": rows[::-1]})  # the index counts, not the order


@contextmanager
def serving() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.asked.append({"path": self.path, **wanted})
            endpoint.keys.append(self.headers.get("Authorization"))
            status, body, headers = endpoint.answers.pop(0) if endpoint.answers else (200, good(wanted), {})
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{http.server_port}/v1")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_endpoint, "time", clock)
    return clock


@pytest.fixture
def endpoint(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving() as endpoint:
        yield endpoint


def test_vectors_in_the_order_of_the_texts(endpoint: Endpoint, clock: Clock) -> None:
    rows = OpenAIEmbedder("ada", endpoint.url)(["b", "a", "c"])
    np.testing.assert_allclose(rows, [vector("b"), vector("a"), vector("c")], rtol=1e-6)
    assert rows.dtype == np.float32
    assert endpoint.asked == [{"path": "/v1/embeddings", "model": "ada", "input": ["b", "a", "c"]}]
    assert endpoint.keys == [f"Bearer {KEY}"]
    assert clock.slept == []


def test_dimensions_and_no_key(endpoint: Endpoint) -> None:
    embedder = OpenAIEmbedder("small", endpoint.url + "/", key_variable=None, dimensions=3)
    assert embedder(["a"]).shape == (1, 3)
    assert endpoint.asked[0]["dimensions"] == 3
    assert endpoint.keys == [None]
    assert embedder.id != OpenAIEmbedder("small", endpoint.url, key_variable=None).id


FAILURES = {
    "429": (429, '{"error": "slow down"}', {}),
    "500": (500, "oops", {}),
    "503": (503, "", {}),
    "a web page": (200, "<!doctype html><html>gateway</html>", {}),
    "an error as 200": (200, '{"error": "overloaded"}', {}),
    "too few": (200, json.dumps({"data": [{"index": 0, "embedding": [1.0]}]}), {}),
    "widths": (200, json.dumps({"data": [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}]}), {}),
    "no numbers": (200, json.dumps({"data": [{"embedding": ["x"]}, {"embedding": ["y"]}]}), {}),
    "cut": (200, '{"data": [{"embed', {"Content-Length": "4000"}),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_may_pass_is_tried_again(failure: str, endpoint: Endpoint, clock: Clock) -> None:
    endpoint.answers = [FAILURES[failure]] * 3
    rows = OpenAIEmbedder("ada", endpoint.url, timeout=2)(["a", "b"])
    np.testing.assert_allclose(rows, [vector("a"), vector("b")], rtol=1e-6)
    assert clock.slept == [1, 2, 4]


def test_the_server_says_how_long(endpoint: Endpoint, clock: Clock) -> None:
    after = ["7", "Wed, 21 Oct 2026 07:28:00 GMT", "4000"]
    endpoint.answers = [(429, "", {"Retry-After": value}) for value in after]
    OpenAIEmbedder("ada", endpoint.url)(["a"])
    assert clock.slept == [7, 2, 60]


@pytest.mark.parametrize(
    ("failure", "words"), [("500", "status 500, 'oops'"), ("too few", "1 vectors came for 2 texts")]
)
def test_giving_up(failure: str, words: str, endpoint: Endpoint, clock: Clock) -> None:
    endpoint.answers = [FAILURES[failure]] * 20
    with pytest.raises(DownloadError, match=words) as caught:
        OpenAIEmbedder("ada", endpoint.url, tries=8)(["a", "b"])
    assert len(endpoint.asked) == 8
    assert clock.slept == [1, 2, 4, 8, 16, 32, 60]
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_are_not_repeated(status: int, endpoint: Endpoint) -> None:
    endpoint.answers = [(status, '{"error": {"message": "no such model"}}', {})]
    with pytest.raises(DownloadError, match=f"status {status}.*no such model"):
        OpenAIEmbedder("ada", endpoint.url)(["a"])
    assert len(endpoint.asked) == 1


def test_the_key_is_carried_to_no_other_server(endpoint: Endpoint) -> None:
    with serving() as other:
        endpoint.answers = [(302, "", {"Location": f"{other.url}/embeddings"})]
        with pytest.raises(DownloadError, match="status 302"):
            OpenAIEmbedder("ada", endpoint.url)(["a"])
        assert other.keys == []


def test_nobody_there(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(DownloadError, match="no answer"):
        OpenAIEmbedder("ada", unused_url(), tries=2)(["a"])
    assert clock.slept == [1]


def test_rate_limit(endpoint: Endpoint, clock: Clock) -> None:
    embedder = OpenAIEmbedder("ada", endpoint.url, requests_per_minute=30)
    for _ in range(3):
        embedder(["a"])
    assert clock.slept == [2, 2]
    clock.now += 60
    embedder(["a"])
    assert clock.slept == [2, 2]


def test_no_key_and_offline(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(DataError, match="OPENAI_API_KEY holds no key"):
        OpenAIEmbedder("ada", endpoint.url)(["a"])
    monkeypatch.setattr(sgp.settings, "offline", True)
    with pytest.raises(DownloadError, match=r"settings\.offline"):
        OpenAIEmbedder("ada", endpoint.url, key_variable=None)(["a"])
    assert endpoint.asked == []


def test_long_texts_are_cut_and_counted(endpoint: Endpoint) -> None:
    source = sgp.knowledge.embed({"A": "x" * 100_000, "B": "short"}, OpenAIEmbedder("ada", endpoint.url))
    assert source.provenance["n_cut"] == 1
    assert max(len(text) for text in endpoint.asked[0]["input"]) == 20_000


def test_a_killed_run_goes_on(endpoint: Endpoint) -> None:
    texts = {f"G{i}": f"text {i}" for i in range(20)}
    embedder = OpenAIEmbedder("ada", endpoint.url)
    endpoint.answers = [(200, good({"input": [f"text {i}" for i in range(10, 14)]}), {}), (401, "gone", {})]
    with pytest.raises(DownloadError, match="run it again to go on"):
        sgp.knowledge.embed(texts, embedder, batch_size=4)
    first = endpoint.asked[0]["input"]
    endpoint.asked.clear()
    source = sgp.knowledge.embed(texts, embedder, batch_size=4)
    later = [text for wanted in endpoint.asked for text in wanted["input"]]
    assert sorted(first + later) == sorted(texts.values())
    assert KEY not in str(source.provenance)
    assert all(KEY.encode() not in file.read_bytes() for file in sgp.settings.cache_dir.rglob("*") if file.is_file())
