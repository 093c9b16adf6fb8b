"""Tools: predict how cells respond."""

from __future__ import annotations

from ..prediction.engine import Engine
from ._predict_perturbation import predict_perturbation

__all__ = ["Engine", "predict_perturbation"]
