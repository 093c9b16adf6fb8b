"""Changes in a few numbers: their mean, and scores on principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from ._training import FloatArray


@dataclass(frozen=True, eq=False)
class Components:
    """Changes around their mean, on orthonormal axes of genes or as they are.

    Attributes
    ----------
    mean
        (genes,) mean change.
    scores
        Perturbations x k.
    axes
        k x genes, orthonormal rows; ``None`` where the scores are the centred changes themselves.
    residual
        (genes,) variance of what the axes do not hold, per gene.
    """

    mean: FloatArray
    scores: FloatArray
    axes: FloatArray | None
    residual: FloatArray

    @classmethod
    def of(cls, changes: FloatArray, n_components: int | None) -> Self:
        """Find the first principal components of changes, perturbations x genes; ``None`` keeps the genes."""
        mean = changes.mean(axis=0)
        centred = changes - mean
        if n_components is None:
            return cls(mean, centred, None, np.zeros_like(mean))
        left, values, axes = np.linalg.svd(centred, full_matrices=False)
        kept = max(1, min(n_components, int((values > values[0] * 1e-10).sum())))
        # Signs are settled on the side of the perturbations, so that the order of genes does not matter.
        signs = np.where(left[np.abs(left[:, :kept]).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
        scores, axes = left[:, :kept] * (values[:kept] * signs), axes[:kept] * signs[:, None]
        rest = ((centred - scores @ axes) ** 2).sum(axis=0) / max(1, len(changes) - 1 - kept)
        return cls(mean, scores, axes, rest)

    def changes(self, scores: FloatArray) -> FloatArray:
        """Return changes, rows x genes, from scores."""
        changes: FloatArray = self.mean + (scores if self.axes is None else scores @ self.axes)
        return changes
