"""Split-half: what the data themselves allow."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scgenept import _keys
from scgenept._errors import DataError
from scgenept.evaluation import references
from scgenept.evaluation.references import halves, interpolated_duplicate, split_half

if TYPE_CHECKING:
    from pathlib import Path


def cells(noise: float = 1.0, kind: type = sparse.csr_matrix) -> ad.AnnData:
    rng = np.random.default_rng(5)
    sizes = {"ctrl": 60, "A": 41, "B": 30, "nothing": 60, "lonely": 1}
    labels = np.repeat(list(sizes), list(sizes.values()))
    shift = {name: rng.normal(0, 1, 40) * (name in "AB") for name in sizes}
    values = np.stack([3 + shift[name] for name in labels]) + noise * rng.normal(0, 1, (len(labels), 40))
    shuffled = rng.permutation(len(labels))
    return ad.AnnData(
        kind(values[shuffled]),
        obs=pd.DataFrame({_keys.PERTURBATION: pd.Categorical(labels[shuffled])}, index=shuffled.astype(str)),
    )


def test_halves_are_halves() -> None:
    adata = cells()
    first, second = next(halves(adata, rng=1))
    values = adata.X.toarray()
    for name, size in {"A": (20, 21), "ctrl": (30, 30)}.items():
        whole = values[adata.obs[_keys.PERTURBATION] == name].mean(axis=0)
        both = (first.loc[name] * size[0] + second.loc[name] * size[1]) / sum(size)
        np.testing.assert_allclose(both, whole)
        assert not np.allclose(first.loc[name], second.loc[name])
    assert first.loc["lonely"].isna().all()
    np.testing.assert_allclose(second.loc["lonely"], values[adata.obs[_keys.PERTURBATION] == "lonely"][0])


def test_a_half_equals_the_mean_of_a_set_of_cells() -> None:
    labels = np.repeat(["ctrl", "A"], 4)
    adata = ad.AnnData(
        np.diag(2.0 ** np.arange(8)), obs=pd.DataFrame({_keys.PERTURBATION: labels}, index=[str(i) for i in range(8)])
    )
    draws = halves(adata)
    seen = {tuple(np.flatnonzero(next(draws)[0].loc["A"])) for _ in range(60)}
    assert seen == {(i, j) for i in range(4, 8) for j in range(i + 1, 8)}


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_split_half_tells_effect_from_noise(kind: type) -> None:
    table = split_half(cells(kind=kind), n_draws=30)
    assert table.index.tolist() == ["A", "B", "lonely", "nothing"]
    assert table["n_cells"].tolist() == [41, 30, 1, 60]
    assert (table.loc[["A", "B"], "pearson_delta"] > 0.8).all()
    assert abs(table.loc["nothing", "pearson_delta"]) < 0.15
    assert table.loc["lonely"].isna()["pearson_delta"]
    assert table["n_defined"].tolist() == [30, 30, 0, 30]


def test_shared_controls_correlate_with_themselves() -> None:
    own = split_half(cells(), n_draws=30)
    shared = split_half(cells(), n_draws=30, own_controls=False)
    assert shared.loc["nothing", "pearson_delta"] > own.loc["nothing", "pearson_delta"] + 0.2


def test_a_seed_decides_the_draws() -> None:
    pd.testing.assert_frame_equal(split_half(cells(), n_draws=3, rng=4), split_half(cells(), n_draws=3, rng=4))
    other = split_half(cells(), n_draws=3, rng=np.random.default_rng(5))
    assert not np.allclose(other["pearson_delta"].dropna(), split_half(cells(), n_draws=3)["pearson_delta"].dropna())


def test_errors() -> None:
    with pytest.raises(DataError, match=r"No cell is labelled 'control'.*control="):
        split_half(cells(), control="control")
    with pytest.raises(DataError, match="n_draws"):
        split_half(cells(), n_draws=0)


def test_norman_subset(golden: Path) -> None:
    path = golden.parent / "data" / "norman_mcfaline_subset.h5ad"
    if not path.exists():
        pytest.skip("the Norman subset is not at hand")
    adata = ad.read_h5ad(path)
    adata = adata[adata.obs["dataset"] == "norman19"]
    own = split_half(adata, by="perturbation", control="control")["pearson_delta"]
    shared = split_half(adata, by="perturbation", control="control", own_controls=False)["pearson_delta"]
    assert len(own) == 33
    assert own.mean() == pytest.approx(0.653, abs=0.01)
    assert shared.mean() == pytest.approx(0.794, abs=0.01)


def slow_interpolated(adata: ad.AnnData, in_first: np.ndarray, name: str) -> list[float]:
    """One perturbation, gene by gene, from the cells of first halves."""
    values, labels = adata.X.toarray(), adata.obs[_keys.PERTURBATION].astype(str).to_numpy()
    own, rest = (values[in_first & chosen] for chosen in (labels == name, (labels != name) & (labels != "ctrl")))
    p_values = [stats.ttest_ind(own[:, g], rest[:, g], equal_var=False).pvalue for g in range(values.shape[1])]
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, least = dict.fromkeys(ranked, 1.0), 1.0
    for rank in range(len(ranked), 0, -1):
        gene = ranked[rank - 1]
        least = min(least, p_values[gene] * len(ranked) / rank)
        adjusted[gene] = least
    others = [values[in_first & (labels == other)].mean(axis=0) for other in ("A", "B", "nothing")]
    mean = np.mean(others, axis=0)
    return [(1 - adjusted[g]) * own[:, g].mean() + adjusted[g] * mean[g] for g in range(values.shape[1])]


@pytest.mark.parametrize("kind", [sparse.csr_matrix, np.asarray])
def test_interpolated_duplicate_equals_a_loop(kind: type) -> None:
    adata = cells(kind=kind)
    first, second = next(halves(adata, rng=7))
    predicted, truth = next(interpolated_duplicate(adata, rng=7))
    pd.testing.assert_frame_equal(truth, second)
    np.testing.assert_array_equal(predicted.loc["ctrl"], first.loc["ctrl"])
    assert predicted.loc["lonely"].isna().all()  # no cell of it is in the first half
    sparse_cells = cells()
    labels = sparse_cells.obs[_keys.PERTURBATION].astype(str).to_numpy()
    in_first = references.Draw(sparse_cells, layer=None, by=None, rng=7).first_half()
    for name in ("A", "B", "nothing"):
        np.testing.assert_allclose(
            sparse_cells.X.toarray()[in_first & (labels == name)].mean(axis=0), first.loc[name], rtol=1e-12
        )
        np.testing.assert_allclose(predicted.loc[name], slow_interpolated(sparse_cells, in_first, name), rtol=1e-9)


def test_interpolation_helps_where_cells_are_few() -> None:
    adata = cells(noise=3.0)
    effects = {"plain": [], "interpolated": []}
    for (first, second), (predicted, truth) in zip(
        islice(halves(adata, rng=1), 20), islice(interpolated_duplicate(adata, rng=1), 20), strict=True
    ):
        rows = ["A", "B", "nothing"]
        effects["plain"].append(((first - second).loc[rows] ** 2).to_numpy().mean())
        effects["interpolated"].append(((predicted - truth).loc[rows] ** 2).to_numpy().mean())
    assert np.mean(effects["interpolated"]) < np.mean(effects["plain"])


def test_interpolation_towards_a_given_mean() -> None:
    adata = cells()
    with pytest.raises(DataError, match="does not list the genes"):
        next(interpolated_duplicate(adata, reference_mean=pd.Series([1.0])))
    far = pd.Series(100.0, index=adata.var_names)
    predicted, _ = next(interpolated_duplicate(adata, reference_mean=far, rng=7))
    own, _ = next(halves(adata, rng=7))
    assert (predicted.loc["nothing"] >= own.loc["nothing"] - 1e-9).all()
    assert predicted.loc["nothing"].max() > 50
