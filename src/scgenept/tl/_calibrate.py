"""tl.calibrate: how wrong a model is on perturbations that it has not seen."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._errors import DataError, WriteError, listing
from .._io import require_writable
from .._random import generator_of
from ..data.select import row_reader
from ..evaluation.uncertainty.conformal import calibration_table, n_needed, scale
from ..evaluation.uncertainty.intervals import LEVELS, require_level
from ..prediction.engine import Engine
from ..prediction.pseudobulks import predict_pseudobulks
from ..weights.calibration import Calibration
from ..weights.folder import CALIBRATION, RUN_MODEL, add_calibration, is_folder
from ._held_out import read_held_out
from ._members import load_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData

    from .._types import RNGLike
    from ..weights.model import ScGenePT


def calibrate(
    model: ScGenePT | str | os.PathLike[str],
    adata: AnnData,
    *,
    split: str | Iterable[str] = "val",
    levels: Sequence[float] = LEVELS,
    layer: str | None = None,
    n_cells: int | None = None,
    engine: Engine | None = None,
    rng: RNGLike = 0,
) -> ScGenePT:
    """Measure the errors of a model on held-out perturbations, so that it can say how wide its intervals must be.

    Split-conformal prediction with the perturbation as unit: the error on each held-out perturbation is stored gene by
    gene, in units of the spread over control cells and the predicted change, with the stratum of the perturbation (a
    single gene, a pair of which 0, 1 or 2 genes were seen). ``predict_perturbation(..., uncertainty="conformal")`` then
    gives an interval that covers the observed mean of a gene in at least ``level`` of new perturbations, if they are
    like the held-out ones: same stratum, cells, depth and number of cells. A stratum of fewer than
    ``ceil(1 / (1 - level)) - 1`` perturbations is pooled with all others, and the prediction says so.

    Parameters
    ----------
    model
        A fine-tuned model, or the name or path of one.
    adata
        Cells of held-out perturbations and control cells, log1p of counts per 1e4, set up
        (:func:`scgenept.pp.setup_perturbations`).
    split
        The part of ``obs["split"]`` to calibrate on, or the perturbations themselves. None may have been trained on.
        The validation part chose the epoch, so its errors are slightly too small; a part that chose nothing is
        stricter.
    levels
        Levels of the table on the card. Other levels can be asked of a prediction all the same.
    layer
        The layer that holds the expression; ``X`` by default.
    n_cells
        Predict from this many control cells, drawn from ``rng``; by default all.
    engine
        Batch size, device and number type, as :class:`scgenept.tl.Engine`.
    rng
        Seed or generator.

    Returns
    -------
    A calibrated model that shares the network of ``model``: its weights and their hash are the same, ``calibration``
    holds the errors, and ``card.calibration`` one row per stratum and level: ``stratum``, ``level``, ``n``, ``group``
    (``"all"`` where pooled), ``n_group``, ``quantile`` (median over genes) and, where pooled, ``pooled_coverage`` of
    the perturbations of the stratum when each is left out. How often the intervals cover is for test perturbations to
    say: :func:`evaluate_intervals`.

    A model given as object is not changed; ``.save`` of the one returned keeps the calibration. A model given as a path
    has ``calibration.safetensors`` and the new card written into its folder. ``adata`` is not changed.

    Raises
    ------
    DataError
        There is no setup, control cell or held-out perturbation; one was trained on, or it is not known which were;
        there are too few for any level.
    WriteError
        The folder of a model given as a path cannot be written to.

    Warns
    -----
    UserWarning
        Levels that there are too few perturbations for; perturbations whose targets the model does not know.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> adata.obs["split"] = (
    ...     adata.obs["perturbation"].astype(str).map(lambda name: "train" if name == "KLF1" else "val")
    ... )
    >>> small = sgp.tl.Architecture(d_model=8, n_heads=2, d_hidden=8, n_layers=1)
    >>> plan = sgp.tl.TrainingPlan(epochs=1, batch_size=8)
    >>> model = sgp.tl.finetune(adata, variant="scgpt", init=None, architecture=small, plan=plan)
    >>> model = sgp.tl.calibrate(model, adata, levels=[0.5])
    >>> [(row["stratum"], row["n"]) for row in model.card.calibration]
    [('combo_seen1', 1), ('unseen_single', 1)]
    """
    generator = generator_of(rng)
    if not len(levels):
        msg = "levels is empty: name one at least, such as 0.9."
        raise DataError(msg)
    for level in levels:
        require_level(level)
    loaded = load_model(model)
    folder = _folder(Path(model).expanduser()) if isinstance(model, (str, os.PathLike)) else None
    if folder is not None:
        _require_writable(folder)
    held = read_held_out(adata, [loaded], split=split, layer=layer, n_cells=n_cells, rng=generator)
    _require_enough(len(held.perturbations), levels)
    genes = [str(name) for name in adata.var_names]
    read = row_reader(adata, held.rows, layer)
    made = predict_pseudobulks(loaded, genes, read, len(held.rows), held.perturbations, engine=engine or Engine())
    known = ~np.isnan(made.values).any(axis=1)
    if made.unknown:
        msg = (
            f"{len(made.unknown)} perturbations have targets unknown to {loaded.name}: {listing(made.unknown)}. They "
            "are left out."
        )
        warnings.warn(msg, UserWarning, stacklevel=2)
        _require_enough(int(known.sum()), levels)
    values = made.values[known]
    scores = np.abs(held.observed[known] - values) / scale(held.spread, values - made.control)
    calibration = Calibration(
        scores=scores.astype(np.float32),
        spread=held.spread.astype(np.float32),
        genes=tuple(genes),
        perturbations=tuple(name for name, is_known in zip(held.perturbations, known, strict=True) if is_known),
        strata=tuple(name for name, is_known in zip(held.strata, known, strict=True) if is_known),
        seen=held.seen,
        weights_sha256=loaded.weight_hash,
        modality=held.setup.modality,
        cell_type=held.setup.cell_type,
    )
    if short := [level for level in levels if n_needed(level) > len(values)]:
        need = ", ".join(f"{level:.4g} takes {n_needed(level)}" for level in sorted(short))
        msg = f"{len(values)} calibration perturbations are too few for some levels: {need}. Hold out more."
        warnings.warn(msg, UserWarning, stacklevel=2)
    card = replace(
        loaded.card, calibration=tuple(calibration_table(calibration, levels)), weights_sha256=loaded.weight_hash
    )
    if folder is not None:
        add_calibration(folder, calibration, card)
    return type(loaded)(
        loaded.network,
        loaded.vocabulary,
        card,
        genes=loaded.genes,
        control_mean=loaded.control_mean,
        calibration=calibration,
    )


def _require_enough(n: int, levels: Sequence[float]) -> None:
    if n < n_needed(min(levels)):
        need = ", ".join(f"{n_needed(level)} for {level:.4g}" for level in sorted(levels))
        msg = f"{n} calibration perturbations are too few: intervals take {need}. Hold out more."
        raise DataError(msg)


def _require_writable(folder: Path) -> None:
    try:
        require_writable(folder / CALIBRATION)
    except WriteError as error:
        msg = (
            f"The calibration is written into {folder}, and you may not write there. Pass the model itself, "
            f"scgenept.models.load({str(folder)!r}), and save the one that is returned."
        )
        raise WriteError(msg) from error


def _folder(path: Path) -> Path | None:
    """Return the model folder that a path means, as :func:`scgenept.models.load` reads it; ``None`` for a name."""
    return next((folder for folder in (path / RUN_MODEL, path) if is_folder(folder)), None)
