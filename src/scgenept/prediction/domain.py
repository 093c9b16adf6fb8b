"""How near new control cells are to those a model was trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..weights.gene_index import GeneIndex
from ..weights.tokens import in_training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..weights.model import ScGenePT

MIN_CORRELATION: Final = 0.8
"""Below this, predictions come with a warning."""
LEVELS: Final = (0.7, 1.4)
"""Outside, values of like cells are on another scale: another total, another log."""
MIN_GENES: Final = 20
SAME_MEAN: Final = 1e-5
"""Largest difference of means of the same cells: they are kept in single precision."""


@dataclass(frozen=True)
class DomainCheck:
    r"""Input cells beside training cells.

    Attributes
    ----------
    genes_in_training
        Share of the measured genes that the model was trained on; NaN where its genes are not recorded.
    control_correlation
        Pearson correlation of the mean input cell with the mean training control over shared genes;
        NaN where the model does not record it.
    control_level
        How high the mean input cell is over the mean training control: the slope through the origin over shared
        genes, :math:`\sum_g c_g x_g / \sum_g c_g^2`; 1 for like cells on the same scale. NaN likewise.
    """

    genes_in_training: float
    control_correlation: float
    control_level: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for ``uns``."""
        return asdict(self)

    @property
    def warning(self) -> str | None:
        """What to warn of, if anything."""
        if self.control_correlation < MIN_CORRELATION:
            return (
                f"The mean input cell correlates only {self.control_correlation:.2f} with the cells that the model was "
                "trained on: predictions may not carry over. Check normalisation (log1p of counts per 1e4) and cells."
            )
        low, high = LEVELS
        if self.control_level < low or self.control_level > high:
            return (
                f"The mean input cell resembles the cells that the model was trained on, but its values are "
                f"{self.control_level:.2f} times as high. They should be log1p (natural logarithm) of counts per 1e4, "
                "of all genes of a cell: prepare from the counts (scgenept.pp.prepare) before genes are left out."
            )
        return None


def check_domain(model: ScGenePT, names: Sequence[str], mean: np.ndarray) -> DomainCheck:
    """Compare the mean input cell, (genes,), log1p of counts per 1e4, with the training controls."""
    share = float("nan") if model.genes is None else float(in_training(model, names).mean())
    expected = _trained(model, names)
    shared = np.isfinite(expected)
    varies = shared.sum() >= MIN_GENES and np.ptp(expected[shared]) > 0 and np.ptp(mean[shared]) > 0
    if not varies:
        return DomainCheck(share, float("nan"), float("nan"))
    trained, given = expected[shared], mean[shared]
    correlation = np.corrcoef(trained, given)[0, 1]
    return DomainCheck(share, float(correlation), float(trained @ given / (trained @ trained)))


def was_trained_on(model: ScGenePT, names: Sequence[str], mean: np.ndarray) -> bool:
    """Say whether control cells of this mean, (genes,), are the very ones that the model was trained on."""
    expected = _trained(model, names)
    shared = np.isfinite(expected)
    return bool(shared.sum() >= MIN_GENES and np.allclose(expected[shared], mean[shared], rtol=0, atol=SAME_MEAN))


def _trained(model: ScGenePT, names: Sequence[str]) -> np.ndarray:
    """Return the mean training control, (genes,); NaN where a gene was not in training."""
    positions = GeneIndex(model, model.control_mean).positions(names)
    means = np.array([*model.control_mean.values(), np.nan])  # the last for position -1
    return means[positions]
