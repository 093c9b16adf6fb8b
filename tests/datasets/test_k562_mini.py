"""The embedded default: real figures, simulated cells, no network."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.datasets import _k562_mini
from scgenept.datasets._k562_mini import k562_mini

ROOT = Path(__file__).parents[2]
DATA = Path(_k562_mini.__file__).parent / "data"


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    return k562_mini()


def test_shape_and_labels(adata: ad.AnnData) -> None:
    assert adata.shape == (200, 500)
    assert sparse.isspmatrix_csr(adata.X) or isinstance(adata.X, sparse.csr_array)
    assert adata.X.dtype == np.float32
    assert adata.X.data.min() > 0
    assert set(adata.obs["perturbation"]) == {"ctrl"}
    assert adata.obs["is_control"].all()
    assert adata.obs["simulated"].all()
    assert adata.uns["scgenept"]["setup"]["modality"] == "CRISPRa"
    assert adata.uns["scgenept"]["setup"]["cell_type"] == "K562"


def test_names_are_canonical(adata: ad.AnnData) -> None:
    names = adata.varm["observed_mean"].columns.tolist()
    assert len(names) == 34
    assert names[-1] == "ctrl"
    assert "KLF1+SET" in names
    assert [str(sgp.Perturbation.parse(name)) for name in names] == names
    assert adata.varm["observed_std"].columns.tolist() == names
    assert adata.uns["scgenept"]["observed"]["perturbation"].tolist() == names[:-1]


def test_split_is_the_one_promised(adata: ad.AnnData) -> None:
    table = adata.uns["scgenept"]["observed"].set_index("perturbation")
    test = table[table["split"] == "test"]
    genes_in_training = [set(name.split("+")) for name in table.index[table["split"] == "train"]]
    assert test["stratum"].value_counts().to_dict() == {
        "unseen_single": 4,
        "combo_seen2": 2,
        "combo_seen0": 1,
    }
    for name, stratum in test["stratum"].items():
        genes = str(name).split("+")
        n_seen = sum(table["split"].get(gene) == "train" for gene in genes)
        assert n_seen == {"combo_seen2": 2, "combo_seen0": 0, "unseen_single": 0}[stratum]
        if stratum != "combo_seen2":
            assert not any(set(genes) & seen for seen in genes_in_training)


def test_deterministic_and_seeded() -> None:
    first, again, other = (
        k562_mini(n_cells=20),
        k562_mini(n_cells=20),
        k562_mini(n_cells=20, rng=1),
    )
    assert (first.X != again.X).nnz == 0
    assert (first.X != other.X).nnz > 0


def test_known_values(adata: ad.AnnData) -> None:
    """Guards the random stream: these cells must come out on every numpy and scipy."""
    assert adata.X.nnz == 3058
    np.testing.assert_allclose(adata.X.sum(dtype=np.float64), 3360.2088, rtol=1e-6)


def test_global_random_state_is_untouched() -> None:
    before = np.random.get_state()[1].copy()
    k562_mini(n_cells=3)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_simulated_controls_resemble_the_real_ones() -> None:
    adata = k562_mini(n_cells=3000)
    mean, std = adata.varm["observed_mean"]["ctrl"], adata.varm["observed_std"]["ctrl"]
    cells = adata.X.toarray()
    frequent = (mean > 0.15).to_numpy()
    assert np.corrcoef(cells.mean(axis=0), mean)[0, 1] > 0.999
    np.testing.assert_allclose(cells.mean(axis=0)[frequent], mean[frequent], rtol=0.1)
    np.testing.assert_allclose(cells.std(axis=0)[frequent], std[frequent], rtol=0.15)
    counted_genes = (cells > 0).sum(axis=1).mean()
    assert 13 < counted_genes < 17


def test_no_two_calls_share_tables() -> None:
    first = k562_mini(n_cells=2)
    first.varm["observed_mean"].loc["HBZ", "KLF1"] = -1.0
    first.uns["scgenept"]["observed"]["n_cells"] = 0
    second = k562_mini(n_cells=2)
    assert second.varm["observed_mean"].loc["HBZ", "KLF1"] > 0
    assert (second.uns["scgenept"]["observed"]["n_cells"] > 0).all()


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    _k562_mini._figures.cache_clear()
    assert k562_mini(n_cells=2).n_obs == 2


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning:anndata")
@pytest.mark.parametrize("store", ["h5ad", "zarr"])
def test_round_trip(adata: ad.AnnData, tmp_path: Path, store: str) -> None:
    path = tmp_path / f"k562.{store}"
    getattr(adata, f"write_{store}")(path)
    back = getattr(ad, f"read_{store}")(path)
    pd.testing.assert_frame_equal(back.varm["observed_mean"], adata.varm["observed_mean"], check_names=False)
    observed = back.uns["scgenept"]["observed"]
    for column, values in adata.uns["scgenept"]["observed"].items():
        assert observed[column].tolist() == values.tolist()


def test_refuses_no_cells() -> None:
    with pytest.raises(DataError, match="n_cells=0 should be a whole number, at least 1"):
        k562_mini(n_cells=0)


def test_files_are_small_and_say_where_they_come_from() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("k562_mini*")) < 200_000
    provenance = json.loads((DATA / "k562_mini.json").read_text())
    assert provenance["source_sha256"] == "220998f5630c813228c8661c86dd52244b9ac87127511289af90e0d900d8429b"


def test_moment_fit_recovers_its_parameters() -> None:
    """The closed-form fit, on cells drawn from a known Poisson log-normal."""
    script = _load_script()
    rng = np.random.default_rng(0)
    loading = np.array([0.8, -0.6, 0.0])
    residual = np.array([0.3, 0.3, 0.5])
    rate = np.array([3e-3, 2e-3, 1e-3])
    library = np.exp(rng.normal(9.0, 0.3, 200_000))
    log_rate = rng.normal(size=(len(library), 1)) * loading + rng.normal(size=(len(library), 3)) * residual
    log_rate -= (loading**2 + residual**2) / 2
    fitted = script.fit_control(rng.poisson(library[:, None] * rate * np.exp(log_rate)).astype(float), library)
    np.testing.assert_allclose(fitted.rate, rate, rtol=0.02)
    variance = (fitted.factors**2).sum(axis=1) + fitted.residual**2
    np.testing.assert_allclose(variance, loading**2 + residual**2, rtol=0.05)
    np.testing.assert_allclose(fitted.factors[0] @ fitted.factors[1], loading[0] * loading[1], rtol=0.05)
    np.testing.assert_allclose(fitted.log_library, [9.0, 0.3], rtol=0.01)


def _load_script() -> object:
    spec = importlib.util.spec_from_file_location("build_k562_mini", ROOT / "scripts" / "build_k562_mini.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
