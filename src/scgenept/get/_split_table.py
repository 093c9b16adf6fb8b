"""get.split_table: one row per perturbation, with its part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.checks import require_anndata
from ..data.splits.table import split_frame

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def split_table(adata: AnnData) -> pd.DataFrame:
    """Return which part of the split each perturbation is in, and what training has seen of it.

    Parameters
    ----------
    adata
        Cells x genes, split by :func:`scgenept.pp.split`. What is counted are the cells that are there, so a subset has
        a table of its own.

    Returns
    -------
    One row per perturbation, training first; controls have none. (A perturbation whose labels are in two parts, which
    :func:`scgenept.pp.split` warns of, has two.) Columns:

    ``perturbation``
        Canonical name.
    ``split``, ``subgroup``
        As in ``obs``; missing for perturbations in no part, and for the subgroup in training.
    ``n_cells``
        Number of cells.
    ``n_targets``, ``n_targets_seen``
        Number of genes perturbed, and of those that some training perturbation has too.
    ``labels``
        The labels as they came, joined by ``", "``.

    Raises
    ------
    DataError
        If there is no setup or no split, or a column of it is gone.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    >>> sgp.pp.split(adata, scheme="custom", test=["KLF1+MAP2K6"])
    >>> table = sgp.get.split_table(adata)
    >>> table[["perturbation", "split", "subgroup", "n_cells", "labels"]]
      perturbation  split     subgroup  n_cells       labels
    0         KLF1  train          NaN       12    KLF1+ctrl
    1       MAP2K6  train          NaN       12  ctrl+MAP2K6
    2  KLF1+MAP2K6   test  combo_seen2       12  KLF1+MAP2K6
    >>> table[["n_targets", "n_targets_seen"]].to_numpy().tolist()
    [[1, 1], [1, 1], [2, 2]]
    """
    require_anndata(adata)
    return split_frame(adata)
