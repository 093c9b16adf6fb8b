"""Files by name come from the loopback server of the registry's tests."""

from __future__ import annotations

from tests.registry.conftest import cache, server

__all__ = ["cache", "server"]
