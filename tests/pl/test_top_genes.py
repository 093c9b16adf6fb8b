"""The figure of top genes, asserted on its artists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

import scgenept as sgp
from scgenept import _keys
from scgenept._errors import DataError, UnknownNameError
from scgenept.evaluation.de import rank_genes
from scgenept.evaluation.pseudobulk import pseudobulk
from scgenept.pl import _style
from tests.pl.figures import bare, caption_of, require_room

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "GENE3+TARGET"
GENES = ["TARGET", *(f"GENE{i}" for i in range(1, 30))]
SETUP = {
    "perturbation_key": _keys.PERTURBATION,
    "is_control_key": _keys.IS_CONTROL,
    "source_key": _keys.PERTURBATION,
    "control_label": _keys.CONTROL,
    "modality": "CRISPRi",
    "cell_type": "RPE1",
}


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture
def screen() -> ad.AnnData:
    """30 controls and 25 cells of one pair, set up."""
    rng = np.random.default_rng(0)
    labels = np.repeat([_keys.CONTROL, NAME], [30, 25])
    effect = np.linspace(2, -1, len(GENES)) * (labels == NAME)[:, None]
    values = np.maximum(rng.gamma(2, 0.6, (len(labels), len(GENES))) + effect, 0).astype(np.float32)
    adata = ad.AnnData(
        sparse.csr_matrix(values),
        obs=pd.DataFrame(
            {_keys.PERTURBATION: pd.Categorical(labels), _keys.IS_CONTROL: labels == _keys.CONTROL},
            index=[f"cell{i}" for i in range(len(labels))],
        ),
        var=pd.DataFrame(index=GENES),
    )
    adata.uns[_keys.UNS] = {_keys.SETUP: dict(SETUP)}
    return adata


@pytest.fixture
def predicted(screen: ad.AnnData) -> ad.AnnData:
    """The controls with a prediction for all but the first two."""
    adata = screen[screen.obs[_keys.IS_CONTROL]].copy()
    add_prediction(adata, NAME)
    return adata


def add_prediction(adata: ad.AnnData, key: str, **record: object) -> None:
    shift = np.linspace(-1.5, 1.7, adata.n_vars)
    layer = (np.asarray(adata.X.toarray()) * 0.5 + shift).astype(np.float32)
    layer[:2] = np.nan
    adata.layers[key] = layer
    stored = adata.uns.setdefault(_keys.UNS, {}).setdefault(_keys.PREDICTIONS, {})
    stored[key] = {
        "perturbation": NAME,
        "model": "test-model",
        "modality": "CRISPRa",
        "cell_type": "K562",
        "input_layer": "X",
        "weight_hash": "0",
        **record,
    }


def with_figures(adata: ad.AnnData, screen: ad.AnnData) -> ad.AnnData:
    bulk = pseudobulk(screen)
    adata = adata.copy()
    adata.varm[_keys.OBSERVED_MEAN] = bulk.mean.T
    adata.varm[_keys.OBSERVED_STD] = bulk.std.T
    adata.uns[_keys.UNS][_keys.OBSERVED] = pd.DataFrame({"perturbation": [NAME, "ctrl"], "n_cells": [25, 30]})
    return adata


def names_on(ax) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def marks(ax) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Places and heights of the means drawn, by label."""
    return {c.get_label(): tuple(np.asarray(c.lines[0].get_data(), dtype=float)) for c in ax.containers}


def bars(ax, label: str) -> np.ndarray:
    """Half lengths of the error bars."""
    container = next(c for c in ax.containers if c.get_label() == label)
    lines = container.lines[2]
    assert isinstance(lines[0], LineCollection)
    return np.array([np.ptp(segment[:, 1]) / 2 for segment in lines[0].get_segments()])


def boxes(ax) -> list[PathPatch]:
    return [patch for patch in ax.patches if isinstance(patch, PathPatch)]


def ranking(screen: ad.AnnData) -> list[str]:
    bulk = pseudobulk(screen)
    table = rank_genes(bulk.mean.loc[NAME], bulk.std.loc[NAME], 25, bulk.mean.loc["ctrl"], bulk.std.loc["ctrl"], 30)
    return table["gene"].tolist()


def test_observed_cells_are_boxes_over_their_control(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    ax = sgp.pl.top_genes(predicted, ["TARGET", "GENE3"], observed=screen, ax=bare())
    assert names_on(ax) == ranking(screen)[:20]
    bulk = pseudobulk(screen)
    change = (bulk.mean.loc[NAME] - bulk.mean.loc["ctrl"])[names_on(ax)]
    places, heights = marks(ax)["observed"]
    np.testing.assert_allclose(heights, change)
    assert (places < np.arange(20)).all()
    assert len(boxes(ax)) == 20
    cells = screen[screen.obs[_keys.PERTURBATION] == NAME].to_df()[names_on(ax)] - bulk.mean.loc["ctrl"][names_on(ax)]
    for box, gene in zip(boxes(ax), names_on(ax), strict=True):
        edges = box.get_path().vertices[:, 1]
        np.testing.assert_allclose([edges.min(), edges.max()], np.quantile(cells[gene], [0.25, 0.75]), rtol=1e-5)


def test_prediction_is_mean_and_sd_of_predicted_rows_only(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    ax = sgp.pl.top_genes(predicted, NAME, observed=screen, ax=bare())
    genes = predicted.var_names.get_indexer(names_on(ax))
    layer = predicted.layers[NAME][2:][:, genes].astype(np.float64)
    control = predicted.X.toarray()[2:][:, genes].mean(axis=0)
    places, heights = marks(ax)["predicted"]
    np.testing.assert_allclose(heights, layer.mean(axis=0) - control, rtol=1e-5)
    np.testing.assert_allclose(bars(ax, "predicted"), layer.std(axis=0, ddof=1), rtol=1e-5)
    assert (places > np.arange(20)).all()


def test_the_interval_takes_the_place_of_the_sd(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    facts = {"interval_source": "conformal", "interval_level": 0.9, "interval_n": 12}
    predicted.uns[_keys.UNS][_keys.PREDICTIONS][NAME] |= facts
    mean = predicted.layers[NAME][2:].mean(axis=0, dtype=float)
    lower, upper = mean - np.linspace(0.1, 0.4, len(GENES)), mean + np.linspace(0.2, 0.5, len(GENES))
    lower[3] = upper[3] = np.nan  # a gene that was not calibrated
    predicted.varm[f"{NAME}_interval"] = pd.DataFrame({"lower": lower, "upper": upper, "std": 1.0}, index=GENES)
    ax = sgp.pl.top_genes(predicted, NAME, observed=screen, n_top=30, ax=bare())
    genes = predicted.var_names.get_indexer(names_on(ax))
    expected = np.nan_to_num((upper - lower) / 2)[genes]
    np.testing.assert_allclose(bars(ax, "predicted"), expected, atol=1e-5)
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "predicted mean and 90 % interval" in legend
    assert "Interval: errors on 12 held-out perturbations." in caption_of(ax)


def test_figures_do_where_there_are_no_cells(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    ax = sgp.pl.top_genes(with_figures(predicted, screen), NAME, ax=bare())
    bulk = pseudobulk(screen)
    assert names_on(ax) == ranking(screen)[:20]
    np.testing.assert_allclose(marks(ax)["observed"][1], (bulk.mean.loc[NAME] - bulk.mean.loc["ctrl"])[names_on(ax)])
    np.testing.assert_allclose(bars(ax, "observed"), bulk.std.loc[NAME][names_on(ax)])
    assert not boxes(ax)
    assert "Observed: 25 cells (CRISPRi, RPE1)." in caption_of(ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["observed mean ± SD", "predicted mean ± SD"]


def test_figures_without_numbers_are_ranked_as_equally_many_cells(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    adata = with_figures(predicted, screen)
    del adata.uns[_keys.UNS][_keys.OBSERVED]
    ax = sgp.pl.top_genes(adata, NAME, ax=bare())
    mean, std = adata.varm[_keys.OBSERVED_MEAN], adata.varm[_keys.OBSERVED_STD]
    strength = ((mean[NAME] - mean["ctrl"]) / np.hypot(std[NAME], std["ctrl"])).abs()
    assert names_on(ax) == strength.sort_values(ascending=False).index[:20].tolist()
    assert "Observed: an unrecorded number of cells (CRISPRi, RPE1)." in caption_of(ax)


def test_without_observation_the_prediction_ranks(predicted: ad.AnnData) -> None:
    ax = sgp.pl.top_genes(predicted, NAME, n_top=5, ax=bare())
    heights = np.abs(marks(ax)["predicted"][1])
    assert set(marks(ax)) == {"predicted"}
    assert (np.diff(heights) <= 0).all()
    everything = np.abs(marks(sgp.pl.top_genes(predicted, NAME, n_top=30, ax=bare()))["predicted"][1])
    assert heights.min() >= everything[5:].max()
    assert "Top 5 genes by size of the predicted change." in caption_of(ax)
    assert "Observed" not in caption_of(ax)


def test_genes_that_the_model_does_not_know_are_left_out(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    record = predicted.uns["scgenept"]["predictions"][NAME]
    strongest = [label.get_text() for label in sgp.pl.top_genes(predicted, NAME, observed=screen).get_xticklabels()][:2]
    record["unknown_genes"] = ", ".join(strongest)
    for observed in (screen, None):
        axes = sgp.pl.top_genes(predicted, NAME, observed=observed, n_top=30)
        names = [label.get_text() for label in axes.get_xticklabels()]
        assert len(names) == 28
        assert not set(strongest) & set(names)
        assert "It knows 28 of the 30 genes." in caption_of(axes)
    record["unknown_genes"] = ", ".join(predicted.var_names)
    with pytest.raises(DataError, match="knows none of the genes"):
        sgp.pl.top_genes(predicted, NAME, observed=screen)


def test_caption_names_model_modality_cell_type_and_cells(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    caption = caption_of(sgp.pl.top_genes(predicted, NAME, observed=screen, ax=bare()))
    assert "Predicted by test-model (trained on CRISPRa, K562) from 28 control cells." in caption
    assert "Observed: 25 cells (CRISPRi, RPE1); boxes: quartiles, whiskers: 5th to 95th percentile." in caption
    assert "Top 20 genes by Welch's t" in caption


@pytest.mark.parametrize(("n_simulated", "words"), [(30, "28 simulated control"), (5, "28 (3 simulated) control")])
def test_caption_says_what_is_simulated(predicted: ad.AnnData, n_simulated: int, words: str) -> None:
    predicted.obs[_keys.SIMULATED] = np.arange(30) < n_simulated
    assert words in caption_of(sgp.pl.top_genes(predicted, NAME, ax=bare()))


def test_unknown_origin_is_left_out(predicted: ad.AnnData) -> None:
    predicted.uns[_keys.UNS][_keys.PREDICTIONS][NAME].update(modality="unknown", cell_type="")
    assert "Predicted by test-model from 28" in caption_of(sgp.pl.top_genes(predicted, NAME, ax=bare()))


def test_units_and_name_are_on_the_axes(predicted: ad.AnnData) -> None:
    ax = sgp.pl.top_genes(predicted, NAME, ax=bare())
    assert "change over control" in ax.get_ylabel()
    assert "log1p of counts per 10,000" in ax.get_ylabel()
    assert ax.get_legend().get_title().get_text() == NAME
    assert not ax.get_title()


def test_targets_are_marked(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    ax = sgp.pl.top_genes(predicted, NAME, observed=screen, n_top=30, ax=bare())
    bold = {label.get_text() for label in ax.get_xticklabels() if label.get_fontweight() == "bold"}
    assert bold == {"GENE3", "TARGET"}
    bands = [patch for patch in ax.patches if to_hex(patch.get_facecolor()).upper() == _style.BAND]
    assert {names_on(ax)[round(band.get_x() + band.get_width() / 2)] for band in bands} == bold
    assert "Bold on grey: perturbed." in caption_of(ax)
    few = sgp.pl.top_genes(predicted, NAME, n_top=1, ax=bare())
    assert "Bold on grey" not in caption_of(few) or names_on(few)[0] in bold


@pytest.mark.parametrize(
    ("width", "height", "n_top", "kind"),
    [(85, 60, 20, "cells"), (85, 80, 30, "figures"), (60, 80, 8, "cells"), (175, 75, 20, "none")],
)
def test_text_never_overlaps(
    predicted: ad.AnnData, screen: ad.AnnData, width: int, height: int, n_top: int, kind: str
) -> None:
    adata = with_figures(predicted, screen) if kind == "figures" else predicted
    observed = screen if kind == "cells" else None
    size = (width * _style.MM, height * _style.MM)
    require_room(sgp.pl.top_genes(adata, NAME, observed=observed, n_top=n_top, figsize=size))


def test_long_names_leave_the_axes_their_height(predicted: ad.AnnData) -> None:
    predicted.var_names = [f"ENSG00000012345-{'LONG' * 8}-{name}" for name in predicted.var_names]
    ax = sgp.pl.top_genes(predicted, NAME, n_top=12, figsize=(85 * _style.MM, 75 * _style.MM), show=False)
    require_room(ax)
    assert all(name.startswith("ENSG") and "…" in name for name in names_on(ax))
    assert len(set(names_on(ax))) == 12, "both ends tell them apart"
    assert ax.get_position().height > 0.3


def test_axes_that_share_their_scale(predicted: ad.AnnData) -> None:
    _, axes = plt.subplots(2, 1, sharex=True, layout="constrained")
    for ax in axes:
        sgp.pl.top_genes(predicted, NAME, n_top=5, ax=ax)
    assert len(names_on(axes[1])) == 5
    assert names_on(axes[0]) == []


def test_two_panels_side_by_side(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(175 * _style.MM, 85 * _style.MM), layout="constrained")
    first = sgp.pl.top_genes(predicted, NAME, observed=screen, ax=panels[0])
    second = sgp.pl.top_genes(with_figures(predicted, screen), NAME, ax=panels[1])
    assert (first, second) == tuple(panels)
    assert len(plt.get_fignums()) == 1
    for ax in panels:
        require_room(ax)
    left, right = (ax.get_tightbbox() for ax in panels)
    assert left.x1 <= right.x0
    assert figure.axes == list(panels)


def test_colours_are_told_apart_by_everyone(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    ax = sgp.pl.top_genes(predicted, NAME, observed=screen, ax=bare())
    colours = {c.get_label(): to_hex(c.lines[0].get_color()).upper() for c in ax.containers}
    assert colours == {"observed": "#0072B2", "predicted": "#D55E00"}
    assert {c.get_label(): c.lines[0].get_marker() for c in ax.containers} == {"observed": "D", "predicted": "o"}
    assert to_hex(ax.figure.get_facecolor()) == "#ffffff"


def test_fewer_genes_than_asked_for(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    shared = screen[:, GENES[10:3:-1]]
    ax = sgp.pl.top_genes(predicted, NAME, observed=shared, ax=bare())
    assert sorted(names_on(ax)) == sorted(GENES[4:11])
    bulk = pseudobulk(screen)
    np.testing.assert_allclose(marks(ax)["observed"][1], (bulk.mean.loc[NAME] - bulk.mean.loc["ctrl"])[names_on(ax)])


def test_observed_cells_without_controls_use_the_input_controls(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    only = screen[screen.obs[_keys.PERTURBATION] == NAME]
    ax = sgp.pl.top_genes(predicted, NAME, observed=only, ax=bare())
    control = predicted.to_df()[2:].mean()
    np.testing.assert_allclose(
        marks(ax)["observed"][1], (only.to_df().mean() - control)[names_on(ax)], rtol=1e-4, atol=1e-6
    )
    assert "change over the input control cells" in caption_of(ax)


def test_labelled_cells_in_adata_itself_are_found(screen: ad.AnnData) -> None:
    add_prediction(screen, NAME)
    screen.layers[NAME][~screen.obs[_keys.IS_CONTROL].to_numpy()] = np.nan
    ax = sgp.pl.top_genes(screen, NAME, ax=bare())
    assert len(boxes(ax)) == 20
    assert "from 28 control cells" in caption_of(ax)


def test_input_layer_and_other_keys(predicted: ad.AnnData) -> None:
    predicted.layers["log"] = predicted.X * 0
    add_prediction(predicted, "mine", input_layer="log")
    np.testing.assert_allclose(
        np.abs(marks(sgp.pl.top_genes(predicted, NAME, key="mine", n_top=30, ax=bare()))["predicted"][1]).max(),
        np.abs(predicted.layers["mine"][2:].mean(axis=0)).max(),
        rtol=1e-5,
    )
    assert sgp.pl.top_genes(predicted, NAME, ax=bare()) is not None  # the default key wins
    del predicted.layers[NAME], predicted.uns[_keys.UNS][_keys.PREDICTIONS][NAME]
    assert sgp.pl.top_genes(predicted, NAME, ax=bare()) is not None  # the only one
    add_prediction(predicted, "yours")
    with pytest.raises(UnknownNameError, match=r"2 predictions of GENE3\+TARGET are stored: mine, yours.*key="):
        sgp.pl.top_genes(predicted, NAME, ax=bare())
    with pytest.raises(UnknownNameError, match=r"'mine' is of GENE3\+TARGET, not of GENE5"):
        sgp.pl.top_genes(predicted, "GENE5", key="mine", ax=bare())


def test_one_predicted_cell_has_no_spread(predicted: ad.AnnData) -> None:
    predicted.layers[NAME][3:] = np.nan
    ax = sgp.pl.top_genes(predicted, NAME, ax=bare())
    assert (bars(ax, "predicted") == 0).all()
    assert "from 1 control cell." in caption_of(ax)


def test_save_and_the_adata_is_untouched(predicted: ad.AnnData, screen: ad.AnnData, tmp_path: Path) -> None:
    before = predicted.copy()
    sgp.pl.top_genes(predicted, NAME, observed=screen, n_top=8, save=tmp_path / "top.pdf")
    assert (tmp_path / "top.pdf").read_bytes().startswith(b"%PDF")
    assert list(predicted.layers) == list(before.layers)
    assert predicted.uns.keys() == before.uns.keys()
    np.testing.assert_array_equal(predicted.layers[NAME], before.layers[NAME])


def test_survives_a_round_trip(predicted: ad.AnnData, screen: ad.AnnData, tmp_path: Path) -> None:
    adata = with_figures(predicted, screen)
    adata.obs[_keys.SIMULATED] = True
    expected = caption_of(sgp.pl.top_genes(adata, NAME, ax=bare()))
    adata.write_h5ad(tmp_path / "result.h5ad")
    assert caption_of(sgp.pl.top_genes(ad.read_h5ad(tmp_path / "result.h5ad"), NAME, ax=bare())) == expected


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (UnknownNameError, r"no prediction 'GENE3\+TARGETT'.*Nearest known names: GENE3\+TARGET", {"name": NAME + "T"}),
        (UnknownNameError, r"no prediction 'mine'", {"key": "mine"}),
        (DataError, "n_top must be at least 1", {"n_top": 0}),
        (TypeError, "no place to go: figsize", {"ax": object(), "figsize": (1, 1)}),
    ],
)
def test_wrong_arguments(predicted: ad.AnnData, error: type[Exception], match: str, options: dict) -> None:
    name = options.pop("name", NAME)
    with pytest.raises(error, match=match):
        sgp.pl.top_genes(predicted, name, **options)
    assert not plt.get_fignums()


def test_wrong_observations(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    controls = screen[screen.obs[_keys.IS_CONTROL]]
    with pytest.raises(UnknownNameError, match=r"neither cells nor figures of GENE3\+TARGET"):
        sgp.pl.top_genes(predicted, NAME, observed=controls)
    strange = screen.copy()
    strange.var_names = [f"ENSG{i}" for i in range(strange.n_vars)]
    with pytest.raises(DataError, match="no gene in common: TARGET, GENE1, GENE2 and 27 more against ENSG0"):
        sgp.pl.top_genes(predicted, NAME, observed=strange)
    twice = screen.copy()
    twice.var_names = ["TARGET", *GENES[:-1]]
    with pytest.raises(DataError, match=re.escape("TARGET")):
        sgp.pl.top_genes(predicted, NAME, observed=twice)
    predicted.layers[NAME][:] = np.nan
    with pytest.raises(DataError, match="No row of layers"):
        sgp.pl.top_genes(predicted, NAME)


def test_one_observed_cell_has_no_t(predicted: ad.AnnData, screen: ad.AnnData) -> None:
    few = screen[:31].copy()
    ax = sgp.pl.top_genes(predicted, NAME, observed=few, n_top=30, ax=bare())
    assert "by size of the observed change, one cell being too few for a t." in caption_of(ax)
    values = few.X.toarray().astype(float)
    change = np.abs(values[30] - values[:30].mean(axis=0))
    assert names_on(ax) == [GENES[i] for i in np.argsort(-change, kind="stable")]


def test_wrapping() -> None:
    text = "one two three fourfivesixseven eight $x$"
    lines = _style.wrap(text, 40, 6).split("\n")
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(_style.text_width(line, 6) <= 40 for line in lines)
    assert lines[0] == "one two", "words stay whole where they fit"
    assert len(lines) > 2
