"""The command line: the main job for those who do not write Python."""

from __future__ import annotations

from .app import app

__all__ = ["app"]
