"""pp.setup_perturbations: labels in, canonical columns out, and nothing of the user's is lost."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from scgenept._errors import DataError, KeyTakenError, UnknownNameError
from scgenept.datasets._toy import toy
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

setup_perturbations = sgp.pp.setup_perturbations


def labelled(labels: list[Any], key: str = "label") -> ad.AnnData:
    adata = ad.AnnData(np.ones((len(labels), 3), dtype=np.float32))
    adata.obs[key] = labels
    return adata


def messy() -> ad.AnnData:
    return labelled(["B+A", "control", "A", "A+B", " C"], key="perturbation")


def test_what_is_written() -> None:
    adata = toy()
    assert setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562") is None
    column = adata.obs["perturbation"]
    assert list(column.cat.categories) == ["ctrl", "KLF1", "KLF1+MAP2K6", "MAP2K6"]
    assert column.cat.categories.dtype == object
    by_source = {"ctrl": "ctrl", "KLF1+ctrl": "KLF1", "ctrl+MAP2K6": "MAP2K6", "KLF1+MAP2K6": "KLF1+MAP2K6"}
    assert column.tolist() == [by_source[label] for label in adata.obs["condition"]]
    assert adata.obs["is_control"].dtype == bool
    assert adata.obs["is_control"].tolist() == [label == "ctrl" for label in adata.obs["condition"]]
    assert adata.uns["scgenept"] == {
        "setup": {
            "perturbation_key": "perturbation",
            "is_control_key": "is_control",
            "source_key": "condition",
            "control_label": "ctrl",
            "modality": "CRISPRa",
            "cell_type": "K562",
        }
    }


@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_any_type_of_column(kind: str) -> None:
    adata = labelled(["A+ctrl", "ctrl", "A+ctrl"])
    adata.obs["label"] = adata.obs["label"].astype(kind)
    if kind == "category":
        adata.obs["label"] = adata.obs["label"].cat.add_categories(["never++seen"])
    setup_perturbations(adata, key="label")
    assert adata.obs["perturbation"].tolist() == ["A", "ctrl", "A"]


def test_other_records_stay() -> None:
    adata = toy()
    adata.uns["scgenept"] = {"predictions": {"A": {"model": "m"}}}
    setup_perturbations(adata, key="condition")
    assert adata.uns["scgenept"]["predictions"] == {"A": {"model": "m"}}


def test_copy_leaves_the_input_alone() -> None:
    adata = toy()
    for given in (adata, adata[10:40]):
        with unchanged(given):
            copied = setup_perturbations(given, key="condition", copy=True)
        assert copied is not None
        assert not copied.is_view
        assert "perturbation" in copied.obs


def test_rerunning_changes_nothing() -> None:
    adata = toy()
    options = {"key": "condition", "modality": "CRISPRa"}
    setup_perturbations(adata, **options)
    with unchanged(adata):
        setup_perturbations(adata, **options)


def test_the_log_counts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="scgenept"):
        setup_perturbations(toy(), key="condition")
    assert caplog.messages == [
        "3 perturbations (1 of several genes) in 36 cells, 24 control cells; 2 of 4 labels rewritten."
    ]


# Columns that are in the way


def test_a_column_of_the_user_is_never_overwritten() -> None:
    adata = toy()
    adata.obs["perturbation"] = "mine"
    with unchanged(adata), pytest.raises(KeyTakenError, match=r"'perturbation' holds.*key_added=.*overwrite=True\."):
        setup_perturbations(adata, key="condition")
    setup_perturbations(adata, key="condition", key_added="target")
    assert set(adata.obs["perturbation"]) == {"mine"}
    assert sgp.get.setup(adata).perturbation_key == "target"
    setup_perturbations(adata, key="condition", overwrite=True)
    assert sgp.get.setup(adata).perturbation_key == "perturbation"
    assert set(adata.obs["perturbation"]) == set(adata.obs["target"])


def test_is_control_is_a_column_like_any_other() -> None:
    adata = toy()
    adata.obs["is_control"] = adata.obs["condition"] == "ctrl"
    setup_perturbations(adata, key="condition")  # the very values are not in the way
    other = toy()
    other.obs["is_control"] = "yes"
    with unchanged(other), pytest.raises(KeyTakenError, match="'is_control' holds"):
        setup_perturbations(other, key="condition")
    setup_perturbations(other, key="condition", overwrite=True)
    assert other.obs["is_control"].sum() == 24


def test_labels_under_our_own_name_are_kept_beside() -> None:
    adata = messy()
    with unchanged(adata), pytest.raises(KeyTakenError, match=r"key_added=.*overwrite=True.*'perturbation_original'"):
        setup_perturbations(adata, key="perturbation")
    setup_perturbations(adata, key="perturbation", overwrite=True)
    assert adata.obs["perturbation"].tolist() == ["A+B", "ctrl", "A", "A+B", "C"]
    assert adata.obs["perturbation_original"].tolist() == ["B+A", "control", "A", "A+B", " C"]
    setup = sgp.get.setup(adata)
    assert (setup.source_key, setup.control_label) == ("perturbation_original", "control")


@pytest.mark.parametrize("options", [{}, {"control": "control"}, {"overwrite": True}, {"separators": "_"}])
def test_a_notebook_cell_is_run_twice(options: dict[str, Any]) -> None:
    adata = messy()
    setup_perturbations(adata, key="perturbation", control="control", overwrite=True)
    with unchanged(adata):
        setup_perturbations(adata, key="perturbation", **options)


def test_labels_changed_after_setup_are_read_anew() -> None:
    adata = messy()
    setup_perturbations(adata, key="perturbation", key_added="perturbation", overwrite=True)
    del adata.obs["perturbation_original"]
    adata.obs["perturbation"] = ["Z+ctrl", "ctrl", "A", "B+A", "C"]
    with unchanged(adata), pytest.raises(KeyTakenError, match="'perturbation' holds"):
        setup_perturbations(adata, key="perturbation")
    setup_perturbations(adata, key="perturbation", overwrite=True)
    assert adata.obs["perturbation"].tolist() == ["Z", "ctrl", "A", "A+B", "C"]
    assert adata.obs["perturbation_original"].tolist() == ["Z+ctrl", "ctrl", "A", "B+A", "C"]


def test_kept_labels_replace_nothing() -> None:
    adata = messy()
    adata.obs["perturbation_original"] = "mine"
    with unchanged(adata), pytest.raises(KeyTakenError, match="'perturbation_original'.*rename or delete"):
        setup_perturbations(adata, key="perturbation", overwrite=True)


def test_canonical_labels_need_nothing() -> None:
    adata = labelled(["A+B", "ctrl"], key="perturbation")
    setup_perturbations(adata, key="perturbation")
    assert "perturbation_original" not in adata.obs
    assert sgp.get.setup(adata).source_key == "perturbation"


def test_the_last_setup_counts() -> None:
    adata = toy()
    adata.obs["other"] = ["non-targeting" if label == "KLF1+ctrl" else "X" for label in adata.obs["condition"]]
    setup_perturbations(adata, key="condition", modality="CRISPRa")
    setup_perturbations(adata, key="other", key_added="second")
    setup = sgp.get.setup(adata)
    assert (setup.perturbation_key, setup.control_label, setup.modality) == ("second", "non-targeting", "unknown")
    assert adata.obs[setup.is_control_key].sum() == 12
    assert adata.obs["perturbation"].value_counts()["ctrl"] == 24


# Bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"key": "conditions"},
            DataError,
            r"no column 'conditions'\. Nearest known names: condition\. Columns: condition",
        ),
        ({"key": "condition", "control": "DMSO"}, DataError, "'DMSO' is the label of no cell.*Labels seen: ctrl"),
        ({"key": "condition", "modality": "CRISPR"}, UnknownNameError, "CRISPRa, CRISPRi, knock-out, unknown"),
        ({"key": "condition", "key_added": "a/b"}, DataError, "key_added='a/b'"),
        ({"key": "condition", "key_added": "is_control"}, DataError, "column of the controls"),
        ({"key": "condition", "guide_suffix": "("}, DataError, "not a regular expression"),
        ({"key": "simulated"}, DataError, "not strings: True"),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    adata = toy()
    with unchanged(adata), pytest.raises(error, match=message):
        setup_perturbations(adata, **options)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["A", "B"], "Labels seen: A, B"),
        (["ctrl", "A_B"], "more than one way"),
        (["ctrl", None, "A", np.nan], "2 of 4 cells have no label in obs\\['label'\\].*notna"),
        (["ctrl", "A++B"], "empty gene name"),
        (["ctrl", "A/B"], "Rename the gene"),
        (["ctrl", 3], "not strings: 3"),
    ],
)
def test_wrong_labels(labels: list[Any], message: str) -> None:
    adata = labelled(labels)
    with unchanged(adata), pytest.raises(DataError, match=message):
        setup_perturbations(adata, key="label")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["ctrl", "A", None, np.nan], r"2 of 4 cells .*: no value \(2\)\. .*adata\[adata\.obs\['label'\]\.notna\(\)\]"),
        (["ctrl", "nan", "A", "nan", ""], r"3 of 5 .*: 'nan' \(2\), '' \(1\)\. .*adata\[~adata\.obs\['label'\]\.isin"),
        (["ctrl", "A", " NA", None], r"2 of 4 .*: ' NA' \(1\), no value \(1\)\. .*control=\['NA'\]"),
        (["ctrl", "A", "Unassigned"], r"1 of 3 cells have no label"),
    ],
)
def test_cells_without_a_label_are_counted_and_the_remedy_works(labels: list[Any], message: str) -> None:
    adata = labelled(labels)
    with unchanged(adata), pytest.raises(DataError, match=message) as refused:
        setup_perturbations(adata, key="label")
    scope = {"adata": adata}
    exec(re.search(r"adata = .*\.copy\(\)", str(refused.value))[0], scope)
    setup_perturbations(scope["adata"], key="label")
    assert set(scope["adata"].obs["perturbation"]) == {"ctrl", "A"}


def test_a_word_for_nothing_may_mean_control() -> None:
    adata = labelled(["None", "A", "none"])
    setup_perturbations(adata, key="label", control=["None", "none"])
    assert adata.obs["perturbation"].tolist() == ["ctrl", "A", "ctrl"]


def test_a_slash_in_a_name_goes_as_the_message_says() -> None:
    adata, key = labelled(["ctrl", "A/B"]), "label"
    with pytest.raises(DataError, match="'/'") as refused:
        setup_perturbations(adata, key=key)
    exec(re.search(r"adata\.obs\[key\] = .*\)", str(refused.value))[0], {"adata": adata, "key": key})
    setup_perturbations(adata, key=key)
    assert adata.obs["perturbation"].tolist() == ["ctrl", "A-B"]


def test_empty_data_are_refused() -> None:
    adata = toy()[:0].copy()
    with unchanged(adata), pytest.raises(DataError, match="adata is empty: 0 cells"):
        setup_perturbations(adata, key="condition")


def test_a_view_is_refused() -> None:
    adata = toy()
    view = adata[:30]
    with unchanged(view), unchanged(adata), pytest.raises(DataError, match=r"adata\.copy\(\)"):
        setup_perturbations(view, key="condition")


def test_a_foreign_record_is_refused() -> None:
    adata = toy()
    adata.uns["scgenept"] = "mine"
    with unchanged(adata), pytest.raises(KeyTakenError, match=r"uns\['scgenept'\] holds a str"):
        setup_perturbations(adata, key="condition")


# Files


def test_backed_data(tmp_path: Path) -> None:
    toy().write_h5ad(tmp_path / "toy.h5ad")
    backed = ad.read_h5ad(tmp_path / "toy.h5ad", backed="r")
    copied = setup_perturbations(backed, key="condition", copy=True)
    assert copied is not None
    assert not copied.isbacked
    assert "perturbation" not in backed.obs
    setup_perturbations(backed, key="condition")
    assert backed.isbacked
    assert backed.obs["is_control"].sum() == 24
    backed.file.close()


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning:anndata")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_it_survives_writing(suffix: str, tmp_path: Path) -> None:
    adata = messy()
    setup_perturbations(adata, key="perturbation", overwrite=True, modality="knock-out")
    path = tmp_path / f"a.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    back = getattr(ad, f"read_{suffix}")(path)
    assert sgp.get.setup(back) == sgp.get.setup(adata)
    assert back.obs["perturbation"].tolist() == adata.obs["perturbation"].tolist()
    assert isinstance(back.obs["perturbation"].dtype, pd.CategoricalDtype)
    assert back.obs["is_control"].dtype == bool
    setup_perturbations(back, key="perturbation")
    assert sgp.get.setup(back).source_key == "perturbation_original"


# Real labels


def test_the_norman_subset(shared: Path) -> None:
    adata = ad.read_h5ad(shared / "data" / "norman_mcfaline_subset.h5ad")
    labels = adata.obs["perturbation"].astype(str).tolist()
    with unchanged(adata), pytest.raises(KeyTakenError, match="key_added=.*overwrite=True"):
        setup_perturbations(adata, key="perturbation")
    setup_perturbations(adata, key="perturbation", overwrite=True, modality="CRISPRa")
    assert "KLF1+SET" in adata.obs["perturbation"].cat.categories
    assert adata.obs["perturbation_original"].tolist() == labels
    assert adata.obs["is_control"].sum() == labels.count("control") == 400


def test_guides_of_jurkat(shared: Path) -> None:
    adata = ad.read_h5ad(shared / "data" / "jurkat_tcr_crispr.h5ad")
    with unchanged(adata), pytest.raises(DataError, match=r"40 of 41 labels .*guide_suffix=r'_\\d\+'"):
        setup_perturbations(adata, key="perturbation", key_added="target")
    setup_perturbations(adata, key="perturbation", key_added="target", guide_suffix=r"_\d+", modality="knock-out")
    assert len(adata.obs["target"].cat.categories) == 21
    assert "NFAT5" in adata.obs["target"].cat.categories


def test_the_labels_of_gears(shared: Path) -> None:
    table = pd.read_csv(shared / "data" / "norman_gears_conditions.csv")
    adata = labelled(table["condition"].tolist())
    setup_perturbations(adata, key="label")
    counts = adata.obs["perturbation"].value_counts()
    assert len(counts) == 237
    assert (counts > 1).sum() == 47  # written both as A+ctrl and as ctrl+A
    assert all(adata.obs["perturbation"].astype(str).map(lambda label: len(label.split("+")) <= 2))
