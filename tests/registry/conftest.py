"""The settings point at a loopback server and at a cache that only this test sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scgenept import settings
from tests.registry.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.registry.server import Server


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _own_cache: None) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(settings, "cache_dir", folder)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as server:
        monkeypatch.setattr(settings, "base_url", server.url)
        monkeypatch.setattr(settings, "dataverse_url", f"{server.url}/api/access")
        monkeypatch.setattr(settings, "timeout", 2.0)
        yield server
