"""tl.explain: which source of knowledge, of which gene, made the prediction."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Final, get_args

import numpy as np

from .._arguments import require_whole
from .._device import resolve_device
from .._errors import DataError, UnknownGeneError, UnknownNameError, listing, near_names
from .._logging import logger
from .._random import generator_of
from ..data.checks import check_shape, check_unique_genes, require_anndata
from ..data.select import input_rows, require_log_expression, row_reader
from ..data.setup import read_setup
from ..perturbation import Perturbation
from ..prediction.engine import given_engine, predict_cells
from ..prediction.explanation.attribution import attribute, estimate, make_task, need_captum
from ..prediction.explanation.result import Cells, Explanation, tabulate
from ..prediction.explanation.sources import Reference, input_sources
from ..weights.tokens import build_tokens
from ._members import load_model
from ._predict_perturbation import require_known_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from .._types import RNGLike
    from ..prediction.engine import Engine
    from ..weights.gene_set import GeneSet
    from ._members import Model

LONG: Final = 60
"""Seconds from which on the cost is said as a warning of the logger, which shows without any set-up."""


def explain(  # noqa: PLR0913  (what is explained, of which cells, and how exactly)
    model: Model | None,
    adata: AnnData,
    genes: str | Sequence[str] | Perturbation,
    *,
    responding: int | Sequence[str] = 20,
    baseline: Reference = "mean",
    cells: Cells = "mean",
    n_cells: int | None = 256,
    n_steps: int = 50,
    layer: str | None = None,
    engine: Engine | None = None,
    rng: RNGLike = 0,
) -> Explanation:
    """Attribute a predicted response to what the network knew: text, learned vectors, counts and the perturbation.

    The response of gene ``t`` is ``R_t(x)``, predicted minus control expression, the ``delta`` of
    :func:`scgenept.get.predictions`. Control is subtracted inside the function, so what a network merely hands on from
    its input is not counted as an effect of it. Integrated gradients (Sundararajan et al., ICML 2017) along the
    straight path from a reference ``x'`` to the input divide ``R_t(x) - R_t(x')`` among the sources, and the part of
    each among the genes that it describes. They explain the model, not the cell: a text with a large part need not be
    true.

    A network that predicts levels (``decoder="direct"``) knows the level of each gene from its vectors, and loses it
    again with the control that is subtracted: of the gene itself, ``"tokens"`` and texts have one sign and ``"counts"``
    the other. What the perturbation did is in the columns ``of_targets`` and ``of_others``.

    The cost goes to the logger ``scgenept`` before it is paid: as information, or as a warning from a minute on.

    Parameters
    ----------
    model
        As in :func:`predict_perturbation`.
    adata
        Cells x genes, log1p of counts per 1e4. The control cells if the data are set up, else all cells.
    genes
        One perturbation, as in :func:`predict_perturbation`.
    responding
        How many of the genes with the largest predicted response to explain, of those that the model knows; or the
        measured genes themselves.
    baseline
        The reference. ``"mean"``: every gene has the mean of a source over the known genes, so a source gets what it
        says beyond the average gene. ``"zero"``: zeros, which no gene ever has. In both nothing is perturbed.
    cells
        ``"mean"`` explains the mean control cell: one cell, without the noise of a draw. ``"each"`` explains each cell
        and averages, which costs as many times more; take it where the warning below says so.
    n_cells
        At most this many control cells, drawn from ``rng``; ``None`` for all.
    n_steps
        Points of the path; the error falls and the cost grows with it.
    layer
        The layer that holds the expression; ``X`` by default.
    engine
        Batch size (cells at points of the path) and device, as :class:`Engine`; gradients have the type of the weights,
        whatever its ``dtype``.
    rng
        Seed or generator of the choice of cells.

    Returns
    -------
    An :class:`Explanation` with the tables ``responses``, ``by_source`` and ``by_input``; print it for the sources.
    Nothing is written to ``adata``, and the model is left as it was.

    Raises
    ------
    MissingExtraError
        captum is not installed: ``pip install 'scgenept[explain]'``.
    UnknownGeneError
        A target is neither measured nor known to the model, or a responding gene is not measured or not known.
    DataError
        The data cannot be predicted from; or a number is less than 1, or there are not that many genes.
    UnknownNameError
        There is no such ``baseline`` or ``cells``.
    DeviceError
        The device does not exist or is too small.

    Warns
    -----
    UserWarning
        Attributions miss their sum by more than 5 %; the mean cell responds otherwise than the cells do; fewer than
        half of the genes are known to the model.

    Examples
    --------
    >>> import scgenept as sgp
    >>> controls = sgp.datasets.k562_mini()[:4].copy()
    >>> found = sgp.tl.explain("scgenept-mini", controls, "KLF1+MAP2K6", responding=["HBZ"])
    >>> found.by_source["source"].tolist()
    ['tokens', 'go', 'counts', 'perturbation']
    """
    generator = generator_of(rng)
    need_captum()
    for name, given, choices in (("baseline", baseline, get_args(Reference)), ("cells", cells, get_args(Cells))):
        if given not in choices:
            msg = f"{name}={given!r} does not exist: {', '.join(choices)}.{near_names(str(given), choices)}"
            raise UnknownNameError(msg)
    for name, number in (("n_steps", n_steps), ("n_cells", n_cells)):
        if number is not None or name == "n_steps":
            require_whole(name, number)
    require_anndata(adata)
    check_shape(adata.n_obs, adata.n_vars)
    check_unique_genes(adata.var_names)
    perturbation = Perturbation.parse(genes)
    engine = given_engine(engine)
    device = resolve_device(engine.device)
    rows = input_rows(adata, read_setup(adata, missing_ok=True), obs_mask=None, n_cells=None, rng=generator)
    if n_cells is not None and n_cells < len(rows):
        rows = np.sort(generator.choice(rows, n_cells, replace=False))
    require_log_expression(adata, rows, layer)
    loaded = load_model(model)
    names = [str(name) for name in adata.var_names]
    known_genes = loaded.gene_set(names)
    require_known_genes(known_genes, loaded)
    tokens = build_tokens(loaded, names, perturbation)
    wanted = _positions(responding, known_genes, loaded.name)

    read = row_reader(adata, rows, layer)
    control_cells = read(0, len(rows))
    control = control_cells.mean(axis=0, dtype=np.float64, keepdims=True)
    predicted = predict_cells(loaded.network, tokens, read, len(rows), engine=engine, label=str(perturbation))
    delta = predicted.values.mean(axis=0, dtype=np.float64) - control[0]
    if isinstance(wanted, int):
        wanted = _strongest(delta, known_genes, wanted)
    sources = input_sources(loaded, tokens, control if cells == "mean" else control_cells, baseline=baseline)
    constant = np.pad(control[0], (0, len(tokens.unmeasured)))
    task = make_task(loaded.network, sources, constant, wanted, n_steps=n_steps, device=device)
    cost, batch = estimate(task, engine)
    logger.log(
        logging.WARNING if cost.seconds >= LONG else logging.INFO,
        "Explaining %d genes of %s (%s %d cells, %d steps) takes %s. Fewer genes or steps take less.",
        len(wanted),
        perturbation,
        "the mean of" if cells == "mean" else "each of",
        len(rows),
        n_steps,
        cost,
    )
    found = attribute(task, batch, label=f"explain {perturbation}")
    targets = set(np.flatnonzero(tokens.flags.numpy()).tolist())
    every = [*names, *tokens.unmeasured]
    responses, by_source, by_input = tabulate(found, sources, every, wanted, targets, delta[wanted])
    explanation = Explanation(
        perturbation=str(perturbation),
        model=loaded.name,
        weight_hash=loaded.weight_hash,
        baseline=baseline,
        cells=cells,
        n_cells=len(rows),
        n_steps=n_steps,
        responses=responses,
        by_source=by_source,
        by_input=by_input,
    )
    for warning in explanation.warnings:
        warnings.warn(warning, UserWarning, stacklevel=2)
    return explanation


def _positions(responding: int | Sequence[str], genes: GeneSet, model: str) -> int | list[int]:
    """Return how many genes to explain, or where those named are."""
    if isinstance(responding, (int, np.integer)):
        if not 1 <= responding <= genes.matches.n_matched:
            msg = f"responding={responding} of {genes.matches.n_matched:,} genes that {model} knows: ask for 1 or more."
            raise DataError(msg)
        return int(responding)
    wanted = [responding] if isinstance(responding, str) else list(dict.fromkeys(map(str, responding)))
    if not wanted:
        msg = "responding is empty: name measured genes, or pass how many of the strongest to explain."
        raise DataError(msg)
    place = {name: i for i, name in enumerate(genes.names)}
    if absent := [name for name in wanted if name not in place]:
        msg = f"{len(absent)} responding genes are not measured: {listing(absent)}.{near_names(absent[0], genes.names)}"
        raise UnknownGeneError(msg)
    if unknown := [name for name in wanted if genes.matches.matched[place[name]] is None]:
        msg = (
            f"{len(unknown)} responding genes are unknown to {model}, which cannot tell them apart: {listing(unknown)}."
        )
        raise UnknownGeneError(msg)
    return [place[name] for name in wanted]


def _strongest(response: np.ndarray, genes: GeneSet, n: int) -> list[int]:
    known = np.array([match is not None for match in genes.matches.matched])
    order = np.argsort(-np.where(known, np.abs(response), -1), kind="stable")
    return [int(i) for i in order[:n]]
