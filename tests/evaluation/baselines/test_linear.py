"""The linear model against another way of solving the published equations, and on data with a known answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from scgenept.evaluation.baselines import Linear

GENES = [f"G{i:02d}" for i in range(40)]


def by_least_squares(training: pd.DataFrame, control: pd.Series, wanted: list[str], k: int, penalty: float):
    """Two ridge penalties are one least-squares problem with rows added to both sides: solved by numpy, entry by entry.

    ``|Y - G W P'|^2 + l |G W|^2 + l |W P'|^2 + l^2 |W|^2`` has its minimum at the published ``W``.
    """
    columns = pd.concat([training, control.to_frame("ctrl").T]).T
    gene_scores = PCA(k, svd_solver="full").fit_transform(columns)
    at = dict(zip(GENES, gene_scores, strict=True))

    def targets(names) -> np.ndarray:
        return np.array([sum((at[g] for g in name.split("+") if g != "ctrl"), np.zeros(k)) for name in names])

    change = columns.sub(control, axis=0)
    offset = change.mean(axis=1).to_numpy()
    ridge = penalty**0.5 * np.eye(k)
    left, right = np.vstack([gene_scores, ridge]), np.vstack([targets(columns.columns), ridge])
    padded = np.zeros((len(left), len(right)))
    padded[: len(GENES), : len(columns.columns)] = change.to_numpy() - offset[:, None]
    weights = np.linalg.lstsq(np.kron(left, right), padded.ravel(), rcond=None)[0].reshape(k, k)
    return control.to_numpy() + offset + targets(wanted) @ weights.T @ gene_scores.T


@pytest.mark.parametrize("pairs", [False, True], ids=["singles", "pairs"])
@pytest.mark.parametrize(("k", "penalty"), [(3, 0.1), (10, 0.1), (5, 2.0)])
def test_equals_the_published_formula(k: int, penalty: float, *, pairs: bool) -> None:
    rng = np.random.default_rng(k)
    control = pd.Series(rng.gamma(1.0, 1.0, 40), index=GENES)
    names = [*GENES[:14], *(["G01+G20", "G03+G05"] if pairs else [])]
    profiles = control.to_numpy() + rng.normal(0, 0.5, (len(names), 40))
    training = pd.DataFrame(profiles, index=names, columns=GENES)
    wanted = ["G30", "G02", "G31+G04"]
    result = Linear(n_components=k, penalty=penalty).fit_pseudobulks(training, control).predict_pseudobulks(wanted)
    expected = by_least_squares(training, control, wanted, k, penalty)
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


def test_finds_the_matrix_behind_the_data() -> None:
    # Two latent axes of genes; targets come as u and -u, so that changes sum to zero and the offset is zero.
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(40, 2))
    axes[1:12:2] = -axes[:12:2]
    axes[12:] -= axes[12:].mean(axis=0)
    truth = np.array([[0.8, -0.3], [0.2, 0.5]])
    control = pd.Series(3 + axes @ [0.5, 0.4], index=GENES)
    everything = pd.DataFrame(control.to_numpy() + axes @ truth.T @ axes.T, index=GENES, columns=GENES)
    fitted = Linear(n_components=2, penalty=1e-10).fit_pseudobulks(everything.iloc[:12], control)
    np.testing.assert_allclose(fitted.predict_pseudobulks(GENES), everything, atol=1e-6)
    pair = fitted.predict_pseudobulks(["G20+G30"]).to_numpy()[0]
    np.testing.assert_allclose(pair, everything.loc["G20"] + everything.loc["G30"] - control, atol=1e-6)


def test_targets_that_are_not_measured_count_for_the_offset_only() -> None:
    rng = np.random.default_rng(2)
    control = pd.Series(rng.gamma(1.0, 1.0, 40), index=GENES)
    names = [*GENES[:6], "OUTSIDE"]
    training = pd.DataFrame(control.to_numpy() + rng.normal(0, 0.5, (7, 40)), index=names, columns=GENES)
    fitted = Linear().fit_pseudobulks(training, control)
    assert fitted.without_embedding == ("OUTSIDE",)
    result = fitted.predict(["OTHER", "G01"])
    offset = (training - control).sum() / 8
    np.testing.assert_allclose(result.X[0], control + offset, atol=1e-12)
    assert result.obs["n_without_embedding"].tolist() == [1, 0]


def test_no_target_is_measured() -> None:
    rng = np.random.default_rng(2)
    control = pd.Series(rng.gamma(1.0, 1.0, 40), index=GENES)
    training = pd.DataFrame(control.to_numpy() + rng.normal(0, 0.5, (2, 40)), index=["X", "Y"], columns=GENES)
    with pytest.warns(UserWarning, match="None of the 2 training targets has an embedding for linear"):
        fitted = Linear().fit_pseudobulks(training, control)
    np.testing.assert_allclose(fitted.predict_pseudobulks(["G01"]).loc["G01"], control + (training - control).sum() / 3)
