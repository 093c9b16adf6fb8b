"""The embedded default: simulated K562 control cells beside real pseudobulk figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse, special, stats

from .. import _keys
from .._arguments import require_whole
from .._random import generator_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._types import RNGLike

_TARGET_SUM = 1e4


def k562_mini(*, n_cells: int = 200, rng: RNGLike = 0) -> ad.AnnData:
    """K562 control cells for a first try without any network, and what 33 real perturbations did.

    The cells are **simulated**. The figures are real: computed from 3,275 CRISPRa cells and 100 control cells of
    Norman et al. (Science 2019; GEO GSE133344) in the public 500-gene subset of PerturBench, the registry's
    ``norman_subset``. Each simulated cell draws a library size and Poisson log-normal counts whose rates, spreads and
    four gene-gene factors are those of the 100 real controls (``scripts/build_k562_mini.py``). Means and variances per
    gene are therefore right; single cells, rare states and most gene-gene correlations are not. Use them to learn the
    package, never for biology.

    Parameters
    ----------
    n_cells
        Number of control cells.
    rng
        Seed or generator of the simulation. The same seed gives the same cells with every version of numpy, because
        only uniform draws of PCG64 are used.

    Returns
    -------
    AnnData of ``n_cells`` x 500 genes, already set up as :func:`scgenept.pp.setup_perturbations` does:

    ``X``
        csr float32, log1p of counts per 1e4.
    ``obs["perturbation"]``, ``obs["is_control"]``, ``obs["simulated"]``
        ``"ctrl"``, ``True`` and ``True`` for every cell.
    ``varm["observed_mean"]``, ``varm["observed_std"]``
        DataFrames, genes x 34 (33 perturbations and ``"ctrl"``): mean and standard deviation (``ddof=1``) over the
        **real** cells, log1p of counts per 1e4.
    ``uns["scgenept"]["observed"]``
        DataFrame, one row per perturbation: ``perturbation``, ``n_cells``, ``split`` (``"train"`` or ``"test"`` of
        ``scgenept-mini``), ``stratum``, and the mean scores of one random half of the real cells against the other:
        ``split_half_mse``, ``split_half_pearson_delta``, ``split_half_pearson_delta_ref_mean``.
    ``uns["scgenept"]["setup"]``
        Column names, control label, modality ``"CRISPRa"``, cell type ``"K562"``.

    Raises
    ------
    DataError
        If ``n_cells`` is not positive.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.k562_mini()
    >>> adata.shape
    (200, 500)
    >>> bool(adata.obs["simulated"].all())
    True
    >>> round(float(adata.varm["observed_mean"].loc["HBZ", "KLF1"]), 2)
    3.3
    """
    require_whole("n_cells", n_cells)
    generator = generator_of(rng)
    figures = _figures()
    cells = simulate_controls(figures.control, n_cells, generator)
    adata = ad.AnnData(
        X=sparse.csr_matrix(cells.astype(np.float32)),
        obs=pd.DataFrame(
            {
                _keys.PERTURBATION: pd.Categorical([_keys.CONTROL] * n_cells),
                _keys.IS_CONTROL: np.ones(n_cells, dtype=bool),
                _keys.SIMULATED: np.ones(n_cells, dtype=bool),
            },
            index=[f"simulated_{i}" for i in range(n_cells)],
        ),
        var=pd.DataFrame(index=pd.Index(figures.mean.index, name="gene")),
    )
    adata.varm[_keys.OBSERVED_MEAN] = figures.mean.copy()
    adata.varm[_keys.OBSERVED_STD] = figures.std.copy()
    adata.uns[_keys.UNS] = {
        _keys.SETUP: {
            "perturbation_key": _keys.PERTURBATION,
            "is_control_key": _keys.IS_CONTROL,
            "source_key": _keys.PERTURBATION,
            "control_label": _keys.CONTROL,
            "modality": "CRISPRa",
            "cell_type": "K562",
        },
        _keys.OBSERVED: figures.observed.copy(),
    }
    return adata


@dataclass(frozen=True)
class ControlFigures:
    """Parameters of the Poisson log-normal that stands for the control cells.

    Attributes
    ----------
    rate
        (genes,) mean share of a cell's counts.
    factors
        (genes, factors) loadings of log rates on shared standard normal factors.
    residual
        (genes,) standard deviation of log rates beyond the factors.
    log_library
        (2,) mean and standard deviation of log library sizes.
    """

    rate: NDArray[np.float64]
    factors: NDArray[np.float64]
    residual: NDArray[np.float64]
    log_library: NDArray[np.float64]


def simulate_controls(control: ControlFigures, n_cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw control cells: (n_cells, genes), log1p of counts per 1e4.

    Everything is an inverse distribution function of uniform draws, which numpy keeps stable where it may change how
    it draws normals and Poissons.
    """
    n_genes, n_factors = control.factors.shape
    library = np.exp(control.log_library[0] + control.log_library[1] * special.ndtri(rng.random(n_cells)))
    log_rate = special.ndtri(rng.random((n_cells, n_factors))) @ control.factors.T
    log_rate += special.ndtri(rng.random((n_cells, n_genes))) * control.residual
    # E[exp(z)] is 1: a log-normal's mean exceeds its median by half the variance.
    log_rate -= ((control.factors**2).sum(axis=1) + control.residual**2) / 2
    uniform = rng.random((n_cells, n_genes))
    counts = np.zeros((n_cells, n_genes))
    seen = control.rate > 0
    counts[:, seen] = stats.poisson.ppf(
        uniform[:, seen],
        library[:, None] * control.rate[seen] * np.exp(log_rate[:, seen]),
    )
    cells: NDArray[np.float64] = np.log1p(counts * (_TARGET_SUM / library[:, None]))
    return cells


@dataclass(frozen=True)
class _Figures:
    mean: pd.DataFrame
    std: pd.DataFrame
    observed: pd.DataFrame
    control: ControlFigures


@cache
def _figures() -> _Figures:
    """Read the packaged figures once."""
    folder = files(__package__) / "data"
    with as_file(folder / "k562_mini.npz") as path, np.load(path) as arrays:
        genes, perturbations = (
            arrays["genes"].tolist(),
            arrays["perturbations"].tolist(),
        )
        mean, std = (
            pd.DataFrame(arrays[key], index=genes, columns=perturbations)
            for key in (_keys.OBSERVED_MEAN, _keys.OBSERVED_STD)
        )
        control = ControlFigures(
            **{key: arrays[key].astype(np.float64) for key in ("rate", "factors", "residual", "log_library")}
        )
    with as_file(folder / "k562_mini.tsv") as path:
        observed = pd.read_csv(path, sep="\t")
    observed.index = observed.index.astype(str)
    return _Figures(mean, std, observed, control)
