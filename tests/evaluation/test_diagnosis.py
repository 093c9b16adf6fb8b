"""What a report says in words is what the figures say, and no more."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept.evaluation.diagnosis import Spread, collapse_notes

ONE, WEAK = "it predicts one response whatever is perturbed", "it predicts almost no difference between perturbations"
NAN = float("nan")


@pytest.mark.parametrize(
    ("share", "correlation", "said"),
    [
        (0.002, 0.998, [f"{ONE}. Its predicted changes correlate at 0.998 (observed 0.30), and the var", "is 0.2% of"]),
        (0.4, 0.995, [f"{ONE}, in different strengths.", "40.0% of that of the observed means."]),
        (NAN, 0.995, [f"{ONE}. Its predicted changes correlate at 0.995 (observed 0.30)."]),
        (
            0.007,
            0.59,
            [WEAK, "0.7% of that of the observed means. ", "not one response", "correlate at 0.590", "small."],
        ),
        (0.0, NAN, [f"{WEAK}; the variance of its predictions between perturbations is 0.0% of that of the"]),
    ],
)
def test_collapse_is_called_what_it_is(share: float, correlation: float, said: list[str]) -> None:
    spreads = {"mine": Spread(0.5, correlation, share), "mean": Spread(0, 1, 0)}
    (note,) = collapse_notes(spreads, ["mine"], 0.3)
    assert note.startswith("mine has collapsed: ")
    for words in said:
        assert words in note
    assert (ONE in note) != (WEAK in note)


@pytest.mark.parametrize(("share", "correlation"), [(0.06, 0.98), (NAN, NAN), (1.2, 0.1)])
def test_what_differs_has_not_collapsed(share: float, correlation: float) -> None:
    assert collapse_notes({"mine": Spread(0.001, correlation, share)}, ["mine"], 0.3) == []


@pytest.fixture(scope="module")
def noisy() -> tuple[ad.AnnData, pd.DataFrame]:
    """Few of many genes respond, and the means of ten cells each are mostly noise; with the true means."""
    rng = np.random.default_rng(0)
    names = [f"G{i:02d}" for i in range(24)]
    effects = np.zeros((24, 400))
    effects[:, 30:42] = rng.normal(0, 0.6, (24, 12))
    true = pd.DataFrame(2.5 + effects, index=names, columns=[f"G{i:02d}" for i in range(400)])
    labels = np.repeat([*names, "ctrl"], [10] * 24 + [100])
    means = np.vstack([true.to_numpy(), np.full(400, 2.5)])[np.repeat(np.arange(25), [10] * 24 + [100])]
    adata = ad.AnnData(np.maximum(rng.normal(means, 0.8), 0).astype("float32"))
    adata.var_names, adata.obs["condition"] = true.columns, labels
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRi", cell_type="K562")
    adata.obs["split"] = np.where(np.isin(labels, names[12:]), "test", "train")
    return adata, true.loc[names[12:]]


def notes_on(noisy: tuple[ad.AnnData, pd.DataFrame], table: pd.DataFrame) -> list[str]:
    report = sgp.tl.evaluate(noisy[0], table, metrics="mse", baselines=None, calibrate=False, n_boot=9)
    return [note for note in report.notes if "collapsed" in note]


def test_who_knows_the_true_means_has_not_collapsed(noisy) -> None:
    _, true = noisy
    report = sgp.tl.evaluate(noisy[0], true, metrics="mse", baselines=None, calibrate=False, n_boot=9)
    assert report.summary.set_index("metric")["value"]["collapse_ratio"].iloc[0] < 0.2, (
        "noise of genes that nothing moves"
    )
    assert notes_on(noisy, true) == []


def test_a_twentieth_of_the_variance_is_a_collapse(noisy) -> None:
    _, true = noisy
    mean = true.mean()
    for share, collapsed in ((0.1, False), (0.02, True)):
        assert bool(notes_on(noisy, mean + np.sqrt(share) * (true - mean))) == collapsed
