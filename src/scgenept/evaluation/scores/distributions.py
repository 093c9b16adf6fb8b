"""How far a cloud of predicted cells is from the cloud of observed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from ..._errors import DataError
from ..._random import generator_of
from ..pseudobulk import moments
from .tables import ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from ..._types import RNGLike
    from .tables import FloatArray

_BLOCK: Final = 1024
"""Cells that are made dense at a time."""
_MOST_FOR_MEDIAN: Final = 4000
"""Cells of which all pairs are looked at to find the bandwidth: 8 million distances."""


def energy_distance(predicted: npt.ArrayLike, observed: npt.ArrayLike) -> float:
    """Energy distance between two sets of cells, unbiased: ``2 E|X - Y| - E|X - X'| - E|Y - Y'|``.

    Euclidean distances over genes; a cell is never compared with itself, so two samples of one distribution average
    zero and a single value may be negative (Székely & Rizzo, J Stat Plan Inference 2013; used for Perturb-seq by Peidli
    et al., Nat Methods 2024, there on squared distances of principal components). For one dimension it is twice the
    integral of the squared difference of the distribution functions.

    Parameters
    ----------
    predicted, observed
        Cells x genes, log1p of counts per 1e4, numpy or sparse; never made dense as a whole.

    Returns
    -------
    One number in log1p units, 0 for one and the same distribution; NaN with fewer than two cells on a side or a value
    that is not finite.

    Raises
    ------
    DataError
        The two do not have the same genes.

    Examples
    --------
    >>> energy_distance([[0.0], [2.0]], [[5.0], [7.0]])
    6.0
    """
    x, y = _cells(predicted), _cells(observed)
    _require_same_genes(x, y)
    if min(x.shape[0], y.shape[0]) < 2:
        return float("nan")
    return 2.0 * _mean_between(x, y, np.sqrt) - _mean_within(x, np.sqrt) - _mean_within(y, np.sqrt)


def mmd(
    predicted: npt.ArrayLike, observed: npt.ArrayLike, *, bandwidth: float | None = None, rng: RNGLike = 0
) -> float:
    """Squared maximum mean discrepancy between two sets of cells, unbiased, with a Gaussian kernel.

    ``E k(X, X') + E k(Y, Y') - 2 E k(X, Y)``, ``k(x, y) = exp(-|x - y|^2 / (2 s^2))``; a cell is never compared with
    itself, so a value may be negative (Gretton et al., JMLR 2012, equation 3).

    Parameters
    ----------
    predicted, observed
        Cells x genes, log1p of counts per 1e4, numpy or sparse; never made dense as a whole.
    bandwidth
        ``s``, log1p units. By default the median Euclidean distance between two different cells of both sets together
        (the median heuristic of Gretton et al.). It depends on the prediction: to compare several, give all the same.
    rng
        Seed or generator for the 4,000 cells that give the median where there are more.

    Returns
    -------
    One number without unit, 0 for one and the same distribution; NaN with fewer than two cells on a side, a value that
    is not finite, or when all cells are the same and no bandwidth is given.

    Raises
    ------
    DataError
        The two do not have the same genes, or ``bandwidth`` is not positive.

    Examples
    --------
    >>> round(mmd([[0.0], [2.0]], [[5.0], [7.0]], bandwidth=1.0), 4)
    0.2651
    """
    generator = generator_of(rng)
    x, y = _cells(predicted), _cells(observed)
    _require_same_genes(x, y)
    if min(x.shape[0], y.shape[0]) < 2:
        return float("nan")
    if bandwidth is None:
        bandwidth = _median_distance(x, y, generator)
        if not bandwidth > 0:
            return float("nan")
    if not bandwidth > 0:
        msg = f"bandwidth must be positive; got {bandwidth}."
        raise DataError(msg)
    scale = -0.5 / bandwidth**2

    def kernel(squared: FloatArray) -> FloatArray:
        similarity: FloatArray = np.exp(scale * squared)
        return similarity

    return _mean_within(x, kernel) + _mean_within(y, kernel) - 2.0 * _mean_between(x, y, kernel)


def variance_ratio(predicted: npt.ArrayLike, observed: npt.ArrayLike) -> FloatArray:
    """Variance of each gene over the predicted cells, relative to that over the observed ones.

    ``Var(X_g) / Var(Y_g)``, both with ``ddof=1``. Predictions of the mean response have a ratio near 0; look at the
    median over genes.

    Parameters
    ----------
    predicted, observed
        Cells x genes, log1p of counts per 1e4, numpy or sparse.

    Returns
    -------
    One value per gene, no unit, 1 where cells vary as they do in reality; NaN where the observed cells do not vary or
    there are fewer than two on a side.

    Raises
    ------
    DataError
        The two do not have the same genes.

    Examples
    --------
    >>> variance_ratio([[0.0], [1.0]], [[0.0], [2.0]])
    array([0.25])
    """
    x, y = _cells(predicted), _cells(observed)
    _require_same_genes(x, y)
    spreads = [moments(cells)[1] ** 2 for cells in (x, y)]
    return ratio(*spreads)


def _cells(cells: Any) -> Any:
    """Return cells x genes as a sparse matrix of rows or as a float64 array."""
    if hasattr(cells, "to_numpy"):
        cells = cells.to_numpy()
    return cells.tocsr() if sparse.issparse(cells) else np.asarray(cells, dtype=np.float64)


def _require_same_genes(x: Any, y: Any) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        msg = f"Both must be cells x genes with the same genes; got {x.shape} and {y.shape}."
        raise DataError(msg)


def _blocks(cells: Any) -> Iterator[tuple[int, FloatArray]]:
    for start in range(0, cells.shape[0], _BLOCK):
        block = cells[start : start + _BLOCK]
        dense = block.toarray() if sparse.issparse(block) else block
        yield start, np.asarray(dense, dtype=np.float64)


def _squared_distances(x: Any, y: Any, *, once: bool = False) -> Iterator[tuple[int, int, FloatArray]]:
    """Yield the squared distances block by block, with the places of the first cells; ``once`` for a set with itself.

    From an origin near the cells, ``|x|^2 + |y|^2 - 2xy`` loses few digits.
    """
    origin = moments(y)[0]
    for row, left in _blocks(x):
        centred = left - origin
        own = np.square(centred).sum(axis=1)[:, None]
        for column, right in _blocks(y):
            if once and column < row:
                continue
            other = right - origin
            squared = own + np.square(other).sum(axis=1) - 2.0 * (centred @ other.T)
            yield row, column, np.maximum(squared, 0.0)


def _pairs_within(x: Any) -> Iterator[FloatArray]:
    """Yield the squared distance of each pair of different cells once."""
    for row, column, squared in _squared_distances(x, x, once=True):
        if row == column:
            yield squared[np.triu_indices(len(squared), 1)]
        else:
            yield squared.ravel()


def _pairs_between(x: Any, y: Any) -> Iterator[FloatArray]:
    for _, _, squared in _squared_distances(x, y):
        yield squared.ravel()


def _mean_within(x: Any, function: Callable[[FloatArray], FloatArray]) -> float:
    """Mean of a function of the squared distance over pairs of different cells."""
    n: int = x.shape[0]
    return sum(float(function(squared).sum()) for squared in _pairs_within(x)) / (n * (n - 1) / 2)


def _mean_between(x: Any, y: Any, function: Callable[[FloatArray], FloatArray]) -> float:
    n: int = x.shape[0] * y.shape[0]
    return sum(float(function(squared).sum()) for squared in _pairs_between(x, y)) / n


def _median_distance(x: Any, y: Any, rng: np.random.Generator) -> float:
    n_x, n = x.shape[0], x.shape[0] + y.shape[0]
    if n > _MOST_FOR_MEDIAN:
        chosen = np.sort(rng.choice(n, _MOST_FOR_MEDIAN, replace=False))
        x, y = x[chosen[chosen < n_x]], y[chosen[chosen >= n_x] - n_x]
    pairs = [*_pairs_within(x), *_pairs_within(y), *_pairs_between(x, y)]
    return float(np.sqrt(np.median(np.concatenate(pairs))))
