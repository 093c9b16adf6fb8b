"""Control cells and what they are predicted to become, on the user's own UMAP or PCA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from .._errors import DataError
from ..evaluation.pseudobulk import perturbation_labels
from . import _style as style
from ._captions import predicted_by
from ._draws_figure import draws_figure
from ._figures import on_axes
from ._placement import find_basis, place
from ._responses import find_key, labels_of, read_prediction

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from matplotlib.axes import Axes

    from ..perturbation import PerturbationLike
    from ._figures import Figsize
    from ._placement import Placement
    from ._responses import Prediction

_SIZE: Final = (style.ONE_COLUMN, 95 * style.MM)
_NAME: Final = 0.55
"""Longest name of a scale, as a share of the axes before legend and caption take their height."""
_OTHERS: Final = "#DADADA"
_OPEN: Final[dict[str, Any]] = {"facecolor": "white", "edgecolor": style.CONTROL, "linewidth": style.LINE}
"""Look of control cells: rings, so that they differ from predictions in print without colour."""


@draws_figure("One column of a journal (85 mm) by 95 mm")
def embedding_shift(  # noqa: PLR0913  (what is drawn, and where the figure goes)
    adata: AnnData,
    perturbation: PerturbationLike,
    *,
    basis: str | None = None,
    key: str | None = None,
    n_arrows: int = 25,
    ax: Axes | None = None,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    **kwargs: Any,
) -> Axes:
    r"""Draw control cells and their predictions on your own embedding, with arrows from each to the other.

    The embedding stays as it is; the predicted cells are placed in it. On a PCA that is exact: they are projected with
    the stored loadings, :math:`(x - \bar x) W`, and the caption says which share of the predicted change the two axes
    show. A UMAP or any other embedding leaves no map behind by which a new cell has a place, so a predicted cell
    stands at the mean place of the 15 cells that it is nearest to in the principal components, weighted by inverse
    distance. It cannot leave the cloud of cells that were embedded; the caption says how many of the predicted cells
    are unlike any of them. Embed control and perturbed cells together, or use the PCA, before reading anything into a
    shift.

    Thin arrows lead from single control cells to their predictions, the thick one from the mean of the control cells
    to the mean of the predicted ones. Cells labelled with the perturbation, where ``adata`` has any, are triangles, and
    a blue arrow leads to their mean: compare its direction and length with those of the black one.

    Parameters
    ----------
    adata
        Cells with a prediction of :func:`scgenept.tl.predict_perturbation`, ``obsm["X_pca"]`` and ``varm["PCs"]`` of
        :func:`scanpy.pp.pca`, and the embedding.
    perturbation
        What was predicted, for example ``"CEBPB+FOSB"`` or ``["FOSB", "CEBPB"]``.
    basis
        ``"umap"``, ``"pca"`` or another key of ``obsm``, with or without its ``"X_"``; the UMAP, or else the PCA,
        otherwise.
    key
        Which prediction, where several of the same perturbation are stored.
    n_arrows
        Number of single cells with an arrow, evenly spread over the order of the cells.
    {ax}
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter` of the predicted cells.

    Returns
    -------
    The axes: collections labelled ``"other cells"``, ``"control"``, ``"observed"`` and ``"predicted"``, as far as there
    are such cells.

    Raises
    ------
    UnknownNameError
        There is no such prediction.
    DataError
        There is no embedding or no PCA, values are NaN, ``X`` is not what the PCA was made of, or ``n_arrows`` is
        negative.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:20].copy()
    >>> sgp.tl.predict_perturbation(cells, "KLF1+MAP2K6", model="scgenept-mini")
    >>> sc.pp.pca(cells, n_comps=5)
    >>> axes = sgp.pl.embedding_shift(cells, "KLF1+MAP2K6", show=False)
    >>> axes.get_xlabel()[:4]
    'PC 1'
    """
    if n_arrows < 0:
        msg = f"n_arrows must be 0 or more; got {n_arrows}."
        raise DataError(msg)
    prediction = read_prediction(adata, perturbation, key)
    found = find_basis(adata, basis)
    placement = place(adata, find_key(adata, prediction.perturbation, key), found)
    with on_axes(ax, figsize, _SIZE, show=show, save=save) as axes:
        observed = _observed(adata, prediction)
        _draw(axes, placement, observed, n_arrows, kwargs)
        _frame(axes, adata, found)
        width = style.width_in_points(axes)
        _legend(axes, prediction, width)
        thin = "thin of single cells, thick of the means" if n_arrows else "of the means"
        blue = ", blue to the mean of observed cells" if observed.any() else ""
        arrows = f"Arrows: from control to prediction, {thin}{blue}."
        style.caption_below(axes, f"{placement.how} {arrows} {predicted_by(prediction)}", width)
    return axes


def _observed(adata: AnnData, prediction: Prediction) -> np.ndarray:
    """Return which cells are labelled with the perturbation, boolean."""
    if str(prediction.perturbation) not in labels_of(adata):
        return np.zeros(adata.n_obs, dtype=bool)
    mask: np.ndarray = (perturbation_labels(adata) == str(prediction.perturbation)).to_numpy(dtype=bool)
    return mask


def _draw(ax: Axes, placement: Placement, observed: np.ndarray, n_arrows: int, given: dict[str, Any]) -> None:
    cells, rows, places = placement.cells, placement.rows, placement.places
    control = np.zeros(len(cells), dtype=bool)
    control[rows] = True
    size = float(np.clip(8000 / max(len(cells), 1), 1.5, 9))
    common: dict[str, Any] = {"linewidth": 0, "rasterized": True}
    layers: tuple[tuple[str, np.ndarray, dict[str, Any]], ...] = (
        ("other cells", ~control & ~observed, {"s": size, "color": _OTHERS, "zorder": 1}),
        ("control", control, {"s": size, **_OPEN, "zorder": 2}),
        ("observed", observed & ~control, {"s": 1.3 * size, "color": style.OBSERVED, "marker": "^", "zorder": 3}),
    )
    for label, mask, looks in layers:
        if mask.any():
            x, y = cells[mask].T
            ax.scatter(x, y, **{"label": label, **common, **looks})
    ours = {"s": size, "color": style.PREDICTED, "zorder": 4, "label": "predicted", **common}
    x, y = places.T
    ax.scatter(x, y, **style.look(ours, given, PathCollection))
    some = np.unique(np.linspace(0, len(rows) - 1, min(n_arrows, len(rows))).astype(int))
    start = cells[rows]
    if len(some):
        move = places[some] - start[some]
        ax.quiver(
            *start[some].T,
            *move.T,
            angles="xy",
            scale_units="xy",
            scale=1,
            units="inches",
            width=style.FRAME / 72,
            headwidth=6,
            headlength=7,
            headaxislength=6,
            color=style.INK,
            alpha=0.4,
            zorder=5,
        )
    ax.autoscale_view()
    seen = cells[observed & ~control]
    if len(seen):
        _arrow(ax, start, seen, 5 * style.LINE, style.OBSERVED, gid="observed shift")
    _arrow(ax, start, places, 2 * style.LINE, style.INK, gid="shift")


def _arrow(ax: Axes, start: np.ndarray, end: np.ndarray, width: float, color: str, *, gid: str) -> None:
    """Lead from the mean of cells to the mean of others."""
    looks: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 6 + 2 * width,
        "shrinkA": 0,
        "shrinkB": 0,
        "zorder": 6,
    }
    ends = (tuple(cells.mean(axis=0)) for cells in (start, end))
    # no limits follow from it: it lies among the cells, and one of no length has no place in data coordinates
    ax.add_artist(FancyArrowPatch(*ends, linewidth=width, color=color, gid=gid, **looks))


def _frame(ax: Axes, adata: AnnData, basis: str) -> None:
    style.tidy(ax)
    ax.set(xticks=[], yticks=[])
    ax.margins(0.06)
    names = [f"{basis.removeprefix('X_').upper()} {i}" for i in (1, 2)]
    if basis == "X_pca":
        share = np.asarray(adata.uns.get("pca", {}).get("variance_ratio", []), dtype=np.float64)
        names = [f"PC {i + 1}" + (f" ({share[i]:.0%} of variance)" if len(share) > i else "") for i in (0, 1)]
    for axis, name, room in zip((ax.xaxis, ax.yaxis), names, style.size_in_points(ax), strict=True):
        axis.set_label_text(style.shorten(name, _NAME * room, style.SMALL), **style.WORDS)


def _legend(ax: Axes, prediction: Prediction, width: float) -> None:
    handles = {}
    for points in ax.collections:
        if isinstance(points, PathCollection) and (label := str(points.get_label())):
            marker = "^" if label == "observed" else "o"
            handles[label] = style.mark(marker, to_hex(np.atleast_2d(points.get_facecolor())[0]))
            if label == "control":
                handles[label].set(markeredgecolor=style.CONTROL, markeredgewidth=style.LINE)
    style.legend_above(ax, handles, title=str(prediction.perturbation), width=width)
