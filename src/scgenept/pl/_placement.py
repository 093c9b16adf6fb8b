"""Where predicted cells lie in an embedding that was made without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from .. import _keys, get
from .._errors import DataError, listing, near_names
from ..data.expression import expression

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

N_NEIGHBORS: Final = 15
"""Cells whose places are averaged, as many as scanpy's graph has neighbours."""
_CHECKED: Final = 2000
"""Cells by which the loadings are checked, and distances between cells are known."""
_TOLERANCE: Final = 1e-2
"""Largest spread of what projected cells differ by from their stored places, in spreads of the places."""


@dataclass(frozen=True)
class Placement:
    """Predicted cells in the user's embedding.

    Attributes
    ----------
    cells
        All cells x 2, the embedding as it is.
    rows
        Positions of the cells that were predicted, in ``cells``.
    places
        Predicted cells x 2, in the order of ``rows``.
    how
        What was done, for the caption.
    """

    cells: NDArray[np.float64]
    rows: NDArray[np.intp]
    places: NDArray[np.float64]
    how: str


def place(adata: AnnData, key: str, basis: str) -> Placement:
    """Place the cells of a prediction in ``obsm[basis]``.

    A PCA is a linear map, so a predicted cell has a place in it: its expression times the loadings, less what the same
    product of the cells themselves exceeds their stored places by, the mean that scanpy does not store. Every other
    embedding has no map that it left behind; in it a predicted cell stands at the mean place of the cells that it is
    nearest to in the principal components, weighted by the inverse of their distance.

    Raises
    ------
    DataError
        There is no such embedding or no PCA, values are NaN, or ``X`` is not what the PCA was made of.
    """
    cells = _embedding(adata, basis)
    predicted = get.predicted(adata, key)
    rows = adata.obs_names.get_indexer(predicted.obs_names)
    loadings, offset = _loadings(adata)
    components = np.asarray(predicted.X, dtype=np.float64) @ loadings + offset
    if basis == "X_pca":
        return Placement(cells, rows, components[:, :2], _seen_share(predicted, loadings))
    places, far = _by_neighbors(np.asarray(adata.obsm["X_pca"], dtype=np.float64), cells, components)
    number = min(N_NEIGHBORS, adata.n_obs)
    how = (
        f"A predicted cell stands at the mean place of the {number} cells that it is nearest to in {loadings.shape[1]} "
        "principal components, weighted by inverse distance: what resembles none of them is drawn at the edge of what "
        f"there is. {far:.0%} of the predicted cells are further from their nearest cell than 95% of cells are from "
        "theirs."
    )
    return Placement(cells, rows, places, how)


def find_basis(adata: AnnData, basis: str | None) -> str:
    """Return the key of the embedding: the UMAP, or else the PCA, where none is named."""
    keys = [str(key) for key in adata.obsm]
    candidates = ["X_umap", "X_pca"] if basis is None else [basis, f"X_{basis}"]
    found = next((key for key in candidates if key in keys), None)
    if found is None:
        name = "X_umap or X_pca" if basis is None else repr(basis)
        hint = near_names(f"X_{basis}", keys) if basis else ""
        msg = f"obsm has no embedding {name}.{hint} It has: {listing(keys) or 'none'}. Run scanpy.pp.pca(adata) first."
        raise DataError(msg)
    return found


def _embedding(adata: AnnData, basis: str) -> NDArray[np.float64]:
    stored = np.asarray(adata.obsm[basis], dtype=np.float64)
    if stored.ndim != 2 or stored.shape[1] < 2:
        msg = f"obsm[{basis!r}] has the shape {stored.shape}; two columns are needed to draw it."
        raise DataError(msg)
    if missing := int((~np.isfinite(stored[:, :2])).any(axis=1).sum()):
        msg = f"obsm[{basis!r}] is NaN or infinite for {missing:,} of {adata.n_obs:,} cells: leave them out."
        raise DataError(msg)
    return stored[:, :2]


def _loadings(adata: AnnData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the loadings, genes x components, and what is added to a product with them."""
    if "PCs" not in adata.varm or "X_pca" not in adata.obsm:
        msg = (
            "There is no PCA with its loadings, varm['PCs'], so nothing says where a predicted cell belongs. "
            "Run scanpy.pp.pca(adata), and what the embedding is made with, on these cells."
        )
        raise DataError(msg)
    stored = np.asarray(adata.obsm["X_pca"], dtype=np.float64)
    loadings = np.asarray(adata.varm["PCs"], dtype=np.float64)[:, : stored.shape[1]]
    layer = adata.uns.get("pca", {}).get("params", {}).get("layer")
    some = np.unique(np.linspace(0, adata.n_obs - 1, min(adata.n_obs, _CHECKED)).astype(int))
    gap = stored[some] - _product(expression(adata, layer)[some], loadings)
    spread = float(np.sqrt(((gap - gap.mean(axis=0)) ** 2).mean()))
    scale = float(np.sqrt(((stored - stored.mean(axis=0)) ** 2).mean()))
    if not spread <= _TOLERANCE * max(scale, 1e-12):
        where = "X" if layer is None else f"layers[{layer!r}]"
        msg = (
            f"obsm['X_pca'] does not follow from {where} and varm['PCs']: the expression, the genes or the embedding "
            "changed since (scaled, or integrated). Run scanpy.pp.pca(adata) again on what was predicted from."
        )
        raise DataError(msg)
    offset: NDArray[np.float64] = gap.mean(axis=0)
    return loadings, offset


def _product(block: Any, loadings: NDArray[np.float64]) -> NDArray[np.float64]:
    dense = block if sparse.issparse(block) else np.asarray(block, dtype=np.float64)
    return np.asarray(dense @ loadings, dtype=np.float64)


def _seen_share(predicted: AnnData, loadings: NDArray[np.float64]) -> str:
    """Say how much of the predicted mean change the two components show."""
    control = np.asarray(predicted.layers[_keys.CONTROL_LAYER].mean(axis=0), dtype=np.float64).ravel()
    change = np.asarray(predicted.X, dtype=np.float64).mean(axis=0) - control
    total = float(change @ change)
    seen = f"{float(((change @ loadings[:, :2]) ** 2).sum()) / total:.0%}" if total > 0 else "nothing"
    return f"Predicted cells are projected with the loadings of the PCA; the axes show {seen} of the squared change."


def _by_neighbors(
    reference: NDArray[np.float64], cells: NDArray[np.float64], components: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the places of cells by their neighbours, and the share that is far from all of them."""
    from sklearn.neighbors import KNeighborsRegressor

    model = KNeighborsRegressor(n_neighbors=min(N_NEIGHBORS, len(cells)), weights="distance").fit(reference, cells)
    places: NDArray[np.float64] = model.predict(components)
    if len(cells) < 2:
        return places, 0.0
    some = np.unique(np.linspace(0, len(cells) - 1, min(len(cells), _CHECKED)).astype(int))
    usual = np.percentile(model.kneighbors(reference[some], n_neighbors=2)[0][:, 1], 95)
    nearest = model.kneighbors(components, n_neighbors=1)[0][:, 0]
    return places, float((nearest > usual).mean())
