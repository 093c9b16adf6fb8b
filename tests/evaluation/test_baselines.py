"""Baselines on numbers that can be added up in the head."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scgenept import Perturbation
from scgenept._errors import DataError
from scgenept.evaluation import baselines

GENES = ["g1", "g2", "g3"]
CONTROL = pd.Series([1.0, 2.0, 0.0], index=GENES)
TRAINING = pd.DataFrame([[2.0, 2.0, 0.0], [1.0, 5.0, 0.0], [3.0, 5.0, 3.0]], index=["A", "B", "A+B"], columns=GENES)
MEAN = [2.0, 4.0, 1.0]


def test_no_change_is_the_control() -> None:
    table = baselines.no_change(TRAINING, CONTROL, ["A", "X+Y"])
    assert table.index.tolist() == ["A", "X+Y"]
    assert table.to_numpy().tolist() == [CONTROL.tolist()] * 2


def test_mean_weighs_perturbations_equally() -> None:
    table = baselines.mean(TRAINING, CONTROL, ["Q", "A"])
    assert table.to_numpy().tolist() == [MEAN, MEAN]


def test_additive_adds_changes() -> None:
    table = baselines.additive(TRAINING, CONTROL, ["A", "B+A", ("B", "Z"), "Z", "Y+Z", "A+B+Z"])
    assert table.index.tolist() == ["A", "A+B", "B+Z", "Z", "Y+Z", "A+B+Z"]
    assert table.to_numpy().tolist() == [
        [2.0, 2.0, 0.0],  # c + d_A, as observed
        [2.0, 5.0, 0.0],  # c + d_A + d_B, not the observed pair
        [2.0, 7.0, 1.0],  # c + d_B + (m - c)
        MEAN,
        [3.0, 6.0, 2.0],  # c + 2 (m - c)
        [3.0, 7.0, 1.0],
    ]


@pytest.mark.parametrize("baseline", [baselines.no_change, baselines.mean, baselines.additive])
def test_shared_rules(baseline) -> None:
    with_control = pd.concat([TRAINING, pd.DataFrame([CONTROL], index=["ctrl"])])
    wanted = ["A+ctrl", Perturbation.parse("ctrl"), "B+A"]
    expected = baseline(TRAINING, CONTROL, wanted)
    pd.testing.assert_frame_equal(baseline(with_control, CONTROL, wanted), expected)
    assert expected.index.tolist() == ["A", "ctrl", "A+B"]
    assert expected.columns.tolist() == GENES
    assert all(dtype == np.float64 for dtype in expected.dtypes)
    assert baseline(TRAINING, CONTROL, []).shape == (0, 3)
    with pytest.raises(DataError, match="another order"):
        baseline(TRAINING, CONTROL[::-1], ["A"])
    with pytest.raises(DataError, match=r"2 are on one side only: g3, other"):
        baseline(TRAINING, CONTROL.rename({"g3": "other"}), ["A"])
    with pytest.raises(DataError, match=r"occur twice: A\."):
        baseline(TRAINING.rename({"B": "ctrl+A"}), CONTROL, ["A"])


@pytest.mark.parametrize("baseline", [baselines.mean, baselines.additive])
def test_nothing_to_average(baseline) -> None:
    with pytest.raises(DataError, match="no training perturbation"):
        baseline(TRAINING.iloc[:0], CONTROL, ["A"])
