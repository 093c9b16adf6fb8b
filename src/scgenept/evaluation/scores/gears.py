"""The scores of cell-gears 0.0.2 under its own names, its oddities included: what published tables are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ... import _keys
from ..._errors import DataError, listing
from .correlations import pearson, pearson_delta
from .directions import fold_change_gap, mean_sigma, within_range
from .errors import mse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt
    import pandas as pd

    from .tables import FloatArray

_RANGES: Final = {"": (0.0, 1.0), "_45_55": (0.45, 0.55), "_40_60": (0.4, 0.6), "_25_75": (0.25, 0.75)}
"""Quantiles over the observed cells that bound ``frac_in_range``."""
_GAPS: Final = {
    "all": {},
    "downreg_0.33": {"below": 0.333},
    "downreg_0.1": {"below": 0.1},
    "upreg_3": {"above": 3.0},
    "upreg_10": {"above": 10.0},
}
"""Observed fold changes of ``fold_change_gap``."""
_BY_SUBGROUP: Final = (
    "pearson_delta",
    "pearson_delta_de",
    "pearson_delta_top20_de_non_dropout",
    "pearson_top20_de_non_dropout",
)
"""What scGenePT reports for each subgroup of a split."""


def gears_metrics(
    predicted: npt.ArrayLike,
    observed: npt.ArrayLike,
    *,
    labels: Iterable[str],
    pseudobulks: pd.DataFrame,
    ranking: Mapping[str, npt.ArrayLike],
    control: str = _keys.CONTROL,
) -> dict[str, dict[str, float]]:
    """Compute every score of ``compute_metrics``, ``deeper_analysis`` and ``non_dropout_analysis`` of cell-gears 0.0.2.

    This is the view with which published tables are re-derived, not one to judge a model by, and it keeps what is odd:
    an undefined correlation is 0; ``frac_correct_direction_50``, ``_100`` and ``_200`` are divided by that number even
    where there are fewer genes; in ``frac_correct_direction_20_nonzero`` expression is in the order of the columns and
    the control in that of the ranking, so the two belong to different genes; a key is absent where it has no gene.
    With fewer than 20 genes, where the original raises, the top 20 are all genes.

    Parameters
    ----------
    predicted, observed
        Cells x genes, log1p of counts per 1e4, row i of one beside row i of the other.
    labels
        Perturbation of each cell.
    pseudobulks
        Mean over the cells of *every* label of the data set, control included, labels x genes, same unit. The 200 most
        variable genes are those with the largest standard deviation over its rows.
    ranking
        Columns of the genes of each perturbation, most differentially expressed first (for a table of
        :func:`scgenept.evaluation.de.rank_genes` without names: its column ``gene``).
    control
        Label of the control cells; where it is among the labels, it gets the four scores of ``compute_metrics``.

    Returns
    -------
    For each perturbation, sorted, the keys of the original with its values: ``mse``, ``pearson``, ``mse_de``,
    ``pearson_de``, ``pearson_delta``, ``pearson_delta_de``, ``frac_*``, ``fold_change_gap_*`` and more.
    ``pandas.DataFrame.from_dict(..., orient="index")`` makes it a table, :func:`gears_summary` means.

    Raises
    ------
    DataError
        Shapes do not agree, or ``pseudobulks`` or ``ranking`` lacks a label.

    Examples
    --------
    >>> import pandas as pd
    >>> means = pd.DataFrame([[1.0, 1.0, 1.0], [2.0, 1.0, 0.5]], index=["ctrl", "KLF1"])
    >>> scores = gears_metrics(
    ...     [[2.5, 1.0, 0.0]], [[2.0, 1.0, 0.5]], labels=["KLF1"], pseudobulks=means, ranking={"KLF1": [0, 2, 1]}
    ... )
    >>> round(scores["KLF1"]["pearson_delta"], 3), scores["KLF1"]["frac_correct_direction_all"]
    (0.997, 1.0)
    """
    yhat, y = (np.asarray(cells, dtype=np.float64) for cells in (predicted, observed))
    names = np.asarray(list(labels), dtype=object)
    if yhat.ndim != 2 or yhat.shape != y.shape or len(names) != len(y) or pseudobulks.shape[1] != y.shape[1]:
        msg = (
            "predicted and observed must be cells x genes with one label per cell, pseudobulks labels x genes; "
            f"got {yhat.shape}, {y.shape}, {len(names)} labels and {pseudobulks.shape}."
        )
        raise DataError(msg)
    wanted = sorted(set(names))
    for source, known in (("pseudobulks", {*pseudobulks.index}), ("ranking", {*ranking, control})):
        if missing := [name for name in [*wanted, control] if name not in known]:
            msg = f"{source} lacks {len(missing)} labels: {listing(missing)}."
            raise DataError(msg)
    start = pseudobulks.loc[control].to_numpy(dtype=np.float64)
    variable = np.argsort(pseudobulks.to_numpy(dtype=np.float64).std(axis=0))[-200:]
    scores: dict[str, dict[str, float]] = {}
    for name in wanted:
        cells = names == name
        mean = _View(yhat[cells].mean(axis=0), y[cells].mean(axis=0), start, y[cells])
        if name == control:
            scores[name] = {**mean.error_and_correlation("", "", None), "mse_de": 0.0, "pearson_de": 0.0}
            continue
        ranked = np.asarray(ranking[name], dtype=np.intp)
        own = pseudobulks.loc[name].to_numpy(dtype=np.float64)
        scores[name] = {
            **mean.error_and_correlation("", "", None),
            **mean.error_and_correlation("", "_de", ranked[:20]),
            **_deeper(mean, ranked, variable),
            **_non_dropout(mean, ranked, own),
        }
    return scores


def gears_summary(
    scores: Mapping[str, Mapping[str, float]],
    *,
    subgroups: Mapping[str, Iterable[str]] | None = None,
    control: str = _keys.CONTROL,
) -> dict[str, float]:
    """Average the scores of :func:`gears_metrics` over perturbations and subgroups, as scGenePT reports them.

    Parameters
    ----------
    scores
        Perturbation -> key -> value.
    subgroups
        Name -> perturbations, such as ``combo_seen1`` -> ``["FOSB+KLF1"]``.
    control
        Label of the control cells: counted in ``test_mse`` and ``test_pearson``, but not in their ``_de``.

    Returns
    -------
    ``test_mse``, ``test_mse_de``, ``test_pearson``, ``test_pearson_de``, and per subgroup that has a perturbation
    ``test_<subgroup>_pearson_delta``, ``_pearson_delta_de``, ``_pearson_delta_top20_de_non_dropout`` and
    ``_pearson_top20_de_non_dropout``. Numbers, where the original stores text; a subgroup without a perturbation, where
    it averages nothing, is left out.

    Examples
    --------
    >>> gears_summary({"KLF1": {"mse": 0.5, "mse_de": 1.0, "pearson": 0.9, "pearson_de": 0.8}})
    {'test_mse': 0.5, 'test_mse_de': 1.0, 'test_pearson': 0.9, 'test_pearson_de': 0.8}
    """
    perturbed = [name for name in scores if name != control]
    summary = {}
    for key in ("mse", "mse_de", "pearson", "pearson_de"):
        rows = perturbed if key.endswith("_de") else list(scores)
        summary[f"test_{key}"] = float(np.mean([scores[name][key] for name in rows])) if rows else float("nan")
    for subgroup, members in (subgroups or {}).items():
        found = [name for name in members if name in scores]
        for key in _BY_SUBGROUP if found else ():
            summary[f"test_{subgroup}_{key}"] = float(np.mean([scores[name][key] for name in found]))
    return summary


class _View:
    """One perturbation: predicted and observed mean, control mean, and the observed cells."""

    def __init__(self, yhat: FloatArray, y: FloatArray, control: FloatArray, cells: FloatArray) -> None:
        self.yhat, self.y, self.control, self.cells = yhat, y, control, cells

    def score(self, function: Callable[..., FloatArray], genes: Any, *, control: bool = False, **options: Any) -> float:
        """Apply a score to chosen genes; undefined is 0, as in the original."""
        chosen = slice(None) if genes is None else genes
        pair = self.yhat[None, chosen], self.y[None, chosen]
        value = function(*pair, self.control[chosen], **options) if control else function(*pair, **options)
        return float(np.nan_to_num(value[0]))

    def error_and_correlation(self, before: str, after: str, genes: Any) -> dict[str, float]:
        return {
            f"{before}mse{after}": self.score(mse, genes),
            f"{before}pearson{after}": self.score(pearson, genes),
        }

    def with_delta(self, after: str, genes: Any) -> dict[str, float]:
        delta = {f"pearson_delta{after}": self.score(pearson_delta, genes, control=True)}
        return {**delta, **self.error_and_correlation("", after, genes)}

    def spread(self, genes: Any, after: str) -> dict[str, float]:
        """Compare the predicted mean with the observed cells of some genes; nothing where all of them are zero."""
        cells = self.cells[:, genes]
        seen = np.flatnonzero((cells.min(axis=0) != 0) | (cells.max(axis=0) != 0))
        if not len(seen):
            return {}
        yhat, y, std = self.yhat[genes], self.y[genes], cells.std(axis=0)
        figures = {}
        for name, quantiles in _RANGES.items():
            lower, upper = np.quantile(cells, quantiles, axis=0)
            inside = within_range(yhat[None, seen], lower[None, seen], upper[None, seen])
            figures[f"frac_in_range{name}{after}"] = float(inside[0])
        varies = std > 0
        sigma = np.abs(yhat - y)[varies] / std[varies]
        figures[f"mean_sigma{after}"] = float(mean_sigma(yhat[None], y[None], std[None])[0])
        if len(sigma):
            figures[f"std_sigma{after}"] = float(sigma.std())
            for bound in (1, 2):
                figures[f"frac_sigma_below_{bound}{after}"] = float(1 - (sigma > bound).mean())
        return figures

    def directions(self, genes: Any, after: str) -> dict[str, float]:
        apart = _signs_apart(self.yhat, self.y, self.control)[genes]
        return {
            f"frac_correct_direction_{after}": float((apart == 0).mean()),
            f"frac_opposite_direction_{after}": float((apart == 2).mean()),
            f"frac_0/1_direction_{after}": float((apart == 1).mean()),
        }


def _signs_apart(yhat: FloatArray, y: FloatArray, control: FloatArray) -> FloatArray:
    """Compare signs of changes gene by gene, as the original does: its zero is exact, and rounding has a sign."""
    apart: FloatArray = np.abs(np.sign(yhat - control) - np.sign(y - control))
    return apart


def _deeper(view: _View, ranked: Any, variable: Any) -> dict[str, float]:
    top = ranked[:20]
    columns = np.sort(top)
    is_correct = _signs_apart(view.yhat, view.y, view.control) == 0
    figures = {"frac_correct_direction_all": float(is_correct.mean())}
    for k in (20, 50, 100, 200):
        figures[f"frac_correct_direction_{k}"] = float(is_correct[ranked[:k]].sum() / k)
    seen = np.flatnonzero((view.cells[:, columns] != 0).any(axis=0))
    if len(seen):
        # the original takes the control in another order
        mixed = _signs_apart(view.yhat[columns[seen]], view.y[columns[seen]], view.control[top[seen]])
        figures["frac_correct_direction_20_nonzero"] = float((mixed == 0).mean())
    figures |= view.spread(columns, "")
    figures["pearson_delta"] = view.score(pearson_delta, None, control=True)
    figures["pearson_delta_de"] = view.score(pearson_delta, top, control=True)
    for name, bounds in _GAPS.items():
        gap = fold_change_gap(view.yhat[None], view.y[None], view.control, **bounds)[0]
        if not np.isnan(gap):
            figures[f"fold_change_gap_{name}"] = float(gap)
    figures |= view.with_delta("_top200_hvg", variable)
    for k in (20, 50, 100, 200):
        figures |= view.with_delta(f"_top{k}_de", ranked[:k])
    return figures


def _non_dropout(view: _View, ranked: Any, own: FloatArray) -> dict[str, float]:
    """Scores on genes that some cell expresses, or that control cells do not express either."""
    expressed = own != 0
    no_dropout = expressed | (view.control == 0)
    top = ranked[no_dropout[ranked]][:20]
    if not len(top):
        return {}
    return {
        **view.directions(top, "top20_non_dropout"),
        **(view.directions(np.flatnonzero(expressed), "non_zero") if expressed.any() else {}),
        **view.directions(np.flatnonzero(no_dropout), "non_dropout"),
        **view.spread(top, "_non_dropout"),
        **view.with_delta("_top20_de_non_dropout", top),
    }
