"""tl.evaluate: numbers against loops, calibration, what stays the same, what is said in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import scgenept as sgp
from scgenept.evaluation.baselines import Mean
from scgenept.evaluation.baselines._training import training_pseudobulks
from scgenept.evaluation.catalog import METRICS
from tests.screens import TEST, TRAINING, observed, screen
from tests.small import small_model
from tests.unchanged import unchanged


@pytest.fixture(scope="module")
def adata():
    return screen()


@pytest.fixture(scope="module")
def table(adata) -> pd.DataFrame:
    """Half of the observed change, and noise."""
    rng = np.random.default_rng(3)
    truth, control = observed(adata), observed(adata, ["ctrl"]).iloc[0]
    return control + 0.5 * (truth - control) + rng.normal(0, 0.1, truth.shape)


@pytest.fixture(scope="module")
def report(adata, table: pd.DataFrame) -> sgp.tl.Report:
    return sgp.tl.evaluate(adata, {"mine": table}, n_boot=400)


def overall(report: sgp.tl.Report, predictor: str) -> pd.DataFrame:
    rows = report.summary.query("stratum == 'all' and predictor == @predictor")
    return rows.set_index("metric")


def overall_of(report: sgp.tl.Report, metric: str) -> pd.Series:
    rows = report.summary.query("stratum == 'all' and metric == @metric")
    return rows.set_index("predictor")["value"]


def test_scores_equal_loops(adata, table: pd.DataFrame, report: sgp.tl.Report) -> None:
    truth, control = observed(adata), observed(adata, ["ctrl"]).iloc[0]
    mean = observed(adata, TRAINING).mean()
    own = report.per_perturbation.query("predictor == 'mine'").pivot(
        index="perturbation", columns="metric", values="value"
    )
    for name in TEST:
        delta = np.corrcoef(table.loc[name] - control, truth.loc[name] - control)[0, 1]
        assert own.loc[name, "pearson_delta"] == pytest.approx(delta, rel=1e-4)
        special = np.corrcoef(table.loc[name] - mean, truth.loc[name] - mean)[0, 1]
        assert own.loc[name, "pearson_delta_ref_mean"] == pytest.approx(special, rel=1e-4)
        assert own.loc[name, "mse"] == pytest.approx(((table.loc[name] - truth.loc[name]) ** 2).mean(), rel=1e-4)
    values = overall(report, "mine")
    assert values.loc["mse", "value"] == pytest.approx(own["mse"].mean())
    assert values.loc["non_additivity_correlation", "n_nan"] == 4
    kinds = report.summary.query("metric == 'mse' and predictor == 'mine'").set_index("stratum")["value"]
    assert kinds["unseen_single"] == pytest.approx(own.loc[["G07", "G08", "G09"], "mse"].mean())
    assert kinds["combo_seen1"] == pytest.approx(own.loc[["G01+G07", "G02+G08"], "mse"].mean())


def test_calibration_is_what_its_columns_say(report: sgp.tl.Report) -> None:
    rows = report.summary.query("stratum != 'panel'")
    u, b, r = (rows[name] for name in ("value_on_halves", "negative_control", "positive_control"))
    np.testing.assert_allclose(rows["calibrated"], (u - b) / (r - b), rtol=1e-9)
    np.testing.assert_allclose(rows["dynamic_range"], (r - b).abs())
    on_mean = overall(report, "mean")
    defined = on_mean["value_on_halves"].notna()
    np.testing.assert_allclose(on_mean.loc[defined, "calibrated"], 0, atol=1e-12)
    assert np.isnan(on_mean.loc["pearson_delta_ref_mean", "value"])
    assert on_mean.loc["pearson_delta_ref_mean", ["value_on_halves", "negative_control"]].tolist() == [0, 0]
    replicate = report.per_perturbation.query("predictor == 'replicate'")
    assert replicate["value"].isna().all()
    by_metric = replicate.groupby("metric")["value_on_halves"].mean()
    pd.testing.assert_series_equal(
        by_metric, overall(report, "mean")["positive_control"].sort_index(), check_names=False
    )


def test_positive_control_is_the_split_half_of_the_references(adata, report: sgp.tl.Report) -> None:
    from scgenept.evaluation.references import split_half

    expected = split_half(adata, n_draws=30).loc[TEST, "pearson_delta"].mean()
    assert overall(report, "mine").loc["pearson_delta", "positive_control"] == pytest.approx(expected, abs=0.02)


def test_a_network_on_halves_predicts_from_the_controls_of_the_first(adata) -> None:
    from scgenept.evaluation.references import Draw

    model = small_model(list(adata.var_names))
    report = sgp.tl.evaluate(adata, model, split=TEST[:2], metrics="pearson_delta", calibrate=2, n_boot=10)
    rng = np.random.default_rng(0)
    rng.integers(2**31)  # the seed of the baselines
    draw = Draw(adata, layer=None, by="perturbation", rng=rng)
    expected = []
    for _ in range(2):
        in_first = draw.first_half()
        first, second = draw.table(draw.means(in_first)), draw.table(draw.means(~in_first))
        controls = adata[in_first & (adata.obs["perturbation"] == "ctrl").to_numpy()].copy()
        for name in TEST[:2]:
            sgp.tl.predict_perturbation(controls, name, model=model)
            predicted = sgp.get.predicted(controls, name).to_df().mean()
            changes = predicted - first.loc["ctrl"], second.loc[name] - second.loc["ctrl"]
            expected.append(np.corrcoef(*changes)[0, 1])
    found = overall(report, "small").loc["pearson_delta"]
    assert found["value_on_halves"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert found["value_on_halves"] != pytest.approx(found["value"], rel=1e-3)
    assert not any("On halves" in note or "trained on these" in note for note in report.notes)
    model.control_mean = observed(adata, ["ctrl"]).iloc[0].to_dict()
    report = sgp.tl.evaluate(adata, model, split=TEST[:2], metrics="pearson_delta", calibrate=1, n_boot=10)
    assert any("small was trained on these control cells" in note for note in report.notes)


def test_a_table_on_halves_keeps_all_controls_and_says_so(report: sgp.tl.Report) -> None:
    assert [note for note in report.notes if "On halves mine keeps the change over all control cells" in note]


PAIRS = ["non_additivity_correlation", "non_additive_auprc"]


def halves_by_hand(adata, n: int) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """The halves that ``evaluate(rng=0)`` draws."""
    from scgenept.evaluation.references import Draw

    rng = np.random.default_rng(0)
    rng.integers(2**31)  # the seed of the baselines
    draw = Draw(adata, layer=None, by="perturbation", rng=rng)
    drawn = [draw.first_half() for _ in range(n)]
    return [(draw.table(draw.means(first)), draw.table(draw.means(~first))) for first in drawn]


def excess(means: pd.DataFrame, pair: str, values: pd.Series | None = None) -> pd.Series:
    """What a pair, or a guess at it, does beyond the sum of its singles in these cells."""
    a, b = pair.split("+")
    return (means.loc[pair] if values is None else values) - (means.loc[a] + means.loc[b] - means.loc["ctrl"])


def on_halves(report: sgp.tl.Report, predictor: str, metric: str = PAIRS[0]) -> pd.Series:
    rows = report.per_perturbation.query("predictor == @predictor and metric == @metric")
    return rows.set_index("perturbation")["value_on_halves"]


def test_on_halves_no_baseline_knows_the_singles_of_the_truth(adata) -> None:
    """The truth of a pair is counted from the singles of the second half; what knows those correlates with it."""
    names = ["additive", "matching_mean"]
    report = sgp.tl.evaluate(adata, "no_change", metrics=PAIRS, baselines=names, calibrate=2, n_boot=10)
    assert on_halves(report, "additive")[["G01+G03", "G02+G04", "G05+G06"]].isna().all()
    values = {name: [] for name in ("mean", "matching_mean", "replicate")}
    singles = [f"G0{i}" for i in range(1, 7)]
    for first, second in halves_by_hand(adata, 2):
        training = pd.concat([first.loc[singles], observed(adata, [n for n in TRAINING if n not in singles])])
        guesses = {
            "mean": training.mean(),
            "matching_mean": (first.loc["G01"] + first.loc["G03"]) / 2,
            "replicate": first.loc["G01+G03"],
        }
        truth = excess(second, "G01+G03")
        for name, guess in guesses.items():
            values[name].append(np.corrcoef(excess(first, "G01+G03", guess), truth)[0, 1])
    for name, expected in values.items():
        assert on_halves(report, name)["G01+G03"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert not any("beyond their singles" in note for note in report.notes)


def test_whoever_may_know_all_cells_of_singles_has_no_score_of_pairs_on_halves(adata) -> None:
    """A sum of singles as a table, and a network that was trained on singles: all but the pair of two test singles."""
    control, pairs = observed(adata, ["ctrl"]).iloc[0], [name for name in TEST if "+" in name]
    singles = observed(adata, [f"G{i:02d}" for i in range(1, 10)])
    table = pd.DataFrame({p: sum(singles.loc[g] - control for g in p.split("+") if g in singles.index) for p in pairs})
    table = table.T + control + np.random.default_rng(0).normal(0, 0.1, table.T.shape)
    trained = small_model(list(adata.var_names), training={"train": TRAINING})
    elsewhere = small_model(list(adata.var_names), training={"train": ["G30", "G01+G31"]})
    options = {"split": TEST, "metrics": [*PAIRS, "mse"], "baselines": ["rf"], "calibrate": 2, "n_boot": 10}
    judged = {"sum": table, "trained": trained, "elsewhere": elsewhere}
    report = sgp.tl.evaluate(adata, judged, n_control_cells=10, **options)
    known = ["G01+G03", "G02+G04", "G05+G06", "G01+G07", "G02+G08"]
    for metric in PAIRS:
        for name in ("sum", "trained", "rf"):
            assert on_halves(report, name, metric)[known].isna().all()
        assert on_halves(report, "elsewhere", metric)[known].notna().any()
    assert on_halves(report, "sum", "mse")[known].notna().all()
    drawn = halves_by_hand(adata, 2)
    expected = [
        np.corrcoef(
            excess(first, "G07+G08", table.loc["G07+G08"] + first.loc["ctrl"] - control), excess(second, "G07+G08")
        )[0, 1]
        for first, second in drawn
    ]
    assert on_halves(report, "sum")["G07+G08"] == pytest.approx(np.mean(expected), rel=1e-4)
    said = [note for note in report.notes if "beyond their singles" in note]
    assert said[0].startswith("On halves sum, trained, rf have no score of what 5 of 6 pairs do")
    assert len(said) == 1
    for other in ({"calibrate": False}, {"metrics": "mse"}):
        quiet = sgp.tl.evaluate(adata, table, **{**options, "baselines": None, **other})
        assert not any("beyond their singles" in note for note in quiet.notes)


def test_a_network_that_adds_single_changes_to_its_own_controls_is_additive(adata) -> None:
    from scgenept.evaluation.experiment import read_experiment
    from scgenept.evaluation.predictors import Predictor

    experiment = read_experiment(adata, split="test", layer=None)
    some = adata[adata.obs["is_control"]][:10].X.toarray().mean(axis=0, dtype=float)
    control, known = observed(adata, ["ctrl"]).iloc[0], set(adata.obs["perturbation"])
    values = np.tile(some, (len(TEST), 1))
    for row, name in enumerate(experiment.test):
        values[row] += (observed(adata, [gene for gene in name.split("+") if gene in known]) - control).sum()
    guess = Predictor("own", values, some, is_baseline=False).guess(experiment.seen, experiment)
    assert np.isnan(METRICS[PAIRS[0]].score(guess, experiment.seen)).all()


def test_a_baseline_that_was_fitted_to_the_test_is_named(adata) -> None:
    fresh = sgp.models.baselines.load("additive")
    options = {"metrics": "mse", "n_boot": 10, "calibrate": False, "baselines": None}
    assert fresh.fitted_to == ()
    assert not any("fitted to" in note for note in sgp.tl.evaluate(adata, fresh, **options).notes)
    assert fresh.fitted_to == ()  # a copy was fitted

    everything = adata.copy()
    del everything.obs["split"]
    for perturbed, seen in ((everything, "10 of the test perturbations: G01+G03, "), (adata, None)):
        fitted = sgp.models.baselines.load("additive").fit(perturbed)
        notes = [n for n in sgp.tl.evaluate(adata, {"mine": fitted}, **options).notes if "mine was fitted to" in n]
        assert [seen in note for note in notes] == ([True] if seen else [])
        assert fitted.fitted_to == tuple(sorted([*TRAINING, *(TEST if seen else [])]))
    as_rival = sgp.tl.evaluate(adata, "mean", **options | {"baselines": {"rival": fitted.fit(everything)}})
    assert any("rival was fitted to 10 of the test perturbations" in note for note in as_rival.notes)


class OfCells(Mean):
    """A baseline that only cells can be given to."""

    name = "of_cells"
    needs_cells = True

    def fit_pseudobulks(self, *args: object, **options: object) -> None:
        raise AssertionError

    def fit(self, adata, *, rng=0) -> OfCells:
        super().fit_pseudobulks(*training_pseudobulks(adata)[:2], rng=rng)
        return self


def test_a_baseline_of_cells_is_fitted_to_the_layer_and_the_split_that_are_judged(adata) -> None:
    counts = adata.copy()
    counts.layers["log"] = adata.X.copy()
    counts.X = np.expm1(adata.X.toarray()).round()
    test = ["G01", "G01+G02"]  # the column calls them training
    options = {"split": test, "layer": "log", "metrics": "mse", "baselines": None, "n_boot": 10, "calibrate": 1}
    with unchanged(counts):
        report = sgp.tl.evaluate(counts, {"cells": OfCells(), "table": observed(adata, test)}, **options)
    scores = overall_of(report, "mse")
    assert scores["cells"] == pytest.approx(scores["mean"])
    assert any(note.startswith("On halves cells, table keep the change over all control") for note in report.notes)


def test_a_baseline_may_add_up_to_more_than_a_cell_can_express() -> None:
    strong = sgp.datasets.toy()
    sgp.pp.setup_perturbations(strong, key="condition", modality="CRISPRa", cell_type="K562")
    gene = strong.var_names.get_loc("KLF1")
    values = strong.X.toarray()
    values[:, gene] = np.where(strong.obs["perturbation"].isin(["KLF1", "MAP2K6"]), 8.9, 5.0)
    strong.X = values
    table = pd.DataFrame(np.full((1, strong.n_vars), 14.0), index=["KLF1+MAP2K6"], columns=strong.var_names)
    with pytest.warns(match="counts per about"), pytest.raises(ValueError, match="reaches 14, and a mean of log1p"):
        sgp.tl.evaluate(strong, table, split=["KLF1+MAP2K6"], n_boot=10, baselines=None)
    with pytest.warns(UserWarning, match="counts per about"):
        report = sgp.tl.evaluate(strong, "additive", split=["KLF1+MAP2K6"], n_boot=10, metrics="mse", baselines=None)
    assert overall_of(report, "mse")["additive"] > 0


def test_a_replicate_is_worth_a_replicate(adata) -> None:
    """Cells nobody scored against, as a prediction: about 1, and the mean of training about 0."""
    again = screen(seed=0)
    cells = np.random.default_rng(1).permuted(np.arange(again.n_obs))
    halves = [np.sort(cells[: len(cells) // 2]), np.sort(cells[len(cells) // 2 :])]
    prediction, truth = (again[rows].copy() for rows in halves)
    values = overall(sgp.tl.evaluate(truth, prediction, n_boot=50, calibrate=8, baselines=None), "predictions")
    assert values.loc["pearson_delta", "calibrated"] > 0.9
    assert values.loc["pds_cosine", "calibrated"] > 0.9


def test_mean_gets_no_credit_and_a_constant_gets_a_half(adata) -> None:
    values = overall(sgp.tl.evaluate(adata, "mean", n_boot=20, calibrate=1), "mean")
    assert values.loc["pds_cosine", "value"] == pytest.approx(0.5)
    assert np.isnan(values.loc["pearson_delta_ref_mean", "value"])
    assert values.loc["pearson_delta_ref_mean", "n_nan"] == len(TEST)
    assert values.loc["weighted_r2_delta", "value"] <= 0


def test_order_of_genes_perturbations_and_cells_changes_nothing(adata, table: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    shuffled = adata[rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)].copy()
    options = {"n_boot": 20, "calibrate": False, "baselines": ["additive"]}
    first = sgp.tl.evaluate(adata, table, **options)
    second = sgp.tl.evaluate(shuffled, table.iloc[::-1, ::-1], **options)
    pd.testing.assert_frame_equal(first.per_perturbation, second.per_perturbation, rtol=1e-6)


def test_a_seed_gives_the_same_report(adata, table: pd.DataFrame) -> None:
    options = {"n_boot": 50, "calibrate": 1, "baselines": ["additive", "random"]}
    with unchanged(adata):
        first = sgp.tl.evaluate(adata, table, rng=4, **options)
    second = sgp.tl.evaluate(adata, table, rng=np.random.default_rng(4), **options)
    pd.testing.assert_frame_equal(first.summary, second.summary)
    pd.testing.assert_frame_equal(first.comparisons, second.comparisons)
    third = sgp.tl.evaluate(adata, table, rng=5, **options)
    assert not first.summary["ci_low"].equals(third.summary["ci_low"])


def test_comparisons_are_paired_and_corrected(report: sgp.tl.Report) -> None:
    own = report.per_perturbation.query("metric == 'mse'").pivot(
        index="perturbation", columns="predictor", values="value"
    )
    rows = report.comparisons.query("metric == 'mse' and stratum == 'all'").set_index("rival")
    difference = own["mine"] - own["additive"]
    assert rows.loc["additive", "difference"] == pytest.approx(difference.mean())
    assert rows.loc["additive", "ci_low"] <= difference.mean() <= rows.loc["additive", "ci_high"]
    ordered = rows.sort_values("p_value")
    assert (ordered["p_holm"] >= ordered["p_value"]).all()
    assert ordered["p_holm"].iloc[0] == pytest.approx(min(1, ordered["p_value"].iloc[0] * len(rows)))
    certain = rows[rows["better"] != ""]
    assert (certain["p_holm"] < 0.05).all()
    assert ((certain["difference"] < 0) == (certain["better"] == "mine")).all()


def test_several_predictors_are_compared_with_each_other(adata, table: pd.DataFrame) -> None:
    better = observed(adata)
    report = sgp.tl.evaluate(
        adata,
        {"half": table, "truth": better},
        baselines=None,
        metrics=["mse", "pds_cosine"],
        calibrate=False,
        n_boot=200,
    )
    assert set(report.summary["predictor"]) == {"half", "truth", "mean"}
    row = report.comparisons.query("metric == 'mse' and stratum == 'all' and rival == 'truth'").iloc[0]
    assert (row["predictor"], row["better"]) == ("half", "truth")
    assert "truth" in str(report)
    assert report.summary["calibrated"].isna().all()


def test_collapse_is_said_in_words(adata) -> None:
    constant = pd.DataFrame([observed(adata, TRAINING).mean() + 0.01] * len(TEST), index=TEST)
    report = sgp.tl.evaluate(adata, {"same": constant}, n_boot=20, calibrate=False, baselines=None)
    assert any(note.startswith("same has collapsed") for note in report.notes)
    panel = report.summary.query("stratum == 'panel' and predictor == 'same'").set_index("metric")["value"]
    assert panel["collapse_ratio"] == pytest.approx(0)
    assert panel["mean_correlation_between_predictions"] == pytest.approx(1)
    fine = sgp.tl.evaluate(adata, {"truth": observed(adata)}, n_boot=20, calibrate=False, baselines=None)
    assert not any("collapsed" in note for note in fine.notes)


def test_few_cells_get_the_interpolated_duplicate() -> None:
    adata = screen(few={"G07": 10, "G08": 1, "G09": 2})
    report = sgp.tl.evaluate(adata, "additive", n_boot=50, calibrate=2, baselines=None)
    assert any("3 of 10 test perturbations have fewer than 50 cells" in note for note in report.notes)
    assert any("G08, G09 have no positive control" in note for note in report.notes)
    replicate = report.per_perturbation.query("predictor == 'replicate' and metric == 'pearson_delta'")
    replicate = replicate.set_index("perturbation")["value_on_halves"]
    assert replicate.index[replicate.isna()].tolist() == ["G08", "G09"]


@pytest.mark.parametrize("n_control", [1, 2, 20])
def test_few_controls(n_control: int) -> None:
    report = sgp.tl.evaluate(screen(few={"ctrl": n_control}), "additive", n_boot=20, calibrate=1, baselines=None)
    assert any(f"only {n_control} control cell" in note for note in report.notes)
    assert np.isfinite(overall(report, "additive").loc["mse", "calibrated"])


def test_answering_with_the_mean_wherever_nothing_is_known_gains_nothing(adata, table: pd.DataFrame) -> None:
    shy, mean = table.copy(), observed(adata, TRAINING).mean()
    shy.iloc[1:] = mean
    report = sgp.tl.evaluate(adata, shy, metrics="pearson_delta_ref_mean", n_boot=50, calibrate=2, baselines=None)
    own = overall(report, "predictions").loc["pearson_delta_ref_mean"]
    halves = report.per_perturbation.query("predictor == 'predictions'").set_index("perturbation")["value_on_halves"]
    assert (halves.loc[TEST[1:]] == 0).all()
    assert own["n_nan"] == len(TEST) - 1
    assert own["n_nan_on_halves"] == 0
    assert own["value_on_halves"] == pytest.approx(halves[TEST[0]] / len(TEST))


def test_a_prediction_of_some_stands_beside_the_baselines_of_the_same(adata) -> None:
    mean = pd.DataFrame([observed(adata, TRAINING).mean()] * 4, index=TEST[:4])
    report = sgp.tl.evaluate(adata, mean, metrics="mse", n_boot=50, calibrate=2, baselines=["no_change"])
    line = next(line for line in report.to_text().splitlines() if line.startswith("mse"))
    value, beside = line.split()[2], line.split()[6]
    assert value == beside != f"{overall(report, 'mean').loc['mse', 'value']:.3g}"


def test_single_test_perturbation_and_predictions_with_gaps(adata, table: pd.DataFrame) -> None:
    one = sgp.tl.evaluate(adata, table, split=["G07"], n_boot=20, calibrate=1)
    assert overall(one, "predictions")["ci_low"].isna().all()
    assert one.comparisons["p_value"].isna().all()
    gaps = table.copy()
    gaps.iloc[:4] = np.nan
    values = overall(sgp.tl.evaluate(adata, gaps, n_boot=20, calibrate=1, baselines=["additive"]), "predictions")
    assert values.loc["mse", "n_nan"] == 4
    assert np.isfinite(values.loc[["mse", "pds_cosine", "pearson_delta"], "calibrated"]).all()


def test_a_network_predicts_from_control_cells() -> None:
    adata = screen()
    genes = list(adata.var_names)
    model = small_model(genes, training={"train": ["G07", "G01"]}, caveats=("unseen_single: weak.", "other"))
    report = sgp.tl.evaluate(adata, model, n_boot=20, calibrate=1, baselines=["mean"], n_control_cells=12)
    assert report.about["predictors"] == "small"
    assert any("predicts from 12 of 60 control cells" in note for note in report.notes)
    assert any("trained on 1 of the test perturbations" in note and "G07" in note for note in report.notes)
    assert "Card of small: unseen_single: weak." in report.notes
    assert "Card of small: other" not in report.notes


@pytest.mark.filterwarnings("ignore:The median cell has:UserWarning")
def test_targets_are_found_where_genes_have_ensembl_ids_and_labels_symbols() -> None:
    toy, ids = sgp.datasets.toy(), {"KLF1": "ENSG00000105610", "MAP2K6": "ENSG00000108984"}
    sgp.pp.setup_perturbations(toy, key="condition", modality="CRISPRa", cell_type="K562")
    by_id = toy.copy()
    by_id.var_names = [ids.get(name, name) for name in toy.var_names]
    options = {"split": ["KLF1", "KLF1+MAP2K6"], "baselines": ["target_mean", "linear"], "n_boot": 20, "calibrate": 2}
    first, second = (sgp.tl.evaluate(adata, "target_mean", **options).summary for adata in (toy, by_id))
    pd.testing.assert_frame_equal(first, second)
    named = by_id.copy()
    named.var_names = [f"other {name}" if name in ids.values() else name for name in by_id.var_names]
    assert not sgp.tl.evaluate(named, "target_mean", **options).summary.equals(first)


def test_what_is_so_of_several_models_is_said_once() -> None:
    adata = screen()
    facts = {"training": {"train": ["G07", "G01"]}, "caveats": ("unseen_single: weak.",)}
    models = {name: small_model([*adata.var_names][:-1], **facts) for name in ("one", "two")}
    for model in models.values():
        model.control_mean = observed(adata, ["ctrl"]).iloc[0].to_dict()
    options = {"n_boot": 20, "calibrate": 1, "baselines": None, "metrics": "mse", "n_control_cells": 60}
    notes = sgp.tl.evaluate(adata, models, **options).notes
    both = [note for note in notes if "one and two" in note]
    assert "1 of 40 genes are unknown to one and two, where all such look alike." in both
    assert "Card of one and two: unseen_single: weak." in both
    (trained,) = [note for note in both if "control cells" in note]
    assert trained.startswith("one and two were trained on these control cells, and on halves baselines know only one")
    assert any(
        "one and two were trained on 1 of the test perturbations, says their card: G07." in note for note in both
    )
    (alone,) = [
        note
        for note in sgp.tl.evaluate(adata, models["one"], **options).notes
        if "trained on these control cells" in note
    ]
    assert alone.startswith("small was trained on these")


def test_layers_of_predictions_are_what_the_network_predicts() -> None:
    adata = screen()
    model = small_model(list(adata.var_names))
    controls = adata[adata.obs["is_control"]].copy()
    for name in TEST:
        sgp.tl.predict_perturbation(controls, name, model=model)
    layers = sgp.tl.evaluate(adata, {"small": controls}, n_boot=20, calibrate=False, baselines=None)
    network = sgp.tl.evaluate(adata, model, n_boot=20, calibrate=False, baselines=None, n_control_cells=None)
    pd.testing.assert_frame_equal(layers.per_perturbation, network.per_perturbation, rtol=1e-4)


def test_real_and_permuted_text_stand_side_by_side(adata) -> None:
    """A text that knows what each target does; permuted, it is the text of another gene."""
    genes = list(adata.var_names)
    control = observed(adata, ["ctrl"]).iloc[0]
    vectors = np.random.default_rng(0).normal(0, 0.1, (len(genes), len(genes)))
    vectors[:9] = observed(adata, genes[:9]) - control
    texts = sgp.knowledge.KnowledgeSource("text", genes, vectors)
    tables = {"text": texts, "permuted": sgp.knowledge.ablate(texts, "permuted")}
    baselines = {
        f"{name}_{of}": sgp.models.baselines.load(name, embedding=table)
        for name in ("ridge", "knn", "gp")
        for of, table in tables.items()
    }
    networks = {f"network_{of}": small_model(genes) for of in tables}
    for of, table in tables.items():
        with torch.no_grad():
            weight = networks[f"network_{of}"].network.genes.languages["go_c"].table.weight
            weight[: len(genes)] = torch.tensor(table.vectors[:, :6])
    report = sgp.tl.evaluate(
        adata, networks, baselines=baselines, metrics=["mse"], n_boot=20, calibrate=False, n_control_cells=5
    )
    score = overall_of(report, "mse")
    assert set(score.index) == {"mean", *networks, *baselines}
    assert all(score[f"{name}_text"] < score[f"{name}_permuted"] for name in ("ridge", "knn", "gp"))
    assert score["network_text"] != score["network_permuted"]


def test_metrics_and_baselines_by_name(adata, table: pd.DataFrame) -> None:
    everything = sgp.tl.evaluate(adata, table, metrics="all", baselines={"other": table * 0.9}, n_boot=20, calibrate=1)
    assert set(everything.per_perturbation["metric"]) == set(METRICS)
    assert set(everything.summary["predictor"]) == {"predictions", "mean", "other"}
    with pytest.raises(ValueError, match="no score pearson_dlta.*pearson_delta"):
        sgp.tl.evaluate(adata, table, metrics=["pearson_dlta"])
    with pytest.raises(ValueError, match="additiv.*Baselines"):
        sgp.tl.evaluate(adata, table, baselines=["additiv"])
    with pytest.raises(ValueError, match="name of a reference"):
        sgp.tl.evaluate(adata, {"mean": table})
    with pytest.raises(ValueError, match="names both"):
        sgp.tl.evaluate(adata, {"a": table}, baselines={"a": table})
    quick = {"metrics": "mse", "calibrate": False, "n_boot": 10}
    for judged, baselines in (
        ({"additive": table}, "default"),
        ({"additive": "linear"}, ["additive"]),
        ({"additive": "additive"}, {"additive": table}),
    ):
        with pytest.raises(ValueError, match="additive names both.*leave the baseline out with baselines="):
            sgp.tl.evaluate(adata, judged, baselines=baselines, **quick)
    alone = sgp.tl.evaluate(adata, {"additive": table}, baselines=["no_change"], **quick)
    assert set(overall_of(alone, "mse").index) == {"additive", "no_change", "mean"}
    two = ["additive", "linear"]
    for source, left_out in (
        ("linear", False),
        (sgp.models.baselines.load("linear"), False),
        (sgp.models.baselines.load("linear", n_components=3), True),
    ):
        own = sgp.tl.evaluate(adata, source, baselines=two, **quick)
        assert list(overall_of(own, "mse").index) == ["linear", "mean", "additive"]
        said = [note for note in own.notes if note.startswith("The baseline linear is left out: Linear(n_components=3")]
        assert len(said) == left_out
    with pytest.raises(ValueError, match="int cannot be judged"):
        sgp.tl.evaluate(adata, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_boot=0"):
        sgp.tl.evaluate(adata, table, n_boot=0)


@pytest.mark.parametrize("metric", METRICS)
def test_truth_beats_noise(adata, metric: str) -> None:
    """Which way is up: the observation itself beats the observations of other perturbations."""
    truth = observed(adata)
    other = pd.DataFrame(np.roll(truth.to_numpy(), 1, axis=0), index=truth.index, columns=truth.columns)
    report = sgp.tl.evaluate(
        adata, {"truth": truth, "other": other}, metrics=metric, baselines=None, calibrate=False, n_boot=10
    )
    values = report.summary.query("stratum == 'all'").set_index("predictor")["value"]
    assert (values["truth"] > values["other"]) == METRICS[metric].higher_is_better


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"modality": "CRISPRi"}, ["small was trained on another modality: CRISPRi, and adata is CRISPRa."]),
        ({"cell_type": "A549"}, ["small was trained on another cell type: A549, and adata is K562."]),
        ({"modality": "CRISPRi, CRISPRa", "cell_type": "K-562 cells"}, []),
        ({"modality": "unknown", "cell_type": ""}, []),
    ],
)
def test_a_model_of_other_cells_is_judged_with_a_note(adata, card: dict[str, str], said: list[str]) -> None:
    model = small_model(list(adata.var_names), **card)
    options = {"n_boot": 10, "calibrate": False, "metrics": "mse", "baselines": None, "n_control_cells": 12}
    report = sgp.tl.evaluate(adata, model, **options)
    assert [note for note in report.notes if "another" in note] == said
    assert all(note in str(report).replace("\n", " ") for note in said)
