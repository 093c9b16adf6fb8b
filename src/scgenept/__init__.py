"""scgenept: predict how a cell's transcriptome responds when one or two genes are perturbed.

AnnData in, AnnData out. The doors mirror scanpy: :mod:`~scgenept.pp`, :mod:`~scgenept.tl`,
:mod:`~scgenept.pl`, :mod:`~scgenept.get`, beside :mod:`~scgenept.datasets` and
:mod:`~scgenept.models`. They are imported when first used, so ``import scgenept`` is quick and
loads neither torch nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._settings import settings
from ._version import VERSION
from .perturbation import Perturbation

if TYPE_CHECKING:
    from . import datasets, get, knowledge, metrics, models, pl, pp, tl
    from .models import cite

__version__ = VERSION

_DOORS = frozenset({"datasets", "get", "knowledge", "metrics", "models", "pl", "pp", "tl"})

__all__ = [
    "Perturbation",
    "__version__",
    "cite",
    "datasets",
    "get",
    "knowledge",
    "metrics",
    "models",
    "pl",
    "pp",
    "settings",
    "tl",
]


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return importlib.import_module(f".{name}", __name__)
    if name == "cite":
        return importlib.import_module(".models", __name__).cite
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
