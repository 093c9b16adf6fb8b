"""The short view of a report: what a terminal and a notebook both show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from ..summary import ALL, MEAN

if TYPE_CHECKING:
    from ._report import Report

HEADLINES: Final = ("pearson_delta", "pearson_delta_ref_mean", "pds_cosine")
"""Scores shown by stratum, as far as they were asked for; two fit the width of a terminal."""
LEGEND: Final = (
    "mean: the mean of the training perturbations, predicted for all. replicate: one half of the cells against the "
    "other. calibrated: both and the predictor measured on halves; 0 is no better than the mean, 1 as good as a "
    "replicate. v: lower is better."
)
UNCALIBRATED: Final = "mean: the mean of the training perturbations, predicted for all. v: lower is better."


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


def overall(report: Report, name: str) -> pd.DataFrame:
    """Return the scores of one predictor over all perturbations, as text, one row per score."""
    summary = report.summary[report.summary["stratum"] == ALL]
    rows = []
    for metric, group in summary.groupby("metric", sort=False):
        own = group[group["predictor"] == name].iloc[0]
        mean = group.loc[group["predictor"] == MEAN, "value"]
        rivals = group[group["is_baseline"].astype(bool) & group["value"].notna() & (group["predictor"] != name)]
        # a mean over fewer perturbations is another question, often an easier one
        rivals = rivals[rivals["n_nan"] <= own["n_nan"]]
        best = rivals.sort_values("value", ascending=not own["higher_is_better"], kind="stable").head(1)
        rows.append(
            {
                "score": f"{metric}{'' if own['higher_is_better'] else ' v'}",
                "value": number(own["value"]),
                "95 % interval": f"{number(own['ci_low'])} .. {number(own['ci_high'])}",
                "mean": number(mean.iloc[0] if len(mean) else np.nan),
                "replicate": number(own["positive_control"]),
                "calibrated": number(own["calibrated"])
                + ("" if own["can_rank"] or np.isnan(own["calibrated"]) else " ?"),
                "best baseline": f"{number(best['value'].iloc[0])} {best['predictor'].iloc[0]}" if len(best) else "-",
            }
        )
    table = pd.DataFrame(rows)
    if not report.about["n_halvings"]:
        table = table.drop(columns=["replicate", "calibrated"], errors="ignore")
    return table


def by_kind(report: Report, name: str) -> pd.DataFrame:
    """Return the headline scores of one predictor by kind of perturbation, as text; empty with one kind only."""
    summary = report.summary[(report.summary["stratum_of"] == "kind")]
    scores = [metric for metric in HEADLINES if metric in set(summary["metric"])][:2]
    rows = []
    for stratum, group in summary.groupby("stratum", sort=False):
        row = {"kind": str(stratum), "n": str(int(group["n"].iloc[0]))}
        for metric in scores:
            found = group[group["metric"] == metric].set_index("predictor")
            row |= {
                metric: number(found["value"][name]),
                f"mean{' ' * scores.index(metric)}": number(found["value"].get(MEAN, np.nan)),
            }
            if report.about["n_halvings"]:
                row[f"replicate{' ' * scores.index(metric)}"] = number(found["positive_control"][name])
        rows.append(row)
    return pd.DataFrame(rows) if len(rows) > 1 and scores else pd.DataFrame()


def legend(report: Report) -> str:
    """Return what the columns mean."""
    if not report.about["n_halvings"]:
        return UNCALIBRATED
    blunt = not report.summary.loc[report.summary["stratum"] == ALL, "can_rank"].all()
    return LEGEND + (" ?: the score cannot rank predictors here." if blunt else "")


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
