"""What all baselines share: input, errors, and what does not change a prediction."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scgenept as sgp
from scgenept import Perturbation
from scgenept._errors import DataError
from scgenept.evaluation.baselines import CATALOG, DEFAULT, Mean

NAMES = [name for name in CATALOG if name != "gears"]
N_GENES = 14
GENES = [f"G{i:02d}" for i in range(N_GENES)]
WANTED = ["G00", "G01+G09", "G12", "UNMEASURED", "G00+UNMEASURED", "ctrl"]


def tables(seed: int = 0) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    rng = np.random.default_rng(seed)
    control = pd.Series(rng.gamma(2.0, 0.5, N_GENES), index=GENES)
    names = [*GENES[:8], "G00+G01", "G02+G03"]
    training = pd.DataFrame(control.to_numpy() + rng.normal(0, 0.4, (10, N_GENES)), index=names, columns=GENES)
    return training, control, pd.Series(rng.integers(5, 50, 10), index=names)


def small(name: str):
    return sgp.models.baselines.load(name, **({"rf": {"n_trees": 10}, "gp": {"n_components": 3}}.get(name, {})))


def predicted(name: str, training, control, n_cells, wanted=WANTED, rng=0) -> pd.DataFrame:
    return small(name).fit_pseudobulks(training, control, n_cells=n_cells, rng=rng).predict_pseudobulks(wanted)


@pytest.mark.parametrize("name", NAMES)
def test_predicts_an_anndata(name: str, tmp_path) -> None:
    training, control, n_cells = tables()
    fitted = small(name).fit_pseudobulks(training, control, n_cells=n_cells)
    table = fitted.predict_pseudobulks(WANTED)
    result = fitted.predict([*WANTED[:-1], Perturbation()])
    assert result.obs_names.tolist() == table.index.tolist() == [*WANTED[:4], "G00+UNMEASURED", "ctrl"]
    assert result.var_names.tolist() == table.columns.tolist() == GENES
    np.testing.assert_array_equal(result.X, table.to_numpy())
    assert np.isfinite(result.X).all()
    assert result.X.dtype == np.float64
    np.testing.assert_array_equal(result.X[-1], control)
    assert ("std" in result.layers) == CATALOG[name].has_variance
    if CATALOG[name].needs_embedding or name == "linear":
        assert result.obs["n_without_embedding"].tolist() == [0, 0, 0, 1, 1, 0]
    assert fitted.predict([]).shape == (0, N_GENES)
    result.write_h5ad(tmp_path / "predicted.h5ad")
    result.write_zarr(tmp_path / "predicted.zarr")
    for back in (ad.read_h5ad(tmp_path / "predicted.h5ad"), ad.read_zarr(tmp_path / "predicted.zarr")):
        np.testing.assert_array_equal(back.X, result.X)
        assert back.uns["scgenept"]["baseline"] == name


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=5)
@given(order=st.permutations(range(10)), seed=st.integers(0, 3))
def test_order_of_training_rows_changes_nothing(name: str, order: list[int], seed: int) -> None:
    training, control, n_cells = tables(seed)
    expected = predicted(name, training, control, n_cells)
    shuffled = training.iloc[order].rename({"G00+G01": "G01+G00", "G05": "ctrl+G05"})
    shuffled = pd.concat([shuffled, control.to_frame("ctrl").T])
    pd.testing.assert_frame_equal(predicted(name, shuffled, control, n_cells[::-1]), expected, check_exact=True)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=3)
@given(order=st.permutations(range(N_GENES)))
def test_genes_in_another_order_give_the_same_genes(name: str, order: list[int]) -> None:
    training, control, n_cells = tables(1)
    expected = predicted(name, training, control, n_cells)
    other = predicted(name, training.iloc[:, order], control.iloc[order], n_cells)
    # Sums run in another order; the optimiser of a Gaussian process stops a little elsewhere.
    tolerance = 1e-3 if name == "gp" else 1e-9
    pd.testing.assert_frame_equal(other, expected.iloc[:, order], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_what_else_is_asked_for_changes_nothing(name: str) -> None:
    expected = predicted(name, *tables())
    again = predicted(name, *tables(), wanted=WANTED[::-1] * 2)
    pd.testing.assert_frame_equal(again.iloc[: len(WANTED)], expected.iloc[::-1], rtol=1e-12)
    pd.testing.assert_frame_equal(again.iloc[len(WANTED) :], expected.iloc[::-1], rtol=1e-12)


@pytest.mark.parametrize("name", ["random", "rf"])
def test_seeded(name: str) -> None:
    wanted = [f"X{i}+G{i:02d}" for i in range(N_GENES)]
    first, again, other = (predicted(name, *tables(), wanted, rng=seed) for seed in (5, np.random.default_rng(5), 6))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


@pytest.mark.parametrize("name", NAMES)
def test_bad_pseudobulks(name: str) -> None:
    training, control, n_cells = tables()
    fit = small(name).fit_pseudobulks
    with pytest.raises(DataError, match="another order"):
        fit(training, control[::-1], n_cells=n_cells)
    with pytest.raises(DataError, match=r"2 are on one side only: G13, other"):
        fit(training, control.rename({"G13": "other"}), n_cells=n_cells)
    with pytest.raises(DataError, match=r"1 genes occur twice: G00\."):
        fit(training.rename(columns={"G01": "G00"}), control.rename({"G01": "G00"}), n_cells=n_cells)
    with pytest.raises(DataError, match=r"occur twice: G00\."):
        fit(training.rename({"G01": "ctrl+G00"}), control, n_cells=n_cells)
    with pytest.raises(DataError, match=r"1 of 10 training pseudobulks hold NaN or infinite values: G02\."):
        fit(pd.concat([training.drop("G02"), training.loc[["G02"]] * np.nan]), control, n_cells=n_cells)
    with pytest.raises(DataError, match="control mean is NaN or infinite for 1 genes: G03"):
        fit(training, control.where(control.index != "G03"), n_cells=n_cells)
    with pytest.raises(DataError, match=f"{name} is not fitted"):
        small(name).predict(["G00"])
    fitted = fit(training, control, n_cells=n_cells)
    with pytest.raises(DataError, match=r"asked for more than once: G00\+G01"):
        fitted.predict(["G00+G01", ("G01", "G00")])
    with pytest.raises(DataError, match=r"Write \['G00'\]"):
        fitted.predict("G00")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "no_change"])
def test_nothing_to_train_on(name: str) -> None:
    training, control, n_cells = tables()
    with pytest.raises(DataError, match="There is no training perturbation"):
        small(name).fit_pseudobulks(training.iloc[:0], control, n_cells=n_cells)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gp"])
def test_one_training_perturbation_is_enough(name: str) -> None:
    training, control, n_cells = tables()
    assert np.isfinite(predicted(name, training.iloc[:1], control, n_cells)).all(axis=None)


def toy() -> ad.AnnData:
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    return adata


@pytest.mark.parametrize("name", [*DEFAULT, "mean_cells"])
def test_fit_to_cells_is_fit_to_their_pseudobulks(name: str) -> None:
    adata = toy()
    adata.obs["split"] = np.where(adata.obs["perturbation"] == "KLF1+MAP2K6", "test", "train")
    dense = pd.DataFrame(adata.X.toarray().astype(np.float64), index=adata.obs["perturbation"], columns=adata.var_names)
    means = dense.groupby(level=0, observed=True).mean()
    n_cells = pd.Series({"KLF1": 12, "MAP2K6": 12})
    expected = small(name).fit_pseudobulks(means.loc[["KLF1", "MAP2K6"]], means.loc["ctrl"], n_cells=n_cells)
    wanted = ["KLF1+MAP2K6", "GATA1", "KLF1"]
    result = small(name).fit(adata).predict_pseudobulks(wanted)
    pd.testing.assert_frame_equal(result, expected.predict_pseudobulks(wanted), check_names=False)


def test_cells_of_the_training_split_only() -> None:
    adata = toy()
    everything = Mean().fit(adata).predict_pseudobulks(["X"])
    labels = adata.obs["perturbation"].astype(str)
    adata.obs["split"] = labels.map({"KLF1": "train", "MAP2K6": "val", "KLF1+MAP2K6": "test"})  # controls: none
    of_split = Mean().fit(adata).predict_pseudobulks(["X", "ctrl"])
    np.testing.assert_allclose(of_split.loc["X"], adata[labels == "KLF1"].X.mean(axis=0).A1, rtol=1e-5)
    np.testing.assert_allclose(of_split.loc["ctrl"], adata[labels == "ctrl"].X.mean(axis=0).A1, rtol=1e-5)
    assert not np.allclose(everything.loc["X"], of_split.loc["X"])
    adata.obs["split"] = "test"
    with pytest.raises(DataError, match="There is no training perturbation"):
        Mean().fit(adata)


def test_bad_cells() -> None:
    with pytest.raises(DataError, match="not set up"):
        Mean().fit(sgp.datasets.toy())
    adata = toy()
    with pytest.raises(DataError, match="no control cells"):
        Mean().fit(adata[~adata.obs["is_control"]].copy())
    adata.X = adata.layers["counts"]
    with pytest.raises(DataError, match="log1p of counts per 1e4 is needed"):
        Mean().fit(adata)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("linear", {"n_components": "10"}, "n_components='10' should be a whole number, at least 1"),
        ("linear", {"penalty": -1}, "penalty=-1 should be a number above 0"),
        ("ridge", {"penalty": "x"}, "penalty='x' should be a number above 0"),
        ("knn", {"n_neighbours": 0}, "n_neighbours=0 should be a whole number"),
        ("rf", {"n_trees": 1.5}, "n_trees=1.5 should be a whole number"),
        ("gears", {"epochs": 0}, "epochs=0 should be a whole number"),
    ],
)
def test_options_are_checked_when_they_are_given(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        sgp.models.baselines.load(name, **options)


def test_what_is_no_data_and_no_list_is_named() -> None:
    with pytest.raises(DataError, match=r"Expected an AnnData.*, got int"):
        Mean().fit(5)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"perturbations is a collection of labels, not int"):
        Mean().predict(5)  # type: ignore[arg-type]
