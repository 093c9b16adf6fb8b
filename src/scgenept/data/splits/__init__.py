"""Which perturbations a model learns from and which it is judged by: one family of schemes a file, numpy only."""

from __future__ import annotations

from .options import SplitOptions
from .parts import Parts, Targets

__all__ = ["Parts", "SplitOptions", "Targets"]
