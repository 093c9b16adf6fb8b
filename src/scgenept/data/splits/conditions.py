"""The conditions of a data set: its own labels, where they are what GEARS calls a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ... import _keys
from ..._errors import DataError, listing
from ...perturbation import SEPARATOR, Perturbation
from ..checks import check_shape

if TYPE_CHECKING:
    from anndata import AnnData

    from ..setup import Setup
    from .parts import Targets


@dataclass(frozen=True, eq=False)
class Conditions:
    """The perturbed cells, grouped by how their perturbation is written.

    Attributes
    ----------
    names
        Condition -> canonical name of its perturbation, in the order of first cells.
    targets
        Condition -> genes perturbed.
    codes
        Position in ``names`` per cell, (cells,), int64; -1 for control cells.
    """

    names: dict[str, str]
    targets: Targets
    codes: np.ndarray

    @property
    def perturbations(self) -> Targets:
        """Canonical name -> genes perturbed."""
        return {self.names[condition]: genes for condition, genes in self.targets.items()}

    def n_cells(self) -> dict[str, int]:
        """Return how many cells each perturbation has, by canonical name."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))
        total: dict[str, int] = {}
        for name, count in zip(self.names.values(), counts.tolist(), strict=True):
            total[name] = total.get(name, 0) + count
        return total


def read_conditions(adata: AnnData, setup: Setup) -> Conditions:
    """Return the conditions of data that are set up.

    ``A+ctrl`` and ``ctrl+A``, or ``A+B`` and ``B+A``, are one perturbation but two conditions: the published split was
    drawn over those. Any other spelling (guides, other separators) has the canonical name for a condition.

    Raises
    ------
    DataError
        If cells have no perturbation, or no cell is perturbed.
    """
    if not adata.n_obs:  # splits need no genes
        check_shape(adata.n_obs, adata.n_vars)
    codes, names = pd.factorize(adata.obs[setup.perturbation_key])
    if missing := int((codes < 0).sum()):
        msg = f"{missing:,} of {adata.n_obs:,} cells have no perturbation: run scgenept.pp.setup_perturbations again."
        raise DataError(msg)
    labels, label_names = _labels(adata, setup)
    # One number for each pair of label and perturbation that occurs, in the order of first cells.
    both, pairs = pd.factorize(labels * len(names) + codes)
    perturbations = [Perturbation.parse(str(names[pair % len(names)])) for pair in pairs]
    written = [
        _condition(str(label_names[pair // len(names)]), perturbation)
        for pair, perturbation in zip(pairs.tolist(), perturbations, strict=True)
    ]
    perturbed = [i for i, perturbation in enumerate(perturbations) if not perturbation.is_control]
    if not perturbed:
        msg = (
            f"No cell is perturbed: all {adata.n_obs:,} cells are controls, so there is nothing to split. Was adata "
            "subset, or the wrong label named as control? Split all cells, or set up again with control=."
        )
        raise DataError(msg)
    found = {written[i]: perturbations[i] for i in perturbed}
    position = {condition: i for i, condition in enumerate(found)}
    of_pair = np.full(len(pairs), -1, dtype=np.int64)
    of_pair[perturbed] = [position[written[i]] for i in perturbed]
    return Conditions(
        names={condition: str(perturbation) for condition, perturbation in found.items()},
        targets={condition: perturbation.genes for condition, perturbation in found.items()},
        codes=of_pair[both],
    )


def require_several_cells(conditions: Conditions, key: str) -> None:
    """Refuse perturbations of a single cell, which have no mean to speak of and no spread at all.

    Raises
    ------
    DataError
        If there are any.
    """
    if few := [name for name, n_cells in conditions.n_cells().items() if n_cells == 1]:
        msg = (
            f"{len(few)} of {len(conditions.perturbations)} perturbations have one cell only: {listing(few)}. Leave "
            f'them out: n = adata.obs["{key}"].map(adata.obs["{key}"].value_counts()).astype(int); '
            "adata = adata[n > 1].copy()."
        )
        raise DataError(msg)


def _labels(adata: AnnData, setup: Setup) -> tuple[np.ndarray, pd.Index]:
    """Return the code of the label of each cell, as it came where that is known, and the labels."""
    key = setup.source_key if setup.source_key in adata.obs else setup.perturbation_key
    codes, names = pd.factorize(adata.obs[key], use_na_sentinel=False)
    return codes.astype(np.int64), pd.Index(names)


def _condition(label: str, perturbation: Perturbation) -> str:
    """Return the label where it is the genes joined by ``+``, with or without ``ctrl``, else the canonical name."""
    genes = [part for part in label.split(SEPARATOR) if part != _keys.CONTROL]
    return label if tuple(sorted(genes)) == perturbation.genes else str(perturbation)
