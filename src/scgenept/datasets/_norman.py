"""datasets.norman, adamson, norman_subset: real Perturb-seq cells, downloaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import anndata as ad
import numpy as np
from scipy import sparse

from .. import _keys
from .._errors import DownloadError, UnknownNameError
from ..data.records import write_record
from ..registry import fetch, fetch_member, find
from ..registry.recorded import file_sha256, recorded_hash
from ._gears_file import PROCESSED, correct, read_processed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PARTS: Final = ("norman19", "mcfaline23")
"""Values of ``obs["dataset"]`` in the subset."""


def norman() -> ad.AnnData:
    """Read K562 cells under CRISPR activation of 105 genes and 131 pairs, as processed by GEARS.

    Norman et al., Science 2019 (GEO GSE133344): 91,205 cells x 5,045 genes. Downloaded once from Harvard Dataverse;
    GEARS is not needed. What is known to be wrong in the file is put right, logged and recorded. Someone who has used
    GEARS has the file already: put their ``norman/perturb_processed.h5ad`` into ``settings.cache_dir``.

    Returns
    -------
    AnnData, not yet set up:

    ``X``
        log1p of counts per 1e4.
    ``obs["condition"]``
        ``"ctrl"``, ``"A+ctrl"``, ``"ctrl+A"`` or ``"A+B"``, as they came: splits of GEARS are of these labels.
        ``A+ctrl`` and ``ctrl+A`` are one perturbation, and :func:`scgenept.pp.setup_perturbations` makes them one.
    ``obs["cell_type"]``
        ``"K562"``; the file says A549 for every cell.
    ``layers["counts"]``
        csr, where the file holds a dense table of whole numbers.
    ``var_names``, ``var["gene_id"]``
        Symbols, by which targets are named; the names in the file.
    ``uns["scgenept"]["corrections"]``
        What was put right.
    ``uns["scgenept"]["source"]``
        Name, address, SHA-256, licence and citation of the file (of the h5ad inside, where it comes in a zip).

    Raises
    ------
    DownloadError
        The file cannot be fetched, or is damaged. The message says how to place it by hand.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.norman()  # doctest: +SKIP
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")  # doctest: +SKIP
    """
    return _processed_by_gears("norman.zip")


def adamson() -> ad.AnnData:
    """Read K562 cells under CRISPR interference with 86 genes, as processed by GEARS.

    Adamson et al., Cell 2016 (GEO GSE90546): 68,603 cells x 5,060 genes. Downloaded once from Harvard Dataverse, and
    put right as :func:`norman` is.

    Returns
    -------
    AnnData, not yet set up; keys as in :func:`norman`.

    Raises
    ------
    DownloadError
        The file cannot be fetched, or is damaged. The message says how to place it by hand.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.adamson()  # doctest: +SKIP
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRi", cell_type="K562")  # doctest: +SKIP
    """
    return _processed_by_gears("adamson.zip")


def norman_subset(*, dataset: Literal["norman19", "mcfaline23"] | None = "norman19") -> ad.AnnData:
    """Read a small real file for trying things out: 500 genes of two perturbation screens.

    Norman et al. 2019 and McFaline-Figueroa et al. 2023, as packed by PerturBench (1.1 MB, BSD-3-Clause, hash known).
    Too small to reproduce a published figure: about 15 counted genes per cell, and of 31 targets of the Norman part
    only TMSB4X is a measured gene.

    Parameters
    ----------
    dataset
        ``"norman19"``: 3,375 K562 cells under CRISPRa, 100 of them controls, 18 single genes and 15 pairs.
        ``"mcfaline23"``: 2,586 cells of A172, T98G and U87MG under CRISPRi, 9 genes.
        ``None``: both, which differ in modality and cell type.

    Returns
    -------
    AnnData, not yet set up:

    ``X``
        csr float32, log1p of counts per 1e4.
    ``obs["perturbation"]``
        ``"control"``, ``"A"`` or ``"A+B"``, the genes of a pair in no order.
    ``obs["perturbation_type"]``, ``obs["cell_type"]``, ``obs["dataset"]``
        Modality, cell line, study.
    ``uns["scgenept"]["source"]``
        Name, address, SHA-256, licence and citation of the file.

    Raises
    ------
    UnknownNameError
        There is no such part.
    DownloadError
        The file cannot be fetched, or is damaged. The message says how to place it by hand.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.norman_subset()  # doctest: +SKIP
    >>> adata.shape  # doctest: +SKIP
    (3375, 500)
    """
    if dataset is not None and dataset not in PARTS:
        msg = f"norman_subset has no part {dataset!r}: choose one of {', '.join(PARTS)}, or None for both."
        raise UnknownNameError(msg)
    name = "norman_subset.h5ad"
    adata = _read(fetch(name), name)
    if dataset is not None:
        adata = adata[adata.obs["dataset"] == dataset].copy()
    adata.X = sparse.csr_matrix(adata.X, dtype=np.float32)
    adata.X.sort_indices()
    return adata


def _processed_by_gears(name: str) -> ad.AnnData:
    adata = _read(fetch_member(name, PROCESSED), name, read_processed)
    correct(adata, name.removesuffix(".zip"))
    return adata


def _read(path: Path, name: str, read: Callable[[Path], ad.AnnData] = ad.read_h5ad) -> ad.AnnData:
    """Read a file of the registry and note where it comes from."""
    try:
        adata = read(path)
    except (OSError, KeyError, ValueError) as error:
        msg = f"{path} is not a whole h5ad file ({error}): delete it to fetch it again."
        raise DownloadError(msg) from error
    entry = find(name)
    source = {
        "name": name,
        "url": entry.urls()[0],
        "sha256": recorded_hash(path) or file_sha256(path),
        "licence": entry.licence,
        "citation": entry.citation,
    }
    write_record(adata, _keys.SOURCE, source)
    return adata
