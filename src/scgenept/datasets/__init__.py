"""Data sets: real, embedded and made up."""

from __future__ import annotations

from ._k562_mini import k562_mini
from ._toy import toy

__all__ = ["k562_mini", "toy"]
