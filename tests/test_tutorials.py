"""The tutorials run as they stand, what their text says is true, and what is stored in them is fit to be read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER: Final = Path(__file__).parents[1] / "tutorials"
NOTEBOOKS: Final = sorted(FOLDER.glob("*.ipynb"))
MACHINE: Final = re.compile(r"/(home|root|tmp|work|usr|Users)/|ipykernel_\d|\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d")
"""A path, a process or a time of the machine that ran a notebook."""


def claims_of_predict_and_plot(namespace: dict[str, Any]) -> None:
    """What the text says that a reader would take away."""
    adata, facts, pairs = namespace["adata"], namespace["facts"], namespace["pairs"]
    assert set(facts.loc[pairs, "split"]) == {"test"}
    assert set(facts.loc[pairs, "stratum"]) == {"combo_seen2"}
    training, change = namespace["training"], namespace["change"]
    assert len(training) == 26
    # two genes carry the first response, and the second goes the other way
    said = {pair: sgp.get.predictions(adata, pair).set_index("gene")["delta"] for pair in [*pairs, "MIDN"]}
    first, second = (change.loc[pair] for pair in pairs)
    assert set(first.abs().nlargest(2).index) == {"HBZ", "HBG2"}
    assert first.abs().nlargest(3).iloc[-1] < 0.3 * first["HBG2"]
    assert 0.85 < said[pairs[0]]["HBZ"] / first["HBZ"] < 1.1
    assert 0.5 < said[pairs[0]]["HBG2"] / first["HBG2"] < 0.7
    assert not {"KLF1", "MAP2K6"} & set(adata.var_names)
    for table in (said[pairs[1]], second):
        assert max(table["HBZ"], table["HBG2"]) < -0.5 < 0.5 < table["TMSB4X"]
    # each prediction is nearly one point, and the two lie apart
    assert namespace["spread"].round(2).tolist() == [0.03, 0.03]
    cells = namespace["cells"]
    places = pd.DataFrame(cells.obsm["X_pca"][:, :1]).groupby(cells.obs["state"].to_numpy())[0]
    assert places.mean()[pairs].diff().abs().iloc[1] > 3 * places.std()[pairs].max()
    assert places.min()["control"] < places.mean()[pairs].min() < places.mean()[pairs].max() < places.max()["control"]
    # what simpler guesses do
    delta, pds, midn = namespace["delta"], namespace["pds"], namespace["midn"]
    assert (delta["additive"] > delta["scgenept-mini"]).all()
    assert (abs(delta["scgenept-mini"] - delta["split-half"]) < 0.05).all()
    assert delta["mean"].round(2).tolist() == [0.92, -0.58]
    assert (training["HBZ"] - namespace["control"]["HBZ"] > 1.5).sum() == 7
    assert namespace["common"].idxmax() == "HBZ"
    assert (pds["additive"] > pds["scgenept-mini"]).all()
    assert pds["mean"].tolist() == [pds["scgenept-mini"].iloc[0], 0] == [1 - 3 / 32, 0]
    assert pds["scgenept-mini"].iloc[1] > 0.9
    alone = namespace["alone"]
    assert min(alone["KLF1+MAP2K6", "KLF1"], alone["MAPK1+TGFBR2", "MAPK1"]) > 0.95
    # the gene that was never perturbed
    assert [str(entry.message)[:25] for entry in namespace["caught"]] == ["MIDN was never perturbed "]
    globins = ["HBZ", "HBG2"]
    assert said["MIDN"][globins].min() > 0.5
    assert change.loc["MIDN", globins].max() < 0
    assert midn.loc["scgenept-mini", "mse"] > midn.loc["mean", "mse"] > midn.loc["no change", "mse"]
    assert midn.loc["scgenept-mini", "pearson_delta"] < midn.loc["mean", "pearson_delta"] < 0
    pd.testing.assert_series_equal(midn.loc["additive"], midn.loc["mean"], check_names=False)
    assert midn.loc["no change", "pds_cosine"] == 0.5
    assert namespace["answer"].corr(namespace["common"]) > 0.8
    assert namespace["size"] > 2
    strata = [caveat.split(":")[0] for caveat in namespace["model"].card.caveats]
    assert strata[-3:] == ["combo_seen0", "unseen_single", "combo_seen2"]
    restored = sgp.get.predictions(namespace["restored"], "MAP2K6+KLF1").set_index("gene")["delta"]
    pd.testing.assert_series_equal(restored, said[pairs[0]])


def claims_of_finetune_and_evaluate(namespace: dict[str, Any]) -> None:
    """The network is no better than the best simple guess, whatever the seed, and the small model has seen the answers.

    What a training gives moves with the seed, the number of threads and the version of torch, as the text says.
    """
    report, both, table = namespace["report"], namespace["both"].summary, sgp.get.split_table(namespace["adata"])
    assert table["split"].value_counts().to_dict() == {"test": 16, "train": 14, "val": 3}
    history = pd.DataFrame(namespace["model"].card.training["history"])
    assert history["train_loss"].iloc[-1] < 0.85 * history["train_loss"].iloc[0]
    assert history["validation_loss"].min() > 0.9 * history["validation_loss"].iloc[0]
    overall = report.summary.query("stratum == 'all'").pivot(index="metric", columns="predictor", values="value")
    assert overall.loc["pearson_delta", ["mean", "additive"]].round(2).tolist() == [0.31, 0.49]
    assert overall.loc["pds_cosine", ["mean", "additive"]].round(2).tolist() == [0.5, 0.64]
    own = report.summary.query("stratum == 'all' and predictor == 'scgpt-finetuned'").set_index("metric")
    assert own.loc[["pearson_delta", "pds_cosine"], "positive_control"].round(2).tolist() == [0.64, 0.88]
    assert own.loc["pds_cosine", "value_on_halves"] < own.loc["pds_cosine", "positive_control"] - 0.1
    assert (own.loc[namespace["scores"], "calibrated_high"] < 1).all()
    assert own.loc["pds_cosine", "can_rank"]
    small = report.summary.query("stratum_of == 'kind' and n < 6")
    assert not small["can_rank"].any()
    assert any("on halves baselines know only one half of them" in note for note in report.notes)
    seeds, repeated = list(namespace["seeds"]), namespace["repeated"]
    collapsed = [note.split(" has collapsed: ") for note in repeated.notes if "collapsed" in note]
    assert "it predicts one response whatever is perturbed" in dict(collapsed)["rng=5"]
    found = repeated.summary.query("stratum == 'all'").pivot(index="predictor", columns="metric", values="value")
    assert found.loc["rng=5", "pearson_delta"].round(2) == 0.31
    assert (found.loc[seeds, "pearson_delta"] < found.loc["additive", "pearson_delta"] + 0.1).all()
    assert np.ptp(found.loc[seeds, "pearson_delta"]) > 0.03
    rivals = repeated.comparisons.query("metric == 'pearson_delta' and stratum == 'all' and rival == 'additive'")
    assert not rivals["better"].isin(seeds).any()
    values = both.query("stratum == 'all'").pivot(index="metric", columns="predictor", values="value")
    assert (values["scgenept-mini"] > values[["additive", "mean", "trained here"]].max(axis=1) + 0.1).all()
    notes = [note for note in namespace["both"].notes if "trained on" in note]
    assert [note.split(":")[0] for note in notes] == [
        "trained here was trained on these control cells, and on halves baselines know only one half of them",
        "scgenept-mini was trained on 12 of the test perturbations, says its card",
    ]


def claims_of_own_counts(namespace: dict[str, Any]) -> None:
    """Labels are read as said, genes found, globins rise, and what does not fit is told."""
    labels = namespace["labels"].drop_duplicates("guide").set_index("guide")["perturbation"]
    assert labels.value_counts().to_dict() == {"ctrl": 2, "KLF1": 2, "MAPK1": 1, "KLF1+MAP2K6": 1, "KIAA1804": 1}
    by_old_name = sgp.tl.predict_perturbation(namespace["controls"], "KIAA1804", model=namespace["model"], copy=True)
    sgp.tl.predict_perturbation(by_old_name, "MAP3K21", model=namespace["model"])
    np.testing.assert_allclose(by_old_name.layers["KIAA1804"], by_old_name.layers["MAP3K21"], rtol=1e-5)
    matches = namespace["matches"]
    assert matches["how"].value_counts().to_dict() == {"symbol": 495, "unmatched": 10, "alias": 3, "ensembl": 2}
    assert matches.loc[matches["how"] == "unmatched", "gene"].str.startswith("RPL").all()
    assert namespace["adata"].shape == (420, 500)
    record = namespace["record"]
    assert record["genes_in_training"] == 1
    assert record["control_correlation"] > 0.99
    # the globins rise in cells and prediction, and the arrows point the same way
    key, both = "KLF1+MAP2K6", namespace["both"]
    predicted = sgp.get.predictions(namespace["restored"], key).set_index("gene")["delta"]
    means = both.to_df().groupby(both.obs["perturbation"].astype(str).to_numpy()).mean()
    observed = means.loc[key] - means.loc["ctrl"]
    for change in (predicted, observed):
        assert set(change.nlargest(2).index) == {"HBZ", "HBG2"}
        assert change.nlargest(2).min() > 0.5
        assert change.drop(["HBZ", "HBG2"]).abs().max() < 0.5
    shifts = np.stack([change.reindex(both.var_names) @ both.varm["PCs"][:, :2] for change in (predicted, observed)])
    assert np.corrcoef(predicted, observed.reindex(predicted.index))[0, 1] > 0.9
    assert shifts[0] @ shifts[1] > 0.9 * np.prod(np.linalg.norm(shifts, axis=1))
    # what does not fit is told, in this order
    assert sgp.get.record(namespace["others"], key)["control_correlation"] < 0.8
    beginnings = [
        "No label is known to mean control cells. Of the labels 2 may, by the name: NT-1, NT-2.",
        "3 of 7 labels can be read in more than one way.",
        "X holds whole numbers up to ",
        "The mean input cell correlates only 0.6",
        "Only 8 of 765 genes",
        "The genes of adata hold 4% of the counts",
        "Only ",
        "ZAP70 is neither a measured gene nor known to scgenept-mini",
    ]
    assert [said[: len(start)] for said, start in zip(namespace["said"], beginnings, strict=True)] == beginnings
    contexts = namespace["screen"].obs.groupby("is_control", observed=True)["perturbation_2"]
    stimulated = contexts.value_counts(normalize=True).xs("stimulated", level="perturbation_2")
    assert stimulated[True] > stimulated[False] + 0.1
    assert (namespace["known"]["how"] == "symbol").sum() < 30
    found = namespace["found"]
    assert found.loc["all cells", "value"] > found.loc["stimulated", "value"] + 0.1
    assert found.loc["stimulated", "value"] > found.loc["stimulated", "value_on_halves"] + 0.1
    assert not found["can_rank"].any()


def claims_of_gene_knowledge(namespace: dict[str, Any]) -> None:
    """Text knows families, and helps a ridge no more than the same vectors of other genes."""
    words, source, near = namespace["words"], namespace["source"], namespace["near"]
    assert sgp.knowledge.neighbors(words, "KLF1", n=1)["gene"].tolist() == ["JUN"]
    assert words.vectors[0] @ words["KLF1"] == 0
    assert source.vectors.shape == (475, 384)
    assert near.iloc[0].to_dict() == {"HBZ": "HBG2", "IL6": "IL1B", "COL1A1": "COL3A1", "KLF1": "KLF12"}
    auroc, members = sgp.knowledge.pair_auroc, namespace["members"]
    assert auroc(source, members).auroc > 0.9
    assert abs(auroc(namespace["permuted"], members).auroc - 0.5) < 0.1
    # the map: two groups of families lie apart, and its axes show little
    axes = sgp.pl.knowledge_map(source, color=namespace["family_of"], show=False)
    places = {str(drawn.get_label()): np.ma.getdata(drawn.get_offsets())[:, 0] for drawn in axes.collections}
    signals, proteases = np.concatenate([places["growth factor"], places["kinase"]]), places["MMP, ADAM"]
    assert abs(signals.mean() - proteases.mean()) > 2 * max(signals.std(), proteases.std())
    axis_shares = re.findall(r"(\d+)%", axes.get_xlabel() + axes.get_ylabel())
    assert len(axis_shares) == 2
    assert sum(map(int, axis_shares)) < 20
    # the ridge
    assert (len(namespace["training"]), len(namespace["tested"])) == (26, 7)
    text, deals = namespace["text"], namespace["deals"]
    assert round(text, 2) == 0.25
    assert len(deals) == 20
    assert deals.min() < text < deals.median()
    # the explanation
    parts = namespace["found"].by_source.set_index("source")
    assert parts["attribution"].sum() == pytest.approx(1.3, abs=0.1)
    assert namespace["found"].responses["delta"].iloc[0] == pytest.approx(1.3, abs=0.1)
    assert parts["attribution"].idxmax() == "go"
    assert parts.loc["go", "of_itself"] > 0.9 * parts.loc["go", "attribution"]
    assert -parts.loc["go", "attribution"] < parts.loc["counts", "attribution"] < -parts.loc["go", "attribution"] / 2
    assert abs(parts.loc["go", "of_targets"]) < 0.1


CLAIMS: Final[dict[str, Callable[[dict[str, Any]], None]]] = {
    "predict_and_plot": claims_of_predict_and_plot,
    "finetune_and_evaluate": claims_of_finetune_and_evaluate,
    "own_counts": claims_of_own_counts,
    "gene_knowledge": claims_of_gene_knowledge,
}


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


@pytest.fixture
def _own_figures() -> Iterator[None]:
    with mpl.rc_context():
        yield
    plt.close("all")


def test_there_are_tutorials_and_each_has_its_claims():
    assert {notebook.stem for notebook in NOTEBOOKS} == set(CLAIMS)


def run(notebook: Path) -> dict[str, Any]:
    """Execute the cells in the folder at hand, and return the names that they leave."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(notebook)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), namespace)
    return namespace


# scanpy 1.11 colours missing values as matplotlib 3.11 no longer wants
@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning:scanpy")
@pytest.mark.usefixtures("_own_figures")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_tutorial_runs_and_says_what_is_true(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    CLAIMS[notebook.stem](run(notebook))


@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning:scanpy")
@pytest.mark.usefixtures("_own_figures")
def test_own_counts_says_what_is_true_of_the_real_file(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(shared / "data" / "jurkat_tcr_crispr.h5ad", tmp_path / "jurkat_tcr_crispr.h5ad")
    monkeypatch.chdir(tmp_path)
    namespace = run(FOLDER / "own_counts.ipynb")
    claims_of_own_counts(namespace)
    screen, stimulated, found = (namespace[name] for name in ("screen", "stimulated", "found"))
    assert screen.n_obs == 7500
    assert screen.obs["perturbation_original"].nunique() == 41  # two guides of twenty genes, and control
    assert screen.obs["perturbation"].nunique() == 21
    share = screen.obs["perturbation_2"].eq("stimulated").groupby(screen.obs["is_control"]).mean()
    assert share.round(2).tolist() == [0.51, 0.70]
    assert 90 < stimulated.layers["counts"].sum(axis=1).mean() < 110
    assert found["n"].tolist() == [5, 5]
    assert found["value"].tolist() == pytest.approx([0.74, 0.56], abs=0.005)
    assert found["value_on_halves"].iloc[1] == pytest.approx(0.13, abs=0.01)
    assert found["positive_control"].iloc[1] == pytest.approx(0.21, abs=0.01)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_stored_outputs_are_complete_and_tell_nothing_of_the_machine(notebook: Path):
    code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not MACHINE.search(notebook.read_text(encoding="utf-8"))
    assert notebook.stat().st_size < 500_000
