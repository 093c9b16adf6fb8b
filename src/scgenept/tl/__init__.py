"""Tools: predict how cells respond, train models of your own, judge predictions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..prediction.approximation import Approximation
from ..prediction.engine import Engine
from ..training.hardware import Hardware
from ..training.plan import TrainingPlan
from ..weights.initial import Architecture
from ._predict_perturbation import predict_perturbation

if TYPE_CHECKING:
    from ..evaluation.report import Report
    from ..evaluation.uncertainty import IntervalReport, Uncertainty
    from ..prediction.explanation.result import Explanation
    from ._calibrate import calibrate
    from ._evaluate import evaluate
    from ._evaluate_intervals import evaluate_intervals
    from ._explain import explain
    from ._finetune import finetune

__all__ = [
    "Approximation",
    "Architecture",
    "Engine",
    "Explanation",
    "Hardware",
    "IntervalReport",
    "Report",
    "TrainingPlan",
    "Uncertainty",
    "calibrate",
    "evaluate",
    "evaluate_intervals",
    "explain",
    "finetune",
    "predict_perturbation",
]

# Lightning takes seconds to import, and only training needs it; scipy.stats takes one, and only scores do.
_LAZY = {
    "Explanation": "..prediction.explanation.result",
    "IntervalReport": "..evaluation.uncertainty",
    "Report": "..evaluation.report",
    "Uncertainty": "..evaluation.uncertainty",
    "calibrate": "._calibrate",
    "evaluate": "._evaluate",
    "evaluate_intervals": "._evaluate_intervals",
    "explain": "._explain",
    "finetune": "._finetune",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return list(__all__)
