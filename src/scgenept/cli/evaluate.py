"""scgenept evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import DataError
from .files import read_cells, require_file

if TYPE_CHECKING:
    from pathlib import Path


def run_evaluate(
    data: Path,
    predictions: Path | None,
    *,
    model: str | None,
    out: Path | None,
    split: str,
    n_control_cells: int,
    overwrite: bool,
) -> str:
    """Read cells and predictions or a model, evaluate, write the tables; return what to print."""
    from .. import tl
    from ..evaluation.report import require_report_folder

    if (predictions is None) == (model is None):
        msg = "Pass either an h5ad of predictions or --model: one of them is judged."
        raise DataError(msg)
    for path in (data, predictions):
        if path is not None:
            require_file(path)
    if out is not None:
        require_report_folder(out, overwrite=overwrite)
    judged = read_cells(predictions) if predictions is not None else model
    report = tl.evaluate(read_cells(data), judged, split=split, n_control_cells=n_control_cells or None)
    if out is None:
        return str(report)
    report.to_csv(out, overwrite=overwrite)
    return f"{report}\n\nTables: {out}"
