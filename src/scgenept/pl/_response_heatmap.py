"""Perturbations x genes: the changes over control, observed, predicted or one above the other."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, TwoSlopeNorm
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.cluster.hierarchy import dendrogram, linkage

from .._errors import DataError, UnknownNameError, listing, near_names
from ..data.lost import why_missing
from ..perturbation import Perturbation
from . import _style as style
from ._captions import many
from ._changes import observed_changes, predicted_changes
from ._draws_figure import draws_figure
from ._figures import on_axes
from ._responses import require_adata

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from numpy.typing import NDArray

    from ..perturbation import PerturbationLike
    from ._changes import Changes
    from ._figures import Figsize

Kind: TypeAlias = Literal["observed", "predicted", "both"]

_ROW: Final = 2.9 * style.MM
"""Height of a perturbation in a new figure, inches: room for its name."""
_LARGEST: Final = 200 * style.MM
"""Highest heatmap of a new figure: what a page takes, with caption and gene names."""
_SMALLEST_NAME: Final = 4.5
"""Below this size, points, a name is not written."""
_NAMES: Final = 0.38
"""Largest share of the width that names of perturbations take; longer ones are shortened."""
_NOTHING: Final = 1e-5
"""A change up to this size is a rounding error of single precision, which no colours are spread over."""
_STRIP: Final = 4.0
_GAP: Final = 2.0
_TREE: Final = 16.0
"""Widths beside the heatmap, points: the strips, the gap after each, the tree of the perturbations."""
_PARTS: Final = ("#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442", "#8C6D1F")
"""Colours of the parts of a split that have no usual name."""
_NO_PART: Final = "no part"


@dataclass(frozen=True)
class _Picture:
    """What is drawn: rows and columns in order.

    Attributes
    ----------
    tables
        Kind -> perturbations x genes, same rows and columns in each.
    part
        Part of the split of every row, ``""`` for none; ``None`` where there is no split.
    tree
        Links of the rows as scipy makes them, ``None`` for fewer than three rows.
    """

    tables: dict[str, pd.DataFrame]
    part: pd.Series[str] | None
    tree: NDArray[np.float64] | None

    @property
    def rows(self) -> list[str]:
        return list(next(iter(self.tables.values())).index)

    @property
    def genes(self) -> list[str]:
        return list(next(iter(self.tables.values())).columns)


@draws_figure("Two columns of a journal (175 mm), or one where it suffices, and as high as the rows need,")
def response_heatmap(  # noqa: PLR0913  (what is drawn, and where the figure goes)
    adata: AnnData,
    perturbations: str | Sequence[PerturbationLike] | None = None,
    *,
    kind: Kind | None = None,
    observed: AnnData | None = None,
    genes: int | Sequence[str] = 40,
    ax: Axes | None = None,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the change over control of many perturbations, perturbations x genes, alike ones beside each other.

    With observation and prediction at hand each perturbation has two rows, the observed above the predicted one, so
    that the eye compares neighbours; a strip on the left tells them apart. Rows and columns are ordered by hierarchical
    clustering (Ward's linkage of Euclidean distances, :func:`scipy.cluster.hierarchy.linkage`) of the observed changes,
    or of the predicted ones where only these are drawn. A second strip says in which part of the split a perturbation
    is, where there is a split. Colours are centred at 0 and end at the 99th percentile of the sizes drawn; in print
    without colour their sign is lost. Long names of perturbations are shortened, and names that have no room are left
    out, which the caption says.

    Parameters
    ----------
    adata
        Cells with predictions of :func:`scgenept.tl.predict_perturbation`, with labelled cells and control cells, or
        with the figures ``varm["observed_mean"]``, log1p of counts per 1e4.
    perturbations
        Which; all that there are otherwise.
    kind
        ``"observed"``, ``"predicted"`` or ``"both"``: perturbations that have both. By default both where any
        perturbation has both, and otherwise what there is.
    observed
        Where to look for the observed responses and the split; ``adata`` itself otherwise.
    genes
        Names of genes, or how many: those with the largest root mean square change over the perturbations drawn.
    {ax}
    **kwargs
        To :meth:`matplotlib.axes.Axes.pcolormesh`, for example ``norm=`` or ``cmap=``.

    Returns
    -------
    The axes of the heatmap, whose first collection is the mesh; strips, tree and colour scale are their
    ``child_axes``.

    Raises
    ------
    DataError
        There is nothing to draw, a gene is unknown or occurs twice, or values are NaN.
    UnknownNameError
        There is no such kind, or a perturbation has no observation or prediction.

    Examples
    --------
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()
    >>> axes = sgp.pl.response_heatmap(cells, ["KLF1", "KLF1+MAP2K6"], genes=["HBZ", "HBG2"], show=False)
    >>> axes.collections[0].get_array().shape
    (2, 2)
    """
    if kind is not None and kind not in get_args(Kind):
        msg = f"kind={kind!r} does not exist: {', '.join(get_args(Kind))}."
        raise UnknownNameError(msg)
    names = [perturbations] if isinstance(perturbations, str) else perturbations
    wanted = None if names is None else [str(Perturbation.parse(name)) for name in names]
    require_adata(adata)
    seen = observed_changes(adata if observed is None else observed)
    predicted, models = predicted_changes(adata, wanted)
    lost = why_missing(adata) if predicted.empty else ""
    if lost and kind is None and seen is not None:
        warnings.warn(f"No prediction is drawn.{lost}", UserWarning, stacklevel=2)
    tables = _tables(seen, predicted, wanted, kind, lost)
    picture = _order(_choose_genes(tables, genes), seen)
    with on_axes(ax, figsize, _size(picture), show=show, save=save) as axes:
        mesh = _draw(axes, picture, kwargs)
        _beside(axes, picture)
        notes, width = _names(axes, picture)
        _above(axes, picture, mesh, width)
        style.caption_below(axes, _caption(picture, seen, models, notes), width)
    return axes


def _tables(
    seen: Changes | None, predicted: pd.DataFrame, wanted: list[str] | None, kind: str | None, lost: str
) -> dict[str, pd.DataFrame]:
    """Return what is drawn, observed first, with the same perturbations and genes in each."""
    found = {"observed": pd.DataFrame() if seen is None else seen.table, "predicted": predicted}
    shared = [name for name in found["observed"].index if name in predicted.index]
    if kind is None:
        kind = "both" if shared else "observed" if len(found["observed"]) else "predicted"
    if kind != "both":
        tables, names = {kind: found[kind]}, list(found[kind].index)
    else:
        genes = found["observed"].columns.intersection(predicted.columns, sort=False)
        tables, names = {name: table[genes] for name, table in found.items() if len(table)}, shared
    if wanted is not None:
        if missing := [name for name in wanted if name not in names]:
            what = {"both": "observed and predicted"}.get(kind, kind)
            hint = near_names(missing[0], names)
            there = f"There are: {listing(names) or 'none'}.{lost}"
            msg = f"{len(missing)} perturbations are not {what}: {listing(missing)}.{hint} {there}"
            raise UnknownNameError(msg)
        names = list(dict.fromkeys(wanted))
    if not names:
        remedy = lost or (
            " Predict with sgp.tl.predict_perturbation, and pass observed= the cells of the experiment, set up, with "
            "its controls."
        )
        msg = f"There is nothing {'both observed and predicted' if kind == 'both' else kind} to draw.{remedy}"
        raise DataError(msg)
    return {name: table.loc[names] for name, table in tables.items()}


def _choose_genes(tables: dict[str, pd.DataFrame], genes: int | Sequence[str]) -> dict[str, pd.DataFrame]:
    first = next(iter(tables.values()))
    if isinstance(genes, int):
        if genes < 1:
            msg = f"genes must be at least 1; got {genes}."
            raise DataError(msg)
        sizes = np.mean([(table.to_numpy(dtype=np.float64) ** 2).mean(axis=0) for table in tables.values()], axis=0)
        chosen = list(first.columns[np.sort(np.argsort(-sizes, kind="stable")[:genes])])
    else:
        chosen = list(dict.fromkeys([genes] if isinstance(genes, str) else genes))
        if missing := [gene for gene in chosen if gene not in first.columns]:
            msg = (
                f"{len(missing)} genes are not in the data: {listing(missing)}.{near_names(missing[0], first.columns)}"
            )
            raise DataError(msg)
    if not chosen:
        msg = "There is no gene to draw: name some with genes=, or how many."
        raise DataError(msg)
    return {name: table[chosen] for name, table in tables.items()}


def _order(tables: dict[str, pd.DataFrame], seen: Changes | None) -> _Picture:
    """Bring alike perturbations and alike genes together, by the first table."""
    values = next(iter(tables.values())).to_numpy(dtype=np.float64)
    tree, columns = _links(values), _links(values.T)
    rows = _leaves(tree, len(values))
    ordered = {name: table.iloc[rows, _leaves(columns, values.shape[1])] for name, table in tables.items()}
    names = next(iter(ordered.values())).index
    part = seen.part.reindex(names).fillna("") if seen is not None and seen.has_split else None
    return _Picture(ordered, part, tree)


def _links(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if len(values) < 3:
        return None
    # the best order of the leaves takes too long for thousands
    links: NDArray[np.float64] = linkage(values, method="ward", optimal_ordering=len(values) <= 500)
    return links


def _leaves(links: NDArray[np.float64] | None, n: int) -> list[int]:
    return list(range(n)) if links is None else [int(i) for i in dendrogram(links, no_plot=True)["leaves"]]


def _size(picture: _Picture) -> tuple[float, float]:
    """Return a width in columns of a journal, and the height that names of perturbations and genes need."""
    names = max(style.text_width(name, style.TEXT) for name in picture.rows)
    needed = 8.0 * len(picture.genes) + names + 60
    width = style.ONE_COLUMN if needed <= style.ONE_COLUMN * 72 else style.TWO_COLUMNS
    genes = max(style.text_width(name, style.SMALL) for name in picture.genes) / 72
    return width, min(
        _ROW * max(len(picture.rows), 3) * (1.25 if len(picture.tables) > 1 else 1), _LARGEST
    ) + genes + 0.9


def _draw(ax: Axes, picture: _Picture, given: dict[str, Any]) -> QuadMesh:
    """Draw the rows, those of one perturbation under each other, from the top."""
    n, kinds = len(picture.rows), list(picture.tables.values())
    values = np.stack([table.to_numpy(dtype=np.float64) for table in kinds], axis=1).reshape(n * len(kinds), -1)
    sizes = float(np.percentile(np.abs(values), 99)), float(np.abs(values).max()), 1.0
    largest = next(size for size in sizes if size > _NOTHING)
    ours: dict[str, Any] = {"cmap": style.DIVERGING, "rasterized": True}
    if not {"norm", "vmin", "vmax"} & set(given):
        ours["norm"] = TwoSlopeNorm(0, -largest, largest)
    edges = np.concatenate([np.arange(n)[:, None] + np.arange(len(kinds)) / len(kinds), [[n] * len(kinds)]])
    mesh = ax.pcolormesh(np.arange(values.shape[1] + 1), edges.ravel()[: len(values) + 1], values, **(ours | given))
    if len(kinds) > 1:
        ax.hlines(np.arange(1, n), 0, values.shape[1], color="white", linewidth=style.LINE, zorder=2)
    ax.set(xlim=(0, values.shape[1]), ylim=(n, 0))
    style.tidy(ax)
    ax.spines[["left", "bottom"]].set_visible(False)
    return mesh


def _names(ax: Axes, picture: _Picture) -> tuple[list[str], float]:
    """Write names of perturbations on the right and of genes below, as large as fits.

    Returns what has no room, and the width from the left of the heatmap to the end of the names, points.
    """
    ax.yaxis.tick_right()
    room = _NAMES * style.width_in_points(ax)
    names = [style.shorten(name, room, style.SMALL) for name in picture.rows]
    ax.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=_SMALLEST_NAME)
    ax.set_xticks(
        np.arange(len(picture.genes)) + 0.5, picture.genes, rotation=90, fontstyle="italic", fontsize=_SMALLEST_NAME
    )
    ax.tick_params(length=0)
    notes, size = [], 0.0
    for axis, what, n in ((ax.xaxis, "genes", len(picture.genes)), (ax.yaxis, "perturbations", len(names))):
        width, height = style.size_in_points(ax)
        size = min(style.SMALL, 0.8 * (width if axis is ax.xaxis else height) / n)
        if size < _SMALLEST_NAME:
            axis.set_ticks([])
            notes.append(f"names of {what}")
        for label in axis.get_ticklabels():
            label.set_fontsize(size)
    longest = max((style.text_width(label.get_text(), size) for label in ax.get_yticklabels()), default=-2.0)
    return notes, style.width_in_points(ax) + longest + 2


def _beside(ax: Axes, picture: _Picture) -> None:
    """Put the strips and the tree on the left of the heatmap."""
    n, out = len(picture.rows), _GAP
    if len(picture.tables) > 1:
        strip = style.attach(ax, "left", out, _STRIP)
        strip.pcolormesh(np.tile([[0], [1]], (n, 1)), cmap=ListedColormap([style.OBSERVED, style.PREDICTED]))
        strip.set(ylim=(2 * n, 0), label="kind")
        out += _STRIP + _GAP
    if picture.part is not None:
        colours = _part_colours(picture.part)
        codes = [list(colours).index(part or _NO_PART) for part in picture.part]
        strip = style.attach(ax, "left", out, _STRIP)
        strip.pcolormesh(
            np.array(codes)[:, None], cmap=ListedColormap(list(colours.values())), vmin=0, vmax=len(colours) - 1
        )
        strip.set(ylim=(n, 0), label="split")
        out += _STRIP + _GAP
    if picture.tree is not None:
        found = dendrogram(picture.tree, no_plot=True)
        branch = style.attach(ax, "left", out, _TREE)
        # scipy puts leaf i at 10 i + 5
        lines = [np.column_stack([d, np.array(i) / 10]) for i, d in zip(found["icoord"], found["dcoord"], strict=True)]
        branch.add_collection(LineCollection(lines, colors=style.INK, linewidths=style.FRAME))
        branch.set(xlim=(1.02 * max(picture.tree[:, 2].max(), 1e-12), 0), ylim=(n, 0), label="tree")


def _part_colours(part: pd.Series[str]) -> dict[str, str]:
    """Return a colour for each part that occurs, training, validation and test first."""
    found = {name or _NO_PART for name in part}
    usual = [name for name in style.PARTS if name in found]
    others = sorted(found - set(usual) - {_NO_PART})
    spare = [colour for colour in _PARTS if colour not in {style.PARTS[name] for name in usual}]
    colours = {name: style.PARTS[name] for name in usual}
    colours |= {name: spare[i % len(spare)] for i, name in enumerate(others)}
    return colours | ({_NO_PART: "#FFFFFF"} if _NO_PART in found else {})


def _above(ax: Axes, picture: _Picture, mesh: QuadMesh, width: float) -> None:
    """Put the colour scale and the legend of the strips above the heatmap."""
    handles = {}
    if len(picture.tables) > 1:
        handles = {"observed": Patch(facecolor=style.OBSERVED), "predicted": Patch(facecolor=style.PREDICTED)}
    if picture.part is not None:
        handles |= {
            name: Patch(facecolor=colour, edgecolor=style.FAINT, linewidth=style.FRAME)
            for name, colour in _part_colours(picture.part).items()
        }
    scale = style.attach(ax, "top", 5.0, 5.0)
    bar = ax.figure.figure.colorbar(
        mesh,
        cax=scale,
        orientation="horizontal",
        extend="both",
        extendfrac=5 / style.width_in_points(ax),
        ticklocation="top",
        format=FuncFormatter(lambda value, _: style.signed(f"{value:.3g}")),
    )
    bar.ax.xaxis.set_major_locator(MaxNLocator(nbins=4, symmetric=True, steps=[1, 2, 5, 10]))
    bar.outline.set_linewidth(0)
    scale.set(label="scale")
    scale.tick_params(width=style.FRAME, length=2, pad=1, color=style.INK, labelcolor=style.INK, labelsize=style.SMALL)
    label = style.wrap("change over control (log1p of counts per 10,000)", width, style.SMALL)
    scale.set_xlabel(label, **style.WORDS, loc="left")
    if handles:
        style.legend_above(ax, handles, title="", width=width, start=32.0 + 8.0 * label.count("\n"))


def _caption(picture: _Picture, seen: Changes | None, models: list[str], notes: list[str]) -> str:
    kinds, n = list(picture.tables), len(picture.rows)
    sentences = [f"{many(n, 'perturbation')} x {many(len(picture.genes), 'gene')}."]
    if len(kinds) > 1:
        sentences.append("Of each perturbation the observed change stands above the predicted one.")
    if "observed" in kinds and seen is not None and seen.origin:
        sentences.append(f"Observed in {seen.origin}.")
    if "predicted" in kinds:
        sentences.append(f"Predicted by {listing(models, first=2)}.")
    if picture.tree is not None:
        sentences.append(f"Clustered by the {kinds[0]} changes (Ward).")
    if notes:
        sentences.append(f"No room for {' and '.join(notes)}: draw fewer, or larger with figsize=.")
    return " ".join(sentences)
