"""Regression of changes on vectors of the genes perturbed: ridge, nearest neighbours, random forest."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
from scipy.spatial.distance import cdist

from ... import _keys
from ..._errors import listing
from ._base import Baseline, Predicted
from ._components import Components
from ._embeddings import read_embedding

if TYPE_CHECKING:
    from ...perturbation import Perturbation
    from ._embeddings import Embedding, EmbeddingLike
    from ._training import FloatArray, Training

_PENALTIES: Final = tuple(np.logspace(-3, 3, 13))


class EmbeddingBaseline(Baseline):
    """A baseline that knows a perturbation by the sum of the vectors of its genes, each around the mean over genes.

    A gene without a vector has the mean, zero; ``without_embedding`` names those among the training targets and
    ``obs["n_without_embedding"]`` of a prediction counts them.

    Attributes
    ----------
    without_embedding
        Targets of the training perturbations that have no vector, sorted.
    """

    without_embedding: tuple[str, ...] = ()
    _embedding: Embedding

    def _use(self, source: EmbeddingLike, training: Training, *, scaled: bool = True) -> FloatArray:
        """Read the vectors and return those of the training perturbations, perturbations x width."""
        self._embedding = read_embedding(source, training, scaled=scaled)
        targets = sorted({gene for p in training.perturbations for gene in p.genes})
        found = self._embedding.find(targets)
        self.without_embedding = tuple(gene for gene in targets if gene not in found)
        if targets and len(self.without_embedding) == len(targets):
            msg = (
                f"None of the {len(targets)} training targets has an embedding for {self.name}, which predicts "
                f"their mean: {listing(targets)}. Genes with one: {listing(self._embedding.position)}."
            )
            warnings.warn(msg, UserWarning, stacklevel=5)
        return self._embedding.rows(training.perturbations)[0]

    def _columns(self, wanted: list[Perturbation]) -> dict[str, Any]:
        return {_keys.N_WITHOUT_EMBEDDING: self._embedding.rows(wanted)[1]}


class Regression(EmbeddingBaseline):
    """A regressor of scikit-learn between vectors of perturbations and their changes."""

    embedding: EmbeddingLike

    def _fit(self, training: Training, rng: np.random.Generator) -> None:
        inputs = self._use(self.embedding, training)
        self._components = Components.of(training.changes, self._outputs())
        self._model = None
        # Without any known difference between perturbations there is nothing to regress on but the mean.
        if len(inputs) > 1 and inputs.any():
            self._model = self._regressor(len(inputs), int(rng.integers(2**31))).fit(inputs, self._components.scores)

    @abstractmethod
    def _regressor(self, n: int, seed: int) -> Any:
        """Return a regressor for n training perturbations, not yet fitted."""

    def _outputs(self) -> int | None:
        """Return how many principal components of the changes are regressed; the genes themselves where None."""
        return None

    def _predict(self, wanted: list[Perturbation], training: Training) -> Predicted:
        inputs, _ = self._embedding.rows(wanted)
        scores = np.zeros((len(wanted), self._components.scores.shape[1]))
        if self._model is not None:
            scores[:] = np.asarray(self._model.predict(inputs)).reshape(scores.shape)
        return Predicted(training.control + self._components.changes(scores))


@dataclass(eq=False, repr=False)
class Ridge(Regression):
    """Ridge regression of the changes on the vectors of the genes perturbed.

    ``yhat = c + b + W sum_a e_a``, with ``W`` and ``b`` by least squares and a penalty on ``W``.

    Parameters
    ----------
    embedding
        Vectors of genes: a table genes x width, an object with ``names`` and ``vectors``, ``"training_pca"`` or
        ``"mini_text"``.
    penalty
        Of the squared weights, for vectors of root mean square length 1; chosen between 0.001 and 1000 by the
        leave-one-out error of the training perturbations otherwise.
    """

    name: ClassVar[str] = "ridge"
    embedding: EmbeddingLike = "training_pca"
    penalty: float | None = None

    def _regressor(self, n: int, seed: int) -> Any:
        from sklearn import linear_model

        if self.penalty is None and n > 2:
            return linear_model.RidgeCV(_PENALTIES)
        return linear_model.Ridge(1.0 if self.penalty is None else self.penalty)


@dataclass(eq=False, repr=False)
class NearestNeighbours(Regression):
    """Mean change of the training perturbations nearest in embedding, weighed by one over their distance.

    Euclidean distance between sums of vectors. At distance zero, as where a perturbation was in training, only those at
    distance zero count; all that are as near as the last one take part, so that no tie is broken by chance.

    Parameters
    ----------
    embedding
        Vectors of genes, as for ``ridge``.
    n_neighbours
        How many to average over; all where there are fewer.
    """

    name: ClassVar[str] = "knn"
    embedding: EmbeddingLike = "training_pca"
    n_neighbours: int = 5

    def _regressor(self, n: int, seed: int) -> Any:
        return _Neighbours(min(self.n_neighbours, n))


@dataclass
class _Neighbours:
    """A regressor as scikit-learn's, but for ties and for distances, which are exactly zero where vectors are equal."""

    n_neighbours: int

    def fit(self, inputs: FloatArray, outputs: FloatArray) -> Self:
        self.inputs, self.outputs = inputs, outputs
        return self

    def predict(self, inputs: FloatArray) -> FloatArray:
        distance = cdist(inputs, self.inputs)
        last = np.partition(distance, self.n_neighbours - 1, axis=1)[:, self.n_neighbours - 1, None]
        same = distance == 0
        with np.errstate(divide="ignore"):
            weights = np.where(same.any(axis=1, keepdims=True), same, np.where(distance <= last, 1 / distance, 0))
        mean: FloatArray = weights @ self.outputs / weights.sum(axis=1, keepdims=True)
        return mean


@dataclass(eq=False, repr=False)
class RandomForest(Regression):
    """Random forest from the vectors of the genes perturbed to principal components of the changes.

    Parameters
    ----------
    embedding
        Vectors of genes, as for ``ridge``.
    n_trees
        Number of trees, each on a bootstrap sample of the training perturbations.
    n_components
        Principal components of the changes to predict.
    """

    name: ClassVar[str] = "rf"
    embedding: EmbeddingLike = "training_pca"
    n_trees: int = 200
    n_components: int = 30

    def _outputs(self) -> int:
        return self.n_components

    def _regressor(self, n: int, seed: int) -> Any:
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(self.n_trees, max_features=1 / 3, min_samples_leaf=2, random_state=seed)
