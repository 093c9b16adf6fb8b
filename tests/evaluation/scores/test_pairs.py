"""Non-additivity against slow loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from scgenept import metrics
from scgenept._errors import DataError
from scgenept.models import baselines

GENES = [f"G{i}" for i in range(12)]


@pytest.fixture
def cells() -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(6)
    names = ["A", "B", "B+A", "C", "A+C", "D+B", "ctrl"]
    return pd.DataFrame(rng.gamma(1, 1, (7, 12)), names, GENES), pd.Series(rng.gamma(1, 1, 12), GENES)


def test_table_equals_a_loop(cells: tuple[pd.DataFrame, pd.Series]) -> None:
    table, control = cells
    excess = metrics.non_additivity(table, control)
    assert excess.index.tolist() == ["A+B", "A+C"]  # D was never seen alone
    for name, label in {"A+B": "B+A", "A+C": "A+C"}.items():
        a, b = name.split("+")
        for gene in GENES:
            alone = control[gene] + (table.loc[a, gene] - control[gene]) + (table.loc[b, gene] - control[gene])
            assert excess.loc[name, gene] == pytest.approx(table.loc[label, gene] - alone, rel=1e-12, abs=1e-12)


def test_no_pair_is_an_empty_table(cells: tuple[pd.DataFrame, pd.Series]) -> None:
    table, control = cells
    assert metrics.non_additivity(table.loc[["A", "D+B"]], control).shape == (0, 12)


def test_scores_equal_loops(cells: tuple[pd.DataFrame, pd.Series]) -> None:
    table, control = cells
    rng = np.random.default_rng(1)
    observed = table.loc[["B+A", "A+C"]].rename({"B+A": "A+B"})
    additive = observed - metrics.non_additivity(table, control).to_numpy()
    predicted = observed + rng.normal(0, 1, observed.shape)
    own = additive + rng.normal(0, 0.1, observed.shape)
    significant = pd.DataFrame(rng.random(observed.shape) < 0.4, observed.index, GENES)
    for expected in (additive, own):
        how = {} if expected is additive else {"predicted_additive": own}
        correlation = metrics.non_additivity_correlation(predicted, observed, additive, **how)
        auprc = metrics.non_additive_auprc(predicted, significant, additive, **how)
        for p, name in enumerate(observed.index):
            ehat, e = (predicted - expected).loc[name], (observed - additive).loc[name]
            assert correlation[p] == pytest.approx(np.corrcoef(ehat, e)[0, 1], rel=1e-10)
            assert auprc[p] == pytest.approx(average_precision_score(significant.loc[name], ehat.abs()), rel=1e-12)


def test_additive_gets_no_credit(cells: tuple[pd.DataFrame, pd.Series]) -> None:
    table, control = cells
    training, pairs = table.loc[["A", "B", "C"]], ["A+B", "A+C"]
    additive = baselines.load("additive").fit_pseudobulks(training, control).predict_pseudobulks(pairs)
    observed = table.loc[["B+A", "A+C"]].set_axis(additive.index)
    np.testing.assert_allclose(observed - additive, metrics.non_additivity(table, control), atol=1e-12)
    assert np.isnan(metrics.non_additivity_correlation(additive, observed, additive)).all()
    significant = np.zeros(observed.shape, dtype=bool)
    significant[0, :3] = True
    auprc = metrics.non_additive_auprc(additive, significant, additive)
    assert auprc[0] == pytest.approx(3 / 12)
    assert np.isnan(auprc[1])


def test_errors(cells: tuple[pd.DataFrame, pd.Series]) -> None:
    table, control = cells
    with pytest.raises(DataError, match=r"1 perturbations occur twice: A\+B"):
        metrics.non_additivity(table.rename({"A+C": "A+B"}), control)
    with pytest.raises(DataError, match="different genes"):
        metrics.non_additivity(table, control.iloc[::-1])
