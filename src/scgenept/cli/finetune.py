"""scgenept finetune."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import _keys
from .._errors import DataError, listing
from .files import read_cells, require_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Request:
    """What the command line asks for; fields as its options."""

    cells: Path
    out: Path
    key: str | None
    modality: Any
    cell_type: str | None
    variant: str | None
    init: str | None
    split: Any
    seed: int
    device: str | None
    resume: bool


def run_finetune(request: Request, recipe: Mapping[str, Any]) -> str:
    """Read cells, set up, prepare and split them where that is left to do, train, and return what to print."""
    from .. import get, pp, tl
    from ..training.run_folder import require_run_folder

    require_file(request.cells)
    require_run_folder(request.out, resume=request.resume)
    adata = read_cells(request.cells)
    if request.key is not None:
        pp.setup_perturbations(
            adata, key=request.key, modality=request.modality, cell_type=request.cell_type, overwrite=True
        )
    elif _keys.SETUP not in adata.uns.get(_keys.UNS, {}):
        msg = f"{request.cells} is not set up: name the column of the labels with --key. Columns: {listing(adata.obs)}."
        raise DataError(msg)
    get.setup(adata)
    pp.prepare(adata)
    if request.split is not None:
        pp.split(adata, scheme=request.split, seed=request.seed)
    model = tl.finetune(
        adata,
        variant=request.variant,
        init=request.init,
        plan=tl.TrainingPlan(**recipe),
        out=request.out,
        resume=request.resume,
        hardware=tl.Hardware(device=request.device),
        rng=request.seed,
    )
    training = model.card.training
    history = training["history"]
    best = next(row for row in history if row["epoch"] == training["best_epoch"])
    loss = f"validation loss {best['validation_loss']:.5f}" if "validation_loss" in best else "the last: no validation"
    parts = ", ".join(f"{len(training[part])} {part}" for part in ("train", "val", "test"))
    passes = f"{len(history)} epoch{'s' * (len(history) > 1)}"
    return (
        f"{model.name}: {passes} on {training['n_cells']:,} cells ({parts} perturbations), best epoch "
        f"{best['epoch'] + 1} ({loss}) -> {request.out}\n"
        f"Next: scgenept.tl.evaluate(adata, scgenept.models.load({str(request.out)!r})), beside its baselines."
    )
