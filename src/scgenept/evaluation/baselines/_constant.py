"""Baselines that know nothing of the perturbation asked for: no change, the means, a random one."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..._errors import DataError
from ._base import Baseline, Predicted

if TYPE_CHECKING:
    from ...perturbation import Perturbation
    from ._training import Training


@dataclass(eq=False, repr=False)
class NoChange(Baseline):
    """Predict ``c``, the control mean, whatever is asked."""

    name: ClassVar[str] = "no_change"
    _least: ClassVar[int] = 0

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        return Predicted(np.tile(training.control, (len(wanted), 1)))


@dataclass(eq=False, repr=False)
class Mean(Baseline):
    """Predict ``m``, the mean over training perturbations of their pseudobulks, whatever is asked.

    Every perturbation weighs the same, however many cells it has.
    """

    name: ClassVar[str] = "mean"

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        return Predicted(np.tile(training.mean, (len(wanted), 1)))


@dataclass(eq=False, repr=False)
class MeanCells(Baseline):
    """Predict the mean over all perturbed training cells: the "non-control mean" of the scGenePT paper.

    ``sum_p n_p y_p / sum_p n_p`` with ``n_p`` cells of perturbation ``p``.
    """

    name: ClassVar[str] = "mean_cells"

    def _fit(self, training: Training, rng: np.random.Generator) -> None:
        if training.n_cells is None:
            msg = "mean_cells weighs perturbations by their numbers of cells: pass n_cells=, or fit to an AnnData."
            raise DataError(msg)
        self._mean = np.average(training.profiles, axis=0, weights=training.n_cells)

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        return Predicted(np.tile(self._mean, (len(wanted), 1)))


@dataclass(eq=False, repr=False)
class Random(Baseline):
    """Predict what a random training perturbation did, one draw per perturbation asked for.

    The draw depends on the seed and on the name, not on what else is asked for or in which order.
    """

    name: ClassVar[str] = "random"

    def _fit(self, training: Training, rng: np.random.Generator) -> None:
        self._seed = int(rng.integers(2**32))

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        n = len(training.perturbations)
        drawn = [np.random.default_rng([self._seed, zlib.crc32(str(p).encode())]).integers(n) for p in wanted]
        return Predicted(training.profiles[drawn])
