"""A Gaussian process on gene embeddings: a baseline that says how sure it is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ._base import Predicted
from ._components import Components
from ._regression import EmbeddingBaseline

if TYPE_CHECKING:
    from ...perturbation import Perturbation
    from ._embeddings import EmbeddingLike
    from ._training import FloatArray, Training


@dataclass(eq=False, repr=False)
class GaussianProcess(EmbeddingBaseline):
    """Gaussian process from the vectors of the genes perturbed to principal components of the changes.

    One process per component, ``s^2 exp(-|x - x'|^2 / 2 l^2) + noise``, with ``s``, ``l`` and the noise by maximum
    marginal likelihood. The variance of gene ``g`` is ``sum_k v_gk^2 var_k + r_g``: components are taken as
    independent, ``var_k`` includes the noise, and ``r_g`` is the variance that the components leave in training. So
    the standard deviation is that of a new observed pseudobulk, not of its expectation.

    Parameters
    ----------
    embedding
        Vectors of genes, as for ``ridge``.
    n_components
        Principal components of the changes.
    """

    name: ClassVar[str] = "gp"
    _least: ClassVar[int] = 3
    embedding: EmbeddingLike = "training_pca"
    n_components: int = 20

    def _fit(self, training: Training, rng: np.random.Generator) -> None:
        inputs = self._use(self.embedding, training)
        self._components = Components.of(training.changes, min(self.n_components, len(inputs) - 2))
        self._processes = [_process(inputs, scores) for scores in self._components.scores.T]

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        inputs, _ = self._embedding.rows(wanted)
        parts = [process.predict(inputs, return_std=True) for process in self._processes]
        scores, variances = (
            np.stack([mean for mean, _ in parts], axis=1),
            np.stack([std**2 for _, std in parts], axis=1),
        )
        axes = self._components.axes
        variance = variances if axes is None else variances @ axes**2
        return Predicted(
            training.control + self._components.changes(scores), np.sqrt(variance + self._components.residual)
        )


def _process(inputs: FloatArray, scores: FloatArray) -> Any:
    """Fit one process to the scores of one component, (perturbations,)."""
    from scipy.spatial.distance import pdist
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    typical = float(np.median(pdist(inputs))) or 1.0
    kernel = ConstantKernel(0.5, (1e-3, 1e2)) * RBF(typical, (0.05 * typical, 20 * typical)) + WhiteKernel(
        0.5, (1e-4, 1e1)
    )
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        # An optimum on the bound is an answer: no signal, or no noise, in this component.
        warnings.filterwarnings("ignore", message="The optimal value found for dimension")
        warnings.filterwarnings("ignore", message="lbfgs failed to converge")
        return process.fit(inputs, scores)
