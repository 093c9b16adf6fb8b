"""The short view of a report: what a terminal and a notebook both show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from ..calibration import REPLICATE
from ..summary import ALL, MEAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ._report import Report

HEADLINES: Final = ("pearson_delta", "pearson_delta_ref_mean", "pds_cosine")
"""Scores shown by stratum, as far as they were asked for; two fit the width of a terminal."""
SHORT: Final = ("pearson_delta", "mse", "pearson_delta_ref_mean", "pds_cosine", "de_auprc", "direction_agreement")
"""Scores of the short view, where there are more than fit it."""
FITS: Final = 8
BEST: Final = "best baseline"
SCORES: Final = (
    "mean: the mean of the training perturbations, predicted for all. best baseline: of those that have a score "
    "wherever the prediction has one. All of a row are means over the same perturbations. v: lower is better."
)
HALVES: Final = (
    "On all cells, prediction and truth share the control cells and their noise; on halves they share nothing. "
    "replicate: the other half of the cells. calibrated: 0 is no better than the mean, 1 as good as a replicate."
)
BLUNT: Final = "?: the score cannot rank predictors here."


def title(report: Report) -> str:
    """Return one line that says what was evaluated on what."""
    about = report.about
    where = " ".join(str(about[name]) for name in ("cell_type", "modality") if about[name] not in {"", "unknown"})
    return (
        f"{about['predictors']} on {about['n_test']} test perturbation{'s'[: about['n_test'] != 1]} "
        f"({about['n_training']} for training), {about['n_genes']:,} genes{f', {where}' if where else ''}"
    )


def judged(report: Report) -> list[str]:
    """Return the names of the predictors that were handed in."""
    return list(dict.fromkeys(report.summary.loc[~report.summary["is_baseline"].astype(bool), "predictor"]))


def shown(report: Report, scores: Literal["short", "all"]) -> list[str]:
    """Return the names of the scores to show, in the order of the report."""
    names = list(dict.fromkeys(report.summary.loc[report.summary["stratum"] == ALL, "metric"]))
    short = [name for name in names if name in SHORT]
    return names if scores == "all" or len(names) <= FITS or not short else short


def on_all_cells(report: Report, name: str, scores: Sequence[str]) -> pd.DataFrame:
    """Return scores of one predictor over all perturbations, on all cells, as text, one row per score."""
    rows = []
    for own, rivals in _groups(report, name, scores, "value"):
        row = {
            "on all cells": f"{own['metric']}{'' if own['higher_is_better'] else ' v'}",
            "value": number(own["value"]),
            "95 % interval": _range(own["ci_low"], own["ci_high"]),
            "mean": number(rivals.get(MEAN, np.nan)),
            BEST: _best(own, rivals),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def on_halves(report: Report, name: str, scores: Sequence[str]) -> pd.DataFrame:
    """Return the same on halves of the cells, with a replicate beside it; empty where nothing was calibrated."""
    rows = []
    for own, rivals in _groups(report, name, scores, "value_on_halves"):
        blunt = "" if own["can_rank"] or np.isnan(own["calibrated"]) else " ?"
        row = {
            "on halves of the cells": f"{own['metric']}{'' if own['higher_is_better'] else ' v'}",
            "value": number(own["value_on_halves"]),
            "mean": number(own["negative_control"]),
            "replicate": number(own["positive_control"]),
            "calibrated": f"{number(own['calibrated'])}{blunt}",
            "95 % interval": _range(own["calibrated_low"], own["calibrated_high"]),
            BEST: _best(own, rivals),
        }
        rows.append(row)
    return pd.DataFrame(rows if report.about["n_halvings"] else [])


def _groups(report: Report, name: str, scores: Sequence[str], column: str) -> Iterator[tuple[Any, pd.Series[float]]]:
    """Yield per score the row of the predictor, and the means of the baselines where it has a value itself."""
    summary = report.summary[report.summary["stratum"] == ALL]
    for metric in scores:
        group = summary[summary["metric"] == metric].set_index("predictor", drop=False)
        baselines = group.index[group["is_baseline"].astype(bool) & (group.index != name)]
        yield group.loc[name], _beside(report, name, metric, column).reindex(baselines)


def _beside(
    report: Report, name: str, metric: str, column: str, perturbations: Iterable[str] | None = None
) -> pd.Series[float]:
    """Return the means of all predictors over the perturbations with a value of one; NaN for who lacks any of them.

    A mean over other perturbations is another question, often an easier one.
    """
    rows = report.per_perturbation[report.per_perturbation["metric"] == metric]
    table = rows.pivot(index="perturbation", columns="predictor", values=column)
    if perturbations is not None:
        table = table.loc[list(perturbations)]
    known = table[name].notna()
    if column == "value_on_halves" and REPLICATE in table:
        known &= table[REPLICATE].notna()
    return table[known].mean(skipna=False)


def _best(own: Any, rivals: pd.Series[float]) -> str:
    known = rivals.dropna().sort_values(ascending=not own["higher_is_better"], kind="stable")
    return f"{number(known.iloc[0])} {known.index[0]}" if len(known) else "-"


def _range(low: float, high: float) -> str:
    return "-" if np.isnan(low) else f"{number(low)} .. {number(high)}"


def by_kind(report: Report, name: str) -> pd.DataFrame:
    """Return the headline scores of one predictor by kind of perturbation, as text; empty with one kind only."""
    summary = report.summary[(report.summary["stratum_of"] == "kind")]
    scores = [metric for metric in HEADLINES if metric in set(summary["metric"])][:2]
    within = report.per_perturbation.drop_duplicates("perturbation").groupby("kind")["perturbation"].unique()
    rows = []
    for stratum, group in summary.groupby("stratum", sort=False):
        row = {"kind": str(stratum), "n": str(int(group["n"].iloc[0]))}
        for metric in scores:
            found = group[group["metric"] == metric].set_index("predictor")
            row |= {
                metric: number(found["value"][name]),
                f"mean{' ' * scores.index(metric)}": number(
                    _beside(report, name, metric, "value", within[stratum]).get(MEAN, np.nan)
                ),
            }
            if report.about["n_halvings"]:
                row[f"replicate{' ' * scores.index(metric)}"] = number(found["positive_control"][name])
        rows.append(row)
    return pd.DataFrame(rows) if len(rows) > 1 and scores else pd.DataFrame()


def legend(report: Report, scores: Sequence[str]) -> str:
    """Return what the columns mean, and where the other scores are."""
    overall = report.summary[report.summary["stratum"] == ALL]
    parts = [SCORES]
    if report.about["n_halvings"]:
        parts.append(HALVES)
        if not overall.loc[overall["metric"].isin(scores), "can_rank"].all():
            parts.append(BLUNT)
    if n_more := overall["metric"].nunique() - len(scores):
        parts.append(f'{n_more} more scores: print(report.to_text(scores="all")).')
    return " ".join(parts)


def number(value: float) -> str:
    """Write a number with three digits, a missing one as a dash.

    Examples
    --------
    >>> number(0.004051), number(-1234.5), number(float("nan"))
    ('0.00405', '-1.23e+03', '-')
    """
    if np.isnan(value):
        return "-"
    return "0" if abs(value) < 1e-9 else f"{value:.3g}"  # what subtraction leaves of nothing
