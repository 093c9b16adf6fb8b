"""How near new control cells are to those a model was trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..weights.tokens import in_training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..weights.model import ScGenePT

MIN_CORRELATION: Final = 0.8
"""Below this, predictions come with a warning."""
MIN_GENES: Final = 20


@dataclass(frozen=True)
class DomainCheck:
    """Input cells beside training cells.

    Attributes
    ----------
    genes_in_training
        Share of the measured genes that the model was trained on; NaN where its genes are not recorded.
    control_correlation
        Pearson correlation of the mean input cell with the mean training control over shared genes;
        NaN where the model does not record it.
    """

    genes_in_training: float
    control_correlation: float

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
        return None


def check_domain(model: ScGenePT, names: Sequence[str], mean: np.ndarray) -> DomainCheck:
    """Compare the mean input cell, (genes,), log1p of counts per 1e4, with the training controls."""
    share = float("nan") if model.genes is None else float(in_training(model, names).mean())
    matched = model.gene_set(names).matches.matched
    expected = np.array(
        [
            model.control_mean.get(name, model.control_mean.get(match or "", np.nan))
            for name, match in zip(names, matched, strict=True)
        ]
    )
    shared = np.isfinite(expected)
    varies = shared.sum() >= MIN_GENES and np.ptp(expected[shared]) > 0 and np.ptp(mean[shared]) > 0
    correlation = float(np.corrcoef(expected[shared], mean[shared])[0, 1]) if varies else float("nan")
    return DomainCheck(share, correlation)
