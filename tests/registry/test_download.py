"""Every way in which a download goes well or wrong, against a real server on loopback."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scgenept import settings
from scgenept._device import available_devices, resolve_device
from scgenept._errors import DeviceError, DownloadError, UnknownNameError
from scgenept._settings import Settings
from scgenept.registry import fetch, find, table
from tests.registry.files import GOOD, H5AD, MEMBER, NORMAN_PATH, VOCAB, VOCAB_PATH, files_in, zipped
from tests.registry.server import FORBIDDEN, Answer, serving, silence, unused_url

if TYPE_CHECKING:
    from tests.registry.server import Server

GO_P_PATHS = [f"/{path}" for path in find("gene_embeddings/go_p_avg").paths]


@pytest.fixture
def known_hash(monkeypatch: pytest.MonkeyPatch) -> str:
    """The registry knows the hash of the vocabulary."""
    sha256 = hashlib.sha256(GOOD).hexdigest()
    known = dict(table._table())
    known[VOCAB] = replace(known[VOCAB], sha256=sha256, size=len(GOOD))
    monkeypatch.setattr(table, "_table", lambda: known)
    return sha256


def test_success(server: Server, cache: Path) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    path = fetch(VOCAB)
    assert path == cache / "scgpt" / "vocab.json"
    assert path.read_bytes() == GOOD
    assert files_in(cache) == ["scgpt/vocab.json", "scgpt/vocab.json.sha256"]
    assert fetch(VOCAB) == path
    assert server.asked == [VOCAB_PATH]


def test_note_is_what_sha256sum_reads(server: Server, cache: Path) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    path = fetch(VOCAB)
    done = subprocess.run(["sha256sum", "-c", "vocab.json.sha256"], cwd=path.parent, capture_output=True, check=False)
    assert done.returncode == 0


def test_redirect_is_followed(server: Server, cache: Path) -> None:
    body = zipped((f"norman/{MEMBER}", H5AD))
    server.answers[NORMAN_PATH] = Answer(status=303, location=f"{server.url}/store/norman.zip")
    server.answers["/store/norman.zip"] = Answer(body)
    assert fetch("norman.zip").read_bytes() == body


def test_progress_bar(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(settings, "progress", True)
    server.answers[VOCAB_PATH] = Answer(GOOD)
    fetch(VOCAB)
    assert "vocab.json" in capsys.readouterr().err


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"no file 'scgpt/vocab'.*Nearest known names: scgpt/vocab.json"):
        fetch("scgpt/vocab")


# what the server may do wrong


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(GOOD, announced=len(GOOD) + 1000), "cut"),
        (Answer(FORBIDDEN, status=403), "answered 403 Forbidden"),
        (Answer(FORBIDDEN), "a web page, not the file"),
        (Answer(b""), "empty"),
        (Answer(b"Rate limit exceeded"), "begins with b'Rate limit excee'"),
        (Answer(status=404), "answered 404 Not Found"),
        (Answer(status=500), "answered 500"),
    ],
    ids=["cut", "403 page", "200 page", "empty", "other text", "404", "500"],
)
def test_bad_answer(server: Server, cache: Path, answer: Answer, reason: str) -> None:
    server.answers[VOCAB_PATH] = answer
    with pytest.raises(DownloadError, match=reason) as caught:
        fetch(VOCAB)
    for part in (VOCAB, server.url + VOCAB_PATH, "size unknown", str(cache / "scgpt" / "vocab.json")):
        assert part in str(caught.value)
    assert files_in(cache) == []
    server.answers[VOCAB_PATH] = Answer(GOOD)
    assert fetch(VOCAB).read_bytes() == GOOD


def test_cut_late_in_a_large_file(server: Server, cache: Path) -> None:
    body = b"PK\x03\x04" + os.urandom(3_000_000)
    server.answers[NORMAN_PATH] = Answer(body, announced=len(body) + 1)
    with pytest.raises(DownloadError, match="cut"):
        fetch("norman.zip")
    assert files_in(cache) == []


def test_wrong_hash(server: Server, cache: Path, known_hash: str) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD + b" ")
    with pytest.raises(DownloadError, match=f"expected {known_hash}"):
        fetch(VOCAB)
    assert files_in(cache) == []


def test_bad_first_address_good_mirror(server: Server, known_hash: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers[VOCAB_PATH] = Answer(b"{}")
    with serving() as mirror:
        mirror.answers[VOCAB_PATH] = Answer(GOOD)
        monkeypatch.setattr(settings, "mirrors", (unused_url(), mirror.url))
        assert fetch(VOCAB).read_bytes() == GOOD


def test_spellings_are_tried_in_order(server: Server, cache: Path) -> None:
    server.answers[GO_P_PATHS[2]] = Answer(b"\x80\x04}.")
    assert fetch("gene_embeddings/go_p_avg") == cache / "gene_embeddings" / "go_p_avg.pickle"
    assert server.asked == GO_P_PATHS[:3]


def test_no_spelling_is_there(server: Server) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch("gene_embeddings/go_p_avg")
    assert server.asked == GO_P_PATHS
    assert all(server.url + path in str(caught.value) for path in GO_P_PATHS)


# hashes that nobody has recorded yet


def test_first_hash_is_recorded_and_told(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    with caplog.at_level(logging.WARNING, "scgenept"):
        path = fetch(VOCAB)
        assert hashlib.sha256(GOOD).hexdigest() in caplog.text
        caplog.clear()
        fetch(VOCAB)
    assert caplog.text == ""
    assert path.with_name("vocab.json.sha256").read_text().split()[0] == hashlib.sha256(GOOD).hexdigest()


def test_later_download_must_match(server: Server, cache: Path) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    fetch(VOCAB).unlink()
    server.answers[VOCAB_PATH] = Answer(b"{}")
    with pytest.raises(DownloadError, match="expected"):
        fetch(VOCAB)
    assert files_in(cache) == ["scgpt/vocab.json.sha256"]


@pytest.mark.parametrize("keep_time", [True, False])
def test_changed_file_is_refused(server: Server, keep_time: bool) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    path = fetch(VOCAB)
    stamp = path.stat().st_mtime_ns - (10**9 if keep_time else 0)
    path.write_bytes(b"{}")
    if keep_time:
        os.utime(path, ns=(stamp, stamp))  # older than the note, as after `cp -p`
    with pytest.raises(DownloadError, match=r"not the file it should be.*Delete it"):
        fetch(VOCAB)


def test_copied_cache_is_hashed_again(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    fetch(VOCAB)
    shutil.copytree(cache, cache.parent / "copy", copy_function=shutil.copyfile)
    monkeypatch.setattr(settings, "cache_dir", cache.parent / "copy")
    assert fetch(VOCAB).read_bytes() == GOOD
    assert len(server.asked) == 1


def test_registry_learns_another_hash(server: Server, cache: Path, known_hash: str) -> None:
    target = cache / "scgpt" / "vocab.json"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"{}")
    with pytest.raises(DownloadError, match=f"expected {known_hash}"):
        fetch(VOCAB)


# placed by hand, offline


def test_placed_by_hand(cache: Path, known_hash: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "offline", True)
    with pytest.raises(DownloadError, match=f"offline.*{known_hash}") as caught:
        fetch(VOCAB)
    target = Path(str(caught.value).rsplit("save it as ", 1)[1])
    assert target == cache / "scgpt" / "vocab.json"
    target.parent.mkdir(parents=True)
    target.write_bytes(GOOD)
    assert fetch(VOCAB) == target


def test_web_page_placed_by_hand(cache: Path) -> None:
    (cache / "scgpt").mkdir(parents=True)
    (cache / "scgpt" / "vocab.json").write_bytes(FORBIDDEN)
    with pytest.raises(DownloadError, match="web page"):
        fetch(VOCAB)
    assert files_in(cache) == ["scgpt/vocab.json"]


def test_offline_opens_no_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "offline", True)
    with pytest.raises(DownloadError, match="offline"):
        fetch(VOCAB)
    assert server.asked == []


# no network


def test_nobody_listens(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "base_url", unused_url())
    with pytest.raises(DownloadError, match=r"no connection \(Connection refused\)"):
        fetch(VOCAB)


def test_silent_network_is_an_error_in_time(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "timeout", 0.6)
    with silence() as nowhere, silence() as first_mirror, silence() as second_mirror:
        monkeypatch.setattr(settings, "base_url", nowhere)
        monkeypatch.setattr(settings, "mirrors", (first_mirror, second_mirror))
        started = time.monotonic()
        with pytest.raises(DownloadError, match=r"no answer within 0.6 s") as caught:
            fetch("scgenept_go_c/norman")
        took = time.monotonic() - started
    assert took < 1.2
    for part in ("scgenept_go_c/norman", nowhere, "about 954 MB", str(cache / "scgenept_go_c" / "norman.pt")):
        assert part in str(caught.value)
    assert Settings().timeout < 5


def test_silent_first_address_good_mirror(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "timeout", 0.4)
    server.answers[VOCAB_PATH] = Answer(GOOD)
    with silence() as nowhere:
        monkeypatch.setattr(settings, "base_url", nowhere)
        monkeypatch.setattr(settings, "mirrors", (server.url,))
        assert fetch(VOCAB).read_bytes() == GOOD


def test_server_stops_answering(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "timeout", 0.3)
    answer = server.answers[VOCAB_PATH] = Answer(GOOD, together=threading.Barrier(2))
    with pytest.raises(DownloadError, match="the server does not answer"):
        fetch(VOCAB)
    assert answer.together is not None
    answer.together.wait()  # let the server go on
    assert files_in(cache) == []


def test_mute_server_is_asked_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and says nothing, whatever spelling it is asked for."""
    monkeypatch.setattr(settings, "timeout", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setattr(settings, "base_url", f"http://127.0.0.1:{mute.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(DownloadError, match="the server does not answer"):
            fetch("scgenept_go_c/norman")
        assert time.monotonic() - started < 2 * settings.timeout


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_pause_within_a_download_is_waited_for(cache: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    monkeypatch.setattr(settings, "timeout", 0.3)

    def answer() -> None:
        connection, _ = slow.accept()  # the question whether somebody is there
        connection.close()
        connection, _ = slow.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(f"{protocol} 200 OK\r\nContent-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD[:4])
            time.sleep(0.8)
            connection.sendall(GOOD[4:])

    with socket.create_server(("127.0.0.1", 0)) as slow:
        monkeypatch.setattr(settings, "base_url", f"http://127.0.0.1:{slow.getsockname()[1]}")
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert fetch(VOCAB).read_bytes() == GOOD
        thread.join()


def test_addresses_that_are_none_are_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "base_url", "bucket.example.org")
    monkeypatch.setattr(settings, "mirrors", "ftp://mirror")
    with pytest.raises(
        DownloadError, match=r"Tried bucket.*: it does not begin with https://.*; ftp://mirror/"
    ) as caught:
        fetch(VOCAB)
    assert "settings.base_url" in str(caught.value)


def test_settings_are_checked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "timeout", "5")
    with pytest.raises(ValueError, match=r"settings\.timeout='5' should be a number above 0"):
        fetch(VOCAB)
    monkeypatch.setenv("SCGENEPT_TIMEOUT", "soon")
    with pytest.raises(ValueError, match="SCGENEPT_TIMEOUT='soon' should be a number of seconds"):
        Settings()
    with pytest.raises(AttributeError, match="devise"):
        settings.devise = "cpu"  # type: ignore[attr-defined]


def test_no_device_is_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "device", None)
    assert str(resolve_device()) in available_devices()
    with pytest.raises(DeviceError, match="device=3 is no device name. Here there is: .*cpu"):
        resolve_device(3)  # type: ignore[arg-type]
