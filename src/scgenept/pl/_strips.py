"""What a figure of an evaluation is drawn from: which scores, strata and predictors, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import get
from .._errors import DataError, UnknownNameError, listing, near_names
from ..evaluation.report import Report
from ..evaluation.report._view import HEADLINES
from ..evaluation.summary import ALL, MEAN

if TYPE_CHECKING:
    from collections.abc import Sequence

ByLike: TypeAlias = Literal["kind", "effect_size", "n_cells"]
ScaleLike: TypeAlias = Literal["calibrated", "value"]

BY: Final = ("kind", "effect_size", "n_cells")
COLUMNS: Final = {
    "calibrated": ("calibrated", "calibrated_low", "calibrated_high", "n_nan_on_halves"),
    "value": ("value", "ci_low", "ci_high", "n_nan"),
}
"""Scale -> columns of the summary with the mean, its interval, and the number of perturbations left out of it."""


@dataclass(frozen=True, eq=False)
class Strip:
    """One score in one stratum.

    Attributes
    ----------
    table
        Predictors x (``value``, ``low``, ``high``, ``n_nan``), NaN where undefined.
    best
        The baseline that is best where it is defined for as many perturbations as what is judged; empty without one.
    can_rank
        Whether a replicate is clearly better than the mean.
    mean
        Value of the mean baseline on this scale.
    """

    table: pd.DataFrame
    best: str
    can_rank: bool
    mean: float


@dataclass(frozen=True, eq=False)
class Strips:
    """Everything that is drawn.

    Attributes
    ----------
    report
        Where it is from.
    scale
        ``"calibrated"`` or ``"value"``.
    metrics
        Score -> whether higher is better.
    strata
        Stratum -> number of perturbations.
    judged, baselines
        Predictors from top to bottom; the mean baseline is none of them.
    strips
        Score and stratum -> numbers.
    """

    report: Report
    scale: str
    metrics: dict[str, bool]
    strata: dict[str, int]
    judged: tuple[str, ...]
    baselines: tuple[str, ...]
    strips: dict[tuple[str, str], Strip]


def read_strips(
    report: Report | AnnData,
    *,
    metrics: Literal["all"] | str | Sequence[str] | None,
    by: ByLike | None,
    scale: ScaleLike,
) -> Strips:
    """Choose from a report what is to be drawn.

    Raises
    ------
    DataError
        There is no report, nothing to draw in it, or it is not calibrated.
    UnknownNameError
        There is no such score, stratum or scale.
    """
    report = _report(report)
    for name, value, known in (("scale", scale, tuple(COLUMNS)), ("by", by, (*BY, None))):
        if value not in known:
            msg = f"{name}={value!r} does not exist: {', '.join(map(repr, known))}."
            raise UnknownNameError(msg)
    summary = report.summary
    chosen = _metrics(summary, metrics)
    if scale == "calibrated" and not report.about["n_halvings"]:
        msg = "This report is not calibrated. Pass scale='value', or evaluate again with calibrate=True."
        raise DataError(msg)
    kinds = summary[summary["stratum_of"] == by]
    rows = pd.concat([summary[summary["stratum"] == ALL], kinds if kinds["stratum"].nunique() > 1 else kinds[:0]])
    rows = rows[rows["metric"].isin(chosen)]
    strata = {str(name): int(n) for name, n in zip(rows["stratum"], rows["n"], strict=True)}
    flags = rows.drop_duplicates("predictor").set_index("predictor")["is_baseline"].astype(bool)
    judged = tuple(str(name) for name in flags.index[~flags])
    strips = {
        (metric, stratum): _strip(rows[(rows["metric"] == metric) & (rows["stratum"] == stratum)], judged, scale)
        for metric in chosen
        for stratum in strata
    }
    if all(strip.table["value"].isna().all() for strip in strips.values()):
        msg = f"No predictor has a value of {listing(chosen)}: choose other scores with metrics=; report.notes say why."
        raise DataError(msg)
    upwards = rows.drop_duplicates("metric").set_index("metric")["higher_is_better"]
    first = strips[chosen[0], next(iter(strata))]
    sign = 1.0 if scale == "calibrated" or upwards[chosen[0]] else -1.0
    others = [str(name) for name in flags.index[flags] if name != MEAN]
    order = (-sign * first.table["value"].reindex(others)).sort_values(kind="stable", na_position="last")
    return Strips(
        report,
        scale,
        {metric: bool(upwards[metric]) for metric in chosen},
        strata,
        judged,
        tuple(order.index),
        strips,
    )


def _report(report: Report | AnnData) -> Report:
    if isinstance(report, AnnData):
        return get.report(report)
    if not isinstance(report, Report):
        got = type(report).__name__
        msg = f"evaluation draws what sgp.tl.evaluate returns, or an AnnData that it was stored in; got {got}."
        raise DataError(msg)
    return report


def _metrics(summary: pd.DataFrame, metrics: str | Sequence[str] | None) -> list[str]:
    """Return the scores to draw: the headline scores that are there, or the first three, unless told."""
    known = list(dict.fromkeys(summary.loc[summary["stratum"] == ALL, "metric"]))
    if not known:
        msg = "The report has no scores over all perturbations: evaluate again with sgp.tl.evaluate."
        raise DataError(msg)
    if metrics is None:
        return [name for name in HEADLINES if name in known] or known[:3]
    if isinstance(metrics, str) and metrics == "all":
        return known
    names = [metrics] if isinstance(metrics, str) else list(dict.fromkeys(metrics))
    if not names:
        msg = f"metrics is empty: name one of {', '.join(known)}."
        raise DataError(msg)
    if unknown := [name for name in names if name not in known]:
        near = near_names(str(unknown[0]), known)
        msg = f"The report has no score {listing(unknown)}.{near} It has: {', '.join(known)}."
        raise UnknownNameError(msg)
    return names


def _strip(rows: pd.DataFrame, judged: Sequence[str], scale: str) -> Strip:
    columns = dict(zip(COLUMNS[scale], ("value", "low", "high", "n_nan"), strict=True))
    table = rows.set_index("predictor")[[*columns, "is_baseline"]].rename(columns=columns)
    mean = 0.0 if scale == "calibrated" else float(table["value"].get(MEAN, np.nan))
    of_judged = table.loc[list(judged)]
    undefined = of_judged.loc[of_judged["value"].notna(), "n_nan"]
    is_rival = table["is_baseline"].astype(bool) & table["value"].notna() & (table.index != MEAN)
    # a mean over fewer perturbations is another question, often an easier one
    rivals = table.loc[is_rival & (table["n_nan"] <= (undefined.min() if len(undefined) else np.inf)), "value"]
    lower = scale == "value" and not bool(rows["higher_is_better"].iloc[0])
    best = "" if rivals.empty else str(rivals.idxmin() if lower else rivals.idxmax())
    return Strip(table.drop(columns="is_baseline"), best, bool(rows["can_rank"].iloc[0]), mean)
