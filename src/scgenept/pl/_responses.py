"""What a figure of one perturbation is drawn from: the prediction and the observation, as changes over control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from .. import _keys, get
from .._errors import DataError, UnknownNameError, listing, near_names
from ..data.checks import check_unique_genes
from ..data.expression import expression
from ..data.lost import why_missing
from ..data.write import predictions, unknown_genes
from ..evaluation.de import rank_genes
from ..evaluation.pseudobulk import moments, perturbation_labels, pseudobulk
from ..genes.matching import measured_as
from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..perturbation import PerturbationLike

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """One stored prediction and the control cells it started from.

    Attributes
    ----------
    perturbation
        What was predicted.
    record
        What ``uns`` says of it: model, modality, cell type and so on.
    table
        Genes x (``change``, ``std``), log1p of counts per 1e4: mean over the predicted cells less the mean of the
        control cells, and the standard deviation over the predicted cells.
    control
        Genes x (``mean``, ``std``) of the control cells that were predicted from.
    n_cells, n_simulated
        How many control cells, and how many of them are simulated.
    interval
        Genes x (``lower``, ``upper``), bounds of the mean change, where it was predicted with them.
    """

    perturbation: Perturbation
    record: Mapping[str, Any]
    table: pd.DataFrame
    control: pd.DataFrame
    n_cells: int
    n_simulated: int
    interval: pd.DataFrame | None = None

    @property
    def targets(self) -> list[str]:
        """Genes of the table that are perturbed."""
        return list(measured_as(self.perturbation, self.table.index).values())

    @property
    def unknown(self) -> set[str]:
        """Genes that the model does not know; what it predicts for them means nothing."""
        return unknown_genes(self.record).intersection(self.table.index)


@dataclass(frozen=True)
class Observation:
    """The observed response to the same perturbation.

    Attributes
    ----------
    table
        Genes x (``change``, ``std``), as in :class:`Prediction`; genes in rank order, strongest first.
    cells
        Cells x genes, change of each cell over the control mean, columns as in ``table`` up to the number read;
        ``None`` where only figures are at hand.
    n_cells
        Number of cells; 0 where it is not known.
    origin
        Modality and cell type of the data, as far as they are known.
    own_control
        Whether the change is over the data's own control cells.
    """

    table: pd.DataFrame
    cells: FloatArray | None
    n_cells: int
    origin: str
    own_control: bool


def require_adata(value: object, name: str = "This figure") -> None:
    """Refuse what is no AnnData, and say what to pass instead.

    Raises
    ------
    DataError
        It is something else.
    """
    if not isinstance(value, AnnData):
        modality = ". Take one modality, mdata['rna']" if type(value).__name__ == "MuData" else ""
        msg = f"{name} is drawn from an AnnData; got {type(value).__name__}{modality}."
        raise DataError(msg)


def read_prediction(adata: AnnData, perturbation: PerturbationLike, key: str | None) -> Prediction:
    """Find the prediction of ``perturbation`` and turn it into changes over the control cells it started from.

    Raises
    ------
    UnknownNameError
        There is no such prediction, or there are several and none has the default key.
    DataError
        It is no AnnData, or no row of the layer was predicted.
    """
    require_adata(adata)
    wanted = Perturbation.parse(perturbation)
    key = find_key(adata, wanted, key)
    cells = get.predicted(adata, key)
    if cells.n_obs == 0:
        msg = f"No row of layers[{key!r}] is predicted: all are NaN. Predict again with sgp.tl.predict_perturbation."
        raise DataError(msg)
    predicted_mean, predicted_std = moments(cells.X)
    control_mean, control_std = moments(cells.layers[_keys.CONTROL_LAYER])
    simulated = cells.obs[_keys.SIMULATED].to_numpy(dtype=bool) if _keys.SIMULATED in cells.obs else [False]
    return Prediction(
        perturbation=wanted,
        record=adata.uns[_keys.UNS][_keys.PREDICTIONS][key],
        table=pd.DataFrame({"change": predicted_mean - control_mean, "std": predicted_std}, index=cells.var_names),
        control=pd.DataFrame({"mean": control_mean, "std": control_std}, index=cells.var_names),
        n_cells=cells.n_obs,
        n_simulated=int(np.sum(simulated)),
        interval=_interval(cells, key, control_mean),
    )


def _interval(cells: AnnData, key: str, control_mean: FloatArray) -> pd.DataFrame | None:
    bounds = cells.varm.get(_keys.interval_varm(key))
    if bounds is None:
        return None
    change = bounds[["lower", "upper"]].to_numpy(dtype=np.float64) - control_mean[:, None]
    return pd.DataFrame(change, index=cells.var_names, columns=["lower", "upper"])


def read_observation(observed: AnnData, prediction: Prediction, *, n_top: int) -> Observation | None:
    """Read the observed cells of the predicted perturbation, or the figures stored of them, ranked by Welch's t.

    Genes that the prediction lacks, or its model does not know, are left out. Returns ``None`` where ``observed`` knows
    nothing of the perturbation.

    Raises
    ------
    DataError
        Prediction and observation have no gene in common, or a gene occurs twice.
    """
    require_adata(observed, "The observation")
    name = str(prediction.perturbation)
    check_unique_genes(observed.var_names)
    shared = observed.var_names.intersection(prediction.table.index, sort=False)
    if shared.empty:
        msg = (
            f"Prediction and observation have no gene in common: {listing(prediction.table.index, first=3)} against "
            f"{listing(observed.var_names, first=3)}. Name the genes of both in the same way."
        )
        raise DataError(msg)
    shared = shared[~shared.isin(prediction.unknown)]
    if shared.empty:
        msg = "The model knows none of the genes that were observed: there is nothing to compare."
        raise DataError(msg)
    labels = labels_of(observed)
    if name in labels:
        bulk = pseudobulk(observed, perturbations=[name, _keys.CONTROL] if _keys.CONTROL in labels else [name])
        means, stds, numbers = bulk.mean.T, bulk.std.T, bulk.n
    elif name in _figure_names(observed):
        means, stds, numbers = observed.varm[_keys.OBSERVED_MEAN], observed.varm[_keys.OBSERVED_STD], _numbers(observed)
    else:
        return None
    own = _keys.CONTROL in means
    control = pd.DataFrame({"mean": means[_keys.CONTROL], "std": stds[_keys.CONTROL]}) if own else prediction.control
    control = control.loc[shared]
    n_cells = int(numbers.get(name, 0))
    n_control = int(numbers.get(_keys.CONTROL, 0)) if own else prediction.n_cells
    # without numbers both sides are taken as equally many, which leaves the order by t as it is
    n, n_base = (n_cells, n_control) if n_cells and n_control else (100, 100)
    mean, std = means.loc[shared, name], stds.loc[shared, name]
    ranked = rank_genes(mean, std, n, control["mean"], control["std"], n_base)
    table = pd.DataFrame(
        {"change": ranked["change"].to_numpy(), "std": std.loc[ranked["gene"]].to_numpy()},
        index=pd.Index(ranked["gene"]),
    )
    cells = _cells(observed, name, control["mean"].loc[table.index[:n_top]]) if name in labels else None
    return Observation(table, cells, n_cells, origin(get.setup(observed, missing_ok=True)), own)


def require_observation(observed: AnnData, prediction: Prediction, *, n_top: int) -> Observation:
    """Read the observation as :func:`read_observation` does, and refuse where there is none.

    Raises
    ------
    UnknownNameError
        ``observed`` knows nothing of the perturbation.
    """
    observation = read_observation(observed, prediction, n_top=n_top)
    if observation is None:
        name, known = str(prediction.perturbation), known_responses(observed)
        msg = (
            f"observed has neither cells nor figures of {name}.{near_names(name, known)} It has: "
            f"{listing(known) or 'no labelled perturbation'}. Pass observed= the cells of the experiment, and run "
            "sgp.pp.setup_perturbations on them if their labels are not canonical."
        )
        raise UnknownNameError(msg)
    return observation


def origin(source: object) -> str:
    """Write modality and cell type of a setup or of the record of a prediction, without what is not known."""
    values = source if isinstance(source, Mapping) else vars(source) if source is not None else {}
    known = (str(values.get(word, "")) for word in ("modality", "cell_type"))
    return ", ".join(word for word in known if word not in {"", "unknown"})


def labels_of(observed: AnnData) -> list[str]:
    """List the labels of the cells, or nothing where no column has any."""
    try:
        return [str(label) for label in perturbation_labels(observed).dropna().unique()]
    except DataError:
        return []


def known_responses(observed: AnnData) -> list[str]:
    """List the perturbations of which there are cells or figures."""
    return sorted({*labels_of(observed), *_figure_names(observed)} - {_keys.CONTROL})


def find_key(adata: AnnData, wanted: Perturbation, key: str | None) -> str:
    """Return the key under which the prediction of a perturbation is stored."""
    records = predictions(adata)
    if key is None:
        keys = [k for k, record in records.items() if record.get("perturbation") == str(wanted)]
        default = _keys.prediction_layer(str(wanted))
        if default in keys or len(keys) == 1:
            return default if default in keys else keys[0]
        if keys:
            msg = f"{len(keys)} predictions of {wanted} are stored: {listing(keys)}. Name one with key=."
            raise UnknownNameError(msg)
    elif key in records:
        if (stored := records[key].get("perturbation")) != str(wanted):
            msg = f"The prediction {key!r} is of {stored}, not of {wanted}. Ask for {stored!r}, or for another key."
            raise UnknownNameError(msg)
        return key
    sought = str(wanted) if key is None else key
    remedy = why_missing(adata, sought) or " Make it with sgp.tl.predict_perturbation."
    msg = (
        f"There is no prediction {sought!r}.{near_names(sought, records)} Stored predictions: "
        f"{listing(records) or 'none'}.{remedy}"
    )
    raise UnknownNameError(msg)


def _cells(observed: AnnData, name: str, control: pd.Series[float]) -> FloatArray:
    """Return the change of each cell of a perturbation over the control mean, cells x genes of ``control``."""
    rows = np.flatnonzero(perturbation_labels(observed).to_numpy() == name)
    block: Any = expression(observed)[rows][:, observed.var_names.get_indexer(control.index)]
    array = np.asarray(block.toarray() if sparse.issparse(block) else block, dtype=np.float64)
    change: FloatArray = array.reshape(len(rows), -1) - control.to_numpy()
    return change


def _figure_names(observed: AnnData) -> Sequence[str]:
    if _keys.OBSERVED_MEAN not in observed.varm or _keys.OBSERVED_STD not in observed.varm:
        return []
    return [str(column) for column in observed.varm[_keys.OBSERVED_MEAN]]


def _numbers(observed: AnnData) -> pd.Series[int]:
    """Return perturbation -> number of cells behind the stored figures, as far as they are recorded."""
    table = observed.uns.get(_keys.UNS, {}).get(_keys.OBSERVED)
    if table is None or not {"n_cells", _keys.PERTURBATION} <= set(table):
        return pd.Series(dtype=np.int64)
    known = table.drop_duplicates(_keys.PERTURBATION)
    numbers: pd.Series[int] = known.set_index(known[_keys.PERTURBATION].astype(str))["n_cells"]
    return numbers
