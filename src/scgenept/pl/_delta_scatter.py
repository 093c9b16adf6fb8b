"""Predicted against observed change of every gene, with the scores that sum them up and what simple guesses score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D

from .._errors import DataError, UnknownGeneError, listing, near_names
from ..evaluation.scores.correlations import pearson_delta
from . import _style as style
from ._captions import many, observed_by, predicted_by, ranked_by
from ._changes import References, observed_changes, references, require_finite
from ._draws_figure import draws_figure
from ._figures import on_axes
from ._labels import label_points, left_out
from ._responses import read_prediction, require_observation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ..perturbation import PerturbationLike
    from ._figures import Figsize
    from ._responses import Observation, Prediction

_N_TOP: Final = 20
"""Number of top genes of ``pearson_delta_top20``, the field's habit since GEARS."""
_N_AVOIDED: Final = 100
"""How many of the genes that lie far out names keep away from."""
_SIZE: Final = (style.ONE_COLUMN, 100 * style.MM)


@draws_figure("One column of a journal (85 mm) by 100 mm")
def delta_scatter(  # noqa: PLR0913  (where the data are, and where the figure goes)
    adata: AnnData,
    perturbation: PerturbationLike,
    *,
    observed: AnnData | None = None,
    n_label: int = 10,
    label: str | Sequence[str] = (),
    key: str | None = None,
    ax: Axes | None = None,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the predicted against the observed change over control of every gene.

    Both axes have the same limits, so that a prediction that is right in direction and too small in size is seen to
    be so: it lies flat under the dashed line on which prediction and observation agree. The top 20 genes by Welch's t
    of the observed cells against control are dark and the first of them are named; perturbed genes that are
    measured have a square around them and a name in bold. A name that finds no room is left out.

    The caption has Pearson delta over all genes and over the top 20
    (:func:`scgenept.metrics.pearson_delta`), beside what the mean of the training perturbations and, for a pair whose
    genes were both perturbed alone, the sum of their changes score: a Pearson delta without these says little. Guesses
    are taken from the training part of the data's split, or from all other perturbations where there is no split; the
    perturbation drawn is never among them.

    Parameters
    ----------
    {prediction}
    observed
        Where to look for the observed response, and for other perturbations: labelled cells and control cells, or the
        figures ``varm["observed_mean"]`` and ``varm["observed_std"]``, log1p of counts per 1e4. ``adata`` itself
        otherwise.
    n_label
        Number of top genes to name.
    label
        More genes to name, such as those of your question; the caption says which of them found no room.
    {ax}
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter` of all genes.

    Returns
    -------
    The axes: the first collection is all genes, the second the top ones.

    Raises
    ------
    UnknownNameError
        There is no such prediction, or nothing was observed of the perturbation.
    UnknownGeneError
        A gene to name is not in the data.
    DataError
        No row is predicted, the genes do not meet, values are NaN, or ``n_label`` is negative.

    Examples
    --------
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:20].copy()
    >>> sgp.tl.predict_perturbation(cells, "KLF1+MAP2K6", model="scgenept-mini")
    >>> axes = sgp.pl.delta_scatter(cells, "KLF1+MAP2K6", show=False)
    >>> len(axes.collections[0].get_offsets())
    500
    """
    if n_label < 0:
        msg = f"n_label must be 0 or more; got {n_label}."
        raise DataError(msg)
    source = adata if observed is None else observed
    prediction = read_prediction(adata, perturbation, key)
    observation = require_observation(source, prediction, n_top=0)
    genes = observation.table.index
    changes = pd.DataFrame(
        {"observed": observation.table["change"], "predicted": prediction.table["change"].loc[genes]}, index=genes
    )
    require_finite(changes.T, "The change")
    label = [label] if isinstance(label, str) else label
    if unknown := [gene for gene in label if gene not in genes]:
        msg = (
            f"{len(unknown)} genes to name are not both predicted and observed: {listing(unknown)}."
            f"{near_names(unknown[0], genes)}"
        )
        raise UnknownGeneError(msg)
    others = observed_changes(source)
    guesses = References({}) if others is None else references(others, prediction.perturbation)
    with on_axes(ax, figsize, _SIZE, show=show, save=save) as axes:
        _draw(axes, changes, prediction, kwargs)
        width = _frame(axes, changes, prediction)
        about = _caption(changes, prediction, observation, guesses)
        # names placed beside the longest caption have room beside a shorter one too
        note = style.caption_below(axes, about + left_out(label, ()), width)
        style.lay_out(axes)
        written = _name(axes, changes, prediction, n_label, label)
        note.set_text(style.wrap(about + left_out(label, written), width, style.SMALL))
    return axes


def _draw(ax: Axes, changes: pd.DataFrame, prediction: Prediction, given: dict[str, Any]) -> None:
    """Put every gene on the axes, the top ones over them, and the lines that they are read against."""
    low, high = _limits(changes)
    for line in (ax.axhline, ax.axvline):
        line(0, color=style.FAINT, linewidth=style.FRAME, zorder=0)
    ax.plot([low, high], [low, high], color=style.INK, linewidth=style.LINE, linestyle=style.DASHED, zorder=1)
    size = float(np.clip(9000 / len(changes), 3, 9))
    ours = {"s": size, "color": style.FAINT, "linewidth": 0, "alpha": 0.7, "zorder": 2, "rasterized": True}
    ax.scatter(changes["observed"], changes["predicted"], **style.look(ours, given, PathCollection))
    top = changes.iloc[:_N_TOP]
    ax.scatter(top["observed"], top["predicted"], s=10, color=style.INK, linewidth=0, zorder=3)
    targets = changes.loc[_targets(changes, prediction)]
    ax.scatter(
        targets["observed"],
        targets["predicted"],
        s=28,
        marker="s",
        facecolor="none",
        edgecolor=style.INK,
        linewidth=1.3 * style.LINE,
        zorder=4,
    )
    ax.set(xlim=(low, high), ylim=(low, high))


def _limits(changes: pd.DataFrame) -> tuple[float, float]:
    """Return limits of both axes: all values, zero, and room for names."""
    low, high = float(min(changes.min().min(), 0)), float(max(changes.max().max(), 0))
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room


def _targets(changes: pd.DataFrame, prediction: Prediction) -> list[str]:
    return [gene for gene in prediction.targets if gene in changes.index]


def _frame(ax: Axes, changes: pd.DataFrame, prediction: Prediction) -> float:
    """Write scales and legend, and return the width of the axes in points."""
    style.tidy(ax)
    style.few_ticks(ax)
    ax.set_ylabel("predicted change over control", **style.WORDS)
    handles = {f"top {many(min(_N_TOP, len(changes)), 'gene')}": style.mark("o", style.INK)}
    if len(changes) > _N_TOP:
        handles["other genes"] = style.mark("o", style.FAINT)
    if _targets(changes, prediction):
        handles["perturbed"] = Line2D(
            [], [], linestyle="", marker="s", markersize=5, markerfacecolor="none", markeredgecolor=style.INK
        )
    handles["predicted = observed"] = Line2D([], [], color=style.INK, linewidth=style.LINE, linestyle=style.DASHED)
    width = style.width_in_points(ax)
    scale = style.wrap("observed change over control (log1p of counts per 10,000)", width, style.SMALL)
    ax.set_xlabel(scale, **style.WORDS)
    style.legend_above(ax, handles, title=str(prediction.perturbation), width=width)
    return width


def _name(ax: Axes, changes: pd.DataFrame, prediction: Prediction, n_label: int, label: Sequence[str]) -> list[str]:
    """Name targets, the genes asked for and the first of the top genes, and return which found room."""
    targets = _targets(changes, prediction)
    top = [*targets, *label, *changes.index[: min(n_label, _N_TOP)]] if n_label else label
    names = list(dict.fromkeys(top))
    far = changes.abs().sum(axis=1).sort_values(ascending=False).index[:_N_AVOIDED]
    marked = changes.loc[list(dict.fromkeys([*targets, *changes.index[:_N_TOP], *far]))]
    return label_points(ax, changes.loc[names].to_numpy(), names, avoid=marked.to_numpy(), bold=targets)


def _caption(changes: pd.DataFrame, prediction: Prediction, observation: Observation, guesses: References) -> str:
    """Say how good it is beside simple guesses, what was predicted with what, and what was observed."""
    number = min(_N_TOP, len(changes))
    scores = (
        f"Pearson delta over {many(len(changes), 'gene')}: {_scores(changes, guesses, None)}; "
        f"over the top {number} by {ranked_by(observation)}: {_scores(changes, guesses, number)}."
    )
    sentences = [scores]
    if "mean" in guesses.changes:
        additive = "; additive: their single ones, added up" if "additive" in guesses.changes else ""
        sentences.append(f"Mean: of {guesses.n} {guesses.what}{additive}.")
    return " ".join([*sentences, predicted_by(prediction), observed_by(observation)])


def _scores(changes: pd.DataFrame, guesses: References, n: int | None) -> str:
    """Write the score of the prediction, and in brackets those of the guesses, over the first ``n`` genes."""
    genes = changes.index[:n]
    truth, zero = changes.loc[genes, ["observed"]].T, np.zeros(len(genes))
    rows = {"": changes.loc[genes, "predicted"], **{name: guess.loc[genes] for name, guess in guesses.changes.items()}}
    values = {
        name: float(pearson_delta(row.to_numpy()[None, :], truth.to_numpy(), zero)[0]) for name, row in rows.items()
    }
    beside = ", ".join(f"{name} {_number(value)}" for name, value in values.items() if name)
    return f"{_number(values[''])}{f' ({beside})' if beside else ''}"


def _number(value: float) -> str:
    return "undefined" if np.isnan(value) else style.signed(f"{value:.2f}")
