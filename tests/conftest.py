"""What every test shares: no network but loopback, a cache of its own, an unchanged global state."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import hypothesis
import matplotlib as mpl
import numpy as np
import pytest

import scgenept as sgp
from tests.golden_files import SHARED as GOLDEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

mpl.use("Agg")
# A loaded machine is no bug, and the whole check gives the same answer twice.
hypothesis.settings.register_profile("scgenept", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("scgenept")

NO_SHARED = "shared folder with golden numbers not found"
LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers of the original code."""
    if not GOLDEN.is_dir():
        pytest.skip(NO_SHARED)
    return GOLDEN


@pytest.fixture(scope="session")
def shared(golden: Path) -> Path:
    """The folder with golden numbers and real data."""
    return golden.parent


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads of a test go nowhere near the user's cache, and computing stays on the CPU."""
    monkeypatch.setattr(sgp.settings, "cache_dir", tmp_path_factory.getbasetemp() / "cache")
    monkeypatch.setattr(sgp.settings, "device", "cpu")
    monkeypatch.setattr(sgp.settings, "progress", False)


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that would leave this machine."""
    if request.node.get_closest_marker("network"):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            msg = f"tests open no connection to {address[0]}"
            raise OSError(msg)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _global_rng_is_left_alone() -> Iterator[None]:
    """The user's global random state is the same after every call, so after every test."""
    before = np.random.get_state()[1].tobytes()  # type: ignore[index,union-attr]
    yield
    assert np.random.get_state()[1].tobytes() == before, "a test changed numpy's global RNG"  # type: ignore[index,union-attr]


os.environ.setdefault("OMP_NUM_THREADS", "2")
