"""What the data themselves allow: one half of the real cells as a prediction of the other half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from .. import _keys
from .._errors import DataError, listing
from ..data.expression import expression
from .pseudobulk import perturbation_labels
from .scores import pearson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from .._types import RNGLike


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
    labels = perturbation_labels(adata, by=by)
    codes, found = pd.factorize(labels, sort=True)
    labelled = np.flatnonzero(codes >= 0)
    cells: Any = expression(adata, layer)[labelled]
    codes = codes[labelled]
    index = pd.Index([str(name) for name in found], name=_keys.PERTURBATION)
    sizes = np.bincount(codes, minlength=len(index))
    starts = np.cumsum(sizes) - sizes
    generator = np.random.default_rng(rng)
    while True:
        # order by label, then at random: a cell's place within its label decides its half
        order = np.lexsort((generator.random(len(codes)), codes))
        place = np.empty(len(codes), dtype=np.intp)
        place[order] = np.arange(len(codes))
        in_first = place - starts[codes] < (sizes // 2)[codes]
        first, second = (_means(cells, codes, chosen, len(index)) for chosen in (in_first, ~in_first))
        yield (
            pd.DataFrame(first, index=index, columns=adata.var_names),
            pd.DataFrame(second, index=index, columns=adata.var_names),
        )


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
