"""Baselines that look at the genes of the perturbation asked for, and learn nothing across genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...genes.matching import measured_as
from ._base import Baseline, Predicted

if TYPE_CHECKING:
    from ...perturbation import Perturbation
    from ._training import Training


@dataclass(eq=False, repr=False)
class TargetMean(Baseline):
    """Predict ``m``, with each target's own gene moved by the mean effect of a perturbation on its own target.

    ``yhat_t = max(c_t + e, 0)`` for a measured target ``t``, where ``e`` is the mean of ``d_pt`` over the training
    perturbations ``p`` and their measured targets; ``m`` elsewhere, and everywhere where no training target is
    measured. The floor is there because a knock-down takes no gene below zero.
    """

    name: ClassVar[str] = "target_mean"

    def _fit(self, training: Training, rng: np.random.Generator) -> None:
        self._column = {str(gene): i for i, gene in enumerate(training.genes)}
        changes = training.changes
        own = [changes[row, column] for row, p in enumerate(training.perturbations) for column in self._own(p)]
        self._effect = float(np.mean(own)) if own else None

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        profiles = np.tile(training.mean, (len(wanted), 1))
        if self._effect is not None:
            for row, p in enumerate(wanted):
                own = self._own(p)
                profiles[row, own] = np.maximum(training.control[own] + self._effect, 0.0)
        return Predicted(profiles)

    def _own(self, perturbation: Perturbation) -> list[int]:
        return [self._column[name] for name in measured_as(perturbation, self._column).values()]


@dataclass(eq=False, repr=False)
class MatchingMean(Baseline):
    """Predict the mean of what the single perturbations did; ``m`` stands in for one that training lacks.

    ``(y_a + y_b) / 2`` for a pair, as in Systema (Viñas Torné et al., Nat Biotechnol 2025).
    """

    name: ClassVar[str] = "matching_mean"

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        singles, mean = training.singles, training.mean
        return Predicted(np.stack([np.mean([singles.get(gene, mean) for gene in p.genes], axis=0) for p in wanted]))


@dataclass(eq=False, repr=False)
class Additive(Baseline):
    """Predict ``c + d_a + d_b``: the changes of the single perturbations, added up.

    The change of a gene that was never perturbed alone in training is taken to be ``m - c``, the mean change.
    """

    name: ClassVar[str] = "additive"

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        control = training.control
        mean_change = training.mean - control
        changes = {gene: profile - control for gene, profile in training.singles.items()}
        added = [np.sum([changes.get(gene, mean_change) for gene in p.genes], axis=0) for p in wanted]
        return Predicted(control + np.stack(added))
