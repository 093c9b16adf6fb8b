"""The figure of intervals: whether they cover what they promise, and whether sure means right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from .._errors import DataError, listing
from ..evaluation.scores import aurc, risk_coverage
from ..evaluation.uncertainty import IntervalReport
from ..evaluation.uncertainty.conformal import ALL
from . import _style as style
from ._draws_figure import draws_figure
from ._panels import MARGIN, POINTS, TEXT_LINE, Panels, new_page, page_size

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from ._figures import Figsize

_SIDE_BY_SIDE: Final = 120.0
"""Width from which the two panels stand beside each other, millimetres."""
_HEIGHT: Final = 48.0
"""Of a panel, millimetres."""
_LEAST: Final = 20.0
"""Lowest panel, millimetres."""
_LEFT: Final = 11.5
"""Room of the vertical scale, millimetres."""
_BELOW: Final = 9.0
"""Room of the horizontal scale, millimetres."""
_GROUP: Final = 0.7
"""Width that the marks of one level take at most, where levels are 1 apart."""
_STEP: Final = 0.2
"""Largest distance of two marks."""
_ASIDE: Final = 0.06
"""Of the open mark from the filled one."""
_OPEN: Final[dict[str, Any]] = {
    "linestyle": "none", "marker": "o", "markersize": 3.0, "markeredgewidth": style.LINE,
}  # fmt: skip
_SOURCES: Final = {
    "conformal": "conformal intervals",
    "controls": "intervals by draws of the control cells",
    "ensemble": "intervals of an ensemble",
}
"""How a caption calls the source of intervals."""
_DOTTED: Final = (0, (1, 1.5))


@draws_figure("Two columns of a journal (175 mm)")
def calibration(
    report: IntervalReport | Mapping[str, IntervalReport],
    *,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Panels:
    """Draw how often intervals cover the observed mean, and how wrong the predictions are that are most sure.

    *Coverage:* the share of genes whose observed mean lies in the interval, averaged over test perturbations, against
    the level that was promised, the dashed line; marks below it are of intervals that are too narrow. Bars are 95 %
    intervals by bootstrap over perturbations. The open marks are of the 20 genes that were seen to change most in each
    perturbation: an interval that covers all genes well may miss just those that respond.

    *Risk:* the mean absolute error of the predictions that one keeps when the least confident are given up first. It
    falls to the left where sure means right. The dashed line is confidence that says nothing, the dotted line an oracle
    that knows the errors; the area under the curve is the AURC of the report. In a figure less wide than 120 mm the two
    panels stand below each other.

    Parameters
    ----------
    report
        What :func:`scgenept.tl.evaluate_intervals` returns, or a mapping from names to several, to compare sources of
        intervals or models. One report is drawn by stratum, several over all perturbations.
    {figure}
    **kwargs
        To :class:`matplotlib.lines.Line2D` for marks and curve of all perturbations.

    Returns
    -------
    The panels: ``axes["coverage"]`` and ``axes["risk"]``. The last text of ``figure`` is the caption.

    Raises
    ------
    DataError
        There is no such report, or nothing in it was predicted. A model that :func:`scgenept.tl.calibrate` returned is
        no report: it holds errors on the perturbations that it was calibrated on, and coverage of those is no test.

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
    >>> sgp.pl.calibration(report)
    <2 panels: coverage, risk>
    """
    reports = _reports(report)
    series = _series(reports)
    width, wanted = page_size(figsize, style.TWO_COLUMNS)
    room = (width - 2 * MARGIN) * POINTS - 14 * style.SMALL
    looks = _looks(series, kwargs)
    handles = [
        Line2D([], [], **look | {"linestyle": "none"}, label=f"{style.shorten(name, room, style.SMALL)} (n = {n})")
        for look, (name, n) in zip(looks, ((name, table["n"].iloc[0]) for name, table in series.items()), strict=True)
    ]
    handles.append(
        Line2D([], [], color=style.INK, markerfacecolor="white", **_OPEN, label="the 20 genes that change most")
    )
    beside = width >= _SIDE_BY_SIDE
    rows = 1 if beside else 2
    side = (width - 2 * _LEFT - 4 * MARGIN) / 2 if beside else width - _LEFT - 3 * MARGIN
    with new_page(
        width,
        wanted,
        handles=handles,
        sentences=_sentences(reports),
        panels=(_HEIGHT * rows, _LEAST * rows),
        others=2.5 * MARGIN + (TEXT_LINE + _BELOW) * rows,
        show=show,
        save=save,
    ) as page:
        left, top, height = MARGIN + _LEFT, page.top + 1.5 * MARGIN + TEXT_LINE, page.room / rows
        move = (side + _LEFT + MARGIN, 0.0) if beside else (0.0, height + _BELOW + TEXT_LINE)
        axes = {
            "coverage": page.axes(left, top, side, height),
            "risk": page.axes(left + move[0], top + move[1], side, height),
        }
        _coverage(axes["coverage"], series, looks)
        _risk(axes["risk"], reports, looks)
    return Panels(page.figure, axes)


def _reports(report: object) -> dict[str, IntervalReport]:
    """Return the reports by name; a single one has the name of all perturbations.

    Raises
    ------
    DataError
        There is none, or nothing was predicted.
    """
    found: dict[str, Any] = dict(report) if isinstance(report, Mapping) else {ALL: report}
    if not found:
        msg = "The mapping is empty: give a name to each result of sgp.tl.evaluate_intervals."
        raise DataError(msg)
    if len(found) > len(style.CATEGORIES):
        msg = f"{len(found)} reports are more than the {len(style.CATEGORIES)} that colours tell apart: compare fewer."
        raise DataError(msg)
    if wrong := [type(value).__name__ for value in found.values() if not isinstance(value, IntervalReport)]:
        msg = (
            f"calibration draws what sgp.tl.evaluate_intervals(adata, model=...) returns; got {listing(wrong)}. A "
            "calibrated model knows its errors on the perturbations it was calibrated on only: test it on others."
        )
        raise DataError(msg)
    for name, value in found.items():
        known = value.per_perturbation
        if not len(known) or known[["coverage", "error"]].isna().any(axis=1).all():
            msg = f"Report {name!r} has no perturbation with a coverage and an error: its notes say why."
            raise DataError(msg)
    return found


def _series(reports: dict[str, IntervalReport]) -> dict[str, pd.DataFrame]:
    """Return what has a line of coverage: strata of one report, or all perturbations of several; rows are levels."""
    if len(reports) > 1:
        return {name: report.summary[report.summary["stratum"] == ALL] for name, report in reports.items()}
    ((name, report),) = reports.items()
    strata = list(dict.fromkeys(report.summary["stratum"]))
    strata = [ALL, *(stratum for stratum in strata if stratum != ALL)]
    if len(strata) == 2:
        strata = [ALL]
    if len(strata) > len(style.CATEGORIES):
        msg = f"{len(strata) - 1} strata are more than the {len(style.CATEGORIES) - 1} that colours tell apart."
        raise DataError(msg)
    return {
        (name if stratum == ALL else stratum): report.summary[report.summary["stratum"] == stratum]
        for stratum in strata
    }


def _looks(series: dict[str, pd.DataFrame], kwargs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a colour and a mark for each line; what is over all perturbations takes the user's wishes."""
    single = next(iter(series)) == ALL
    colours = [style.INK, *style.CATEGORIES] if single else list(style.CATEGORIES)
    marks = ["o", *style.MARKS[1:]] if single else list(style.MARKS)
    looks = []
    for i in range(len(series)):
        look = {"color": colours[i], "marker": marks[i], "markersize": 4.0, "markeredgewidth": 0.0}
        looks.append(style.look(look, kwargs, Line2D) if i == 0 or not single else look)
    return looks


def _coverage(ax: Axes, series: dict[str, pd.DataFrame], looks: list[dict[str, Any]]) -> None:
    """Draw observed coverage, level by level, over or under the line of what was promised."""
    style.tidy(ax)
    tables = [table.set_index("level") for table in series.values()]
    levels = sorted({float(level) for table in tables for level in table.index})
    step = min(_STEP, _GROUP / max(len(series) - 1, 1))
    reach = step * (len(series) - 1) / 2 + 0.1
    for place, level in enumerate(levels):
        ends = [place - reach, place + reach]
        ax.plot(
            ends,
            [level, level],
            color=style.INK,
            linewidth=style.LINE,
            linestyle=style.DASHED,
            zorder=1,
            label="_promised",
        )
    single = next(iter(series)) == ALL
    for i, (name, table, look) in enumerate(zip(series, tables, looks, strict=True)):
        rows = table.reindex(levels)
        at = np.arange(len(levels)) + (step * (i - (len(series) - 1) / 2))
        for x, low, high in zip(at, rows["coverage_low"], rows["coverage_high"], strict=True):
            if np.isfinite(low):
                ax.plot([x, x], [low, high], color=look["color"], linewidth=style.LINE, zorder=2, label="_interval")
        if not single or i == 0:
            ax.plot(
                at + _ASIDE,
                rows["coverage_top20"],
                color=look["color"],
                markerfacecolor="white",
                zorder=3,
                label="_top",
                **_OPEN,
            )
        options: dict[str, Any] = {"zorder": 4, "label": name} | look | {"linestyle": "none"}
        ax.plot(at, rows["coverage"], **options)
    figures = pd.concat(tables)[["coverage", "coverage_low", "coverage_top20"]].to_numpy(dtype=float)
    lowest = min(float(np.nanmin(figures)), *levels)
    ax.set(xlim=(-0.6, len(levels) - 0.4), ylim=(max(0.0, lowest) - 0.04, 1.03))
    ax.set_xticks(range(len(levels)), [f"{100 * level:.4g}" for level in levels])
    ticks = [tick for tick in np.arange(0, 1.01, 0.1 if lowest > 0.45 else 0.2) if tick >= lowest - 0.04]
    ax.set_yticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    _words(ax, "level of the interval (%)", "genes covered (%)", "coverage")


def _risk(ax: Axes, reports: dict[str, IntervalReport], looks: list[dict[str, Any]]) -> None:
    """Draw the error of what is kept against the share that is kept."""
    style.tidy(ax)
    for (name, report), look in zip(reports.items(), looks, strict=False):
        confidence, error = _of_perturbations(report)
        for values, line, label, wide in (
            (-error, _DOTTED, "_oracle", 1.0),
            (np.zeros(len(error)), style.DASHED, "_nothing", style.FRAME),
        ):
            curve = risk_coverage(values, error)
            ax.plot(curve["coverage"], curve["risk"], color=look["color"], linewidth=wide, linestyle=line, label=label)
        curve = risk_coverage(confidence, error)
        options: dict[str, Any] = {"linewidth": 2 * style.LINE, "label": name, "clip_on": False} | look
        ax.plot(curve["coverage"], curve["risk"], **options)
    ax.set_xlim(0, 1.02)
    low, high = ax.get_ylim()
    ax.set_ylim(0 if low < 0.35 * high else low, high)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
    ax.locator_params(axis="y", nbins=5)
    _words(ax, "perturbations kept, surest first (%)", "mean absolute error (log1p)", "risk")


def _of_perturbations(report: IntervalReport) -> tuple[np.ndarray, np.ndarray]:
    """Return confidence and error of each perturbation that has both."""
    table = report.per_perturbation.drop_duplicates("perturbation")
    table = table[["confidence", "error"]].dropna()
    return table["confidence"].to_numpy(dtype=float), table["error"].to_numpy(dtype=float)


def _words(ax: Axes, x: str, y: str, name: str) -> None:
    ax.set_xlabel(x, **style.WORDS, labelpad=2)
    ax.set_ylabel(y, **style.WORDS, labelpad=2)
    ax.set_title(name, fontweight="bold", loc="left", pad=3, **style.WORDS)


def _sentences(reports: dict[str, IntervalReport]) -> list[str]:
    """Say what was tested on how much, and what bars and lines are."""
    found = []
    for name, report in reports.items():
        confidence, error = _of_perturbations(report)
        sources = listing(_SOURCES.get(source, source) for source in sorted(set(report.per_perturbation["source"])))
        n = len(error)
        area = (
            f"AURC {aurc(confidence, error):.3g}, {aurc(np.zeros(n), error):.3g} if confidence said nothing, "
            f"{aurc(-error, error):.3g} for an oracle"
        )
        of = sources if len(reports) == 1 else f"{name}: {sources}"
        found.append(
            f"{of[0].upper() if len(reports) == 1 else of[0]}{of[1:]}, {n} test perturbation{'s'[: n != 1]}; {area}."
        )
    found.append(
        "Coverage: marks are means over perturbations, bars 95 % intervals by bootstrap over perturbations, none for "
        "n = 1; dashed: what was promised. Risk: mean over genes and the perturbations kept; dashed: if confidence "
        "said nothing, dotted: an oracle that knows the errors."
    )
    return found
