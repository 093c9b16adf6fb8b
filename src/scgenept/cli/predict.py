"""scgenept predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .files import read_cells, require_file, require_free, write_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def run_predict(
    cells: Path,
    genes: Sequence[str],
    out: Path,
    *,
    model: str | None,
    layer: str | None,
    n_cells: int,
    overwrite: bool,
) -> str:
    """Read cells, predict, write an h5ad of the input cells with the prediction; return what to print."""
    from .. import get, tl
    from ..perturbation import Perturbation

    require_file(cells)
    require_free(out, overwrite=overwrite)
    adata = read_cells(cells)
    result = tl.predict_perturbation(adata, genes, model=model, layer=layer, n_cells=n_cells or None, copy=True)
    if result is None:  # pragma: no cover  (copy=True returns one)
        msg = "No result."
        raise RuntimeError(msg)
    key = str(Perturbation.parse(genes))
    write_cells(result, out)
    table = get.predictions(result, key).head(10)
    changes = table[["gene", "control_mean", "predicted_mean", "delta"]].to_string(
        index=False, float_format=lambda value: f"{value:.3f}"
    )
    record = get.record(result, key)
    return (
        f"{key}: {result.n_obs:,} cells x {result.n_vars:,} genes by {record['model']} "
        f"(trained on {record['modality']} in {record['cell_type']}) -> {out}\n"
        f"Largest predicted changes (log1p of counts per 1e4):\n{changes}"
    )
