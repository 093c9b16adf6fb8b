"""The figure of the paper: predicted beside observed change of the genes that respond most."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .. import _keys
from .._errors import DataError
from . import _style as style
from ._captions import many, observed_by, predicted_by, ranked_by
from ._draws_figure import draws_figure
from ._figures import on_axes
from ._responses import read_observation, read_prediction, require_observation

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from ..perturbation import PerturbationLike
    from ._figures import Figsize
    from ._responses import Observation, Prediction

_OFFSET: Final = 0.2
"""Distance of the observed and the predicted mark from the middle of a gene's place, in places."""
_DOT: Final = 3.0
"""Size of the predicted mark, points."""
_PREDICTED: Final[dict[str, Any]] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": _DOT,
    "color": style.PREDICTED,
    "linewidth": style.LINE,
    "capsize": 0,
    "zorder": 4,
    "label": "predicted",
}
"""Look of the predicted mean and its bar."""
_SIZE: Final = (style.TWO_COLUMNS, 75 * style.MM)
_NAMES: Final = 0.36
"""Largest share of the height that names of genes take, enough for Ensembl ids; longer ones are shortened."""
_DIAMOND: Final[dict[str, Any]] = {"markersize": 2.6, "markerfacecolor": "white", "markeredgewidth": style.LINE}
"""Look of the observed mean."""
_INTERVALS: Final = {
    "controls": "Interval: other draws of the {n} control cells; it knows nothing of the model's error.",
    "ensemble": "Interval: {n} models trained with different seeds.",
    "conformal": "Interval: errors on {n} held-out perturbations.",
}
"""What is said of an interval, by its source."""


@draws_figure("Two columns of a journal (175 mm) by 75 mm")
def top_genes(  # noqa: PLR0913  (where the data are, and where the figure goes)
    adata: AnnData,
    perturbation: PerturbationLike,
    *,
    observed: AnnData | None = None,
    n_top: int = 20,
    key: str | None = None,
    ax: Axes | None = None,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the predicted change over control of the top genes beside what was observed.

    Genes stand in rank order: by Welch's t of the observed cells against control, as GEARS and scanpy rank them
    (:func:`scgenept.evaluation.de.rank_genes`), or by the size of the predicted change where nothing was observed.
    Observed cells are boxes (quartiles, whiskers at the 5th and 95th percentile, a diamond for the mean); where only
    figures are at hand, a diamond with the standard deviation. The prediction is the mean over the predicted cells
    with their standard deviation, or with the interval of that mean where it was predicted with ``uncertainty=``.
    Everything is the difference to the mean of the control cells. Genes that the model does not know are left out. The
    caption below says which model made the prediction, for which modality and cell type it was trained, and from how
    many cells.

    Parameters
    ----------
    {prediction}
    observed
        Where to look for the observed response: cells labelled with the perturbation and control cells, or the figures
        ``varm["observed_mean"]`` and ``varm["observed_std"]``, log1p of counts per 1e4. ``adata`` itself otherwise,
        and no observation is drawn where it has none.
    n_top
        Number of genes; all shared ones where there are fewer.
    {ax}
    **kwargs
        To :meth:`matplotlib.axes.Axes.errorbar` of the predicted means.

    Returns
    -------
    The axes: ``get_xticklabels`` are the genes in rank order, the text with the gid ``caption`` is the caption.

    Raises
    ------
    UnknownNameError
        There is no such prediction, or the given ``observed`` knows nothing of the perturbation.
    DataError
        No row is predicted, the genes do not meet, or ``n_top`` is less than 1.

    Examples
    --------
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:20].copy()
    >>> sgp.tl.predict_perturbation(cells, "KLF1+MAP2K6", model="scgenept-mini")
    >>> axes = sgp.pl.top_genes(cells, "KLF1+MAP2K6", n_top=10, show=False)
    >>> len(axes.get_xticklabels())
    10
    """
    if n_top < 1:
        msg = f"n_top must be at least 1; got {n_top}."
        raise DataError(msg)
    prediction = read_prediction(adata, perturbation, key)
    if observed is None:
        observation = read_observation(adata, prediction, n_top=n_top)
    else:
        observation = require_observation(observed, prediction, n_top=n_top)
    genes = _rank(prediction, observation)[:n_top]
    with on_axes(ax, figsize, _SIZE, show=show, save=save) as axes:
        _draw(axes, genes, prediction, observation, kwargs)
        _label(axes, genes, prediction, observation)
    return axes


def _rank(prediction: Prediction, observation: Observation | None) -> list[str]:
    """Return the genes that the model knows, strongest response first."""
    if observation is not None:
        return list(observation.table.index)
    known = prediction.table["change"].drop(index=list(prediction.unknown))
    return list(known.abs().sort_values(ascending=False, kind="stable").index)


def _draw(
    ax: Axes, genes: list[str], prediction: Prediction, observation: Observation | None, given: dict[str, Any]
) -> None:
    """Put the marks on the axes: bands under targets, zero, observation, prediction."""
    places = np.arange(len(genes))
    for place in places[np.isin(genes, prediction.targets)]:
        ax.axvspan(place - 0.5, place + 0.5, color=style.BAND, linewidth=0, zorder=0)
    ax.axhline(0, color=style.FAINT, linewidth=style.LINE, linestyle=style.DASHED, zorder=1)
    if observation is not None:
        _draw_observation(ax, genes, observation)
    predicted = prediction.table.loc[genes]
    ax.errorbar(
        places + (_OFFSET if observation is not None else 0),
        predicted["change"],
        yerr=_bars(genes, prediction),
        **style.look(_PREDICTED, given, Line2D),
    )
    ax.set_xlim(-0.6, len(genes) - 0.4)


def _bars(genes: list[str], prediction: Prediction) -> np.ndarray:
    """Length of the bars below and above the predicted mean, (2, genes); 0 where there is none."""
    predicted = prediction.table.loc[genes]
    if prediction.interval is None:
        return np.tile(predicted["std"].fillna(0).to_numpy(), (2, 1))
    bounds = prediction.interval.loc[genes]
    bars = np.stack([predicted["change"] - bounds["lower"], bounds["upper"] - predicted["change"]])
    # a mean over fewer cells than the interval is of may lie outside
    lengths: np.ndarray = np.maximum(np.nan_to_num(bars), 0)
    return lengths


def _draw_observation(ax: Axes, genes: list[str], observation: Observation) -> None:
    places = np.arange(len(genes)) - _OFFSET
    means = observation.table.loc[genes]
    if observation.cells is not None:
        line = {"color": style.OBSERVED, "linewidth": style.LINE}
        ax.boxplot(
            observation.cells,
            positions=places,
            widths=0.36,
            whis=(5, 95),
            showfliers=False,
            showmeans=False,
            notch=False,
            showcaps=False,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": style.SKY, "edgecolor": style.OBSERVED, "linewidth": style.LINE},
            whiskerprops=line,
            medianprops=line | {"linewidth": 2 * style.LINE},
            zorder=2,
        )
    ax.errorbar(
        places,
        means["change"],
        yerr=None if observation.cells is not None else means["std"].fillna(0),
        fmt="D",
        **_DIAMOND,
        color=style.OBSERVED,
        linewidth=style.LINE,
        capsize=0,
        zorder=3,
        label="observed",
    )


def _label(ax: Axes, genes: list[str], prediction: Prediction, observation: Observation | None) -> None:
    """Write names, scale, legend and caption in sizes that fit the axes as laid out now."""
    style.tidy(ax)
    ax.set_ylabel("change over control\n(log1p of counts per 10,000)", **style.WORDS)
    ax.set_xticks([])
    width, height = style.size_in_points(ax)
    size = min(style.SMALL, 0.8 * width / (len(genes) + 0.2))
    names = [style.shorten(gene, _NAMES * height, size) for gene in genes]
    ax.set_xticks(np.arange(len(genes)), names, rotation=90)
    for tick, gene in zip(ax.xaxis.get_major_ticks(), genes, strict=True):
        target = gene in prediction.targets
        tick.label1.set(fontsize=size, fontweight="bold" if target else "normal", fontstyle="italic")
    style.caption_below(ax, _caption(genes, prediction, observation), width)
    _legend(ax, prediction, observation, width)


def _legend(ax: Axes, prediction: Prediction, observation: Observation | None, width: float) -> None:
    """Put name of the perturbation and legend above the axes."""
    handles: dict[str, Artist] = {}
    diamond = partial(Line2D, [], [], color=style.OBSERVED, marker="D", **_DIAMOND)
    if observation is not None and observation.cells is not None:
        handles["observed cells"] = Patch(facecolor=style.SKY, edgecolor=style.OBSERVED, linewidth=style.LINE)
        handles["their mean"] = diamond(linestyle="none")
    elif observation is not None:
        handles["observed mean ± SD"] = diamond(linewidth=style.LINE)
    handles[f"predicted mean {_spread(prediction)}"] = Line2D(
        [], [], color=style.PREDICTED, marker="o", markersize=_DOT, linewidth=style.LINE
    )
    style.legend_above(ax, handles, title=str(prediction.perturbation), width=width)


def _spread(prediction: Prediction) -> str:
    if prediction.interval is None:
        return "± SD"
    level = float(prediction.record[_keys.INTERVAL_LEVEL])
    return f"and {100 * level:.4g} % interval"


def _caption(genes: list[str], prediction: Prediction, observation: Observation | None) -> str:
    """Say what was predicted with what from what, and what the marks are."""
    sentences = [predicted_by(prediction)]
    if observation is None:
        sentences += [f"Top {many(len(genes), 'gene')} by size of the predicted change."]
    else:
        drawn = "; boxes: quartiles, whiskers: 5th to 95th percentile" if observation.cells is not None else ""
        sentences += [
            observed_by(observation, drawn),
            f"Top {many(len(genes), 'gene')} by {ranked_by(observation)}.",
        ]
    if prediction.interval is not None:
        sentences += [
            _INTERVALS[str(prediction.record[_keys.INTERVAL_SOURCE])].format(n=prediction.record["interval_n"])
        ]
    if any(gene in prediction.targets for gene in genes):
        sentences += ["Bold on grey: perturbed."]
    return " ".join(sentences)
