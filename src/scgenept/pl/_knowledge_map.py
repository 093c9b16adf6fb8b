"""A map of genes: near each other where a knowledge source says that they are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection

from .._errors import DataError, UnknownNameError, listing
from .._random import generator_of, require_rng
from ..knowledge import KnowledgeSource
from . import _style as style
from ._draws_figure import draws_figure
from ._figures import on_axes
from ._labels import label_points, left_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .._types import RNGLike
    from ._figures import Figsize

_N_COMPONENTS: Final = 50
_NOTHING: Final = 1e-9
"""Share of the variance below which a component is none."""
_OTHER: Final = "other"
_GREY: Final = "#D9D9D9"


@draws_figure("One column of a journal (85 mm), and as high as its legend needs,")
def knowledge_map(  # noqa: PLR0913  (what is drawn, and where the figure goes)
    source: KnowledgeSource,
    *,
    color: Mapping[str, str] | pd.Series | None = None,
    label: str | Sequence[str] = (),
    method: Literal["pca", "umap"] = "pca",
    ax: Axes | None = None,
    figsize: Figsize | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    rng: RNGLike = 0,
    **kwargs: Any,
) -> Axes:
    """Draw the genes of a knowledge source in two dimensions, coloured by a category.

    The eight categories with most genes have a colour and a mark each; genes of others, and those without a category,
    are grey. Distances between clusters of a UMAP mean little; on a PCA the axes say which share of the variance they
    show. The caption says what was drawn, and which names found no room.

    Parameters
    ----------
    source
        The source.
    color
        Gene -> category, such as :func:`scgenept.knowledge.go_slim` returns.
    label
        Genes to name in the map.
    method
        ``"pca"``, or ``"umap"`` of the first 50 principal components, with the cosine as metric.
    {ax}
    rng
        Seed or generator of the UMAP.
    **kwargs
        To :meth:`matplotlib.axes.Axes.scatter` of the genes, those with a category and those without.

    Returns
    -------
    The axes: one collection per category, after the grey one.

    Raises
    ------
    UnknownGeneError
        A gene to name is not in the source.
    UnknownNameError
        There is no such method.
    DataError
        There are fewer than three genes, all have the same numbers, or no gene has a category.

    Examples
    --------
    >>> import numpy as np
    >>> import scgenept as sgp
    >>> vectors = np.random.default_rng(0).normal(size=(20, 8))
    >>> source = sgp.knowledge.KnowledgeSource("toy", [f"G{i}" for i in range(20)], vectors)
    >>> axes = sgp.pl.knowledge_map(source, color={"G0": "ribosome", "G1": "nucleus"}, label=["G0"])
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['nucleus', 'ribosome', 'other']
    """
    if method not in {"pca", "umap"}:
        msg = f"method={method!r} does not exist: 'pca' or 'umap'."
        raise UnknownNameError(msg)
    _require_source(source)
    require_rng(rng)
    label = [label] if isinstance(label, str) else label
    rows = [source.row(gene) for gene in label]
    categories = _categories(source, color)
    places, titles = _places(source, method, rng)
    height = style.ONE_COLUMN + 3.2 * style.MM * (len(categories.cat.categories) + 3)
    with on_axes(ax, figsize, (style.ONE_COLUMN, height), show=show, save=save) as axes:
        style.tidy(axes)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(titles[0], **style.WORDS)
        axes.set_ylabel(titles[1], **style.WORDS)
        _draw(axes, places, categories, kwargs)
        width = style.width_in_points(axes)
        shown = dict(zip(categories.cat.categories, zip(style.MARKS, style.CATEGORIES, strict=True), strict=False))
        handles = {name: style.mark(*look) for name, look in (shown | {_OTHER: ("o", _GREY)} if shown else {}).items()}
        style.legend_above(axes, handles, title=f"{source.name}, {len(source):,} genes", width=width)
        about = _sentences(source, method, categories, color)
        # names placed beside the longest caption have room beside a shorter one too
        note = style.caption_below(axes, about + left_out(label, ()), width)
        style.lay_out(axes)
        written = _name(axes, places, rows, label)
        note.set_text(style.wrap(about + left_out(label, written), width, style.SMALL))
    return axes


def _require_source(source: object) -> None:
    if not isinstance(source, KnowledgeSource):
        msg = f"A map of genes is drawn from a KnowledgeSource, sgp.knowledge.load(...); got {type(source).__name__}."
        raise DataError(msg)


def _categories(source: KnowledgeSource, color: Mapping[str, str] | pd.Series | None) -> pd.Series:
    """Return the category of every gene in order, ``other`` for none; the largest come first in its categories."""
    if color is None:
        return pd.Series(pd.Categorical([None] * len(source), categories=[]), dtype="category")
    by_gene = dict(color.items())
    found = [by_gene.get(gene) for gene in source.names]
    named = pd.Series([None if value is None or value != value else str(value) for value in found], dtype=object)  # noqa: PLR0124
    if named.isna().all():
        msg = f"No gene of {source.name} has a category; the first of {len(by_gene)} with one: {listing(by_gene)}."
        raise DataError(msg)
    counts = named.value_counts()
    ranked = sorted(counts.index, key=lambda name: (-counts[name], name))
    shown = ranked[: len(style.CATEGORIES)]
    return pd.Series(pd.Categorical(named.where(named.isin(shown), None), categories=shown))


def _places(source: KnowledgeSource, method: str, rng: RNGLike) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Return genes x 2, and what the axes are."""
    from sklearn.decomposition import PCA

    if len(source) < 3 or source.width < 2:
        msg = f"A map needs three genes and two numbers per gene; {source.name} is {len(source)} x {source.width}."
        raise DataError(msg)
    if not np.ptp(source.vectors, axis=0).any():
        msg = f"All {len(source):,} genes of {source.name} have the same numbers: there is nothing to map."
        raise DataError(msg)
    n = 2 if method == "pca" else min(_N_COMPONENTS, len(source) - 1, source.width)
    pca = PCA(n_components=n, svd_solver="full" if min(source.vectors.shape) < 1000 else "covariance_eigh")
    components = pca.fit_transform(source.vectors.astype(np.float64))
    if method == "pca":
        share = pca.explained_variance_ratio_
        components[:, share < _NOTHING] = 0  # rounding errors would fill the axes
        return components, (f"PC 1 ({share[0]:.0%} of variance)", f"PC 2 ({share[1]:.0%})")
    from umap import UMAP

    seed = int(generator_of(rng).integers(2**31))
    map_genes = UMAP(metric="cosine", random_state=seed, n_jobs=1, n_neighbors=min(15, len(source) - 1))
    return np.asarray(map_genes.fit_transform(components), dtype=np.float64), ("UMAP 1", "UMAP 2")


def _draw(ax: Axes, places: NDArray[np.float64], categories: pd.Series, given: dict[str, Any]) -> None:
    """Put the genes on the axes, grey ones below."""
    size = float(np.clip(6000 / len(places), 1.5, 16))
    codes = categories.cat.codes.to_numpy()
    common: dict[str, Any] = {"linewidth": 0, "rasterized": True}
    for code, name in enumerate([_OTHER, *categories.cat.categories], start=-1):
        ours = {"s": size, "color": _GREY, "zorder": 1}
        if code >= 0:
            ours = {"s": 1.6 * size, "color": style.CATEGORIES[code], "marker": style.MARKS[code], "zorder": 2}
        x, y = places[codes == code].T
        ax.scatter(x, y, **style.look(ours | {"label": name} | common, given, PathCollection))


def _name(ax: Axes, places: NDArray[np.float64], rows: list[int], names: Sequence[str]) -> list[str]:
    """Put a ring around genes and their names beside them, and return those that found room."""
    if not rows:
        return []
    limits = ax.get_xlim(), ax.get_ylim()
    x, y = places[rows].T
    ax.scatter(x, y, s=25, facecolor="none", edgecolor=style.INK, linewidth=style.LINE, zorder=3)
    ax.set(xlim=limits[0], ylim=limits[1])
    return label_points(ax, places[rows], names, avoid=places[rows])


def _sentences(source: KnowledgeSource, method: str, categories: pd.Series, color: object) -> str:
    """Say what the places are and what the colours leave out."""
    how = {
        "pca": "first two principal components",
        "umap": "UMAP of the first principal components by cosine; distances between clusters mean little",
    }[method]
    found = [f"A dot is a gene; near each other: alike to the source. {source.width:,} numbers per gene, {how}."]
    if color is not None:
        n = int(categories.notna().sum())
        found.append(f"{n:,} genes have one of the {len(categories.cat.categories)} categories shown.")
    return " ".join(found)
