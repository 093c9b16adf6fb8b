"""pp.pair_controls: a control of the same group for every perturbed cell, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest

import scgenept as sgp
from scgenept._errors import DataError, KeyTakenError
from scgenept.data.control_cells import resolve_controls
from scgenept.datasets._toy import toy
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path


def cells(n_cells: int = 60, seed: int = 0) -> ad.AnnData:
    """Toy cells in two batches and three lines, set up; every group has controls."""
    adata = toy()
    rng = np.random.default_rng(seed)
    adata = adata[rng.permutation(adata.n_obs)[:n_cells]].copy()
    sgp.pp.setup_perturbations(adata, key="condition")
    adata.obs["batch"] = rng.integers(0, 2, n_cells)
    adata.obs["line"] = rng.choice(["A172", "K562"], n_cells)
    return adata


def test_what_is_written() -> None:
    adata = cells()
    assert sgp.pp.pair_controls(adata, by=["batch", "line"], rng=4) is None
    column, is_control = adata.obs["control_cell"], adata.obs["is_control"]
    assert column.isna().equals(is_control)
    chosen = adata.obs.loc[column[~is_control].tolist()]
    assert chosen["is_control"].all()
    assert adata.uns["scgenept"]["pairs"] == {
        "by": "batch|line",
        "seed": "4",
        "n_pairs": int((~is_control).sum()),
        "n_controls": chosen.index.nunique(),
        "version": sgp.__version__,
    }


@pytest.mark.parametrize("by", [None, "batch", ["line"], ["batch", "line"]])
def test_against_a_loop(by: Any) -> None:
    adata = cells()
    names = [by] if isinstance(by, str) else list(by or ())
    sgp.pp.pair_controls(adata, by=by)
    groups = {name: tuple(row) for name, row in zip(adata.obs_names, adata.obs[names].to_numpy(), strict=True)}
    for name, control in adata.obs["control_cell"].dropna().items():
        assert groups[name] == groups[control]
        assert adata.obs["is_control"][control]


def test_every_control_is_as_likely() -> None:
    adata = cells()
    adata.obs["group"] = ["a" if control and i % 3 else "b" for i, control in enumerate(adata.obs["is_control"])]
    drawn = []
    rng = np.random.default_rng(1)
    for _ in range(200):
        sgp.pp.pair_controls(adata, by="group", rng=rng)
        drawn += adata.obs["control_cell"].dropna().tolist()
    controls = adata.obs_names[adata.obs["is_control"] & (adata.obs["group"] == "b")]
    counts = np.array([drawn.count(name) for name in controls])
    expected = len(drawn) / len(controls)
    assert counts.sum() == len(drawn)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_the_seed_decides() -> None:
    first, again, other = cells(), cells(), cells()
    sgp.pp.pair_controls(first, rng=1)
    sgp.pp.pair_controls(again, rng=np.random.default_rng(1))
    sgp.pp.pair_controls(other, rng=2)
    assert first.obs["control_cell"].equals(again.obs["control_cell"])
    assert not first.obs["control_cell"].equals(other.obs["control_cell"])
    assert again.uns["scgenept"]["pairs"]["seed"] == "generator"


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning:anndata")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_it_survives_writing_and_subsetting(suffix: str, tmp_path: Path) -> None:
    adata = cells()
    sgp.pp.pair_controls(adata, by="batch")
    named = adata.obs["control_cell"].astype(object)
    getattr(adata, f"write_{suffix}")(tmp_path / f"a.{suffix}")
    back = getattr(ad, f"read_{suffix}")(tmp_path / f"a.{suffix}")
    back = back[np.random.default_rng(0).permutation(back.n_obs)].copy()
    positions = resolve_controls(back)
    assert positions.dtype == np.int64
    for i, (name, at) in enumerate(zip(back.obs_names, positions, strict=True)):
        assert (at == -1) if back.obs["is_control"].iloc[i] else (back.obs_names[at] == named[name])


def test_a_lost_control_is_named() -> None:
    adata = cells()
    sgp.pp.pair_controls(adata)
    gone = adata.obs["control_cell"].dropna().iloc[0]
    n_cells = int((adata.obs["control_cell"] == gone).sum())
    subset = adata[adata.obs_names != gone]
    with unchanged(subset), pytest.raises(DataError, match=rf"1 control cells .* for {n_cells} cells .*: {gone}\."):
        resolve_controls(subset)
    without = adata[(adata.obs_names != gone) & (adata.obs["control_cell"].astype(object) != gone)]
    assert (resolve_controls(without) >= 0).sum() == (~without.obs["is_control"]).sum()


def test_an_empty_name_is_none() -> None:
    adata = cells()
    sgp.pp.pair_controls(adata)
    positions = resolve_controls(adata)
    adata.obs["control_cell"] = adata.obs["control_cell"].astype(object).where(~adata.obs["is_control"], "")
    np.testing.assert_array_equal(resolve_controls(adata), positions)


def test_without_pairs() -> None:
    with pytest.raises(DataError, match="No control cells are chosen"):
        resolve_controls(toy())


def test_keys_of_the_user() -> None:
    adata = cells()
    adata.obs["control_cell"] = "mine"
    with unchanged(adata), pytest.raises(KeyTakenError, match="'control_cell' holds.*overwrite=True"):
        sgp.pp.pair_controls(adata)
    sgp.pp.pair_controls(adata, overwrite=True)
    sgp.pp.pair_controls(adata, rng=7)  # ours, by now


def test_copy_leaves_the_input_alone() -> None:
    adata = cells()
    for given in (adata, adata[:50]):
        with unchanged(given):
            copied = sgp.pp.pair_controls(given, copy=True)
        assert copied is not None
        assert "control_cell" in copied.obs


# Bad input


def test_groups_without_controls_are_counted() -> None:
    adata = cells()
    adata.obs["batch"] = np.where(
        adata.obs["is_control"], "b0", np.where(adata.obs["condition"] == "KLF1+ctrl", "b1", "b2")
    )
    message = r"2 of 3 groups by batch have .* no control cell: b1 \(12 cells\), b2 \(24 cells\)\. Pair by fewer"
    with unchanged(adata), pytest.raises(DataError, match=message):
        sgp.pp.pair_controls(adata, by="batch")


@pytest.mark.parametrize(("which", "message"), [(True, "found 24 and 0"), (False, "found 0 and 36")])
def test_one_kind_of_cell_only(which: bool, message: str) -> None:
    adata = cells()
    adata = adata[adata.obs["is_control"] == which].copy()
    with unchanged(adata), pytest.raises(DataError, match=message):
        sgp.pp.pair_controls(adata)


def test_wrong_columns() -> None:
    adata = cells()
    with unchanged(adata), pytest.raises(DataError, match="no column 'batches'.*Nearest known names: batch"):
        sgp.pp.pair_controls(adata, by="batches")
    adata.obs["line"] = adata.obs["line"].where(adata.obs["line"] != "A172")
    n = int(adata.obs["line"].isna().sum())
    with unchanged(adata), pytest.raises(DataError, match=rf"{n} of 60 cells have no value in obs\['line'\]"):
        sgp.pp.pair_controls(adata, by=["batch", "line"])


def test_a_column_whose_name_would_read_as_two() -> None:
    adata = cells()
    adata.obs["batch|line"] = adata.obs["batch"]
    with unchanged(adata), pytest.raises(DataError, match=r"names obs\['batch\|line'\].*rename the column"):
        sgp.pp.pair_controls(adata, by="batch|line")


def test_names_that_are_not_unique() -> None:
    adata = cells()
    adata.obs_names = [f"cell{i // 2}" for i in range(60)]
    with pytest.raises(DataError, match=r"30 obs_names are not unique: .*obs_names_make_unique\(\)"):
        sgp.pp.pair_controls(adata)
