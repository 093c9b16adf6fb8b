"""The figure of a split: how many perturbations and cells each part has, and what training saw of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib.patches import Patch, Rectangle

from .. import _keys, get
from .._errors import DataError
from ..data.records import read_record, split_key
from ..data.select import control_mask
from ..data.splits.parts import PARTS, SUBGROUPS
from . import _style as style
from ._draws_figure import draws_figure
from ._panels import MARGIN, POINTS, TEXT_LINE, Panels, new_page, page_size
from ._responses import require_adata

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ._figures import Figsize
    from ._panels import Page

_ROW: Final = 3.6
"""Height of a bar with the gap after it, millimetres."""
_LEAST: Final = 2.8
"""Lowest such height, millimetres."""
_GAP: Final = 3.0
"""Between the panels, millimetres."""
_NO_PART: Final = "in no part"
_KINDS: Final = {1: "singles", 2: "pairs"}
_MORE: Final = "three genes or more"
_CONTROLS: Final = "control cells"
_STATES: Final = {
    "all targets perturbed in training": "#00614A",
    "some of them": "#7CC7B0",
    "none of them": "white",
    _CONTROLS: style.CONTROL,
}
"""What training saw of a perturbation -> colour."""
_HATCHED: Final = "none of them"
_COUNTS: Final = ("perturbations", "cells")


@draws_figure("Two columns of a journal (175 mm), and as high as the rows need,")
def split(
    adata: AnnData,
    *,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Panels:
    """Draw how many perturbations and cells are in each part of the split, by what training has seen of their genes.

    Validation and test are shown by the subgroups that the split wrote, which are those of GEARS; training by the
    number of genes perturbed. Colours say for each perturbation how many of its genes some training perturbation really
    has, alone or with others. The two may differ: GEARS calls a gene seen when it *draws* it for training, even where
    validation then takes its perturbations away.

    Parameters
    ----------
    adata
        Cells x genes, split by :func:`scgenept.pp.split`; a subset is drawn as it is.
    {figure}
    **kwargs
        To :meth:`matplotlib.axes.Axes.barh`.

    Returns
    -------
    The panels: ``axes["perturbations"]`` and ``axes["cells"]``, with the same rows; each has one container of bars per
    colour. The last text of ``figure`` is the caption.

    Raises
    ------
    DataError
        There is no setup or no split, or no perturbed cell; the rows do not fit the width.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    >>> sgp.pp.split(adata, scheme="custom", test=["KLF1+MAP2K6"])
    >>> panels = sgp.pl.split(adata)
    >>> [text.get_text() for text in panels.axes["cells"].texts]
    ['24', '24', '12']
    """
    require_adata(adata)
    table = get.split_table(adata)
    if table.empty:
        msg = "No cell is perturbed, so there is no split to draw: pass the AnnData with its perturbed cells."
        raise DataError(msg)
    rows = _rows(table)
    counts = {
        "perturbations": rows.pivot_table(index=["part", "group"], columns="state", values="n_cells", aggfunc="size"),
        "cells": rows.pivot_table(index=["part", "group"], columns="state", values="n_cells", aggfunc="sum"),
    }
    controls = _controls(adata)
    order = _order(rows, controls)
    labels = [state for state in _STATES if state in set(rows["state"]) or (state == _CONTROLS and controls)]
    tables = {name: _ordered(count, order, labels) for name, count in counts.items()}
    for part, n in controls.items():
        tables["cells"].loc[(part, _CONTROLS), _CONTROLS] = n
    width, wanted = page_size(figsize, style.TWO_COLUMNS)
    widths = [
        max(style.text_width(name, style.SMALL, weight="bold") for name in column)
        for column in zip(*order, strict=True)
    ]
    names = sum(widths) / POINTS / style.HINTING + 3 * MARGIN
    panel = (width - names - 2 * MARGIN - _GAP) / 2
    least = max(style.text_width(name, style.SMALL, weight="bold") for name in _COUNTS) / POINTS / style.HINTING
    if panel < least:
        needed = (width + 2 * (least - panel)) * style.MM
        msg = f"These rows need a figsize of a width of {np.ceil(100 * needed) / 100:.2f} inches."
        raise DataError(msg)
    with new_page(
        width,
        wanted,
        handles=[Patch(facecolor=_STATES[state], label=state, **_hatch(state)) for state in labels],
        sentences=_sentences(adata, table),
        panels=(_ROW * len(order), _LEAST * len(order)),
        others=4 * MARGIN + TEXT_LINE,
        show=show,
        save=save,
    ) as page:
        axes, top = {}, page.top + 2 * MARGIN + TEXT_LINE
        for i, name in enumerate(_COUNTS):
            left = names + MARGIN + i * (panel + _GAP)
            axes[name] = page.axes(left, top, panel, page.room)
            page.text(left, top - MARGIN, name, va="baseline", fontweight="bold")
            _bars(axes[name], tables[name], panel * POINTS, kwargs)
        _names(page, order, top, page.room / len(order), widths[0] / POINTS / style.HINTING + 2 * MARGIN)
    return Panels(page.figure, axes)


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per perturbation: part, group within it, what training saw, number of cells."""
    part = [name if name in PARTS else _NO_PART for name in table["split"]]
    group = [
        _KINDS.get(n, _MORE) if pd.isna(name) else str(name)
        for name, n in zip(table["subgroup"], table["n_targets"], strict=True)
    ]
    every, some, none, _ = _STATES
    state = np.where(
        table["n_targets_seen"] == table["n_targets"], every, np.where(table["n_targets_seen"] > 0, some, none)
    )
    return pd.DataFrame({"part": part, "group": group, "state": state, "n_cells": table["n_cells"].to_numpy()})


def _controls(adata: AnnData) -> dict[str, int]:
    """Return part -> number of control cells."""
    is_control = control_mask(adata, get.setup(adata))
    parts = adata.obs[split_key(adata)].astype(object)[is_control]
    named = [part if part in PARTS else _NO_PART for part in parts]
    return {part: named.count(part) for part in (*PARTS, _NO_PART) if part in named}


def _order(rows: pd.DataFrame, controls: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the rows from top to bottom: parts, and in each the groups from easy names to hard ones."""
    groups = [*_KINDS.values(), _MORE, *SUBGROUPS]
    extra = sorted(set(rows["group"]) - set(groups))
    present = {*zip(rows["part"], rows["group"], strict=True), *((part, _CONTROLS) for part in controls)}
    return [
        (part, group)
        for part in (*PARTS, _NO_PART)
        for group in (*groups, *extra, _CONTROLS)
        if (part, group) in present
    ]


def _ordered(counts: pd.DataFrame, order: list[tuple[str, str]], states: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(order)
    return counts.reindex(index=index, columns=states).fillna(0).astype(np.int64)


def _bars(ax: Axes, counts: pd.DataFrame, room: float, kwargs: dict[str, Any]) -> None:
    """Draw stacked bars with their sum behind them; ``room`` is the width of the axes in points."""
    places = np.arange(len(counts))
    left = np.zeros(len(counts))
    for state in counts.columns:
        n = counts[state].to_numpy()
        if not n.any():
            continue
        look = {"height": 0.72, "color": _STATES[state], "linewidth": 0.0, "label": state}
        ax.barh(places, n, left=left, **(style.look(look, kwargs, Rectangle) | _hatch(state)))
        left += n
    total = counts.sum(axis=1).to_numpy()
    words = [f"{n:,}" for n in total]
    needed = [
        n / max(0.2, 1 - (style.text_width(word, style.SMALL) + 4) / room) for n, word in zip(total, words, strict=True)
    ]
    ax.set(xlim=(0, max(*needed, 1)), ylim=(len(counts) - 0.5, -0.5), xticks=[], yticks=[])
    for place, n, word in zip(places, total, words, strict=True):
        if n:
            ax.annotate(
                word,
                (n, place),
                xytext=(2, 0),
                textcoords="offset points",
                va="center_baseline",
                fontsize=style.SMALL,
                color=style.INK,
            )
    style.tidy(ax)
    ax.spines["bottom"].set_visible(False)


def _hatch(state: str) -> dict[str, Any]:
    """Tell the colour of what training never saw from the others in print without colour."""
    return {"hatch": "//////", "edgecolor": "#00614A", "linewidth": style.FRAME} if state == _HATCHED else {}


def _names(page: Page, order: list[tuple[str, str]], top: float, step: float, second: float) -> None:
    """Write the part, bold, before its first row, and the group before every row."""
    before = ""
    for row, (part, group) in enumerate(order):
        middle = top + step * (row + 0.5)
        if part != before:
            page.text(MARGIN, middle, part, va="center_baseline", fontweight="bold")
        page.text(second, middle, group, va="center_baseline")
        before = part


def _sentences(adata: AnnData, table: pd.DataFrame) -> list[str]:
    """Say which split it is, how large, and what the groups are."""
    record = read_record(adata, _keys.SPLIT)
    record = record if isinstance(record, Mapping) else {}
    seed = f", seed {record['seed']}" if "seed" in record else ""
    cells = table["n_cells"]
    n = table["perturbation"].nunique()
    first = (
        f"Split '{record.get('scheme', 'unknown')}'{seed}: {n:,} perturbation{'s'[: n != 1]}, {int(cells.sum()):,} "
        f"perturbed cells; {cells.median():,.0f} cells per perturbation (median; {cells.min():,} to {cells.max():,})."
    )
    found = [first]
    if (torn := int(table["perturbation"].duplicated().sum())) > 0:
        found.append(f"{torn} of them {'are' if torn > 1 else 'is'} in two parts, because of their labels: a leak.")
    found.append(
        "Counts, so no intervals. Val and test are grouped as the split named them, colours say what training holds."
    )
    return found
