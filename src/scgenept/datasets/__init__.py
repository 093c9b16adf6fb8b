"""Data sets: real, embedded and made up."""

from __future__ import annotations

from ._from_gears import from_gears
from ._k562_mini import k562_mini
from ._norman import adamson, norman, norman_subset
from ._toy import toy

__all__ = ["adamson", "from_gears", "k562_mini", "norman", "norman_subset", "toy"]
