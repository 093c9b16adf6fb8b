"""What the data themselves allow: one half of the real cells as a prediction of the other half."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from .. import _keys
from .._errors import DataError, listing
from .._random import generator_of
from ..data.expression import expression
from .de import against_rest
from .pseudobulk import Pseudobulk, perturbation_labels
from .scores import pearson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from .._types import RNGLike

_ROUNDING: Final = 1e-13
"""A variance smaller than this share of the mean square is rounding."""


def split_half(
    adata: AnnData,
    *,
    layer: str | None = None,
    by: str | None = None,
    control: str = _keys.CONTROL,
    own_controls: bool = True,
    n_draws: int = 20,
    rng: RNGLike = 0,
) -> pd.DataFrame:
    """Correlate the change seen in half of the cells with that seen in the other half: the upper bound of a score.

    Pearson delta of half against half, ``corr_g(y1_g - c1_g, y2_g - c2_g)``, each half with its own half of the control
    cells, averaged over random draws. With ``own_controls=False`` both halves share the mean of all controls, whose
    noise then stands on both sides and correlates with itself: the number is higher and it is not a fair bound.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4.
    layer
        Layer to read instead of ``X``.
    by
        Column of ``obs`` with the perturbations; the one set up otherwise.
    control
        Label of the control cells in that column.
    own_controls
        Split the controls too.
    n_draws
        Number of random splits to average over.
    rng
        Seed or generator.

    Returns
    -------
    One row per perturbation, sorted: ``n_cells``, ``pearson_delta`` (mean over the draws in which it is defined),
    ``pearson_delta_std`` (over draws, ``ddof=1``) and ``n_defined`` (draws). NaN where a half has no cells.

    Raises
    ------
    DataError
        The column, the layer or the control cells are missing, or ``n_draws`` is less than 1.
    """
    if n_draws < 1:
        msg = f"n_draws must be at least 1; got {n_draws}."
        raise DataError(msg)
    draws = halves(adata, layer=layer, by=by, rng=rng)
    labels = perturbation_labels(adata, by=by)
    n_cells = labels.value_counts().sort_index()
    if control not in n_cells.index:
        msg = (
            f"No cell is labelled {control!r}; labels seen: {listing(n_cells.index)}. Name the controls with control=."
        )
        raise DataError(msg)
    scores = []
    for _ in range(n_draws):
        first, second = next(draws)
        if own_controls:
            controls = [first.loc[control], second.loc[control]]
        else:
            weight = (n_cells[control] // 2) / n_cells[control]
            controls = [weight * first.loc[control] + (1 - weight) * second.loc[control]] * 2
        scores.append(pearson(first - controls[0], second - controls[1]))
    drawn = pd.DataFrame(np.stack(scores), columns=first.index).drop(columns=control)
    return pd.DataFrame(
        {
            "n_cells": n_cells.drop(control).astype(np.int64),
            "pearson_delta": drawn.mean(),
            "pearson_delta_std": drawn.std(ddof=1),
            "n_defined": drawn.notna().sum(),
        }
    ).rename_axis(_keys.PERTURBATION)


def halves(
    adata: AnnData, *, layer: str | None = None, by: str | None = None, rng: RNGLike = 0
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Draw, without end, the pseudobulks of two random halves of the cells of every label, controls included.

    A baseline scored against the same halves is measured with the same noise as :func:`split_half` itself. Of an odd
    number of cells the second half has one more.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4.
    layer
        Layer to read instead of ``X``.
    by
        Column of ``obs`` with the perturbations; the one set up otherwise.
    rng
        Seed or generator.

    Yields
    ------
    Two tables of means, labels x genes in the unit of the cells; NaN where a half has no cells.
    """
    draw = Draw(adata, layer=layer, by=by, rng=rng)
    while True:
        in_first = draw.first_half()
        yield draw.table(draw.means(in_first)), draw.table(draw.means(~in_first))


def interpolated_duplicate(
    adata: AnnData,
    *,
    layer: str | None = None,
    by: str | None = None,
    control: str = _keys.CONTROL,
    reference_mean: pd.Series[float] | None = None,
    rng: RNGLike = 0,
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Draw, without end, half of the cells as a prediction of the other half, shrunk to the mean where it is unsure.

    The positive control for perturbations with few cells, whose plain half is so noisy that the mean beats it: per gene
    ``a y1 + (1 - a) m`` with ``y1`` the mean of the first half and ``a = 1 - p``, ``p`` the p-value of the first half
    against all other perturbed cells, adjusted over genes (Miller et al., bioRxiv 10.1101/2025.10.20.683304). Here
    ``p`` is of Welch's t with the true numbers of cells, and of cells of first halves only: the second stays unseen.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4.
    layer
        Layer to read instead of ``X``.
    by
        Column of ``obs`` with the perturbations; the one set up otherwise.
    control
        Label of the control cells, which are no part of the rest and of the mean.
    reference_mean
        ``m``, mean over training perturbations, one value per gene; otherwise the mean over the first halves of all
        perturbations, each with equal weight.
    rng
        Seed or generator. With the same seed the halves are those of :func:`halves`.

    Yields
    ------
    Two tables, labels x genes in the unit of the cells: the prediction, and the means of the second half to score it
    against, as :func:`halves` gives them. A control row is predicted by its plain first half. Where ``p`` is unknown,
    with one cell in a half, the prediction is ``m``; it is NaN where the first half has no cell.

    Raises
    ------
    DataError
        The column or the layer is missing, or ``reference_mean`` does not list the genes.
    """
    if reference_mean is not None and list(reference_mean.index) != list(adata.var_names):
        msg = "reference_mean does not list the genes of adata in their order. Bring it there with .reindex."
        raise DataError(msg)
    draw = Draw(adata, layer=layer, by=by, rng=rng)
    while True:
        in_first = draw.first_half()
        bulk = draw.pseudobulk(in_first)
        first = bulk.mean
        perturbed = [name for name in first.index if name != control]
        mean = first.loc[perturbed].mean() if reference_mean is None else reference_mean
        _, p_value = against_rest(bulk, control=control)
        prediction = first.copy()
        prediction.loc[perturbed] = interpolate(first.loc[perturbed], p_value, mean)
        yield prediction, draw.table(draw.means(~in_first))


def interpolate(duplicate: pd.DataFrame, p_adjusted: pd.DataFrame, mean: pd.Series[float]) -> pd.DataFrame:
    """Shrink a replicate to the mean, gene by gene: ``a y1 + (1 - a) m``, ``a = 1 - p``.

    Parameters
    ----------
    duplicate
        ``y1``, perturbations x genes, log1p of counts per 1e4.
    p_adjusted
        ``p``, perturbations x genes; where it is NaN, nothing is known and ``a`` is 0.
    mean
        ``m``, one value per gene, log1p of counts per 1e4.

    Returns
    -------
    Perturbations x genes, log1p of counts per 1e4; NaN where the duplicate is.

    Examples
    --------
    >>> import pandas as pd
    >>> one = pd.DataFrame({"HBZ": [3.0]})
    >>> interpolate(one, one * 0 + 0.25, pd.Series({"HBZ": 1.0}))["HBZ"].tolist()
    [2.5]
    """
    weight = 1.0 - p_adjusted.fillna(1.0)
    return weight * duplicate + (1.0 - weight) * mean


class Draw:
    """The labelled cells of an AnnData, to be cut in halves again and again."""

    def __init__(self, adata: AnnData, *, layer: str | None, by: str | None, rng: RNGLike) -> None:
        generator = generator_of(rng)
        codes, found = pd.factorize(perturbation_labels(adata, by=by), sort=True)
        self.rows = np.flatnonzero(codes >= 0)
        """Positions in adata of the labelled cells, in the order of ``codes``."""
        cells = expression(adata, layer)[self.rows]
        self.cells: Any = cells.tocsr() if sparse.issparse(cells) else np.asarray(cells)
        self.codes = codes[self.rows]
        self.index = pd.Index([str(name) for name in found], name=_keys.PERTURBATION)
        self.genes = adata.var_names
        self._sizes = np.bincount(self.codes, minlength=len(self.index))
        self._rng = generator

    @cached_property
    def squares(self) -> Any:
        """Squared values of the cells, float64."""
        if sparse.issparse(self.cells):
            return self.cells.astype(np.float64).power(2)
        return np.square(self.cells, dtype=np.float64)

    def first_half(self) -> Any:
        """Say of each cell whether it is in the first half: a cell's random place within its label decides."""
        order = np.lexsort((self._rng.random(len(self.codes)), self.codes))
        place = np.empty(len(self.codes), dtype=np.intp)
        place[order] = np.arange(len(self.codes))
        starts = np.cumsum(self._sizes) - self._sizes
        return place - starts[self.codes] < (self._sizes // 2)[self.codes]

    def means(self, chosen: Any) -> Any:
        """Return the mean over the chosen cells of each label."""
        return _means(self.cells, self.codes, chosen, len(self.index))

    def pseudobulk(self, chosen: Any) -> Pseudobulk:
        """Return mean, spread and number of the chosen cells of each label."""
        n = np.bincount(self.codes[chosen], minlength=len(self.index))
        mean = self.means(chosen)
        squares = _means(self.squares, self.codes, chosen, len(self.index))
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.maximum(squares - mean**2, 0.0) * (n / (n - 1.0))[:, None]
        # what subtraction leaves of nothing
        variance[variance <= _ROUNDING * squares] = 0.0
        variance[n < 2] = np.nan
        number = pd.Series(n, index=self.index, name="n_cells", dtype=np.int64)
        return Pseudobulk(mean=self.table(mean), std=self.table(np.sqrt(variance)), n=number)

    def table(self, values: Any) -> pd.DataFrame:
        """Label rows and columns."""
        return pd.DataFrame(values, index=self.index, columns=self.genes)


def _means(cells: Any, codes: Any, chosen: Any, n_labels: int) -> Any:
    """Mean over the chosen cells of each label: one product with a sparse label x cell matrix of 1/n."""
    rows = np.flatnonzero(chosen)
    sizes = np.bincount(codes[rows], minlength=n_labels)
    weights = 1.0 / sizes[codes[rows]]
    average = sparse.csr_matrix((weights, (codes[rows], rows)), shape=(n_labels, len(codes)))
    sums = average @ cells
    means = sums.toarray() if sparse.issparse(sums) else np.asarray(sums, dtype=np.float64)
    means[sizes == 0] = np.nan
    return means
