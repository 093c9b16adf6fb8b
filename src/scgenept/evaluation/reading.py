"""Anybody's predictions, brought to test perturbations x genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError, listing, near_names
from ..data.lost import lost_record, why_missing
from ..data.setup import read_setup
from ..data.write import predictions as prediction_records
from ..genes.spelling import respell
from ..perturbation import Perturbation
from .pseudobulk import pseudobulk

if TYPE_CHECKING:
    from anndata import AnnData

    from .experiment import Experiment
    from .observation import FloatArray

MAX_LOG = 9.3
"""No mean of log1p of counts per 1e4 is larger: one gene would hold every count of every cell."""


class Table(NamedTuple):
    """Predictions and what to say of them.

    Attributes
    ----------
    values
        Test perturbations x genes, log1p of counts per 1e4; NaN where there is no prediction.
    notes
        What was left out, or looks odd.
    """

    values: FloatArray
    notes: tuple[str, ...] = ()


def read_table(source: AnnData | pd.DataFrame, experiment: Experiment, *, name: str) -> Table:
    """Bring predictions to the perturbations and genes of an experiment.

    Parameters
    ----------
    source
        A table or AnnData of perturbations x genes, or an AnnData of predicted cells: with a column of ``obs`` that
        names the perturbation of each, or with layers that :func:`scgenept.tl.predict_perturbation` wrote.
    experiment
        What they are judged by.
    name
        Of the predictor, for messages.

    Raises
    ------
    DataError
        A gene is not predicted, no test perturbation is, names occur twice, or the values cannot be log1p.
    """
    table = aligned(
        source if isinstance(source, pd.DataFrame) else _from_anndata(source, experiment, name), experiment, name=name
    )
    return Table(table.values, (*table.notes, *_plausible(table.values, experiment, name)))


def aligned(table: pd.DataFrame, experiment: Experiment, *, name: str) -> Table:
    """Bring a table to the perturbations and genes of an experiment, whatever its values.

    Baselines are read so: a sum of two strong effects may be more than cells can express.

    Raises
    ------
    DataError
        As :func:`read_table`, but for the values.
    """
    table = _canonical(table, name)
    _require_genes(table, experiment.genes, name)
    test = list(experiment.test)
    missing = [perturbation for perturbation in test if perturbation not in table.index]
    misspelt = _misspelt(table.index, missing)
    if len(missing) == len(test):
        hint = misspelt or near_names(test[0], table.index)
        msg = (
            f"{name} predicts none of the {len(test)} test perturbations ({listing(test)}); it has "
            f"{listing(table.index) or 'no rows'}.{hint}"
        )
        raise DataError(msg)
    values = table.reindex(index=test, columns=experiment.genes).to_numpy(dtype=np.float64, copy=True)
    notes = []
    if missing:
        words = f"{name} does not predict {len(missing)} of {len(test)} test perturbations: {listing(missing)}."
        notes.append(f"{words}{misspelt}")
    incomplete = np.isnan(values).any(axis=1)
    if broken := [p for p, bad in zip(test, incomplete, strict=True) if bad and p not in set(missing)]:
        notes.append(f"{name} predicts NaN for {len(broken)} perturbations, which have no score: {listing(broken)}.")
    # one missing gene would make some scores and not others
    values[incomplete] = np.nan
    return Table(values, tuple(notes))


def _from_anndata(source: AnnData, experiment: Experiment, name: str) -> pd.DataFrame:
    records = {key: record for key, record in prediction_records(source).items() if key in source.layers}
    if records:
        return _from_layers(source, records, name)
    if lost := lost_record(source):
        msg = f"{name} holds no prediction.{lost}"
        raise DataError(msg)
    names = [str(row) for row in source.obs_names]
    if _is_perturbations(names, experiment):
        return pd.DataFrame(_dense(source.X), index=names, columns=source.var_names)
    setup = read_setup(source, missing_ok=True)
    own = [] if setup is None else [setup.perturbation_key]
    keys = [key for key in (*own, experiment.key, _keys.PERTURBATION) if key in source.obs]
    if not keys:
        msg = (
            f"{name} is an AnnData whose obs_names are no test perturbations ({listing(names)}), and obs has no column "
            f"{experiment.key!r} that names the perturbation of each predicted cell. Columns: "
            f"{listing(source.obs.columns) or 'none'}."
        )
        raise DataError(msg)
    if (source.obs[keys[0]].astype(str) == _keys.CONTROL).all():
        msg = f"{name} holds cells labelled control only, in obs[{keys[0]!r}].{why_missing(source)}"
        raise DataError(msg)
    return pseudobulk(source, by=keys[0]).mean


def _from_layers(source: AnnData, records: dict[str, Any], name: str) -> pd.DataFrame:
    """Average each layer that a prediction wrote over the cells that it predicted."""
    rows: dict[str, Any] = {}
    for key, record in records.items():
        perturbation = str(record["perturbation"])
        if perturbation in rows:
            msg = f"{name} holds two predictions of {perturbation}; the second is layers[{key!r}]. Delete one."
            raise DataError(msg)
        layer = _dense(source.layers[key])
        rows[perturbation] = layer[~np.isnan(layer).all(axis=1)].mean(axis=0, dtype=np.float64)
    return pd.DataFrame.from_dict(rows, orient="index", columns=source.var_names)


def _dense(values: Any) -> Any:
    if values is None:
        msg = "The predictions hold no values: X is None. Put the predicted expression there."
        raise DataError(msg)
    loaded = values[:] if not hasattr(values, "toarray") else values
    return loaded.toarray() if hasattr(loaded, "toarray") else np.asarray(loaded)


def _is_perturbations(names: list[str], experiment: Experiment) -> bool:
    known = set(experiment.seen.bulk.mean.index)
    return any(_name(label) in known for label in names)


def _name(label: object) -> str | None:
    try:
        return str(Perturbation.parse(str(label)))
    except DataError:
        return None


def _canonical(table: pd.DataFrame, name: str) -> pd.DataFrame:
    parsed = [Perturbation.parse(str(label)) for label in table.index]
    index = pd.Index([str(p) for p in parsed], name=_keys.PERTURBATION)
    found = table.set_axis(index, axis=0).loc[[not p.is_control for p in parsed]]
    for of, labels in (("perturbations", found.index), ("genes", found.columns)):
        if twice := sorted(set(map(str, labels[labels.duplicated()]))):
            msg = f"{name} holds {len(twice)} {of} more than once: {listing(twice)}. Keep one of each."
            raise DataError(msg)
    return found


def _misspelt(rows: pd.Index[str], missing: list[str]) -> str:
    """Name a row that means a missing perturbation and is written in another way, or nothing."""
    genes = {gene for name in missing for gene in Perturbation.parse(name)}
    for row in rows:
        meant = str(respell(Perturbation.parse(row), genes))
        if meant in missing and meant != row:
            return f" Its row {row!r} may mean {meant}: write it so."
    return ""


def _require_genes(table: pd.DataFrame, genes: pd.Index[str], name: str) -> None:
    if len(missing := genes.difference(table.columns, sort=False)):
        remedy = (
            " Its rows are genes: pass the table transposed, table.T."
            if genes.isin(table.index).all()
            else f"{near_names(str(missing[0]), map(str, table.columns))} Scores are over the same genes for "
            "everybody: pass adata with the predicted genes only."
        )
        msg = f"{name} does not predict {len(missing):,} of {len(genes):,} genes: {listing(missing)}.{remedy}"
        raise DataError(msg)


def _plausible(values: FloatArray, experiment: Experiment, name: str) -> tuple[str, ...]:
    """Refuse what cannot be log1p of counts per 1e4; say so where values look like changes over control."""
    known = values[~np.isnan(values).any(axis=1)]
    if not known.size:
        return ()
    if np.isinf(known).any() or known.max() > MAX_LOG:
        msg = (
            f"{name} reaches {known.max():,.4g}, and a mean of log1p of counts per 1e4 cannot exceed {MAX_LOG}: these "
            "look like counts. Predictions must be in the unit of adata, np.log1p(counts / counts.sum() * 1e4)."
        )
        raise DataError(msg)
    size, distance = np.abs(known).mean(), np.abs(known - experiment.control).mean()
    if size < 0.5 * distance:
        return (
            (
                f"{name} is nearer to 0 than to the control mean: these look like changes over control. Expression is "
                "expected: add the control mean."
            ),
        )
    return ()
