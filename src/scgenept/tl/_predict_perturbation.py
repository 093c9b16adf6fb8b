"""tl.predict_perturbation: the main job."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys
from .._device import resolve_device
from .._errors import DataError, listing
from .._random import generator_of
from .._version import VERSION
from ..data.backed import indexable
from ..data.checks import check_shape, check_unique_genes, check_writable
from ..data.records import check_records_writable
from ..data.select import input_rows, modality_of, require_log_expression, row_reader
from ..data.setup import read_setup
from ..data.started_from import few_values
from ..data.write import check_room, record_of, require_free_key, write_prediction
from ..perturbation import Perturbation
from ..prediction.approximation import mean_cell, measure_approximation
from ..prediction.domain import check_domain
from ..prediction.engine import given_engine
from ..weights.gene_index import GeneIndex
from ..weights.tokens import build_tokens
from ._intervals import make_intervals, read_wish, record_facts, require_possible
from ._members import load_members, predict_by_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike

    from .._types import RNGLike
    from ..evaluation.uncertainty.intervals import Source, Uncertainty
    from ..prediction.engine import Engine
    from ..weights.gene_set import GeneSet
    from ..weights.model import ScGenePT
    from ._intervals import Made
    from ._members import Models

MIN_MATCHED = 0.5
MAX_EVALUATED_TARGETS = 2


def predict_perturbation(  # noqa: PLR0913  (the signature that DESIGN gives it)
    adata: AnnData | MuData,
    genes: str | Sequence[str] | Perturbation,
    *,
    model: Models = None,
    uncertainty: Source | Uncertainty | None = None,
    obs_mask: ArrayLike | str | None = None,
    n_cells: int | None = None,
    layer: str | None = None,
    mod: str | None = None,
    key_added: str | None = None,
    overwrite: bool = False,
    copy: bool = False,
    rng: RNGLike = 0,
    engine: Engine | None = None,
) -> AnnData | None:
    """Predict how control cells respond when genes are perturbed.

    Every control cell goes through the network once, in order, with the perturbed genes flagged; what
    comes out is that cell's expression after the perturbation. A target that is not a measured gene is
    added as a token with value 0 and left out of the result.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4 (see :func:`scgenept.pp.prepare`), or a MuData that holds
        such a modality.
    genes
        One perturbation: ``"FOSB"``, ``"CEBPB+FOSB"`` or ``["FOSB", "CEBPB"]`` (perturbed together).
    model
        From :func:`scgenept.models.load`, or a name or path to load. ``None`` takes
        ``settings.default_model``. Several, with ``uncertainty="ensemble"``, are averaged.
    uncertainty
        Put an interval around the predicted mean response of each gene, at the level 0.9 or as an
        :class:`Uncertainty` says: ``"controls"`` from the choice of control cells alone (no truth enters it),
        ``"ensemble"`` from the spread over models fine-tuned with different ``rng``, ``"conformal"`` from the errors
        on held-out perturbations (:func:`calibrate`), the only one that knows how wrong the model is.
    obs_mask
        The cells to start from: booleans, one per cell, or the name of a boolean column of ``obs``.
        By default the control cells if the data are set up
        (:func:`scgenept.pp.setup_perturbations`), else all cells.
    n_cells
        Draw this many of them from ``rng``, without replacement. By default all.
    layer
        The layer that holds the expression; ``X`` by default.
    mod
        The modality of a MuData to read and write.
    key_added
        Key of the result; by default the canonical name of the perturbation, such as ``"CEBPB+FOSB"``.
    overwrite
        Replace something of that key that scgenept did not write.
    copy
        Leave ``adata`` alone and return an AnnData of the input cells with the result.
    rng
        Seed or generator for ``n_cells`` and the bootstrap.
    engine
        Batch size, device, number type and approximations, as :class:`scgenept.tl.Engine`.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData of the input cells. Written are:

    ``layers[key]``
        Predicted expression, cells x genes, log1p of counts per 1e4, float32; row i is cell i. Rows of
        cells that were not predicted are NaN.
    ``obsm["X_" + key]``
        Embedding of the predicted cell: mean over its gene states, cells x d_model, float32.
    ``uns["scgenept"]["predictions"][key]``
        What was predicted with what: perturbation, model, weight hash, modality and cell type the model
        was trained on, number of cells, version, seed, number type, device, domain check; what an approximation left
        out, and its error on the cells it was checked on; with an interval its source, level, number of perturbations,
        members or cells it is from, and stratum and group.
    ``uns["scgenept"]["started_from"][key]``
        Values of a few cells that it started from: arrays ``cell``, ``gene``, ``value`` and ``predicted``, by which
        :func:`scgenept.get.predicted` notices that others took their place.
    ``varm[key + "_interval"]``
        With ``uncertainty=``: DataFrame, genes x (``lower``, ``upper``, ``std``), bounds of the mean response over all
        predicted cells and its standard deviation, log1p of counts per 1e4. :func:`scgenept.get.predictions` reads it.

    Raises
    ------
    DataError
        The data cannot be predicted from: counts, NaN, no control cells, repeated genes and the like. The model
        is not calibrated, or on too few perturbations. Members of an ensemble were trained on different genes or
        modalities. ``adata`` is then as it was.
    UnknownGeneError
        A target is neither measured nor known to the model.
    KeyTakenError
        The key holds something that scgenept did not write.
    DeviceError
        The device does not exist or is too small.

    Warns
    -----
    UserWarning
        Three or more genes at once; a gene that was never perturbed in training; data perturbed in another way
        (CRISPRi, say) than those of the training; genes that the model does not know; input cells unlike
        the training controls; a large result that is mostly NaN; a conformal interval whose stratum had too few
        perturbations and was pooled, or of cells perturbed in another way.

    Examples
    --------
    >>> import scgenept as sgp
    >>> cells = sgp.datasets.k562_mini()[:8].copy()
    >>> sgp.tl.predict_perturbation(cells, "KLF1+MAP2K6", model="scgenept-mini")
    >>> cells.layers["KLF1+MAP2K6"].shape
    (8, 500)
    """
    data = modality_of(adata, mod)
    if not copy:
        check_writable(data)
    check_records_writable(data)
    check_shape(data.n_obs, data.n_vars)
    check_unique_genes(data.var_names)
    perturbation = Perturbation.parse(genes)
    key = key_added or str(perturbation)
    wish = read_wish(uncertainty)
    engine = given_engine(engine)
    device = resolve_device(engine.device)
    require_free_key(data, key, overwrite=overwrite, interval=wish is not None)
    generator, setup = generator_of(rng), read_setup(data, missing_ok=True)
    rows = input_rows(data, setup, obs_mask=obs_mask, n_cells=n_cells, rng=generator)
    require_log_expression(data, rows, layer)
    if not copy:
        check_room(data, len(rows))
    members = load_members(model, wish)
    loaded = members[0]
    if wish is not None:
        require_possible(wish, loaded, len(rows))
    names = [str(name) for name in data.var_names]
    require_known_genes(loaded.gene_set(names), loaded)
    unknown = _unknown_genes(loaded.gene_set(names), loaded)
    tokens = build_tokens(loaded, names, perturbation)
    if len(perturbation) > MAX_EVALUATED_TARGETS:
        msg = f"{perturbation} perturbs {len(perturbation)} genes; the model was never evaluated on more than two."
        warnings.warn(msg, UserWarning, stacklevel=2)

    if unseen := _unseen_targets(loaded, perturbation):
        msg = (
            f"{listing(unseen)} was never perturbed in the training of {loaded.name}; for such genes expect no more "
            "than the mean of the training perturbations. What was measured: model.card.metrics."
        )
        warnings.warn(msg, UserWarning, stacklevel=2)

    read = row_reader(data, rows, layer)
    mean = mean_cell(read, len(rows), len(names))
    domain = check_domain(loaded, names, mean)
    for warning in (_other_modality(loaded, "unknown" if setup is None else setup.modality), domain.warning):
        if warning:
            warnings.warn(warning, UserWarning, stacklevel=2)
    error = measure_approximation(loaded.network, tokens, read, len(rows), engine=engine)
    values, embedding, means = predict_by_all(members, names, perturbation, read, len(rows), engine=engine)
    made = None
    if wish is not None:
        made = make_intervals(
            wish,
            [wish.level],
            model=loaded,
            perturbation=perturbation,
            genes=names,
            cells=values,
            member_means=means,
            control_mean=mean,
            modality="unknown" if setup is None else setup.modality,
            rng=generator,
        )
        for word in made.words:
            warnings.warn(word, UserWarning, stacklevel=2)

    record: dict[str, Any] = {
        "perturbation": str(perturbation),
        "unmeasured_targets": "+".join(tokens.unmeasured),
        "unseen_targets": "+".join(_unseen_targets(loaded, perturbation)),
        "unknown_genes": ", ".join(unknown),
        "model": ", ".join(dict.fromkeys(member.name for member in members)),
        "dataset": loaded.card.dataset,
        "modality": loaded.card.modality,
        "cell_type": loaded.card.cell_type,
        "weight_hash": ", ".join(member.weight_hash for member in members),
        "n_cells": len(rows),
        _keys.INPUT_LAYER: layer or "",
        "simulated": bool(data.obs[_keys.SIMULATED].iloc[rows].any()) if _keys.SIMULATED in data.obs else False,
        "version": VERSION,
        "seed": "numpy Generator" if isinstance(rng, np.random.Generator) else int(rng),
        "dtype": engine.dtype,
        "device": str(device),
        **domain.to_dict(),
        **({} if error is None or engine.approximation is None else engine.approximation.record(error)),
        **({} if wish is None or made is None else record_facts(wish, made)),
    }
    started_from = few_values(data, rows, layer, values)
    target = indexable(data)[rows].to_memory(copy=True) if copy else data
    write_prediction(
        target,
        key,
        np.arange(target.n_obs) if copy else rows,
        values,
        embedding,
        record_of(record),
        started_from=started_from,
        interval=_table(made, target),
    )
    return target if copy else None


def _table(made: Made | None, adata: AnnData) -> pd.DataFrame | None:
    if made is None:
        return None
    columns = {"lower": made.intervals.lower[0], "upper": made.intervals.upper[0], "std": made.intervals.std}
    return pd.DataFrame(columns, index=adata.var_names)


def _unseen_targets(model: ScGenePT, perturbation: Perturbation) -> list[str]:
    """Return the targets that the training data never perturbed, as far as the card knows."""
    seen = model.card.perturbed_genes
    if seen is None:
        return []
    positions = GeneIndex(model, seen).positions(perturbation.genes)
    return [gene for gene, position in zip(perturbation.genes, positions, strict=True) if position < 0]


def _other_modality(model: ScGenePT, modality: str) -> str | None:
    """Say so where a model learned from cells perturbed in another way, as far as both are known."""
    trained = model.card.modality
    if model.card.covers(modality):
        return None
    return f"{model.name} was trained on {trained} and adata is {modality}: it predicts the response to {trained}."


def require_known_genes(genes: GeneSet, model: ScGenePT) -> None:
    """Refuse data of which the model knows no gene, and warn where it knows few."""
    share = genes.matches.n_matched / len(genes)
    if share == 0:
        raise DataError(no_known_gene(genes, model, model.name))
    unknown = [name for name, match in zip(genes.names, genes.matches.matched, strict=True) if match is None]
    if share < MIN_MATCHED:
        msg = (
            f"Only {genes.matches.n_matched:,} of {len(genes):,} genes ({share:.0%}) are known to {model.name}; the "
            f"others ({listing(unknown)}) all look alike to it. "
            f"{_in_capitals(genes, model) or 'See scgenept.pp.match_genes.'}"
        )
        warnings.warn(msg, UserWarning, stacklevel=3)


def no_known_gene(genes: GeneSet, model: ScGenePT, name: str) -> str:
    """Say that a model knows no gene of the data, what both look like, and what to try."""
    return (
        f"None of the {len(genes):,} genes of adata is known to {name} (adata: {listing(genes.names)}; "
        f"model: {listing(model.vocabulary.tokens)}). "
        f"{_in_capitals(genes, model) or 'Use human gene symbols or Ensembl gene ids as var_names.'}"
    )


def _in_capitals(genes: GeneSet, model: ScGenePT) -> str:
    """Say so where more genes are known once they are written in capitals, or nothing."""
    known = model.gene_set([*dict.fromkeys(name.upper() for name in genes.names)]).matches.n_matched
    if known <= max(genes.matches.n_matched, MIN_MATCHED * len(genes)):
        return ""
    return (
        f"In capitals {known:,} are. If they are human genes: adata.var_names = adata.var_names.str.upper(); genes of "
        "other species need the symbols of their human orthologues."
    )


def _unknown_genes(genes: GeneSet, model: ScGenePT) -> list[str]:
    """Return the genes whose prediction is that of no gene, and warn of them where there are few.

    The original trained those that it did not match, all as one.
    """
    if model.card.token_mapping == "v1":
        return []
    unknown = [name for name, match in zip(genes.names, genes.matches.matched, strict=True) if match is None]
    if unknown and len(unknown) <= (1 - MIN_MATCHED) * len(genes):
        msg = (
            f"{len(unknown):,} of {len(genes):,} genes are unknown to {model.name} and all look alike to it; what is "
            f"predicted for them means nothing: {listing(unknown)}. Leave them out, or rename them "
            "(scgenept.pp.match_genes)."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
    return unknown
