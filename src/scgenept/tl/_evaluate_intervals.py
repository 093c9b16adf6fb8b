"""tl.evaluate_intervals: whether intervals cover what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._errors import DataError, UnknownGeneError, listing
from .._progress import progress
from .._random import generator_of
from ..data.checks import require_anndata
from ..data.select import row_reader
from ..evaluation.uncertainty.conformal import n_needed
from ..evaluation.uncertainty.intervals import LEVELS
from ..perturbation import Perturbation
from ..prediction.approximation import measure_approximation
from ..prediction.engine import Engine
from ..weights.tokens import build_tokens
from ._held_out import read_held_out
from ._interval_table import fared
from ._intervals import calibration_of, make_intervals, read_wish, require_possible
from ._members import load_members, predict_by_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

    from .._types import RNGLike
    from ..evaluation.uncertainty import IntervalReport, Uncertainty
    from ..evaluation.uncertainty.intervals import Source
    from ..weights.model import ScGenePT
    from ._held_out import HeldOut
    from ._members import Models


def evaluate_intervals(
    adata: AnnData,
    *,
    model: Models,
    uncertainty: Source | Uncertainty = "conformal",
    split: str | Iterable[str] = "test",
    layer: str | None = None,
    n_cells: int | None = None,
    engine: Engine | None = None,
    rng: RNGLike = 0,
) -> IntervalReport:
    """Measure how often intervals cover the observed mean, how wide they are, and whether sure means right.

    Coverage at 50, 80, 90 and 95 % (the level asked for besides), width, CRPS and the risk-coverage area, by stratum.
    The unit is the perturbation.

    Parameters
    ----------
    adata
        Cells of the test perturbations and control cells, log1p of counts per 1e4, set up
        (:func:`scgenept.pp.setup_perturbations`).
    model
        As in :func:`predict_perturbation`: a calibrated one for ``"conformal"``, several for ``"ensemble"``.
    uncertainty
        Source of the intervals, or an :class:`Uncertainty`.
    split
        The part of ``obs["split"]`` to test on, or the perturbations themselves; none that was trained or calibrated
        on.
    layer
        The layer that holds the expression; ``X`` by default.
    n_cells
        Predict from this many control cells, drawn from ``rng``; by default all.
    engine
        Batch size, device and number type, as :class:`Engine`.
    rng
        Seed or generator.

    Returns
    -------
    An :class:`IntervalReport` with the tables ``per_perturbation`` and ``summary``, and ``notes``.

    Raises
    ------
    DataError
        As :func:`calibrate`; or a test perturbation was calibrated on.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> adata.obs["split"] = adata.obs["perturbation"].astype(str).map(lambda name: "test" if "+" in name else "train")
    >>> small = sgp.tl.Architecture(d_model=8, n_heads=2, d_hidden=8, n_layers=1)
    >>> plan = sgp.tl.TrainingPlan(epochs=1, batch_size=8)
    >>> model = sgp.tl.finetune(adata, variant="scgpt", init=None, architecture=small, plan=plan)
    >>> report = sgp.tl.evaluate_intervals(adata, model=model, uncertainty="controls")
    >>> report.summary.query("stratum == 'all'")["level"].tolist()
    [0.5, 0.8, 0.9, 0.95]
    """
    generator = generator_of(rng)
    wish = read_wish(uncertainty)
    if wish is None:
        msg = "Name the source of the intervals: uncertainty='controls', 'ensemble' or 'conformal'."
        raise DataError(msg)
    require_anndata(adata)
    engine = engine or Engine()
    members = load_members(model, wish)
    first, genes = members[0], [str(name) for name in adata.var_names]
    held = read_held_out(adata, members, split=split, layer=layer, n_cells=n_cells, rng=generator)
    require_possible(wish, first, len(held.rows))
    levels = sorted({*LEVELS, wish.level})
    notes: list[str] = []
    if wish.source == "conformal":
        levels, notes = _reachable(first, held, levels)
    read = row_reader(adata, held.rows, layer)
    control = read(0, len(held.rows)).mean(axis=0, dtype=np.float64)
    kept: list[int] = []
    means, made, unknown = [], [], []
    for i, name in enumerate(progress(held.perturbations, "intervals")):
        perturbation = Perturbation.parse(name)
        try:
            if not kept:
                tokens = build_tokens(first, genes, perturbation)
                measure_approximation(first.network, tokens, read, len(held.rows), engine=engine)
            cells, _, member_means = predict_by_all(members, genes, perturbation, read, len(held.rows), engine=engine)
        except UnknownGeneError:
            unknown.append(name)
            continue
        kept.append(i)
        means.append(member_means.mean(axis=0))
        made.append(
            make_intervals(
                wish,
                levels,
                model=first,
                perturbation=perturbation,
                genes=genes,
                cells=cells,
                member_means=member_means,
                control_mean=control,
                modality=held.setup.modality,
                rng=generator,
            )
        )
    if unknown:
        notes.append(f"{len(unknown)} perturbations have targets unknown to {first.name}: {listing(unknown)}.")
    if not kept:
        msg = (
            f"{first.name} knows the targets of none of the {len(unknown)} test perturbations: {listing(unknown)}. "
            "Use human gene symbols in the labels, or test others."
        )
        raise DataError(msg)
    return fared(
        made,
        levels,
        perturbations=[held.perturbations[i] for i in kept],
        strata=[held.strata[i] for i in kept],
        source=wish.source,
        tables=(held.observed[kept], np.stack(means), control),
        notes=notes,
        rng=generator,
    )


def _reachable(model: ScGenePT, held: HeldOut, levels: list[float]) -> tuple[list[float], list[str]]:
    """Leave out the levels that the calibration is too small for; refuse perturbations that are part of it."""
    calibration = calibration_of(model)
    n = len(calibration.perturbations)
    if overlap := [name for name in held.perturbations if name in calibration.perturbations]:
        msg = (
            f"{len(overlap)} of {len(held.perturbations)} test perturbations were calibrated on: {listing(overlap)}. "
            "Coverage of them is no test; take others."
        )
        raise DataError(msg)
    short = [level for level in levels if n_needed(level) > n]
    said = [
        f"{n} calibration perturbations do not reach level {level:.4g}: it takes {n_needed(level)}." for level in short
    ]
    return [level for level in levels if level not in short], said
