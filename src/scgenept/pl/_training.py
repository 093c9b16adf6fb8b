"""The figure of a training: losses by epoch, and which epoch was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from . import _style as style
from ._draws_figure import draws_figure
from ._figures import on_axes
from ._history import LEARNING_RATE, TRAIN_LOSS, VALIDATION_LOSS, read_history
from ._panels import MARGIN, POINTS, new_page, page_size

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from ..training.fit import TrainingRun
    from ..weights.model import ScGenePT
    from ._figures import Figsize
    from ._history import History

_HEIGHT: Final = 45.0
"""Of the losses, millimetres."""
_LEAST: Final = 20.0
"""Lowest, millimetres."""
_RATES: Final = 9.0
"""Of the learning rate, millimetres."""
_LEFT: Final = 14.0
_BESIDE: Final = 5.5
"""Room on the left of the losses, and of it what the numbers leave to the name of the scale and the ticks."""
_BELOW: Final = 8.0
_WIDE_RANGE: Final = 10.0
"""Ratio of the largest to the smallest loss from which the scale is logarithmic."""
_DECADES: Final = 1000.0
"""Ratio from which it has numbers at powers of ten only."""
_FEW: Final = 40
"""So many epochs have a mark each."""
_TRAIN: Final = "training"
_TRAIN_COLOUR: Final = "#6E6E6E"
"""The grey of the training part, dark enough for a line."""
_VALIDATION: Final = "validation"


@draws_figure("One column of a journal (85 mm)")
def training(
    run: ScGenePT | TrainingRun | pd.DataFrame | str | os.PathLike[str],
    *,
    ax: Axes | None = None,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the losses of a training by epoch, and mark the epoch whose weights were kept.

    The training loss is the mean over the steps of an epoch, taken while the weights change and with dropout; the
    validation loss is taken after the epoch, without. So validation may lie below training, and that is no error. What
    tells of overfitting is a validation loss that rises while the training loss still falls. A scale of losses that
    span more than a factor of ten is logarithmic. Where the learning rate changed it has a strip of its own below.

    Parameters
    ----------
    run
        A model that :func:`scgenept.tl.finetune` returned or that was loaded; the folder that a run is kept in (one
        that is still going on is drawn so far) or that a model was saved in; or a table with the columns ``epoch``,
        ``train_loss`` and ``validation_loss``.
    {ax}
    **kwargs
        To :class:`matplotlib.lines.Line2D` for the validation loss, or the training loss where there is no other.

    Returns
    -------
    The axes of the losses; ``get_lines`` are labelled ``training``, ``validation`` and ``kept``. The learning rate is
    the second of ``figure.axes``.

    Raises
    ------
    DataError
        There are no losses: the model was not trained here, or no epoch is finished.

    Examples
    --------
    >>> import pandas as pd
    >>> import scgenept as sgp
    >>> losses = pd.DataFrame({"epoch": [0, 1, 2], "train_loss": [0.3, 0.2, 0.1], "validation_loss": [0.3, 0.2, 0.25]})
    >>> axes = sgp.pl.training(losses)
    >>> [text.get_text() for text in axes.figure.legends[0].get_texts()]
    ['training', 'validation', 'kept: epoch 1 (0.2)']
    """
    history = read_history(run)
    handles = _handles(history, kwargs)
    if ax is None:
        return _on_page(history, handles, figsize, kwargs, show=show, save=save)
    with on_axes(ax, figsize, (style.ONE_COLUMN, style.ONE_COLUMN), show=show, save=save) as axes:
        _draw(axes, history, kwargs)
        axes.legend(handles=handles, loc="best", **style.LEGEND | {"borderpad": 0.4})
        axes.set_xlabel("epoch", labelpad=2, **style.WORDS)
        style.caption_below(axes, " ".join(_sentences(history)), style.width_in_points(axes))
    return axes


def _on_page(
    history: History,
    handles: list[Line2D],
    figsize: Figsize | None,
    kwargs: dict[str, Any],
    *,
    show: bool | None,
    save: str | Path | None,
) -> Axes:
    """Draw the losses on a page that has everything else."""
    width, wanted = page_size(figsize, style.ONE_COLUMN)
    strip = _RATES + 3 * MARGIN if _rate_changed(history) else 0.0
    side = width - _LEFT - 4 * MARGIN
    with new_page(
        width,
        wanted,
        handles=handles,
        sentences=_sentences(history),
        panels=(_HEIGHT, _LEAST),
        others=2 * MARGIN + strip + _BELOW,
        show=show,
        save=save,
    ) as page:
        top = page.top + MARGIN
        ax = lowest = page.axes(_LEFT, top, side, page.room)
        if strip:
            lowest = page.axes(_LEFT, top + page.room + 3 * MARGIN, side, _RATES)
            _draw_rates(lowest, history)
            ax.sharex(lowest)
            ax.tick_params(labelbottom=False)
        lowest.set_xlabel("epoch", **style.WORDS, labelpad=2)
        _draw(ax, history, kwargs)
        numbers = ax.yaxis.get_major_formatter().format_ticks(list(ax.get_yticks()))
        room = max(style.text_width(number, style.SMALL) for number in numbers) / POINTS / style.HINTING
        left = max(_LEFT, room + _BESIDE) / page.width
        for panel in (ax, lowest):
            box = panel.get_position()
            panel.set_position((left, box.y0, box.x1 - left, box.height))
    return ax


def _draw(ax: Axes, history: History, kwargs: dict[str, Any]) -> None:
    """Put both curves and the epoch that was kept on the axes."""
    below = ax.xaxis.get_tick_params().get("labelbottom", True)
    style.tidy(ax)
    ax.tick_params(labelbottom=below)
    table = history.table
    for label, look in _looks(history, kwargs).items():
        ax.plot(table["epoch"], table[VALIDATION_LOSS if label == _VALIDATION else TRAIN_LOSS], label=label, **look)
    kept = table[table["epoch"] == history.best_epoch]
    column = VALIDATION_LOSS if history.validated else TRAIN_LOSS
    ax.axvline(
        history.best_epoch, color=style.FAINT, linewidth=style.LINE, linestyle=style.DASHED, zorder=1, label="_kept"
    )
    ax.plot(kept["epoch"], kept[column], label="kept", **_RING)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    first, last = float(table["epoch"].iloc[0]), float(table["epoch"].iloc[-1])
    pad = max(0.3, 0.03 * (last - first))
    ax.set_xlim(first - pad, last + pad)
    losses = table[[name for name in (TRAIN_LOSS, VALIDATION_LOSS) if name in table]].to_numpy()
    losses = losses[np.isfinite(losses)]
    if losses.min() > 0 and losses.max() / losses.min() > _WIDE_RANGE:
        ax.set_yscale("log")
        few = losses.max() / losses.min() < _DECADES
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=6))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=5))
    # no power of ten above the axes, where the legend is
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.signed(f"{value:.10g}")))
    ax.set_ylabel("mean squared error", **style.WORDS, labelpad=2)


_RING: Final[dict[str, Any]] = {
    "linestyle": "none", "marker": "o", "markersize": 6.5, "markerfacecolor": "none", "markeredgewidth": style.LINE,
    "color": style.INK, "zorder": 5,
}  # fmt: skip


def _looks(history: History, kwargs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return label -> look of the curves."""
    marks = len(history.table) <= _FEW
    line: dict[str, Any] = {"linewidth": 1.6 * style.LINE, "markersize": 2.6, "zorder": 3}
    looks = {_TRAIN: line | {"color": _TRAIN_COLOUR, "marker": "s" if marks else ""}}
    if history.validated:
        looks[_VALIDATION] = line | {"color": style.PARTS["val"], "marker": "o" if marks else "", "zorder": 4}
    main = list(looks)[-1]
    return looks | {main: style.look(looks[main], kwargs, Line2D)}


def _handles(history: History, kwargs: dict[str, Any]) -> list[Line2D]:
    handles = [Line2D([], [], label=label, **look) for label, look in _looks(history, kwargs).items()]
    column = VALIDATION_LOSS if history.validated else TRAIN_LOSS
    value = history.table.loc[history.table["epoch"] == history.best_epoch, column]
    number = style.signed(f" ({value.iloc[0]:.3g})") if len(value) else ""
    word = "kept" if history.finished else "best so far"
    return [*handles, Line2D([], [], label=f"{word}: epoch {history.best_epoch}{number}", **_RING)]


def _rate_changed(history: History) -> bool:
    """Say whether the learning rate is known and not the same throughout."""
    if LEARNING_RATE not in history.table:
        return False
    rates = history.table[LEARNING_RATE].to_numpy(dtype=float)
    known = rates[np.isfinite(rates)]
    return len(known) > 1 and bool(np.ptp(known) > 1e-9 * known.max())


def _draw_rates(ax: Axes, history: History) -> None:
    rates = history.table[LEARNING_RATE].to_numpy(dtype=float)
    style.tidy(ax)
    ax.step(history.table["epoch"], rates, where="mid", color=style.INK, linewidth=style.LINE, label=LEARNING_RATE)
    top = float(np.nanmax(rates))
    ax.set_ylim(0, 1.1 * top)
    ax.set_yticks([0, top], ["0", f"{top:.2g}"])
    ax.set_ylabel("learning\nrate", **style.WORDS, labelpad=2)


def _sentences(history: History) -> list[str]:
    """Say what was trained on how much, how it ended, and how the curves compare."""
    table, facts = history.table, history.facts
    n = len(table)
    on = [
        f"{len(facts[part]):,} perturbations {words}"
        for part, words in (("train", "for training"), ("val", "for validation"))
        if facts.get(part)
    ]
    if facts.get("n_cells"):
        on.insert(0, f"{int(facts['n_cells']):,} cells")
    state = "" if history.finished else " so far"
    name = f"{history.name}: " if history.name else ""
    found = [f"{name}{n} epoch{'s'[: n != 1]}{state}{'; ' if on else ''}{', '.join(on)}."]
    if facts.get("interrupted"):
        found.append("Stopped by the user.")
    found.append(
        "Training: mean over the steps of an epoch, with any dropout; validation: after it, without. One run, so no "
        "interval."
        if history.validated
        else "Mean over the steps of an epoch, with any dropout; without validation the last epoch is kept. One run, "
        "so no interval."
    )
    return found
