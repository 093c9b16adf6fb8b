"""Tools: predict how cells respond, and judge predictions."""

from __future__ import annotations

from ..evaluation.report import Report
from ..prediction.engine import Engine
from ._evaluate import evaluate
from ._predict_perturbation import predict_perturbation

__all__ = ["Engine", "Report", "evaluate", "predict_perturbation"]
