"""Predictions as tables, pseudobulk AnnData, predicted cells and layers give the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgenept.evaluation.experiment import read_experiment
from scgenept.evaluation.reading import read_table
from tests.screens import TEST, observed, screen

if TYPE_CHECKING:
    from scgenept.evaluation.experiment import Experiment


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return read_experiment(screen(n_cells=6), split="test", layer=None)


@pytest.fixture(scope="module")
def table(experiment: Experiment) -> pd.DataFrame:
    shift = np.random.default_rng(0).normal(0, 0.1, experiment.adata.n_vars)
    return observed(experiment.adata, sorted(TEST)) + shift


def read(source: object, experiment: Experiment) -> np.ndarray:
    return read_table(source, experiment, name="mine").values  # type: ignore[arg-type]


def test_table_in_any_order_with_more_than_needed(experiment: Experiment, table: pd.DataFrame) -> None:
    shuffled = table.iloc[::-1, ::-1].rename(index={"G01+G03": "G03+G01", "G07": "G07+ctrl"})
    shuffled["OTHER"] = 1.0
    shuffled.loc["UNSEEN"] = 0.5
    shuffled.loc["ctrl"] = 0.5
    np.testing.assert_allclose(read(shuffled, experiment), table)


def test_pseudobulk_anndata(experiment: Experiment, table: pd.DataFrame) -> None:
    for values in (table.to_numpy(), sp.csr_matrix(table.to_numpy())):
        np.testing.assert_allclose(
            read(ad.AnnData(values, obs=table[[]], var=pd.DataFrame(index=table.columns)), experiment), table
        )


def test_predicted_cells(experiment: Experiment, table: pd.DataFrame) -> None:
    names = np.repeat(table.index.to_numpy(), 2)
    values = np.repeat(table.to_numpy(), 2, axis=0) + np.tile([[0.1], [-0.1]], (len(table), 1))
    obs = pd.DataFrame({"perturbation": names}, index=[f"cell{i}" for i in range(len(names))])
    cells = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=table.columns))
    np.testing.assert_allclose(read(cells, experiment), table)
    del cells.obs["perturbation"]
    with pytest.raises(ValueError, match="obs has no column 'perturbation'"):
        read(cells, experiment)


def test_predicted_layers_without_their_record(experiment: Experiment, table: pd.DataFrame) -> None:
    controls = ad.AnnData(np.ones((3, table.shape[1])), var=pd.DataFrame(index=table.columns))
    controls.layers["G07"] = np.tile(table.loc["G07"].to_numpy(), (3, 1))
    controls.obsm["X_G07"] = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"mine holds no prediction\. But layers\['G07'\] is there.*uns_merge='same'"):
        read(controls, experiment)


def test_predicted_cells_without_the_first_gene_count(experiment: Experiment, table: pd.DataFrame) -> None:
    controls = ad.AnnData(np.ones((3, table.shape[1])), var=pd.DataFrame(index=table.columns))
    controls.layers["G07"] = np.tile(table.loc["G07"].to_numpy(), (3, 1))
    controls.layers["G07"][0, 0] = np.nan
    controls.layers["G07"][2] = np.nan
    controls.uns["scgenept"] = {"predictions": {"G07": {"perturbation": "G07"}}}
    notes = read_table(controls, experiment, name="mine").notes
    assert any("predicts NaN for 1 perturbations, which have no score: G07" in note for note in notes)


def test_what_get_predicted_returns_is_not_taken_for_its_control_cells(experiment: Experiment) -> None:
    controls = experiment.adata[experiment.adata.obs["is_control"]].copy()
    controls.uns["scgenept"] = {"predictions": {"G07": {"perturbation": "G07"}}}
    with pytest.raises(
        ValueError,
        match=r"mine holds cells labelled control only.*pass the AnnData that was predicted",
    ):
        read(controls, experiment)


def test_a_table_on_its_side_and_rows_in_other_spellings(experiment: Experiment, table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"Its rows are genes: pass the table transposed, table\.T"):
        read(table.T, experiment)
    note = read_table(table.rename(index={"G01+G03": "g03_G01"}), experiment, name="mine").notes[0]
    assert note.endswith("test perturbations: G01+G03. Its row 'g03_G01' may mean G01+G03: write it so.")
    with pytest.raises(ValueError, match=r"predicts none of the 10 .*Its row 'g.*: write it so"):
        read(table.rename(index=str.lower), experiment)


def test_missing_perturbations_and_nan_are_counted(experiment: Experiment, table: pd.DataFrame) -> None:
    gaps = table.drop(index="G07")
    gaps.loc["G08", "G01"] = np.nan
    found = read_table(gaps, experiment, name="mine")
    missing = [experiment.test.index(name) for name in ("G07", "G08")]
    assert np.isnan(found.values[missing]).all()
    assert np.isfinite(np.delete(found.values, missing, axis=0)).all()
    assert any("does not predict 1 of 10 test perturbations: G07" in note for note in found.notes)
    assert any("NaN for 1 perturbations" in note and "G08" in note for note in found.notes)


def test_what_is_refused(experiment: Experiment, table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="does not predict 1 of 40 genes: G03.*predicted genes only"):
        read(table.drop(columns="G03"), experiment)
    with pytest.raises(ValueError, match="none of the 10 test perturbations"):
        read(table.set_axis([f"X{i}" for i in range(10)], axis=0), experiment)
    with pytest.raises(ValueError, match="1 perturbations more than once: G01\\+G03"):
        read(table.rename(index={"G07": "G03+G01"}), experiment)
    with pytest.raises(ValueError, match="look like counts"):
        read(np.expm1(table) * 10, experiment)


def test_changes_are_told_from_expression(experiment: Experiment, table: pd.DataFrame) -> None:
    assert not read_table(table, experiment, name="mine").notes
    (note,) = read_table(table - experiment.control, experiment, name="mine").notes
    assert "look like changes over control" in note
