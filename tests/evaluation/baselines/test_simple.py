"""Baselines without regression, on numbers that can be added up in the head."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scgenept._errors import DataError
from scgenept.evaluation.baselines import Additive, MatchingMean, Mean, MeanCells, NoChange, Random, TargetMean

GENES = ["A", "B", "C"]
CONTROL = pd.Series([1.0, 2.0, 0.0], index=GENES)
TRAINING = pd.DataFrame([[2.0, 2.0, 0.0], [1.0, 5.0, 0.0], [3.0, 5.0, 3.0]], index=["A", "B", "A+B"], columns=GENES)
MEAN = [2.0, 4.0, 1.0]


def rows(baseline, wanted, **fit):
    return baseline.fit_pseudobulks(TRAINING, CONTROL, **fit).predict_pseudobulks(wanted).to_numpy().tolist()


def test_no_change_is_the_control() -> None:
    assert rows(NoChange(), ["A", "X+Y"]) == [CONTROL.tolist()] * 2
    unfitted = NoChange().fit_pseudobulks(TRAINING.iloc[:0], CONTROL)
    assert unfitted.predict_pseudobulks(["A"]).to_numpy().tolist() == [CONTROL.tolist()]


def test_mean_weighs_perturbations_equally() -> None:
    assert rows(Mean(), ["Q", "A"]) == [MEAN, MEAN]


def test_mean_cells_weighs_cells_equally() -> None:
    # Labels in another order and spelling than the rows they belong to.
    n_cells = pd.Series({"B+A": 2, "ctrl+A": 1, "B": 1})
    assert rows(MeanCells(), ["Q"], n_cells=n_cells) == [[2.25, 4.25, 1.5]]
    with pytest.raises(DataError, match="pass n_cells="):
        rows(MeanCells(), ["Q"])
    with pytest.raises(DataError, match="no positive number for 2 training perturbations: A, B"):
        rows(MeanCells(), ["Q"], n_cells=n_cells.replace(1, 0))


def test_random_is_a_training_perturbation_by_seed_and_name() -> None:
    wanted = [f"G{i}" for i in range(60)]
    drawn = rows(Random(), wanted, rng=3)
    assert {tuple(row) for row in drawn} == {tuple(row) for row in TRAINING.to_numpy()}
    assert rows(Random(), wanted[::-1], rng=3) == drawn[::-1]
    assert rows(Random(), wanted[:1], rng=np.random.default_rng(3)) == drawn[:1]
    assert rows(Random(), wanted, rng=4) != drawn


def test_target_mean_moves_the_target_by_the_mean_effect_on_targets() -> None:
    # Own effects: A on A +1; B on B +3; in A+B, A +2 and B +3: 2.25 on average.
    assert rows(TargetMean(), ["B", "A+C", "Q"]) == [[2.0, 4.25, 1.0], [3.25, 4.0, 2.25], MEAN]
    other = TRAINING.rename({"A": "Q", "B": "R", "A+B": "Q+R"})
    assert TargetMean().fit_pseudobulks(other, CONTROL).predict_pseudobulks(["A"]).to_numpy().tolist() == [MEAN]


def test_target_mean_takes_no_gene_below_zero() -> None:
    knocked_down = pd.DataFrame([[0.0, 2.0, 0.0]], index=["A"], columns=GENES)
    predicted = TargetMean().fit_pseudobulks(knocked_down, CONTROL).predict_pseudobulks(["B", "C"])
    assert predicted.to_numpy().tolist() == [[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]]


def test_matching_mean_averages_singles() -> None:
    expected = [[1.5, 3.5, 0.0], [2.0, 3.0, 0.5], MEAN, [2.0, 2.0, 0.0]]
    assert rows(MatchingMean(), ["A+B", "A+Z", "Z", "A"]) == expected


def test_additive_adds_changes() -> None:
    assert rows(Additive(), ["A", "B+A", ("B", "Z"), "Z", "Y+Z", "A+B+Z"]) == [
        [2.0, 2.0, 0.0],  # c + d_A, as observed
        [2.0, 5.0, 0.0],  # c + d_A + d_B, not the observed pair
        [2.0, 7.0, 1.0],  # c + d_B + (m - c)
        MEAN,
        [3.0, 6.0, 2.0],  # c + 2 (m - c)
        [3.0, 7.0, 1.0],
    ]
