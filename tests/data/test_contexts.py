"""Codes of groups of cells."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scgenept._errors import DataError
from scgenept.data.contexts import context_codes


def cells() -> ad.AnnData:
    adata = ad.AnnData(np.ones((6, 1), dtype=np.float32))
    adata.obs["batch"] = [2, 10, 2, 2, 10, 10]
    adata.obs["line"] = pd.Categorical(["b", "a", "a", "b", "a", "b"], categories=["never", "b", "a"])
    return adata


def test_no_column_is_one_group() -> None:
    codes, names = context_codes(cells(), None)
    assert (codes.tolist(), codes.dtype, names) == ([0] * 6, np.int64, ["all"])


@pytest.mark.parametrize("by", ["batch", "line", ["line"], ["batch", "line"], ["line", "batch"]])
def test_cells_that_agree_have_one_code(by: str | list[str]) -> None:
    adata = cells()
    codes, names = context_codes(adata, by)
    columns = [by] if isinstance(by, str) else by
    assert codes.dtype == np.int64
    assert sorted(set(codes.tolist())) == list(range(len(names)))
    for code, row in zip(codes, adata.obs[columns].itertuples(index=False), strict=True):
        assert names[code] == ", ".join(map(str, row))
    assert len(names) == len(adata.obs[columns].drop_duplicates())


def test_no_column_named() -> None:
    assert context_codes(cells(), [])[1] == ["all"]


def test_wrong_columns() -> None:
    adata = cells()
    with pytest.raises(DataError, match="no column 'lines'.*Nearest known names: line"):
        context_codes(adata, "lines")
    adata.obs["line"] = adata.obs["line"].where(adata.obs["line"] != "a")
    with pytest.raises(DataError, match=r"3 of 6 cells have no value in obs\['line'\]"):
        context_codes(adata, "line")
