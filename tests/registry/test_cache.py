"""The cache folder: without permission to write, shared by two processes, with files out of zips."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scgenept import settings
from scgenept._errors import DownloadError
from scgenept.registry import fetch, fetch_member
from tests.registry.files import GOOD, H5AD, MEMBER, NORMAN_PATH, VOCAB, VOCAB_PATH, files_in, zipped
from tests.registry.server import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.registry.server import Server


def test_cache_under_a_file(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    (tmp_path / "file").touch()
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "file" / "cache")
    with pytest.raises(DownloadError, match=r"cannot be .* written to the cache .*SCGENEPT_CACHE"):
        fetch(VOCAB)


@pytest.fixture
def foreign_cache(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder that others may enter; pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "scgpt").mkdir()
        monkeypatch.setattr(settings, "cache_dir", folder)
        yield folder


@contextmanager
def read_only(folder: Path, mode: int = 0o555) -> Iterator[None]:
    """Take the permission to write away, also from root, who becomes nobody for as long."""
    import pooch  # noqa: F401
    import requests  # noqa: F401 - nobody may not be allowed to import

    is_root = os.geteuid() == 0
    for path in (folder / "scgpt", folder):
        path.chmod(mode)
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path in (folder, folder / "scgpt"):
            path.chmod(0o755)


def test_read_only_cache(server: Server, foreign_cache: Path) -> None:
    server.answers[VOCAB_PATH] = Answer(GOOD)
    with read_only(foreign_cache), pytest.raises(DownloadError, match=r"Permission denied.*SCGENEPT_CACHE"):
        fetch(VOCAB)
    assert files_in(foreign_cache) == []


def test_read_only_cache_that_has_the_file(foreign_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = foreign_cache / "scgpt" / "vocab.json"
    target.write_bytes(GOOD)
    target.chmod(0o644)
    with read_only(foreign_cache), caplog.at_level(logging.WARNING, "scgenept"):
        assert fetch(VOCAB) == target
    assert "cannot be written beside it" in caplog.text


def test_cache_that_may_not_be_entered(foreign_cache: Path) -> None:
    with read_only(foreign_cache, mode=0o000), pytest.raises(DownloadError, match="Permission denied"):
        fetch(VOCAB)


def test_full_disk_is_not_taken_for_a_bad_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", full)
    with pytest.raises(DownloadError, match=r"No space left on device.*has room"):
        fetch(VOCAB)


# two at once


def test_two_processes_at_once(server: Server, cache: Path) -> None:
    body = b"PK\x03\x04" + os.urandom(2_000_000)
    server.answers[NORMAN_PATH] = Answer(body, together=threading.Barrier(2))
    environment = os.environ | {
        "SCGENEPT_CACHE": str(cache),
        "SCGENEPT_DATAVERSE_URL": f"{server.url}/api/access",
        "SCGENEPT_PROGRESS": "0",
    }
    code = """
import hashlib
from scgenept.registry import fetch
print(hashlib.sha256(fetch("norman.zip").read_bytes()).hexdigest())
"""
    command = [sys.executable, "-c", code]
    children = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [child.communicate(timeout=60)[0].strip() for child in children]
    assert outputs == [hashlib.sha256(body).hexdigest()] * 2
    assert server.asked == [NORMAN_PATH] * 2
    assert files_in(cache) == ["norman.zip", "norman.zip.sha256"]
    assert fetch("norman.zip").read_bytes() == body


# one file out of a zip


def test_member(server: Server, cache: Path) -> None:
    server.answers[NORMAN_PATH] = Answer(zipped((f"norman/{MEMBER}", H5AD), ("norman/go.csv", b"a")))
    path = fetch_member("norman.zip", MEMBER)
    assert path == cache / "norman" / MEMBER
    assert path.read_bytes() == H5AD
    assert files_in(cache) == ["norman.zip", "norman.zip.sha256", f"norman/{MEMBER}", f"norman/{MEMBER}.sha256"]
    (cache / "norman.zip").unlink()
    assert fetch_member("norman.zip", MEMBER) == path
    assert len(server.asked) == 1


def test_changed_member_is_refused(server: Server) -> None:
    server.answers[NORMAN_PATH] = Answer(zipped((f"norman/{MEMBER}", H5AD)))
    path = fetch_member("norman.zip", MEMBER)
    path.write_bytes(H5AD[:-1])
    with pytest.raises(DownloadError, match="not the file it should be"):
        fetch_member("norman.zip", MEMBER)


def test_member_placed_by_hand(cache: Path) -> None:
    (cache / "norman").mkdir(parents=True)
    (cache / "norman" / MEMBER).write_bytes(H5AD)
    assert fetch_member("norman.zip", MEMBER).read_bytes() == H5AD


def test_hostile_zip(server: Server, cache: Path) -> None:
    server.answers[NORMAN_PATH] = Answer(zipped((f"norman/{MEMBER}", H5AD), ("../../evil", b"x")))
    with pytest.raises(DownloadError, match=r"\.\./\.\./evil"):
        fetch_member("norman.zip", MEMBER)
    assert files_in(cache) == ["norman.zip", "norman.zip.sha256"]
    assert not list(cache.parent.rglob("evil"))
