"""Predicted against observed change, asserted on the artists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import scgenept as sgp
from scgenept import _keys
from scgenept._errors import DataError, UnknownGeneError, UnknownNameError
from scgenept.pl import _style
from tests.pl.conftest import PAIR
from tests.pl.figures import bare, caption_of, require_room

if TYPE_CHECKING:
    from anndata import AnnData


def mean_of(adata: AnnData, name: str) -> np.ndarray:
    return adata.X.toarray().astype(float)[(adata.obs[_keys.PERTURBATION] == name).to_numpy()].mean(axis=0)


def changes(adata: AnnData, name: str = PAIR) -> pd.DataFrame:
    """Observed and predicted change by a plain loop, genes in their order."""
    control = adata.obs[_keys.IS_CONTROL].to_numpy()
    predicted = adata.layers[name][control].astype(float).mean(axis=0)
    start = mean_of(adata, "ctrl")
    return pd.DataFrame({"x": mean_of(adata, name) - start, "y": predicted - start}, index=adata.var_names)


def top(adata: AnnData, name: str = PAIR) -> list[str]:
    values = adata.X.toarray().astype(float)
    one, two = (values[(adata.obs[_keys.PERTURBATION] == n).to_numpy()] for n in (name, "ctrl"))
    t = (one.mean(0) - two.mean(0)) / np.sqrt(one.var(0, ddof=1) / len(one) + two.var(0, ddof=1) / len(two))
    return list(adata.var_names[np.argsort(-np.abs(t), kind="stable")])


def names_on(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_gid() == "name"]


def test_every_gene_is_where_its_changes_are(cells: AnnData) -> None:
    ax = sgp.pl.delta_scatter(cells, ["G03", "G01"], n_label=0, ax=bare())
    expected, ranked = changes(cells), top(cells)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), expected.loc[ranked], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ax.collections[1].get_offsets(), expected.loc[ranked[:20]], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ax.collections[2].get_offsets(), expected.loc[["G01", "G03"]], rtol=1e-4, atol=1e-6)
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[0] < expected.to_numpy().min()
    assert ax.get_xlim()[1] > expected.to_numpy().max()
    (identity,) = (line for line in ax.lines if line.get_linestyle() == "--")
    np.testing.assert_array_equal(identity.get_xdata(), identity.get_ydata())
    assert len(ax.lines) == 3, "two lines through zero, and one on which both agree"


def test_names_are_of_the_first_genes_and_of_targets(cells: AnnData) -> None:
    ax = sgp.pl.delta_scatter(cells, PAIR, n_label=5, ax=bare())
    assert set(names_on(ax)) <= {*top(cells)[:5], "G01", "G03"}
    assert {"G01", "G03"} <= set(names_on(ax)), "the most important find room first"
    bold = {t.get_text() for t in ax.texts if t.get_gid() == "name" and t.get_fontweight() == "bold"}
    assert bold == {"G01", "G03"}
    assert names_on(sgp.pl.delta_scatter(cells, PAIR, n_label=0, ax=bare())) == []
    assert names_on(sgp.pl.delta_scatter(cells, PAIR, n_label=5, ax=bare())) == names_on(ax), "the same figure twice"


def test_genes_asked_for_are_named(cells: AnnData) -> None:
    last = top(cells)[-2:]
    ax = sgp.pl.delta_scatter(cells, PAIR, n_label=0, label=last, ax=bare())
    assert names_on(ax) == last
    with pytest.raises(UnknownGeneError, match=r"1 genes to name .*: G1.*Nearest known names: G31"):
        sgp.pl.delta_scatter(cells, PAIR, label=["G01", "G1"], n_label=0, ax=bare())
    small = sgp.pl.delta_scatter(cells, PAIR, n_label=0, label=top(cells), figsize=(2.4, 3), show=False)
    missing = [name for name in top(cells) if name not in names_on(small)]
    assert missing
    assert f"No room for the names of {missing[0]}, " in caption_of(small)


def test_a_long_name_is_shortened(cells: AnnData) -> None:
    long = f"ENSG{'0' * 60}1.2"
    cells.var_names = [long if name == "G01" else name for name in cells.var_names]
    ax = sgp.pl.delta_scatter(cells, PAIR, n_label=0, label=[long], figsize=(3.4, 4), show=False)
    require_room(ax)
    (name,) = names_on(ax)
    assert name.startswith("ENSG0")
    assert name.endswith("1.2")
    assert "No room" not in caption_of(ax)


def test_no_mark_stands_in_the_legend_for_nothing(cells: AnnData) -> None:
    for n, words in ((1, "top 1 gene"), (20, "top 20 genes"), (21, "top 20 genes")):
        ax = sgp.pl.delta_scatter(cells[:, :n].copy(), PAIR, n_label=0, ax=bare())
        said = [text.get_text() for text in ax.get_legend().get_texts()]
        assert said[0] == words
        assert ("other genes" in said) == (n > 20)


def test_scores_stand_beside_guesses_from_the_training_part(cells: AnnData) -> None:
    caption = caption_of(sgp.pl.delta_scatter(cells, PAIR, n_label=0, ax=bare()))
    table, start = changes(cells), mean_of(cells, "ctrl")
    training = sorted(set(cells.obs.loc[cells.obs["split"] == "train", _keys.PERTURBATION].astype(str)) - {"ctrl"})
    table["mean"] = np.mean([mean_of(cells, name) for name in training], axis=0) - start
    table["additive"] = mean_of(cells, "G01") + mean_of(cells, "G03") - 2 * start
    for genes, words in ((table.index, "over 40 genes: "), (top(cells)[:20], "against control: ")):
        r = {name: np.corrcoef(table.loc[genes, "x"], table.loc[genes, name])[0, 1] for name in table.columns[1:]}
        assert f"{words}{r['y']:.2f} (additive {r['additive']:.2f}, mean {r['mean']:.2f})" in caption
    assert "Mean: of 8 training perturbations; additive: their single ones, added up." in caption
    assert "Predicted by test-model (trained on CRISPRa, K562) from 30 control cells." in caption
    assert "Observed: 30 cells (CRISPRa, K562)." in caption


def test_a_guess_does_not_know_the_answer(cells: AnnData) -> None:
    caption = caption_of(sgp.pl.delta_scatter(cells, "G01+G02", n_label=0, ax=bare()))
    assert "of 7 training perturbations" in caption, "itself in the training part, and left out"
    del cells.obs["split"]
    caption = caption_of(sgp.pl.delta_scatter(cells, "G07", n_label=0, ax=bare()))
    others = sorted(set(cells.obs[_keys.PERTURBATION].astype(str)) - {"ctrl", "G07"})
    guess = np.mean([mean_of(cells, name) for name in others], axis=0) - mean_of(cells, "ctrl")
    r = np.corrcoef(guess, changes(cells, "G07")["x"])[0, 1]
    assert f"(mean {r:.2f})" in caption
    assert "Mean: of 17 other perturbations." in caption
    assert "additive" not in caption


def test_no_guess_without_other_perturbations(cells: AnnData) -> None:
    few = cells[cells.obs[_keys.PERTURBATION].isin([PAIR, "ctrl"])].copy()
    few.obs["split"] = "test"
    caption = caption_of(sgp.pl.delta_scatter(cells, PAIR, observed=few, n_label=0, ax=bare()))
    assert "mean" not in caption.lower()
    only = cells[cells.obs[_keys.PERTURBATION] == PAIR]
    assert "change over the input control cells" in caption_of(
        sgp.pl.delta_scatter(cells, PAIR, observed=only, n_label=0, ax=bare())
    )


def test_figures_do_where_there_are_no_cells() -> None:
    mini = sgp.datasets.k562_mini(n_cells=5)
    sgp.tl.predict_perturbation(mini, "KLF1+MAP2K6", model="scgenept-mini")
    ax = sgp.pl.delta_scatter(mini, "KLF1+MAP2K6", n_label=0, ax=bare())
    means = mini.varm[_keys.OBSERVED_MEAN]
    observed = means["KLF1+MAP2K6"] - means["ctrl"]
    np.testing.assert_allclose(sorted(ax.collections[0].get_offsets()[:, 0]), sorted(observed))
    assert "of 26 training perturbations" in caption_of(ax)


def test_a_prediction_without_any_change_is_undefined(cells: AnnData) -> None:
    cells.layers[PAIR] = np.where(np.isnan(cells.layers[PAIR]), np.nan, cells.X.toarray())
    ax = sgp.pl.delta_scatter(cells, PAIR, n_label=0, ax=bare())
    assert "over 40 genes: undefined (additive" in caption_of(ax)
    np.testing.assert_allclose(ax.collections[0].get_offsets()[:, 1], 0, atol=1e-6)


@pytest.mark.parametrize(("width", "height", "long"), [(85, 100, True), (175, 75, False)])
def test_text_has_room(cells: AnnData, width: int, height: int, long: bool) -> None:
    if long:
        cells.var_names = [
            name if i % 2 else f"LONGNAME-AS{i}-PSEUDOGENE.{i}" for i, name in enumerate(cells.var_names)
        ]
        cells.uns[_keys.UNS][_keys.PREDICTIONS][PAIR]["model"] = "a_very_long_model_name_" * 3
    size = (width * _style.MM, height * _style.MM)
    ax = sgp.pl.delta_scatter(cells, PAIR, n_label=12, figsize=size)
    require_room(ax)
    inside = ax.get_window_extent()
    for text in ax.texts:
        if text.get_gid() == "name":
            box = text.get_window_extent()
            assert box.x0 >= inside.x0 - 2
            assert box.x1 <= inside.x1 + 2


def test_two_panels_side_by_side(cells: AnnData) -> None:
    _, panels = plt.subplots(1, 2, figsize=(175 * _style.MM, 100 * _style.MM), layout="constrained")
    for ax, name in zip(panels, (PAIR, "G07"), strict=True):
        assert sgp.pl.delta_scatter(cells, name, ax=ax) is ax
        require_room(ax)
    assert plt.get_fignums() == [panels[0].figure.number]


def test_options_go_to_the_points(cells: AnnData) -> None:
    ax = sgp.pl.delta_scatter(cells, PAIR, c="black", lw=0.3, s=2)
    assert to_hex(ax.collections[0].get_facecolor()[0]) == "#000000"
    assert ax.collections[0].get_sizes().tolist() == [2]
    with pytest.raises(TypeError, match="no place to go: figsize"):
        sgp.pl.delta_scatter(cells, PAIR, ax=ax, figsize=(1, 1))


def test_wrong_input(cells: AnnData) -> None:
    with pytest.raises(DataError, match="n_label must be 0 or more"):
        sgp.pl.delta_scatter(cells, PAIR, n_label=-1)
    with pytest.raises(UnknownNameError, match="no prediction 'G05'"):
        sgp.pl.delta_scatter(cells, "G05")
    controls = cells[cells.obs[_keys.IS_CONTROL]]
    with pytest.raises(UnknownNameError, match=re.escape(f"neither cells nor figures of {PAIR}") + ".*Pass observed="):
        sgp.pl.delta_scatter(controls, PAIR)
    holes = cells.copy()
    holes.layers[PAIR][:, 3] = np.nan
    with pytest.raises(DataError, match=r"The change is NaN or infinite for 1 genes \(G04\) of predicted.*Leave these"):
        sgp.pl.delta_scatter(holes, PAIR)
    assert plt.get_fignums() == []
