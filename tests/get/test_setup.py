"""get.setup: the setup of an AnnData, or an error that says how to make one."""

from __future__ import annotations

import pytest

import scgenept as sgp
from scgenept._errors import DataError
from scgenept.datasets._toy import toy


def test_it_is_what_was_set_up() -> None:
    adata = toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRi", cell_type="K562", key_added="target")
    setup = sgp.get.setup(adata)
    assert setup == sgp.get.Setup(
        perturbation_key="target",
        is_control_key="is_control",
        source_key="condition",
        control_label="ctrl",
        modality="CRISPRi",
        cell_type="K562",
    )
    assert setup.to_dict() == adata.uns["scgenept"]["setup"]
    assert sgp.get.setup(adata[:5]) == setup


def test_without_setup() -> None:
    adata = toy()
    assert sgp.get.setup(adata, missing_ok=True) is None
    with pytest.raises(DataError, match=r"not set up.*setup_perturbations.*columns: condition, simulated"):
        sgp.get.setup(adata)


def test_a_lost_column_is_named() -> None:
    adata = toy()
    sgp.pp.setup_perturbations(adata, key="condition")
    del adata.obs["is_control"]
    with pytest.raises(DataError, match="columns that are gone: is_control"):
        sgp.get.setup(adata, missing_ok=True)


@pytest.mark.parametrize("record", [{"perturbation_key": "perturbation"}, "text"])
def test_a_broken_record_is_named(record: object) -> None:
    adata = toy()
    adata.uns["scgenept"] = {"setup": record}
    with pytest.raises(DataError, match="lacks .*is_control_key"):
        sgp.get.setup(adata)
