"""Perturbed cells and the control cells they are compared with, as arrays, without a graph per cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from .._errors import DataError, listing
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from .setup import Setup


@dataclass(frozen=True, eq=False)
class Pairs:
    """What a model is trained on.

    Attributes
    ----------
    genes
        Names of the measured genes.
    controls
        Control cells x genes, log1p of counts per 1e4, float32, csr.
    cells
        Perturbed cells x genes, likewise.
    perturbations
        The perturbations that occur.
    labels
        Per perturbed cell, its position in ``perturbations``, int64.
    """

    genes: tuple[str, ...]
    controls: sp.csr_matrix
    cells: sp.csr_matrix
    perturbations: tuple[Perturbation, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, rows: np.ndarray) -> Pairs:
        """Return some of the perturbed cells, with all controls."""
        return Pairs(self.genes, self.controls, self.cells[rows], self.perturbations, self.labels[rows])


def pairs_from_adata(adata: AnnData, setup: Setup, perturbations: Sequence[str] | None = None) -> Pairs:
    """Collect control cells and the cells of some perturbations.

    Parameters
    ----------
    adata
        Set up, cells x genes, log1p of counts per 1e4.
    setup
        Of ``adata``.
    perturbations
        Canonical names; by default all that occur.
    """
    labels = adata.obs[setup.perturbation_key].astype(str).to_numpy()
    is_control = adata.obs[setup.is_control_key].to_numpy(dtype=bool)
    present = sorted(set(labels[~is_control]))
    wanted = present if perturbations is None else list(perturbations)
    if absent := [name for name in wanted if name not in present]:
        msg = f"{len(absent)} perturbations have no cells in adata: {listing(absent)}. Present: {listing(present)}."
        raise DataError(msg)
    if not wanted or not is_control.any():
        msg = f"Training needs control cells and perturbed cells; found {is_control.sum():,} and {len(wanted)} kinds."
        raise DataError(msg)
    rows = np.flatnonzero(np.isin(labels, wanted) & ~is_control)
    position = {name: i for i, name in enumerate(wanted)}
    return Pairs(
        genes=tuple(str(name) for name in adata.var_names),
        controls=sp.csr_matrix(adata.X[np.flatnonzero(is_control)], dtype=np.float32),
        cells=sp.csr_matrix(adata.X[rows], dtype=np.float32),
        perturbations=tuple(Perturbation.parse(name) for name in wanted),
        labels=np.array([position[labels[row]] for row in rows]),
    )
