"""From predicted cells to the interval of their mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _keys
from .._errors import DataError, listing
from ..evaluation.strata import strata
from ..evaluation.uncertainty.conformal import ALL, conformal_intervals, n_needed, require_reachable
from ..evaluation.uncertainty.intervals import Uncertainty, bootstrap_intervals, ensemble_intervals
from ..weights.gene_index import GeneIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..evaluation.uncertainty.intervals import Intervals, Source
    from ..perturbation import Perturbation
    from ..weights.calibration import Calibration
    from ..weights.model import ScGenePT


class Made(NamedTuple):
    """Intervals and what is to be said of them.

    Attributes
    ----------
    intervals
        Levels x genes.
    facts
        For the record of the prediction.
    words
        For the user.
    """

    intervals: Intervals
    facts: dict[str, Any]
    words: tuple[str, ...]


def read_wish(uncertainty: Source | Uncertainty | None) -> Uncertainty | None:
    """Return what was asked for, spelled out."""
    return Uncertainty(uncertainty) if isinstance(uncertainty, str) else uncertainty


def require_possible(wish: Uncertainty, model: ScGenePT, n_cells: int) -> None:
    """Refuse, before anything is computed, what cannot be given.

    Raises
    ------
    DataError
        The model is not calibrated, or on too few perturbations, or its weights changed since; a bootstrap of one cell.
    """
    if wish.source == "controls" and n_cells < 2:
        msg = f"uncertainty='controls' draws from the control cells again and needs two of them or more; got {n_cells}."
        raise DataError(msg)
    if wish.source == "conformal":
        require_reachable(calibration_of(model), wish.level)


def calibration_of(model: ScGenePT) -> Calibration:
    """Return the calibration of a model, if it is that of its weights."""
    if model.calibration is None:
        msg = (
            f"{model.name} is not calibrated. Run model = scgenept.tl.calibrate(model, adata) with cells of "
            "perturbations that it was not trained on."
        )
        raise DataError(msg)
    if model.calibration.weights_sha256 != model.weight_hash:
        msg = f"The weights of {model.name} changed after it was calibrated. Run scgenept.tl.calibrate again."
        raise DataError(msg)
    return model.calibration


def make_intervals(  # noqa: PLR0913  (the three sources need different things)
    wish: Uncertainty,
    levels: Sequence[float],
    *,
    model: ScGenePT,
    perturbation: Perturbation,
    genes: Sequence[str],
    cells: np.ndarray,
    member_means: np.ndarray,
    control_mean: np.ndarray,
    modality: str,
    rng: np.random.Generator,
) -> Made:
    """Return the intervals of one predicted mean response.

    Parameters
    ----------
    wish
        Source and number of draws.
    levels
        Each between 0 and 1.
    model
        The (first) model.
    perturbation
        What was predicted.
    genes
        Names of the measured genes.
    cells
        Predicted cells x genes, log1p of counts per 1e4.
    member_means
        Predicted mean of each model, models x genes, same unit.
    control_mean
        Mean of the cells that went in, (genes,), same unit.
    modality
        Of the cells, as far as they are set up.
    rng
        Of the bootstrap.
    """
    if wish.source == "controls":
        made = bootstrap_intervals(cells, levels, n_boot=wish.n_boot, rng=rng)
        return Made(made, {"interval_n": len(cells)}, ())
    if wish.source == "ensemble":
        return Made(ensemble_intervals(member_means, levels), {"interval_n": len(member_means)}, ())
    calibration = calibration_of(model)
    positions = GeneIndex(model, calibration.genes).positions(genes)
    unknown = positions < 0
    if unknown.all():
        msg = f"None of the {len(genes):,} genes of adata was calibrated: {listing(genes)}. Calibrate on such data."
        raise DataError(msg)
    aligned = replace(
        calibration,
        scores=np.where(unknown, np.float32(np.nan), calibration.scores[:, positions]),
        spread=np.where(unknown, np.float32(np.nan), calibration.spread[positions]),
        genes=tuple(genes),
    )
    stratum = stratum_of(model, [perturbation], calibration.seen)[0]
    mean = member_means.mean(axis=0)
    made = conformal_intervals(mean, mean - control_mean, aligned, stratum, levels)
    words: list[str] = []
    group, n = stratum, calibration.strata.count(stratum)
    if n < n_needed(wish.level):
        group, n_own, n = ALL, n, len(calibration.strata)
        words.append(
            f"Only {n_own} of {n} calibration perturbations are {stratum}, and an interval of {wish.level:.4g} takes "
            f"{n_needed(wish.level)}: it is that of all {n}, and may cover less among {stratum}."
        )
    if modality != calibration.modality and "unknown" not in {modality, calibration.modality}:
        words.append(
            f"{model.name} was calibrated on {calibration.modality} cells and these are {modality}: how often its "
            "intervals cover here is not known."
        )
    if unknown.any():
        names = [gene for gene, lost in zip(genes, unknown, strict=True) if lost]
        words += [f"{len(names):,} of {len(genes):,} genes were not calibrated and have no interval: {listing(names)}."]
    facts = {"interval_stratum": stratum, "interval_group": group, "interval_n": n}
    return Made(made, facts, tuple(words))


def stratum_of(model: ScGenePT, perturbations: Sequence[Perturbation], seen: Sequence[str]) -> list[str]:
    """Return the stratum of each perturbation, a gene being seen under any name that means its token."""
    index = GeneIndex(model, seen)
    kinds = []
    for perturbation in perturbations:
        is_seen = index.positions(perturbation.genes) >= 0
        trained = [gene for gene, known in zip(perturbation.genes, is_seen, strict=True) if known]
        kinds += strata([perturbation], trained)["kind"].tolist()
    return kinds


def record_facts(wish: Uncertainty, made: Made) -> dict[str, Any]:
    """Return what the record of a prediction says of its interval."""
    return {_keys.INTERVAL_SOURCE: wish.source, _keys.INTERVAL_LEVEL: wish.level, **made.facts}
