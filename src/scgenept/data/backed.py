"""AnnData whose values are in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData


def indexable(adata: AnnData) -> AnnData:
    """Return an AnnData that can be subset: itself, or in memory if it is a subset of a file already.

    anndata subsets what a file backs once and no more.
    """
    return adata.to_memory() if adata.isbacked and adata.is_view else adata
