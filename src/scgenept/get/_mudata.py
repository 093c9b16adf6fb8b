"""get.mudata: every prediction as a modality over the same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import UnknownNameError
from ..data.backed import indexable
from ..data.checks import require_anndata
from ..data.lost import why_missing
from ..data.write import predictions
from ._predicted import find_prediction, predicted, predicted_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData


def mudata(adata: AnnData, keys: Sequence[str] | None = None) -> MuData:
    """Return predictions as a MuData, one modality per perturbation over the same cells.

    Parameters
    ----------
    adata
        With predictions of :func:`scgenept.tl.predict_perturbation`.
    keys
        Which of them, or which one; by default all.

    Returns
    -------
    A MuData with, per prediction, a modality named by its key as :func:`scgenept.get.predicted` returns
    it, with genes named ``"<key>:<gene>"`` (the plain name is in ``var["gene"]``) and the cells that were
    predicted for every key.

    Raises
    ------
    UnknownNameError
        There is no such prediction, or no cell that all of them share.

    Examples
    --------
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:8].copy()
    >>> for genes in ("KLF1", "MAPK1"):
    ...     sgp.tl.predict_perturbation(cells, genes, model="scgenept-mini")
    >>> sorted(sgp.get.mudata(cells).mod)
    ['KLF1', 'MAPK1']
    """
    import mudata as md

    require_anndata(adata)
    adata = indexable(adata)
    names = list(predictions(adata)) if keys is None else [keys] if isinstance(keys, str) else list(keys)
    found = [find_prediction(adata, name)[0] for name in names]
    if not found:
        remedy = why_missing(adata) or " Run scgenept.tl.predict_perturbation first."
        msg = f"There is no prediction in adata.{remedy}"
        raise UnknownNameError(msg)
    shared = predicted_rows(adata, found[0])
    for key in found[1:]:
        shared &= predicted_rows(adata, key)
    if not shared.any():
        msg = f"No cell was predicted for all of {', '.join(found)}: pass fewer keys."
        raise UnknownNameError(msg)
    modalities = {}
    for key in found:
        cells = predicted(adata[shared], key)
        cells.var["gene"] = cells.var_names.astype(str)
        cells.var_names = [f"{key}:{name}" for name in cells.var_names]
        modalities[key] = cells
    # What the modalities hold stays theirs; mudata 0.4 renamed the switch.
    options = md.settings.override if hasattr(md, "settings") else md.set_options
    with options(pull_on_update=False):
        return md.MuData(modalities)
