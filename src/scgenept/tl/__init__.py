"""Tools: predict how cells respond, train models of your own, judge predictions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..evaluation.report import Report
from ..evaluation.uncertainty import IntervalReport, Uncertainty
from ..prediction.engine import Engine
from ..training.hardware import Hardware
from ..training.plan import TrainingPlan
from ..weights.initial import Architecture
from ._calibrate import calibrate
from ._evaluate import evaluate
from ._evaluate_intervals import evaluate_intervals
from ._predict_perturbation import predict_perturbation

if TYPE_CHECKING:
    from ._finetune import finetune

__all__ = [
    "Architecture",
    "Engine",
    "Hardware",
    "IntervalReport",
    "Report",
    "TrainingPlan",
    "Uncertainty",
    "calibrate",
    "evaluate",
    "evaluate_intervals",
    "finetune",
    "predict_perturbation",
]


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to import, and only training needs it.
    if name == "finetune":
        return importlib.import_module("._finetune", __name__).finetune
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
