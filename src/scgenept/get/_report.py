"""get.report: an evaluation that was stored in an AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.checks import require_anndata
from ..evaluation.report import Report

if TYPE_CHECKING:
    from anndata import AnnData


def report(adata: AnnData) -> Report:
    """Read the report that ``report.to_uns(adata)`` stored, as it was.

    Parameters
    ----------
    adata
        With ``uns["scgenept"]["report"]``, from memory or from a file.

    Returns
    -------
    The report, with the same tables and notes.

    Raises
    ------
    DataError
        There is no report in it.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> sgp.tl.evaluate(adata, "additive", split=["KLF1+MAP2K6"], n_boot=100).to_uns(adata)
    >>> sgp.get.report(adata).about["n_test"]
    1
    """
    require_anndata(adata)
    return Report.from_uns(adata)
