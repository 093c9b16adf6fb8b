"""Predicted cells on the user's embedding, asserted on places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scanpy as sc
from matplotlib.patches import FancyArrowPatch
from matplotlib.quiver import Quiver

import scgenept as sgp
from scgenept import _keys
from scgenept._errors import DataError
from scgenept.pl import _style
from tests.pl.conftest import PAIR
from tests.pl.figures import bare, caption_of, require_room

if TYPE_CHECKING:
    from anndata import AnnData


@pytest.fixture
def embedded(cells: AnnData) -> AnnData:
    """With a PCA, and a map that stands for a UMAP."""
    sc.pp.pca(cells, n_comps=6)
    cells.obsm["X_umap"] = np.tanh(cells.obsm["X_pca"][:, :2]).astype(np.float32)
    return cells


def points(ax) -> dict[str, np.ndarray]:
    return {str(c.get_label()): np.asarray(c.get_offsets()) for c in ax.collections if not isinstance(c, Quiver)}


def arrow(ax, gid: str = "shift") -> np.ndarray:
    (found,) = (patch for patch in ax.patches if isinstance(patch, FancyArrowPatch) and patch.get_gid() == gid)
    return np.array(found._posA_posB)


def projected(adata: AnnData) -> np.ndarray:
    rows = adata.obs[_keys.IS_CONTROL].to_numpy()
    centred = adata.layers[PAIR][rows].astype(float) - adata.X.toarray().astype(float).mean(axis=0)
    return centred @ adata.varm["PCs"].astype(float)


def test_pca_places_are_projections(embedded: AnnData) -> None:
    ax = sgp.pl.embedding_shift(embedded, PAIR, basis="pca", n_arrows=7, ax=bare())
    control = embedded.obs[_keys.IS_CONTROL].to_numpy()
    label = (embedded.obs[_keys.PERTURBATION] == PAIR).to_numpy()
    stored, found = embedded.obsm["X_pca"][:, :2], points(ax)
    np.testing.assert_allclose(found["predicted"], projected(embedded)[:, :2], atol=1e-3)
    np.testing.assert_allclose(found["control"], stored[control])
    np.testing.assert_allclose(found["observed"], stored[label])
    np.testing.assert_allclose(found["other cells"], stored[~control & ~label])
    np.testing.assert_allclose(arrow(ax), [stored[control].mean(axis=0), found["predicted"].mean(axis=0)], atol=1e-6)
    seen = arrow(ax, "observed shift")
    np.testing.assert_allclose(seen, [stored[control].mean(axis=0), stored[label].mean(axis=0)], atol=1e-6)
    (thin,) = (c for c in ax.collections if isinstance(c, Quiver))
    some = np.linspace(0, 29, 7).astype(int)
    np.testing.assert_allclose(thin.XY, stored[control][some], atol=1e-6)
    np.testing.assert_allclose(
        np.column_stack([thin.U, thin.V]), (found["predicted"] - stored[control])[some], atol=1e-6
    )
    change = embedded.layers[PAIR][control].mean(axis=0) - embedded.X.toarray()[control].mean(axis=0)
    share = ((change @ embedded.varm["PCs"][:, :2]) ** 2).sum() / (change**2).sum()
    assert f"the axes show {share:.0%} of the squared change" in caption_of(ax)
    assert ax.get_xlabel() == f"PC 1 ({embedded.uns['pca']['variance_ratio'][0]:.0%} of variance)"


def test_pca_of_some_genes(cells: AnnData) -> None:
    cells.var["highly_variable"] = np.arange(cells.n_vars) % 2 == 0
    sc.pp.pca(cells, n_comps=4, mask_var="highly_variable")
    ax = sgp.pl.embedding_shift(cells, PAIR, ax=bare())
    np.testing.assert_allclose(points(ax)["predicted"], projected(cells)[:, :2], atol=1e-3)
    assert not any(
        isinstance(c, Quiver) for c in sgp.pl.embedding_shift(cells, PAIR, n_arrows=0, ax=bare()).collections
    )


def test_umap_places_are_means_of_neighbours(embedded: AnnData) -> None:
    ax = sgp.pl.embedding_shift(embedded, PAIR, ax=bare())
    assert ax.get_xlabel() == "UMAP 1"
    reference, where = embedded.obsm["X_pca"].astype(float), embedded.obsm["X_umap"].astype(float)
    expected, nearest = [], []
    for cell in projected(embedded):
        distance = np.sqrt(((reference - cell) ** 2).sum(axis=1))
        near = np.argsort(distance)[:15]
        expected.append((where[near] / distance[near, None]).sum(axis=0) / (1 / distance[near]).sum())
        nearest.append(distance[near[0]])
    np.testing.assert_allclose(points(ax)["predicted"], expected, atol=2e-3)
    between = np.sqrt(((reference[:, None] - reference) ** 2).sum(axis=2))
    usual = np.percentile(np.sort(between, axis=1)[:, 1], 95)
    caption = caption_of(ax)
    assert "in 6 principal components, weighted by inverse distance" in caption
    assert f"{np.mean(np.array(nearest) > usual):.0%} of the predicted cells are further" in caption


def test_what_resembles_no_cell_is_said_to_be_far(embedded: AnnData) -> None:
    embedded.layers[PAIR] = embedded.layers[PAIR] + 50
    assert "100% of the predicted cells are further" in caption_of(sgp.pl.embedding_shift(embedded, PAIR, ax=bare()))


def test_one_cell(cells: AnnData) -> None:
    sc.pp.pca(cells, n_comps=3)
    one = cells[np.flatnonzero(cells.obs[_keys.IS_CONTROL])[:1]].copy()
    one.obsm["X_umap"] = np.zeros((1, 2))
    for basis in ("pca", "X_umap"):
        ax = sgp.pl.embedding_shift(one, PAIR, basis=basis)
        assert len(points(ax)["predicted"]) == 1
        assert "from 1 control cell." in caption_of(ax)
        require_room(ax)


@pytest.mark.parametrize(("width", "height", "basis"), [(85, 95, "umap"), (175, 80, "pca")])
def test_text_has_room(embedded: AnnData, width: int, height: int, basis: str) -> None:
    embedded.uns[_keys.UNS][_keys.PREDICTIONS][PAIR]["model"] = "a_very_long_model_name_" * 3
    size = (width * _style.MM, height * _style.MM)
    require_room(sgp.pl.embedding_shift(embedded, PAIR, basis=basis, figsize=size))


def test_cells_in_one_place_stand_in_the_middle(embedded: AnnData) -> None:
    basis = "X_one_place_" + "of_a_long_name_" * 8
    embedded.obsm[basis] = np.zeros((embedded.n_obs, 2))
    ax = sgp.pl.embedding_shift(embedded, PAIR, basis=basis, show=False)
    require_room(ax)
    assert sum(ax.get_xlim()) == pytest.approx(0)
    assert sum(ax.get_ylim()) == pytest.approx(0)
    assert "…" in ax.get_ylabel()


def test_options_and_given_axes(embedded: AnnData) -> None:
    ax = plt.figure(layout="constrained").add_subplot()
    assert sgp.pl.embedding_shift(embedded, PAIR, ax=ax, s=3, alpha=0.2) is ax
    (predicted,) = (c for c in ax.collections if c.get_label() == "predicted")
    assert predicted.get_sizes().tolist() == [3]
    assert predicted.get_alpha() == 0.2


def test_wrong_input(embedded: AnnData) -> None:
    with pytest.raises(DataError, match="n_arrows must be 0 or more"):
        sgp.pl.embedding_shift(embedded, PAIR, n_arrows=-1)
    with pytest.raises(DataError, match="no embedding 'umapp'. Nearest known names: X_umap. It has"):
        sgp.pl.embedding_shift(embedded, PAIR, basis="umapp")
    other = embedded.copy()
    other.X = other.X.multiply(np.linspace(0.5, 1.5, other.n_obs)[:, None]).tocsr()
    with pytest.raises(DataError, match=r"X_pca'\] does not follow from X.*Run scanpy.pp.pca"):
        sgp.pl.embedding_shift(other, PAIR)
    holes = embedded.copy()
    holes.obsm["X_umap"][:2] = np.nan
    with pytest.raises(DataError, match="NaN or infinite for 2 of 570 cells"):
        sgp.pl.embedding_shift(holes, PAIR)
    del embedded.varm["PCs"]
    with pytest.raises(DataError, match="no PCA with its loadings.*Run scanpy.pp.pca"):
        sgp.pl.embedding_shift(embedded, PAIR)
    embedded.obsm.clear()
    with pytest.raises(DataError, match="no embedding X_umap or X_pca. It has: none"):
        sgp.pl.embedding_shift(embedded, PAIR)
    assert plt.get_fignums() == []
