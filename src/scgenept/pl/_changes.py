"""What a figure of many perturbations is drawn from, and what a figure of one holds its prediction against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import _keys, get
from .._errors import DataError, listing
from ..data.checks import check_unique_genes
from ..data.records import split_key
from ..evaluation.baselines import CATALOG
from ..evaluation.pseudobulk import perturbation_labels, pseudobulk
from ._responses import labels_of, origin, require_adata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from ..perturbation import Perturbation

TRAINING = "train"


@dataclass(frozen=True)
class Changes:
    """The observed changes of every perturbation of a data set over its own control cells.

    Attributes
    ----------
    table
        Perturbations x genes, log1p of counts per 1e4: mean over cells less the mean of the control cells.
    control
        Mean of the control cells, one value per gene, same unit.
    part
        Perturbation -> part of the split, ``""`` where it is in none; several parts are joined by "and".
    origin
        Modality and cell type, as far as they are known.
    """

    table: pd.DataFrame
    control: pd.Series[float]
    part: pd.Series[str]
    origin: str

    @property
    def has_split(self) -> bool:
        """Whether any perturbation is in a part of a split."""
        return bool((self.part != "").any())


@dataclass(frozen=True)
class References:
    """What simple guesses say of a perturbation, from the other perturbations of the data.

    Attributes
    ----------
    changes
        Name of the baseline -> change over control, genes.
    n
        Number of perturbations that they were taken from.
    what
        Which these are, for a caption.
    """

    changes: dict[str, pd.Series[float]]
    n: int = 0
    what: str = ""


def observed_changes(adata: AnnData) -> Changes | None:
    """Read the change of every perturbation: from labelled cells, or from the figures stored of them.

    Returns ``None`` where there are no perturbations, or no control to count from.

    Raises
    ------
    DataError
        A gene occurs twice, or values are NaN.
    """
    require_adata(adata)
    check_unique_genes(adata.var_names)
    labels = labels_of(adata)
    if _keys.CONTROL in labels and len(labels) > 1:
        mean, part = pseudobulk(adata).mean, _part_of_cells(adata)
    elif _keys.CONTROL in (figures := adata.varm.get(_keys.OBSERVED_MEAN, {})) and len(figures.columns) > 1:
        mean, part = figures.T, _part_of_figures(adata)
    else:
        return None
    mean = mean.set_axis([str(name) for name in mean.index], axis=0)
    require_finite(mean, "The observed mean")
    control = mean.T[_keys.CONTROL]
    table = mean.drop(index=_keys.CONTROL) - control
    return Changes(table, control, part.reindex(table.index).fillna(""), origin(get.setup(adata, missing_ok=True)))


def references(changes: Changes, perturbation: Perturbation) -> References:
    """Say what the mean predicts, and the sum of the single perturbations where all of them were observed.

    The perturbation itself is left out: with its own observation among them the guesses would know the answer. Of data
    with a split only the training part is looked at.
    """
    known = changes.part.index[changes.part == TRAINING] if changes.has_split else changes.table.index
    others = [name for name in known if name != str(perturbation)]
    if not others:
        return References({})
    names = ["mean"]
    if len(perturbation) > 1 and set(perturbation.genes) <= set(others):
        names = ["additive", *names]
    profiles = changes.table.loc[others] + changes.control
    guesses = {}
    for name in names:
        fitted = CATALOG[name].kind().fit_pseudobulks(profiles, changes.control)
        guesses[name] = fitted.predict_pseudobulks([perturbation]).iloc[0] - changes.control
    return References(guesses, len(others), "training perturbations" if changes.has_split else "other perturbations")


def predicted_changes(adata: AnnData, wanted: Sequence[str] | None) -> tuple[pd.DataFrame, list[str]]:
    """Read the predicted changes, perturbations x genes in the order of ``adata``, and which models made them.

    Of several predictions of one perturbation that under its default key counts, or else the first.
    """
    records = adata.uns.get(_keys.UNS, {}).get(_keys.PREDICTIONS, {})
    keys: dict[str, str] = {}
    for key, record in records.items():
        name = str(record.get("perturbation"))
        if key in adata.layers and (name not in keys or key == _keys.prediction_layer(name)):
            keys[name] = key
    names = [name for name in keys if wanted is None or name in wanted]
    rows: dict[str, pd.Series[float]] = {}
    models: dict[str, None] = {}
    for name in names:
        rows[name] = get.predictions(adata, keys[name]).set_index("gene")["delta"].reindex(adata.var_names)
        record = records[keys[name]]
        trained = origin(record)
        models[f"{record.get('model', 'an unnamed model')}{f' (trained on {trained})' if trained else ''}"] = None
    table = pd.DataFrame(rows, index=adata.var_names).T if rows else pd.DataFrame(columns=adata.var_names)
    if rows:
        require_finite(table, "The predicted change")
    return table, list(models)


def require_finite(table: pd.DataFrame, what: str) -> None:
    """Refuse NaN and infinite values, naming the perturbations or genes that have them."""
    finite = np.isfinite(table.to_numpy(dtype=np.float64))
    if finite.all():
        return
    genes, rows = table.columns[~finite.all(axis=0)], table.index[~finite.all(axis=1)]
    msg = (
        f"{what} is NaN or infinite for {len(genes):,} genes ({listing(genes)}) of {listing(rows)}. Leave these genes "
        "out, adata[:, genes], or start again from the counts with sgp.pp.prepare."
    )
    raise DataError(msg)


def _part_of_cells(adata: AnnData) -> pd.Series[str]:
    key = split_key(adata)
    if key not in adata.obs:
        return pd.Series(dtype=object)
    cells = pd.DataFrame(
        {"name": perturbation_labels(adata).to_numpy(), "part": adata.obs[key].astype(object).to_numpy()}
    )
    cells = cells.dropna().drop_duplicates().astype(str)
    return cells.groupby("name")["part"].agg(lambda parts: " and ".join(sorted(parts)))


def _part_of_figures(adata: AnnData) -> pd.Series[str]:
    table = adata.uns.get(_keys.UNS, {}).get(_keys.OBSERVED)
    if table is None or not {_keys.PERTURBATION, _keys.SPLIT} <= set(table):
        return pd.Series(dtype=object)
    known = table[[_keys.PERTURBATION, _keys.SPLIT]].dropna().astype(str)
    part: pd.Series[str] = known.set_index(_keys.PERTURBATION)[_keys.SPLIT]
    return part
