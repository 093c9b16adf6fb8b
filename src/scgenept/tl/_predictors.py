"""Whatever a user hands in as a predictor, as the table of its predictions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError, ScGenePTError, UnknownNameError, listing, near_names
from ..data.select import row_reader
from ..data.setup import read_setup
from ..evaluation.baselines import CATALOG, DEFAULT, Baseline
from ..evaluation.calibration import REPLICATE
from ..evaluation.predictors import Predictor, from_baseline
from ..evaluation.reading import read_table
from ..evaluation.strata import strata
from ..evaluation.summary import MEAN
from ..perturbation import Perturbation
from ..prediction.pseudobulks import predict_pseudobulks
from ..weights.model import ScGenePT

if TYPE_CHECKING:
    from ..evaluation.experiment import Experiment
    from ..prediction.engine import Engine

Found = tuple[list[Predictor], list[str]]


def read_judged(
    given: object, experiment: Experiment, *, n_control_cells: int | None, engine: Engine, seed: int
) -> Found:
    """Read what is to be judged, under its own name or those of a mapping."""
    sources: Mapping[Any, Any] = given if isinstance(given, Mapping) else {None: given}
    if not sources:
        msg = "There is nothing to judge: the mapping of predictors is empty."
        raise DataError(msg)
    found, notes = [], []
    for name, source in sources.items():
        predictor, said = _read(name, source, experiment, False, n_control_cells, engine, seed)
        if predictor.name == REPLICATE or (predictor.name == MEAN and not _is_mean(source)):
            msg = f"{predictor.name!r} is the name of a reference of every report: name the predictor otherwise."
            raise DataError(msg)
        found.append(predictor)
        notes += said
    return found, notes


def read_baselines(  # noqa: PLR0913
    given: object,
    experiment: Experiment,
    *,
    taken: list[str],
    n_control_cells: int | None,
    engine: Engine,
    seed: int,
) -> Found:
    """Read what to compare with; the mean is always there, and a default that cannot be fitted is left out."""
    is_default = isinstance(given, str) and given == "default"
    sources: dict[Any, Any] = {MEAN: MEAN}
    if isinstance(given, Mapping):
        sources |= given
    elif given is not None:
        names = DEFAULT if is_default else [given] if isinstance(given, str) else list(_iterated(given))
        sources |= {str(name): str(name) for name in names}
    if clash := [name for name in sources if name in taken and name not in CATALOG]:
        msg = f"{listing(clash)} names both something to judge and a baseline. Rename one."
        raise DataError(msg)
    found, notes = [], []
    for name, source in sources.items():
        if name in taken:
            continue
        if name == REPLICATE or (name == MEAN and not _is_mean(source)):
            msg = f"{name!r} is the name of a reference of every report: name the baseline otherwise."
            raise DataError(msg)
        try:
            predictor, said = _read(name, source, experiment, True, n_control_cells, engine, seed)
        except DataError as error:
            if not is_default:
                raise
            notes.append(f"The baseline {name} is left out: {error}")
            continue
        found.append(predictor)
        notes += said
    return found, notes


def _iterated(given: object) -> Iterable[Any]:
    if not isinstance(given, Iterable):
        msg = f"baselines should be names or a mapping from names to predictors, not {type(given).__name__}."
        raise DataError(msg)
    return given


def _is_mean(source: object) -> bool:
    return source == MEAN if isinstance(source, str) else isinstance(source, CATALOG[MEAN].kind)


def _read(  # noqa: PLR0913, PLR0917
    name: str | None,
    source: object,
    experiment: Experiment,
    is_baseline: bool,
    n_control_cells: int | None,
    engine: Engine,
    seed: int,
) -> tuple[Predictor, list[str]]:
    from anndata import AnnData

    if isinstance(source, (str, os.PathLike)):
        source = _by_name(source)
    if isinstance(source, ScGenePT):
        return _from_model(name or source.name, source, experiment, is_baseline, n_control_cells, engine, seed)
    if isinstance(source, Baseline):
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", category=UserWarning)
            predictor = from_baseline(
                name or source.name, source, experiment, is_baseline=is_baseline, seed=seed
            )
        return predictor, [str(warning.message) for warning in caught]
    if isinstance(source, (AnnData, pd.DataFrame)):
        table = read_table(source, experiment, name=name or "predictions")
        predictor = Predictor(name or "predictions", table.values, experiment.control, is_baseline)
        return predictor, list(table.notes)
    msg = (
        f"A {type(source).__name__} cannot be judged. Pass a model, a baseline, a table or AnnData of perturbations x "
        "genes, an AnnData of predicted cells, or a mapping from names to these."
    )
    raise DataError(msg)


def _by_name(source: str | os.PathLike[str]) -> object:
    from ..models import load

    if isinstance(source, str) and source in CATALOG:
        return CATALOG[source].kind()
    try:
        return load(source)
    except UnknownNameError as error:
        msg = f"{error}{near_names(str(source), CATALOG)} Baselines: {', '.join(CATALOG)}."
        raise UnknownNameError(msg) from error


def _from_model(  # noqa: PLR0913, PLR0917
    name: str,
    model: ScGenePT,
    experiment: Experiment,
    is_baseline: bool,
    n_control_cells: int | None,
    engine: Engine,
    seed: int,
) -> tuple[Predictor, list[str]]:
    adata = experiment.adata
    if n_control_cells is not None and n_control_cells < 1:
        msg = f"n_control_cells={n_control_cells} should be at least 1, or None for all."
        raise DataError(msg)
    controls = np.flatnonzero((adata.obs[experiment.key].astype(object) == _keys.CONTROL).to_numpy())
    notes = []
    if n_control_cells is not None and n_control_cells < len(controls):
        notes.append(f"{name} predicts from {n_control_cells} of {len(controls):,} control cells (n_control_cells=).")
        controls = np.sort(np.random.default_rng(seed).choice(controls, n_control_cells, replace=False))
    genes = [str(gene) for gene in experiment.genes]
    matched = model.gene_set(genes).matches
    if not matched.n_matched:
        msg = f"None of the {len(genes):,} genes of adata is known to {name}: {listing(genes)}."
        raise DataError(msg)
    if matched.n_matched < len(genes):
        notes.append(f"{len(genes) - matched.n_matched:,} of {len(genes):,} genes are unknown to {name} and look alike to it.")
    read = row_reader(adata, controls, experiment.layer)
    made = predict_pseudobulks(model, genes, read, len(controls), experiment.test, engine=engine)
    if len(made.unknown) == len(experiment.test):
        msg = f"{name} knows the targets of none of the {len(experiment.test)} test perturbations: {listing(made.unknown)}."
        raise ScGenePTError(msg)
    if made.unknown:
        notes.append(f"{name} cannot predict {len(made.unknown)} perturbations of unknown targets: {listing(made.unknown)}.")
    predictor = Predictor(name, made.values, made.control, is_baseline)
    return predictor, [*notes, *_of_the_card(name, model, experiment)]


def _of_the_card(name: str, model: ScGenePT, experiment: Experiment) -> list[str]:
    """Say what the card knows against these scores: seen test perturbations, other modality, caveats of strata."""
    notes = []
    trained = {str(Perturbation.parse(label)) for label in model.card.training.get("train", ())}
    if seen := [p for p in experiment.test if p in trained]:
        notes.append(f"{name} was trained on {len(seen)} of the test perturbations, says its card: {listing(seen)}.")
    setup = read_setup(experiment.adata)
    for of, here, there in (
        ("modality", setup.modality, model.card.modality),
        ("cell type", setup.cell_type, model.card.cell_type),
    ):
        if here not in {"", "unknown", there} and there not in {"", "unknown"}:
            notes.append(f"{name} was trained on another {of}: {there}, here {here}.")
    kinds = set(strata(experiment.test, experiment.training)["kind"])
    notes += [f"Card of {name}: {caveat}" for caveat in model.card.caveats if any(kind in caveat for kind in kinds)]
    return notes
