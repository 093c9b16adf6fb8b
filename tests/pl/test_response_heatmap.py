"""The heatmap of responses, asserted on its artists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy.cluster.hierarchy import leaves_list, linkage

import scgenept as sgp
from scgenept import _keys
from scgenept._errors import DataError, UnknownNameError
from scgenept.pl import _style
from tests.pl.conftest import PREDICTED
from tests.pl.figures import bare, caption_of, require_room

if TYPE_CHECKING:
    from anndata import AnnData


def changes(adata: AnnData) -> pd.DataFrame:
    """Observed changes, perturbations x genes, by a plain loop."""
    labels, values = adata.obs[_keys.PERTURBATION].astype(str).to_numpy(), adata.X.toarray().astype(float)
    means = {name: values[labels == name].mean(axis=0) for name in sorted(set(labels))}
    return pd.DataFrame({n: m - means["ctrl"] for n, m in means.items() if n != "ctrl"}, index=adata.var_names).T


def predicted(adata: AnnData, name: str) -> pd.Series:
    rows = adata.obs[_keys.IS_CONTROL].to_numpy()
    change = adata.layers[name][rows].astype(float).mean(axis=0) - adata.X.toarray()[rows].astype(float).mean(axis=0)
    return pd.Series(change, index=adata.var_names)


def drawn(ax) -> np.ndarray:
    return np.asarray(ax.collections[0].get_array())


def rows_of(ax) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def genes_of(ax) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def child(ax, label: str):
    (found,) = (axes for axes in ax.child_axes if axes.get_label() == label)
    return found


def test_observed_changes_in_the_order_of_clusters(cells: AnnData) -> None:
    ax = sgp.pl.response_heatmap(cells, kind="observed", genes=12, ax=bare())
    expected = changes(cells)
    chosen = (expected**2).mean().sort_values(ascending=False).index[:12]
    assert set(genes_of(ax)) == set(chosen)
    np.testing.assert_allclose(drawn(ax), expected.loc[rows_of(ax), genes_of(ax)], rtol=1e-4, atol=1e-6)
    values = expected[[gene for gene in cells.var_names if gene in set(chosen)]]
    for names, table in ((rows_of(ax), values), (genes_of(ax), values.T)):
        order = leaves_list(linkage(table.to_numpy(), "ward", optimal_ordering=True))
        assert names == list(table.index[order])
    norm = ax.collections[0].norm
    assert norm.vmin == -norm.vmax
    assert float(norm(0)) == 0.5
    assert norm.vmax == pytest.approx(np.percentile(np.abs(drawn(ax)), 99))


def test_prediction_stands_under_the_observation(cells: AnnData) -> None:
    ax = sgp.pl.response_heatmap(cells, genes=10, ax=bare())
    assert set(rows_of(ax)) == set(PREDICTED)
    expected = changes(cells)
    for i, name in enumerate(rows_of(ax)):
        np.testing.assert_allclose(drawn(ax)[2 * i], expected.loc[name, genes_of(ax)], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(drawn(ax)[2 * i + 1], predicted(cells, name)[genes_of(ax)], rtol=1e-4, atol=1e-6)
    middles = [tick.get_loc() for tick in ax.yaxis.get_major_ticks()]
    np.testing.assert_allclose(middles, np.arange(len(PREDICTED)) + 0.5)
    strip = child(ax, "kind").collections[0]
    assert [to_hex(c).upper() for c in strip.cmap.colors] == [_style.OBSERVED, _style.PREDICTED]
    caption = caption_of(ax)
    assert "the observed change stands above the predicted one" in caption
    assert "Predicted by test-model (trained on CRISPRa, K562)." in caption


def test_strip_says_the_part_of_the_split(cells: AnnData) -> None:
    cells.obs["split"] = cells.obs["split"].astype(str).where(cells.obs[_keys.PERTURBATION] != "G07", None)
    ax = sgp.pl.response_heatmap(cells, kind="observed", genes=3, ax=bare())
    legend = {
        text.get_text(): to_hex(patch.get_facecolor())
        for text, patch in zip(ax.get_legend().get_texts(), ax.get_legend().get_patches(), strict=True)
    }
    assert list(legend) == ["train", "test", "no part"]
    strip = child(ax, "split").collections[0]
    colours = [to_hex(c) for c in strip.cmap(strip.norm(np.asarray(strip.get_array()).ravel()))]
    part = cells.obs.drop_duplicates(_keys.PERTURBATION).set_index(_keys.PERTURBATION)["split"]
    assert colours == [legend["no part" if name == "G07" else part[name]] for name in rows_of(ax)]
    del cells.obs["split"]
    assert "split" not in {
        axes.get_label() for axes in sgp.pl.response_heatmap(cells, kind="observed", genes=3, ax=bare()).child_axes
    }


def test_figures_and_predictions_of_the_packaged_data() -> None:
    mini = sgp.datasets.k562_mini(n_cells=5)
    ax = sgp.pl.response_heatmap(mini, genes=["HBZ", "HBG2", "TMSB4X"], ax=bare())
    means = mini.varm[_keys.OBSERVED_MEAN]
    expected = means.drop(columns="ctrl").sub(means["ctrl"], axis=0).T
    np.testing.assert_allclose(drawn(ax), expected.loc[rows_of(ax), genes_of(ax)])
    assert len(rows_of(ax)) == 33


def test_predictions_alone(cells: AnnData) -> None:
    controls = cells[cells.obs[_keys.IS_CONTROL]]
    ax = sgp.pl.response_heatmap(controls, [["G03", "G01"], "G07"], genes=["G05", "G02"], ax=bare())
    assert rows_of(ax) == ["G01+G03", "G07"], "two need no clustering"
    assert genes_of(ax) == ["G05", "G02"]
    np.testing.assert_allclose(drawn(ax)[1], predicted(cells, "G07")[["G05", "G02"]], rtol=1e-4, atol=1e-6)
    ax = sgp.pl.response_heatmap(controls, observed=cells, genes=3, ax=bare())
    assert len(drawn(ax)) == 2 * len(PREDICTED)


def test_nothing_changes_anywhere(cells: AnnData) -> None:
    cells.X = cells.X * 0
    ax = sgp.pl.response_heatmap(cells, kind="observed", genes=5)
    assert not drawn(ax).any()
    assert ax.collections[0].norm.vmax == 1
    require_room(ax)


def test_rounding_errors_have_no_colour(cells: AnnData) -> None:
    cells.X = 1e-7 * np.random.default_rng(0).random(size=cells.shape).astype(np.float32)
    mesh = sgp.pl.response_heatmap(cells, kind="observed", ax=bare()).collections[0]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (-1, 1)


@pytest.mark.parametrize("width", [85, 175])
def test_text_has_room(cells: AnnData, width: int) -> None:
    cells.var_names = [name if i % 2 else f"LONGNAME-AS{i}-PSEUDO.{i}" for i, name in enumerate(cells.var_names)]
    cells.uns[_keys.UNS][_keys.PREDICTIONS]["G07"]["model"] = "a_very_long_model_name_" * 3
    ax = sgp.pl.response_heatmap(cells, figsize=(width * _style.MM, 110 * _style.MM))
    require_room(ax)
    assert bool(genes_of(ax)) == (width == 175)
    assert ("No room for names of genes" in caption_of(ax)) == (width == 85)


def test_long_names_of_perturbations_leave_the_heatmap_its_width() -> None:
    mini = sgp.datasets.k562_mini(n_cells=3)
    names = [f"ENSG0000012{i}456.12+ENSG0000012{i}457.12" for i in range(5)]
    mini.varm[_keys.OBSERVED_MEAN] = mini.varm[_keys.OBSERVED_MEAN].iloc[:, :5].set_axis(names, axis=1).assign(ctrl=1.0)
    ax = sgp.pl.response_heatmap(mini, genes=4, figsize=(85 * _style.MM, None))
    require_room(ax)
    assert ax.get_window_extent().width > 0.4 * ax.figure.bbox.width
    assert all("…" in name for name in rows_of(ax))


def test_more_perturbations_than_have_a_name() -> None:
    mini = sgp.datasets.k562_mini(n_cells=3)
    rng = np.random.default_rng(0)
    names = [f"GENENUMBER{i:03d}+ANOTHERGENE{i:03d}" for i in range(120)]
    means = pd.DataFrame(rng.normal(1, 0.3, (mini.n_vars, 120)), index=mini.var_names, columns=names)
    mini.varm[_keys.OBSERVED_MEAN] = means.assign(ctrl=1.0)
    ax = sgp.pl.response_heatmap(mini, genes=8)
    require_room(ax)
    assert drawn(ax).shape == (120, 8)
    assert rows_of(ax) == []
    assert "No room for names of perturbations" in caption_of(ax)
    assert ax.figure.get_size_inches()[1] < 250 * _style.MM


def test_given_axes_and_options(cells: AnnData) -> None:
    _, panels = plt.subplots(1, 2, figsize=(175 * _style.MM, 100 * _style.MM), layout="constrained")
    assert sgp.pl.response_heatmap(cells, PREDICTED[:3], genes=3, ax=panels[0], vmin=-1, vmax=1) is panels[0]
    sgp.pl.response_heatmap(cells, kind="observed", genes=3, ax=panels[1])
    assert panels[0].collections[0].get_clim() == (-1, 1)
    for ax in panels:
        require_room(ax)
    assert panels[0].get_tightbbox().x1 <= panels[1].get_tightbbox().x0


def test_lightness_is_linear_and_the_same_on_both_sides() -> None:
    rgb = _style.DIVERGING(np.linspace(0, 1, 101))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126729, 0.7151522, 0.0721750]) - 16
    np.testing.assert_allclose(lightness, lightness[::-1], atol=0.8)
    np.testing.assert_allclose(lightness[:51], np.linspace(lightness[0], lightness[50], 51), atol=0.6)


def test_predictions_that_lost_their_record_are_not_left_out_in_silence(cells: AnnData) -> None:
    for name in PREDICTED:
        cells.obsm[_keys.embedding_obsm(name)] = np.zeros((cells.n_obs, 2))
    del cells.uns[_keys.UNS][_keys.PREDICTIONS]
    with pytest.warns(UserWarning, match=r"No prediction is drawn\. But layers\['G01\+G03'\], .* are there"):
        ax = sgp.pl.response_heatmap(cells)
    assert "PREDICTED" not in ax.get_title()
    with pytest.raises(UnknownNameError, match=r"are not predicted: G07.*There are: none\. But layers.*uns_merge"):
        sgp.pl.response_heatmap(cells, ["G07"], kind="predicted")
    for draw in (sgp.pl.top_genes, sgp.pl.delta_scatter, sgp.pl.embedding_shift):
        options = {"observed": cells} if draw is sgp.pl.delta_scatter else {}
        with pytest.raises(UnknownNameError, match=r"layers\['G07'\] is there.*uns_merge='same'"):
            draw(cells, "G07", **options)


def test_wrong_input(cells: AnnData) -> None:
    with pytest.raises(UnknownNameError, match="kind='seen' does not exist: observed, predicted, both"):
        sgp.pl.response_heatmap(cells, kind="seen")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="1 perturbations are not observed and predicted: G08"):
        sgp.pl.response_heatmap(cells, ["G07", "G08"], kind="both")
    with pytest.raises(DataError, match="1 genes are not in the data: G1.*Nearest"):
        sgp.pl.response_heatmap(cells, genes=["G01", "G1"])
    for genes in (0, []):
        with pytest.raises(DataError, match="gene"):
            sgp.pl.response_heatmap(cells, genes=genes)
    controls = cells[cells.obs[_keys.IS_CONTROL]].copy()
    with pytest.raises(DataError, match="nothing both observed and predicted.*observed="):
        sgp.pl.response_heatmap(controls, kind="both")
    cells.X[cells.obs_names.get_indexer(cells.obs_names[cells.obs[_keys.PERTURBATION] == "G07"])[0], 2] = np.nan
    with pytest.raises(DataError, match=r"The observed mean is NaN or infinite for 1 genes \(G03\) of G07"):
        sgp.pl.response_heatmap(cells)
    assert plt.get_fignums() == []
