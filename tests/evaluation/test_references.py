"""Split-half: what the data themselves allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scgenept import _keys
from scgenept._errors import DataError
from scgenept.evaluation.references import halves, split_half

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
