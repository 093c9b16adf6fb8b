"""get.setup: how the perturbations of an AnnData are set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from ..data.checks import require_anndata
from ..data.setup import Setup, read_setup

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Setup", "setup"]


@overload
def setup(adata: AnnData, *, missing_ok: Literal[False] = False) -> Setup: ...
@overload
def setup(adata: AnnData, *, missing_ok: bool) -> Setup | None: ...


def setup(adata: AnnData, *, missing_ok: bool = False) -> Setup | None:
    """Return how the perturbations are set up, whatever the columns are called.

    Parameters
    ----------
    adata
        Cells x genes, set up by :func:`scgenept.pp.setup_perturbations`.
    missing_ok
        Return ``None`` where nothing is set up, instead of raising.

    Returns
    -------
    The columns, control label, modality and cell type.

    Raises
    ------
    DataError
        If nothing is set up, or a column that the setup names is gone.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", key_added="target")
    >>> sgp.get.setup(adata).perturbation_key
    'target'
    """
    require_anndata(adata)
    return read_setup(adata, missing_ok=missing_ok)
