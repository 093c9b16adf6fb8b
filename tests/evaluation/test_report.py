"""A report survives files, and is read in a terminal and a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgenept as sgp
from tests.screens import observed, screen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    return screen(n_cells=50)


@pytest.fixture(scope="module")
def report(adata: ad.AnnData) -> sgp.tl.Report:
    table = observed(adata) + 0.01
    table.iloc[0] = np.nan
    return sgp.tl.evaluate(adata, {"mine <b>": table}, n_boot=50, calibrate=2, baselines=["additive"])


def assert_same(one: sgp.tl.Report, other: sgp.tl.Report) -> None:
    for name in ("per_perturbation", "summary", "comparisons"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_dtype=False)
    assert one.notes == other.notes
    assert dict(one.about) == dict(other.about)
    assert str(one) == str(other)


@pytest.mark.parametrize("kind", ["memory", "h5ad", "zarr"])
def test_round_trip(report: sgp.tl.Report, adata: ad.AnnData, tmp_path: Path, kind: str) -> None:
    store = adata.copy()
    report.to_uns(store)
    if kind == "h5ad":
        store.write_h5ad(tmp_path / "a.h5ad")
        store = ad.read_h5ad(tmp_path / "a.h5ad")
    elif kind == "zarr":
        store.write_zarr(tmp_path / "a.zarr")
        store = ad.read_zarr(tmp_path / "a.zarr")
    assert_same(report, sgp.get.report(store))
    assert sgp.get.setup(store).modality == "CRISPRa"


def test_no_report(adata: ad.AnnData, report: sgp.tl.Report) -> None:
    with pytest.raises(ValueError, match="no report"):
        sgp.get.report(adata)
    with pytest.raises(ValueError, match="view"):
        report.to_uns(adata[:5])


def test_csv(report: sgp.tl.Report, tmp_path: Path) -> None:
    folder = report.to_csv(tmp_path / "tables")
    read = pd.read_csv(folder / "summary.csv")
    pd.testing.assert_series_equal(read["value"], report.summary["value"])
    assert (folder / "report.txt").read_text(encoding="utf-8") == f"{report.to_text(scores='all')}\n"
    assert (folder / "notes.txt").read_text(encoding="utf-8").splitlines() == list(report.notes)
    with pytest.raises(ValueError, match=r"exists. Pass overwrite=True"):
        report.to_csv(folder)
    report.to_csv(folder, overwrite=True)
    (folder / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match=r"exists\. It is no report: choose another"):
        report.to_csv(folder, overwrite=True)
    assert (folder / "mine.txt").exists()


def test_tables_are_tidy(report: sgp.tl.Report) -> None:
    for table in (report.per_perturbation, report.summary, report.comparisons):
        assert isinstance(table.index, pd.RangeIndex)
        assert table.columns.nlevels == 1
        for name, column in table.items():
            kinds = {type(value) for value in column} - {float}
            assert len(kinds) <= 1, f"{name} mixes {kinds}"
    keys = ["metric", "stratum", "predictor"]
    assert not report.summary.duplicated(keys).any()
    assert not report.per_perturbation.duplicated(["perturbation", "predictor", "metric"]).any()


def test_text_has_every_reference_and_fits_a_terminal(report: sgp.tl.Report) -> None:
    text, whole = str(report), report.to_text(scores="all")
    for view in (text, whole):
        assert max(map(len, view.splitlines())) <= 100
    heads = [line for line in text.splitlines() if line.startswith("on ")]
    assert [head.split("  ")[0] for head in heads] == ["on all cells", "on halves of the cells"]
    assert all(word in heads[0] for word in ("value", "mean", "95 % interval", "best baseline"))
    assert all(word in heads[1] for word in ("value", "mean", "replicate", "calibrated", "best baseline"))
    assert "10 more scores" in text
    assert "lfc_nmae" not in text.split("mean: the mean", maxsplit=1)[0]
    assert "lfc_nmae" in whole
    assert "more scores" not in whole
    with pytest.raises(ValueError, match="'short' or 'all'"):
        report.to_text(scores="some")
    assert "does not" not in text.split("\n\n", maxsplit=1)[0]
    assert "predicts NaN for 1 perturbations" in " ".join(text.split())
    assert "mse v" in text
    assert "Report of mine <b> on 10 test" in repr(report)


def test_a_calibrated_score_follows_from_its_row(report: sgp.tl.Report) -> None:
    row = next(line for line in str(report).split("on halves")[1].splitlines() if line.startswith("pearson_delta "))
    _, value, mean, replicate, calibrated, *_ = row.split()
    expected = (float(value) - float(mean)) / (float(replicate) - float(mean))
    assert float(calibrated) == pytest.approx(expected, abs=0.02)


def test_html_is_escaped_and_whole(report: sgp.tl.Report) -> None:
    html = report._repr_html_()
    assert "mine &lt;b&gt;" in html
    assert "mine <b>" not in html
    assert html.count("<table") == html.count("</table>") == 3
    assert html.count("<li>") == len(report.notes)
