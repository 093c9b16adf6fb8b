"""Intervals of the embedded model on real cells that it was not trained on: coverage as it is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import pandas as pd
import pytest

import scgenept as sgp

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = sgp.tl.Engine(device="cpu")


@pytest.fixture(scope="module")
def norman(shared: Path) -> ad.AnnData:
    adata = ad.read_h5ad(shared / "data" / "norman_mcfaline_subset.h5ad")
    cells = adata[adata.obs["dataset"] == "norman19"].copy()
    sgp.pp.setup_perturbations(
        cells, key="perturbation", control="control", modality="CRISPRa", cell_type="K562", overwrite=True
    )
    return cells


def test_the_control_bootstrap_says_nothing_of_the_error_of_the_model(norman: ad.AnnData) -> None:
    model = sgp.models.load("scgenept-mini")
    held_out = model.card.training["test"]
    report = sgp.tl.evaluate_intervals(norman, model=model, split=held_out, uncertainty="controls", engine=ENGINE)
    everything = report.summary.query("stratum == 'all' and level == 0.9").iloc[0]
    assert everything["n"] == 7
    assert everything["coverage"] < 0.1


def test_conformal_intervals_from_three_perturbations_on_four_others(norman: ad.AnnData) -> None:
    """Too few for 90 %; what one half of the held-out perturbations says of the other at 50 %, both ways."""
    model = sgp.models.load("scgenept-mini")
    held_out = sorted(model.card.training["test"])
    wish = sgp.tl.Uncertainty("conformal", level=0.5)
    tables = []
    for own, others in ((held_out[::2], held_out[1::2]), (held_out[1::2], held_out[::2])):
        calibrated = sgp.tl.calibrate(model, norman, split=own, levels=[0.5], n_cells=50, engine=ENGINE)
        report = sgp.tl.evaluate_intervals(
            norman, model=calibrated, split=others, uncertainty=wish, n_cells=50, engine=ENGINE
        )
        assert any("do not reach level 0.9: it takes 9" in note for note in report.notes)
        tables.append(report.per_perturbation.query("level == 0.5"))
    table = pd.concat(tables)
    assert len(table) == 7
    assert 0.35 < table["coverage"].mean() < 0.75
    assert table["crps"].mean() < table["error"].mean()  # saying how wrong one is beats a bare number
