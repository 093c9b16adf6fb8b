"""The linear model of Ahlmann-Eltze et al.: genes and perturbations in one PCA, a small matrix between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ._base import Predicted
from ._embeddings import gene_pca
from ._regression import EmbeddingBaseline

if TYPE_CHECKING:
    from ...perturbation import Perturbation
    from ._training import FloatArray, Training


@dataclass(eq=False, repr=False)
class Linear(EmbeddingBaseline):
    """Predict ``c + G W p + b``, fitted by ridge regression on both sides (Ahlmann-Eltze et al., Nat Methods 2025).

    ``Y`` holds the changes over control, genes x training perturbations, with a column of zeros for the control.
    ``G`` (genes x K) are the top K principal component scores of the genes in the training pseudobulks, control
    included; ``P`` (perturbations x K) holds the rows of ``G`` at the targets, their sum for several genes, zero for
    the control; ``b`` is the mean over the columns of ``Y``. Then::

        W = (G'G + lambda I)^-1 G' (Y - b) P (P'P + lambda I)^-1

    The published code has no prediction for a target that is not a measured gene and leaves such perturbations out of
    training. Here they have the mean row of ``G``, which is zero, as the control has: they take part in ``b`` only, and
    ``c + b`` is predicted for them. Where all targets are measured both are the same.

    Parameters
    ----------
    n_components
        K; fewer where there are fewer training perturbations.
    penalty
        Lambda, for both sides.
    """

    name: ClassVar[str] = "linear"
    n_components: int = 10
    penalty: float = 0.1

    def _fit(self, training: Training, rng: np.random.Generator) -> None:
        genes = gene_pca(training, self.n_components)
        self._use(genes, training, scaled=False)
        changes: FloatArray = np.vstack([training.changes, np.zeros_like(training.control)]).T
        self._offset: FloatArray = changes.mean(axis=1)
        targets, _ = self._embedding.rows(training.perturbations)
        targets = np.vstack([targets, np.zeros(targets.shape[1])])
        self._genes = self._embedding.vectors
        left: FloatArray = np.linalg.solve(
            _gram(self._genes, self.penalty), self._genes.T @ (changes - self._offset[:, None])
        )
        self._weights = np.linalg.solve(_gram(targets, self.penalty), (left @ targets).T).T

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        targets, _ = self._embedding.rows(wanted)
        return Predicted(training.control + self._offset + targets @ self._weights.T @ self._genes.T)


def _gram(rows: FloatArray, penalty: float) -> FloatArray:
    gram: FloatArray = rows.T @ rows + penalty * np.eye(rows.shape[1])
    return gram
