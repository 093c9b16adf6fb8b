"""Ridge, nearest neighbours and random forest on vectors of genes, and where those vectors come from."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV

from scgenept._errors import DataError, UnknownNameError
from scgenept.evaluation.baselines import (
    GaussianProcess,
    NearestNeighbours,
    RandomForest,
    Ridge,
    gene_pca,
    go_pca,
    mini_text,
)

N_GENES, WIDTH = 12, 4
GENES = [f"G{i:02d}" for i in range(N_GENES)]
TARGETS = [f"T{i:02d}" for i in range(40)]
CONTROL = pd.Series(np.linspace(1, 3, N_GENES), index=GENES)
VECTORS = pd.DataFrame(np.random.default_rng(0).normal(3.0, 2.0, (40, WIDTH)), index=TARGETS)
REGRESSIONS = [
    Ridge,
    NearestNeighbours,
    partial(RandomForest, n_trees=40),
    partial(GaussianProcess, n_components=4),
]


def linear_data(noise: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Changes linear in the vectors; pairs are sums."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(WIDTH, N_GENES))
    names = [*TARGETS[:25], "T00+T01", "T02+T30"]
    centred = VECTORS - VECTORS.mean()
    inputs = np.array([centred.loc[name.split("+")].sum() for name in names])
    changes = 0.3 + inputs @ weights + rng.normal(0, noise, (len(names), N_GENES))
    return pd.DataFrame(CONTROL.to_numpy() + changes, index=names, columns=GENES), weights


def inputs_of(names: list[str]) -> np.ndarray:
    centred = VECTORS - VECTORS.mean()
    centred /= np.sqrt((centred**2).sum(axis=1).mean())
    return np.array([sum((centred.loc[g].to_numpy() for g in n.split("+")), np.zeros(WIDTH)) for n in names])


def test_ridge_finds_what_is_linear() -> None:
    training, weights = linear_data()
    fitted = Ridge(embedding=VECTORS, penalty=1e-9).fit_pseudobulks(training, CONTROL)
    change = fitted.predict_pseudobulks(["T35", "T36+T37"]).to_numpy() - CONTROL.to_numpy()
    centred = (VECTORS - VECTORS.mean()).to_numpy()
    np.testing.assert_allclose(change, 0.3 + np.stack([centred[35], centred[36] + centred[37]]) @ weights, atol=1e-6)


def test_ridge_equals_the_normal_equations() -> None:
    training, _ = linear_data(noise=0.5)
    inputs, outputs = inputs_of(training.index.tolist()), (training - CONTROL).to_numpy()
    x, y = inputs - inputs.mean(axis=0), outputs - outputs.mean(axis=0)
    weights = np.linalg.inv(x.T @ x + 0.7 * np.eye(WIDTH)) @ x.T @ y
    expected = CONTROL.to_numpy() + outputs.mean(axis=0) + (inputs_of(["T31+T05"]) - inputs.mean(axis=0)) @ weights
    result = Ridge(embedding=VECTORS, penalty=0.7).fit_pseudobulks(training, CONTROL).predict_pseudobulks(["T31+T05"])
    np.testing.assert_allclose(result, expected)
    chosen = RidgeCV(np.logspace(-3, 3, 13)).fit(inputs, outputs).predict(inputs_of(["T31"])) + CONTROL.to_numpy()
    result = Ridge(embedding=VECTORS).fit_pseudobulks(training, CONTROL).predict_pseudobulks(["T31"])
    np.testing.assert_allclose(result, chosen, atol=1e-6)


def test_neighbours_equal_a_loop() -> None:
    training, _ = linear_data(noise=0.5)
    names = training.index.tolist()
    inputs, asked = inputs_of(names), inputs_of(["T31+T05"])[0]
    near = sorted(
        (sum((a - b) ** 2 for a, b in zip(asked, row, strict=True)) ** 0.5, i) for i, row in enumerate(inputs)
    )
    weight = [1 / distance for distance, _ in near[:3]]
    expected = sum(w * training.iloc[i].to_numpy() for w, (_, i) in zip(weight, near, strict=False)) / sum(weight)
    fitted = NearestNeighbours(embedding=VECTORS, n_neighbours=3).fit_pseudobulks(training, CONTROL)
    np.testing.assert_allclose(fitted.predict_pseudobulks(["T31+T05"]).to_numpy()[0], expected)
    np.testing.assert_allclose(fitted.predict_pseudobulks(["T00+T01"]).loc["T00+T01"], training.loc["T00+T01"])


def test_neighbours_break_no_tie() -> None:
    training, _ = linear_data(noise=0.5)
    without = [f"T{i:02d}" for i in range(8)]
    fitted = NearestNeighbours(embedding=VECTORS.drop(without)).fit_pseudobulks(training, CONTROL)
    expected = training.loc[[*without, "T00+T01"]].mean()
    np.testing.assert_allclose(fitted.predict_pseudobulks(["OTHER"]).loc["OTHER"], expected)


@pytest.mark.parametrize("kind", REGRESSIONS, ids=["ridge", "knn", "rf", "gp"])
def test_beats_the_mean_where_there_is_something_to_learn(kind) -> None:
    training, weights = linear_data(noise=0.1)
    fitted = kind(embedding=VECTORS).fit_pseudobulks(training, CONTROL)
    truth = CONTROL.to_numpy() + 0.3 + (VECTORS - VECTORS.mean()).loc[TARGETS[31:]].to_numpy() @ weights
    error = ((fitted.predict_pseudobulks(TARGETS[31:]).to_numpy() - truth) ** 2).mean()
    assert error < 0.7 * ((training.mean().to_numpy() - truth) ** 2).mean()


@pytest.mark.parametrize("kind", REGRESSIONS, ids=["ridge", "knn", "rf", "gp"])
def test_scale_and_origin_of_the_vectors_change_nothing(kind) -> None:
    training, _ = linear_data(noise=0.5)
    expected = kind(embedding=VECTORS).fit_pseudobulks(training, CONTROL).predict_pseudobulks(TARGETS[30:])
    moved = kind(embedding=VECTORS * 1000 + 50).fit_pseudobulks(training, CONTROL).predict_pseudobulks(TARGETS[30:])
    np.testing.assert_allclose(moved, expected, rtol=1e-3 if isinstance(kind, partial) else 1e-8)


@pytest.mark.parametrize("kind", REGRESSIONS, ids=["ridge", "knn", "rf", "gp"])
def test_a_gene_without_vector_has_the_mean_and_is_counted(kind) -> None:
    training, _ = linear_data(noise=0.5)
    fitted = kind(embedding=VECTORS.drop("T03")).fit_pseudobulks(training, CONTROL)
    assert fitted.without_embedding == ("T03",)
    result = fitted.predict(["T03", "T03+NONE", "T05", "T03+T05"])
    assert result.obs["n_without_embedding"].tolist() == [1, 2, 0, 1]
    np.testing.assert_array_equal(result.X[0], result.X[1])
    np.testing.assert_array_equal(result.X[2], result.X[3])


@pytest.mark.parametrize("kind", REGRESSIONS, ids=["ridge", "knn", "rf", "gp"])
def test_no_target_has_a_vector(kind) -> None:
    training, _ = linear_data()
    with pytest.warns(UserWarning, match=r"None of the 26 training targets has an embedding .* with one: ENSG0, ENSG1"):
        fitted = kind(embedding=VECTORS.set_axis([f"ENSG{i}" for i in range(40)])).fit_pseudobulks(training, CONTROL)
    np.testing.assert_allclose(fitted.predict_pseudobulks(["T00"]).loc["T00"], training.mean())


def test_knowledge_sources_are_tables() -> None:
    training, _ = linear_data(noise=0.5)
    source = SimpleNamespace(names=TARGETS, vectors=VECTORS.to_numpy(dtype=np.float32))
    result = Ridge(embedding=source).fit_pseudobulks(training, CONTROL).predict_pseudobulks(["T31"])
    expected = Ridge(embedding=VECTORS).fit_pseudobulks(training, CONTROL).predict_pseudobulks(["T31"])
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_bad_vectors() -> None:
    training, _ = linear_data()
    with pytest.raises(UnknownNameError, match="Nearest known names: mini_text"):
        Ridge(embedding="minitext").fit_pseudobulks(training, CONTROL)
    with pytest.raises(DataError, match="got ndarray"):
        Ridge(embedding=VECTORS.to_numpy()).fit_pseudobulks(training, CONTROL)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="holds NaN for T07"):
        Ridge(embedding=VECTORS.mul(np.where(VECTORS.index == "T07", np.nan, 1), axis=0)).fit_pseudobulks(
            training, CONTROL
        )
    with pytest.raises(DataError, match="several embeddings: T00"):
        Ridge(embedding=pd.concat([VECTORS, VECTORS.iloc[:1]])).fit_pseudobulks(training, CONTROL)
    with pytest.raises(DataError, match="0 genes x 4, is empty"):
        Ridge(embedding=VECTORS.iloc[:0]).fit_pseudobulks(training, CONTROL)


def test_a_table_is_short_in_the_name() -> None:
    assert repr(Ridge(embedding=VECTORS)) == "Ridge(embedding=<DataFrame 40 x 4>, penalty=None)"


def test_mini_text_is_the_table_of_the_model() -> None:
    table = mini_text()
    assert table.shape[1] == 384
    assert not table.index.duplicated().any()
    assert {"KLF1", "HBZ"} <= set(table.index)
    assert np.linalg.norm(table.to_numpy(dtype=np.float64), axis=1).min() > 1
    training = pd.DataFrame(np.eye(3), index=["KLF1", "HBZ", "JUN"], columns=["a", "b", "c"])
    fitted = Ridge(embedding="mini_text").fit_pseudobulks(training, pd.Series(0.0, index=training.columns))
    assert fitted.predict(["MAP2K6", "IER5L"]).obs["n_without_embedding"].tolist() == [0, 1]


def test_go_pca_brings_genes_of_the_same_terms_together() -> None:
    rows = [(f"{kind}{i}", f"{kind} term {t}") for kind in "AB" for i in range(5) for t in range(6) if (i + t) % 5]
    table = go_pca(pd.DataFrame(rows, columns=["symbol", "term"]), n_components=2)
    assert table.index.tolist() == sorted({gene for gene, _ in rows})
    unit = table.div(np.sqrt((table**2).sum(axis=1)), axis=0)
    similar = (unit @ unit.T).to_numpy()
    assert similar[:5, :5].min() > 0.5 > abs(similar[:5, 5:]).max()
    with pytest.raises(DataError, match="lacks the columns term"):
        go_pca(pd.DataFrame({"symbol": ["A"]}))
    with pytest.raises(DataError, match="too few for n_components=50"):
        go_pca(pd.DataFrame(rows, columns=["symbol", "term"]))


def test_gene_pca_is_centred_and_spans_the_profiles() -> None:
    from scgenept.evaluation.baselines._training import read_training

    training, _ = linear_data(noise=0.5)
    scores = gene_pca(read_training(training, CONTROL), 100)
    np.testing.assert_allclose(scores.mean(), 0, atol=1e-12)
    columns = np.vstack([training, CONTROL]).T
    centred = columns - columns.mean(axis=0)
    np.testing.assert_allclose(scores @ np.linalg.lstsq(scores, centred, rcond=None)[0], centred, atol=1e-9)
