"""What the data say of their cells, beside what the user says: a warning where both are plain, and only there."""

from __future__ import annotations

import pandas as pd
import pytest

import scgenept as sgp
from scgenept.data.cell_lines import contradictions, lines_in


def said(cell_type: str, /, **columns: list[object]) -> list[str]:
    return list(contradictions(pd.DataFrame(columns), cell_type))


def test_another_line_is_named_with_its_column_and_remedies() -> None:
    (sentence,) = said("K562", cell_type=["A549"] * 3)
    assert sentence == (
        "cell_type='K562', but obs['cell_type'] says A549 for 3 of 3 cells. Pass what the cells are as cell_type=, "
        "or correct it: adata.obs['cell_type'] = 'K562'."
    )


def test_some_cells_of_another_line() -> None:
    (sentence,) = said("K562", cell_line=["K-562", "K-562", "hTERT-RPE1", "HepG2", None])
    assert "but obs['cell_line'] says hTERT-RPE1, HepG2 for 2 of 5 cells." in sentence
    assert "Leave these cells out, or name all: cell_type='K562, hTERT-RPE1, HepG2'." in sentence
    assert said("K562, hTERT-RPE1, HepG2", cell_line=["K-562", "K-562", "hTERT-RPE1", "HepG2", None]) == []


@pytest.mark.parametrize("column", ["cell_line", "cell_type", "Cell Line", "celltype", "CellType", "tissue"])
def test_columns_that_name_cells(column: str) -> None:
    assert len(said("K562", **{column: ["Jurkat"]})) == 1


@pytest.mark.parametrize("column", ["condition", "batch", "cell_cycle", "donor"])
def test_other_columns_say_nothing(column: str) -> None:
    assert said("K562", **{column: ["Jurkat"]}) == []


@pytest.mark.parametrize(
    "value",
    ["K562", "k562", "K-562", "K 562", "K562_CRISPRi", "K562 cell", "K562 (CVCL_0004)", "erythroblast", "lymphoblast",
     "chronic myelogenous leukemia", "CVCL_0004", "ACH-000551", "bone marrow", "unknown", "", 562, True],
)  # fmt: skip
def test_no_false_alarm(value: object) -> None:
    assert said("K562", cell_type=[value], cell_line=[value], tissue=[value]) == []


@pytest.mark.parametrize("cell_type", ["", "T cells", "lymphoblast", "iPSC-derived neurons"])
def test_a_cell_type_that_is_no_known_line_is_left_alone(cell_type: str) -> None:
    assert said(cell_type, cell_line=["Jurkat"]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("HEK293T", "HEK 293"), ("293T", "HEK-293-FT"), ("hTERT RPE-1", "RPE1"), ("U2OS", "U-2 OS"), ("U87", "U87-MG"),
     ("WTC11", "WTC-11 iPSC"), ("SKBR3", "SK-BR-3"), ("PC3", "PC-3")],
)  # fmt: skip
def test_spellings_of_one_line(one: str, other: str) -> None:
    assert lines_in(one) == lines_in(other)
    assert len(lines_in(one)) == 1
    assert said(one, cell_line=[other]) == []


def test_lines_are_told_apart() -> None:
    assert lines_in("BxPC-3") == {"BxPC-3"}
    assert lines_in("MCF7") != lines_in("MCF10A")


def test_setup_warns_and_goes_on() -> None:
    adata = sgp.datasets.toy()
    adata.obs["cell_type"] = "A549"
    with pytest.warns(UserWarning, match=r"but obs\['cell_type'\] says A549 for 60 of 60 cells"):
        sgp.pp.setup_perturbations(adata, key="condition", cell_type="K562")
    assert sgp.get.setup(adata).cell_type == "K562"


def test_setup_of_what_fits_does_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    adata = sgp.datasets.toy()
    adata.obs["cell_type"] = "A549"
    sgp.pp.setup_perturbations(adata, key="condition", cell_type="A-549")
    sgp.pp.setup_perturbations(adata, key="condition")
    assert not [warning for warning in recwarn if "cell_type=" in str(warning.message)]
