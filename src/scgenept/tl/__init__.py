"""Tools: predict how cells respond, train models of your own, judge predictions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..prediction.engine import Engine
from ..training.hardware import Hardware
from ..training.plan import TrainingPlan
from ..weights.initial import Architecture
from ._predict_perturbation import predict_perturbation

if TYPE_CHECKING:
    from ..evaluation.report import Report
    from ._evaluate import evaluate
    from ._finetune import finetune

__all__ = [
    "Architecture",
    "Engine",
    "Hardware",
    "Report",
    "TrainingPlan",
    "evaluate",
    "finetune",
    "predict_perturbation",
]

# Lightning takes seconds to import, and only training needs it; scipy.stats takes one, and only scores do.
_LAZY = {"Report": "..evaluation.report", "evaluate": "._evaluate", "finetune": "._finetune"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return list(__all__)
