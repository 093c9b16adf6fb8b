"""The figure of an evaluation: every predictor between the mean and a replicate, by score and stratum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.markers import CARETLEFT, CARETRIGHT
from matplotlib.ticker import MaxNLocator

from .._errors import DataError
from ..evaluation.report._view import title
from ..evaluation.summary import ALL, FEWEST
from . import _style as style
from ._draws_figure import draws_figure
from ._panels import MARGIN, POINTS, TEXT_LINE, Panels, new_page, page_size
from ._strips import read_strips

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ..evaluation.report import Report
    from ._figures import Figsize
    from ._panels import Page
    from ._strips import ByLike, ScaleLike, Strip, Strips

_LANES: Final = (2.5, 2.3)
"""Height of the place of one predictor, millimetres; and where there are more than :data:`_MANY`."""
_MANY: Final = 10
_LEAST: Final = 2.2
"""Lowest place of a predictor, millimetres."""
_ROW_GAP: Final = 2.4
"""Between rows of panels, millimetres."""
_GAP: Final = 2.4
"""Between panels side by side, millimetres."""
_MIN_PANEL: Final = 13.0
_TICKS: Final = 5.0
"""Room of the numbers under the last row, millimetres."""
_NAMES: Final = 0.32, 36.0
"""Largest share of the width that names of predictors take, and millimetres."""
_LIMITS: Final = ((-1.0, -0.2), (1.2, 2.0))
"""Bounds of the two ends of the calibrated scale."""
_BAR: Final = "_interval"
"""Label of the bars."""
_JUDGED: Final[dict[str, Any]] = {"color": style.PREDICTED, "marker": "o", "markersize": 3.4}
_BEST: Final[dict[str, Any]] = {"color": style.BASELINE, "marker": "D", "markersize": 2.8}
_OTHER: Final[dict[str, Any]] = {"color": style.FAINT, "marker": "s", "markersize": 2.2}


@draws_figure("Two columns of a journal (175 mm), and as high as the rows need,")
def evaluation(
    report: Report | AnnData,
    *,
    metrics: Literal["all"] | str | Sequence[str] | None = None,
    by: ByLike | None = "kind",
    scale: ScaleLike = "calibrated",
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Panels:
    """Draw every score of every predictor between what the mean and what a replicate of the experiment gets.

    Scores are columns, kinds of test perturbations are rows, and each predictor has a lane. On the calibrated scale the
    dashed line, 0, is the mean of the training perturbations, predicted for all, and the solid line, 1, is a replicate:
    one half of the cells predicting the other. Right is better, for every score. Marks are means over perturbations,
    bars their 95 % intervals by bootstrap over perturbations. The best baseline of a panel stands out: it is what a
    model has to beat. Where a replicate is not clearly better than the mean, the score can rank nobody, and the panel
    is grey.

    Parameters
    ----------
    report
        What :func:`scgenept.tl.evaluate` returns, or an AnnData that it was stored in.
    metrics
        Scores to draw, ``"all"``, or by default ``pearson_delta``, ``pearson_delta_ref_mean`` and ``pds_cosine`` as far
        as they are there.
    by
        What the rows after the first, of all perturbations, are: kinds of perturbations by what training saw of them,
        thirds by the size of the effect, or by the number of cells; ``None`` draws the first row only.
    scale
        ``"calibrated"``, or ``"value"``: each score in its own unit on all cells, with the mean as a dashed line.
    {figure}
    **kwargs
        To :class:`matplotlib.lines.Line2D` for the marks of what is judged.

    Returns
    -------
    The panels: ``axes[metric, stratum]``, with a line of one point per predictor, whose label is its name. The last
    text of ``figure`` is the caption.

    Raises
    ------
    DataError
        There is no report; it is not calibrated; no predictor has a value of these scores; they do not fit the width.
    UnknownNameError
        There is no such score, scale or kind of rows.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> report = sgp.tl.evaluate(adata, "additive", split=["KLF1+MAP2K6"], metrics="mse", n_boot=100)
    >>> sgp.pl.evaluation(report)
    <1 panels: ('mse', 'all')>
    """
    strips = read_strips(report, metrics=metrics, by=by, scale=scale)
    width, wanted = page_size(figsize, style.TWO_COLUMNS)
    lanes = (*strips.judged, *strips.baselines)
    widths = [style.text_width(name, style.SMALL, weight="bold") / POINTS for name in lanes]
    left = min(max(widths) / style.HINTING, _NAMES[0] * width, _NAMES[1]) + 2.5 * MARGIN
    panel = (width - left - MARGIN - _GAP * (len(strips.metrics) - 1)) / len(strips.metrics)
    if panel < _MIN_PANEL:
        needed = left + MARGIN - _GAP + (_MIN_PANEL + _GAP) * len(strips.metrics)
        msg = (
            f"{len(strips.metrics)} scores need a figsize of a width of {np.ceil(10 * needed * style.MM) / 10:.1f} "
            "inches, or name fewer with metrics=."
        )
        raise DataError(msg)
    room = (left - 2 * MARGIN) * POINTS
    names = {
        name: style.shorten(name, room, style.SMALL, weight="bold" if name in strips.judged else "normal")
        for name in lanes
    }
    limits = _limits(strips)
    heads = {metric: _head(metric, strips, panel) for metric in strips.metrics}
    head = TEXT_LINE * max(text.count("\n") + 1 for text in heads.values())
    n, all_lanes = len(strips.strata), len(lanes) * len(strips.strata)
    with new_page(
        width,
        wanted,
        handles=_legend(strips, kwargs),
        sentences=_sentences(strips, limits),
        panels=(_LANES[len(lanes) > _MANY] * all_lanes, _LEAST * all_lanes),
        others=head + (TEXT_LINE + _ROW_GAP) * n - _ROW_GAP + _TICKS,
        show=show,
        save=save,
    ) as page:
        axes, height = {}, page.room / n
        for row, stratum in enumerate(strips.strata):
            start = page.top + head + (TEXT_LINE + height + _ROW_GAP) * row
            page.text(MARGIN, start, _row_title(stratum, strips.strata[stratum]), fontweight="bold")
            for column, metric in enumerate(strips.metrics):
                x = left + column * (panel + _GAP)
                if row == 0:
                    page.text(x + panel / 2, start - 0.6, heads[metric], ha="center", va="bottom")
                ax = page.axes(x, start + TEXT_LINE, panel, height)
                _draw(ax, strips.strips[metric, stratum], strips, limits[metric], kwargs)
                _scale(ax, strips, panel, last=row == len(strips.strata) - 1)
                if column == 0:
                    _names(ax, page, names, strips.judged)
                axes[metric, stratum] = ax
    return Panels(page.figure, axes)


def _draw(ax: Axes, strip: Strip, strips: Strips, limits: tuple[float, float], kwargs: dict[str, Any]) -> None:
    """Put lines, bars and marks on the axes, from top to bottom."""
    lanes = (*strips.judged, *strips.baselines)
    style.tidy(ax)
    ax.spines["left"].set_visible(False)
    ax.set(xlim=limits, ylim=(len(lanes) - 0.5, -0.5), yticks=[])
    ax.set_facecolor("white" if strip.can_rank or strips.scale == "value" else style.BAND)
    if np.isfinite(strip.mean):
        ax.axvline(strip.mean, color=style.INK, linewidth=style.LINE, linestyle=style.DASHED, zorder=1, label="_mean")
    if strips.scale == "calibrated":
        ax.axvline(1, color=style.INK, linewidth=style.LINE, zorder=1, label="_replicate")
    for lane, name in enumerate(lanes):
        judged = name in strips.judged
        look = style.look(_JUDGED, kwargs, Line2D) if judged else dict(_BEST if name == strip.best else _OTHER)
        look |= {"linestyle": "none", "zorder": 4 if judged else 3, "label": name}
        row = strip.table.loc[name, ["value", "low", "high", "n_nan"]].to_numpy(dtype=float)
        value, low, high, n_nan = map(float, row)
        if not np.isfinite(value):
            ax.text(float(np.mean(limits)), lane, "undefined", ha="center", **_over_lines(ax))
            continue
        if not limits[0] <= value <= limits[1]:
            _beyond(ax, lane, value, limits, look)
            continue
        if np.isfinite(low) and np.isfinite(high):
            bar = {"color": look["color"], "linewidth": 1.6 * style.LINE, "zorder": 2.2, "label": _BAR}
            ax.add_line(Line2D([low, high], [lane, lane], **bar))
        if n_nan > 0:
            look |= {"markerfacecolor": "white", "markeredgewidth": style.LINE}
        ax.add_line(Line2D([value], [lane], clip_on=False, **look))


def _beyond(ax: Axes, lane: int, value: float, limits: tuple[float, float], look: dict[str, Any]) -> None:
    """Put an arrowhead at the edge that the value lies behind, and the value beside it."""
    low = value < limits[0]
    edge = limits[0] if low else limits[1]
    head = {"marker": CARETLEFT if low else CARETRIGHT, "markersize": 4.0, "markerfacecolor": look["color"]}
    ax.add_line(Line2D([edge], [lane], clip_on=False, **look | head))
    ax.annotate(
        style.signed(f"{value:.2g}"),
        (edge, lane),
        xytext=(4 if low else -4, 0),
        textcoords="offset points",
        ha="left" if low else "right",
        **_over_lines(ax),
    )


def _over_lines(ax: Axes) -> dict[str, Any]:
    """Return the look of words in a lane: over the lines of mean and replicate, under the frame."""
    ground = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.5}
    return {"va": "center_baseline", "zorder": 2, "bbox": ground, **style.WORDS}


def _limits(strips: Strips) -> dict[str, tuple[float, float]]:
    """Return the ends of the scale of each score: shared where calibrated, by scores that can rank."""
    if strips.scale == "value":
        return {metric: _range(strips, metric) for metric in strips.metrics}
    tables = [strip.table for strip in strips.strips.values() if strip.can_rank]
    columns = [table[["value", "low", "high"]].to_numpy(dtype=float).ravel() for table in tables]
    values = np.concatenate([*columns, [0.0, 1.0]])
    values = values[np.isfinite(values)]
    low = float(np.clip(values.min() - 0.05, *_LIMITS[0]))
    high = float(np.clip(values.max() + 0.05, *_LIMITS[1]))
    return dict.fromkeys(strips.metrics, (low, high))


def _range(strips: Strips, metric: str) -> tuple[float, float]:
    parts = [strip for (name, _), strip in strips.strips.items() if name == metric]
    values = np.concatenate([part.table[["value", "low", "high"]].to_numpy(dtype=float).ravel() for part in parts])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    pad = 0.06 * float(np.ptp(values)) or 0.1 * abs(float(values[0])) or 0.1
    return float(values.min()) - pad, float(values.max()) + pad


def _scale(ax: Axes, strips: Strips, panel: float, *, last: bool) -> None:
    """Write numbers under the last row, as many as have room within the panel."""
    low, high = ax.get_xlim()
    ticks = (
        (-1.0, 0.0, 1.0, 2.0)
        if strips.scale == "calibrated"
        else tuple(MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(low, high))
    )
    digits = max(0, int(np.ceil(-np.log10(ticks[1] - ticks[0]) + 0.01))) if strips.scale == "value" else 0
    kept: dict[float, str] = {}
    edge = -1.0
    for tick in ticks:
        label = style.signed(f"{tick:.{digits}f}" if digits < 6 else f"{tick:.1e}")
        middle, half = (tick - low) / (high - low) * panel, style.text_width(label, style.SMALL) / POINTS / 2
        if low <= tick <= high and middle - half >= edge and middle + half <= panel + 1:
            kept[tick] = label
            edge = middle + half + 1
    ax.set_xticks(list(kept), list(kept.values()) if last else [""] * len(kept))


def _names(ax: Axes, page: Page, names: dict[str, str], judged: Sequence[str]) -> None:
    """Write the names of the predictors to the left, bold what is judged."""
    box = ax.get_position()
    for lane, (name, short) in enumerate(names.items()):
        middle = page.height * (1 - box.y1 + box.height * (lane + 0.5) / len(names))
        weight = "bold" if name in judged else "normal"
        page.text(box.x0 * page.width - MARGIN, middle, short, ha="right", va="center_baseline", fontweight=weight)


def _head(metric: str, strips: Strips, panel: float) -> str:
    name = style.break_name(metric, (panel + _GAP - 0.6) * POINTS, style.SMALL)
    lower = strips.scale == "value" and not strips.metrics[metric]
    return f"{name}\n{style.wrap('(lower is better)', panel * POINTS, style.SMALL)}" if lower else name


def _row_title(stratum: str, n: int) -> str:
    name = "all test perturbations" if stratum == ALL else stratum
    return f"{name} (n = {n})"


def _legend(strips: Strips, kwargs: dict[str, Any]) -> list[Line2D]:
    """Return the marks of the legend, with their labels."""
    judged = "the prediction" if len(strips.judged) == 1 else "predictions that are judged"
    looks = {judged: _JUDGED | style.look({}, kwargs, Line2D)}
    if strips.baselines:
        looks |= {"best baseline": _BEST, "other baselines": _OTHER}
    handles = [Line2D([], [], **look | {"linestyle": "none", "label": label}) for label, look in looks.items()]
    line: dict[str, Any] = {"color": style.INK, "linewidth": style.LINE}
    calibrated = strips.scale == "calibrated"
    mean = "0: mean of training" if calibrated else "mean of training"
    handles.append(Line2D([], [], linestyle=style.DASHED, label=mean, **line))
    return [*handles, Line2D([], [], label="1: replicate", **line)] if calibrated else handles


def _sentences(strips: Strips, limits: dict[str, tuple[float, float]]) -> list[str]:
    """Say what was judged on what, what marks and bars are, and what is special here."""
    about = strips.report.about
    tables = {key: strip.table for key, strip in strips.strips.items()}
    found = [f"{title(strips.report)}."]
    if strips.scale == "calibrated":
        found.append(
            "Marks: mean over n perturbations, on halves of the cells; 0 is no better than the mean of the training "
            "perturbations, 1 as good as a replicate. Right is better."
        )
    else:
        found.append("Marks: mean over n perturbations, in the unit of the score.")
    found.append(f"Bars: 95 % intervals, bootstrap over perturbations ({about['n_boot']:,} draws)")
    found[-1] += ", none for n = 1." if 1 in strips.strata.values() else "."
    if strips.scale == "calibrated" and not all(strip.can_rank for strip in strips.strips.values()):
        found.append(
            "Grey panels: a replicate is not clearly better than the mean, or perturbations are fewer than "
            f"{FEWEST}, so the score ranks nobody there."
        )
    defined = [table[table["value"].notna()].reindex([*strips.judged, *strips.baselines]) for table in tables.values()]
    if any((table["n_nan"] > 0).any() for table in defined):
        found.append("Open marks: undefined for some of the perturbations, which are left out.")
    outside = [
        ((table["value"] < limits[metric][0]) | (table["value"] > limits[metric][1])).any()
        for (metric, _), table in tables.items()
    ]
    if any(outside):
        found.append("Arrowheads: beyond the frame, at the number beside them.")
    return found
