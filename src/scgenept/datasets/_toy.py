"""datasets.toy: sixty small cells for examples and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse, stats

from .. import _keys
from .._random import generator_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._types import RNGLike

GENES: Final = (
    "ACTB", "ALAS2", "ATF3", "B2M", "BLVRB", "CCND3", "CD44", "CEBPB", "CEBPE", "CYBA",
    "EEF1A1", "EGR1", "FOS", "FOSB", "FTH1", "GAPDH", "GATA1", "GYPA", "HBA1", "HBG1",
    "HBG2", "HBZ", "IL1RN", "JUN", "KLF1", "LGALS1", "MAP2K3", "MAP2K6", "MAPK1", "MT1X",
    "NFKBIA", "PPBP", "RPL10", "SPI1", "TGFBR2", "TMSB4X", "TMSB10", "UBB", "VIM", "ZFP36",
)  # fmt: skip
EFFECTS: Final = {
    "KLF1": {"KLF1": 8.0, "HBZ": 4.0, "HBG2": 3.0, "HBG1": 3.0, "ALAS2": 2.0, "LGALS1": 0.5},
    "MAP2K6": {"MAP2K6": 8.0, "ATF3": 3.0, "EGR1": 3.0, "JUN": 2.0, "GYPA": 0.5},
}
"""Fold changes over control; those of a pair multiply."""
CELLS: Final = {"ctrl": 24, "KLF1+ctrl": 12, "ctrl+MAP2K6": 12, "KLF1+MAP2K6": 12}
"""Cells of each label, written as GEARS writes them."""
MEAN_TOTAL: Final = 2_000


def toy(*, rng: RNGLike = 0) -> ad.AnnData:
    """Sixty simulated cells of 40 genes, two perturbed genes and their pair: for examples and tests, not for biology.

    Counts are Poisson around log-normal rates that fall from gene to gene; a perturbation multiplies some of them.

    Parameters
    ----------
    rng
        Seed or generator. The same seed gives the same cells with every version of numpy, because only uniform draws
        of PCG64 are used.

    Returns
    -------
    AnnData of 60 cells x 40 genes (human symbols), not yet set up:

    ``X``
        csr float32, log1p of counts per 1e4.
    ``layers["counts"]``
        csr float32, whole numbers.
    ``obs["condition"]``
        ``"ctrl"`` (24 cells), ``"KLF1+ctrl"``, ``"ctrl+MAP2K6"`` and ``"KLF1+MAP2K6"`` (12 each), as GEARS labels them.
    ``obs["simulated"]``
        ``True`` for every cell.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> adata.shape
    (60, 40)
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> adata.obs["perturbation"].value_counts().to_dict()
    {'ctrl': 24, 'KLF1': 12, 'KLF1+MAP2K6': 12, 'MAP2K6': 12}
    """
    generator = generator_of(rng)
    labels = [label for label, n_cells in CELLS.items() for _ in range(n_cells)]
    rates = np.array([_rates(label) for label in labels])
    depth = stats.lognorm.ppf(generator.random(len(labels)), s=0.3, scale=MEAN_TOTAL)
    counts = stats.poisson.ppf(generator.random(rates.shape), depth[:, None] * rates)
    log_expression = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    return ad.AnnData(
        X=sparse.csr_matrix(log_expression.astype(np.float32)),
        layers={_keys.COUNTS: sparse.csr_matrix(counts.astype(np.float32))},
        obs=pd.DataFrame(
            {"condition": pd.Categorical(labels), _keys.SIMULATED: np.ones(len(labels), dtype=bool)},
            index=[f"toy_{i}" for i in range(len(labels))],
        ),
        var=pd.DataFrame(index=list(GENES)),
    )


def _rates(label: str) -> NDArray[np.float64]:
    """Return the share of a cell's counts that each gene has, (genes,); control rates sum to 1."""
    # Spread over the alphabet, so that neighbours in the list are not neighbours in expression.
    ranks = (np.arange(len(GENES)) * 17) % len(GENES)
    rates: NDArray[np.float64] = np.exp(-0.15 * ranks)
    rates /= rates.sum()
    for target in label.split("+"):
        for gene, fold in EFFECTS.get(target, {}).items():
            rates[GENES.index(gene)] *= fold
    return rates
