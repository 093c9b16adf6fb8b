"""tl.finetune: a model of your own, from pretrained weights and text about genes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from .._arguments import require_kind, shown
from .._errors import DataError, TrainingError
from .._random import seed_of
from .._version import VERSION
from ..data.checks import check_shape, check_unique_genes, require_anndata
from ..data.examples import examples_from_adata
from ..data.select import require_log_expression
from ..data.setup import read_setup
from ..training.fit import Surroundings, fit
from ..training.hardware import Hardware
from ..training.plan import TrainingPlan
from ..training.run_folder import RunFolder, require_run_folder
from ..weights.initial import Architecture
from ._start import (
    Wish,
    load_start,
    require_known_targets,
    require_same_modality,
    starting_model,
    warn_of_split_cells,
)

if TYPE_CHECKING:
    import os

    from anndata import AnnData

    from .._types import RNGLike
    from ..data.examples import Examples
    from ..data.setup import Setup
    from ..knowledge import KnowledgeSource
    from ..training.fit import TrainingRun
    from ..weights.model import ScGenePT

_UNKNOWN: Final = ("", "unknown")


def finetune(  # noqa: PLR0913  (each is a choice of its own; recipe, sizes and devices are one value each)
    adata: AnnData,
    *,
    variant: str | None = None,
    init: Literal["scgpt"] | ScGenePT | str | os.PathLike[str] | None = "scgpt",
    language: Sequence[KnowledgeSource | str] | None = None,
    architecture: Architecture | None = None,
    plan: TrainingPlan | None = None,
    layer: str | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    hardware: Hardware | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    mix_modalities: bool = False,
    rng: RNGLike = 0,
) -> ScGenePT:
    """Train a model that predicts the response to perturbations, on your own data.

    A control cell goes in with the perturbed genes flagged, a perturbed cell should come out; the loss is the mean
    squared error over genes. Training stops early by the validation part of the split and returns the best epoch.
    Batches are a function of seed, epoch and step, dropout is one of the :class:`Hardware` too. So a run that was
    killed and resumed ends with the weights of an unbroken one.

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4, in memory; set up (:func:`scgenept.pp.setup_perturbations`) and split
        (:func:`scgenept.pp.split`). Controls are drawn within the groups of :func:`scgenept.pp.pair_controls`, where
        it has run.
    variant
        What the network sees: a name such as ``"scgenept_go_c"`` (the default), ``"scgpt"`` (no text) or
        ``"go_c_counts"`` (text, no gene tokens). A fine-tuned ``init`` keeps its own.
    init
        ``"scgpt"``: pretrained scGPT, downloaded once. A model, or the name or path of one: pretrained weights are
        completed by what the variant adds, fine-tuned ones are trained further. ``None``: fresh weights, which want a
        higher learning rate (1e-3) and a decoder that starts from what is known; see :class:`Architecture`.
    language
        Knowledge about genes to add at the input: any number of sources of any width
        (:class:`scgenept.knowledge.KnowledgeSource`, or what :func:`scgenept.knowledge.load` takes). By default the
        published ones of the variant, downloaded once.
    architecture
        Sizes, where ``init`` leaves them open, and decoder; see :class:`Architecture`.
    plan
        The recipe, see :class:`TrainingPlan`; ``TrainingPlan(reproduce="v1")`` is the original's.
    layer
        The layer that holds the expression; ``X`` by default.
    out
        Folder to keep the run in, made where it is missing: state, log (``log.csv``), best weights and, at the end,
        the model. Without one nothing is written, and a run that is killed is lost.
    resume
        Go on with the run in ``out``, if there is one. It must have been asked for with the same data and options.
    hardware
        Devices, number types, parts of batches; see :class:`Hardware`.
    loggers, callbacks
        Handed to :class:`lightning.Trainer`, which logs ``train_loss`` and ``validation_loss``.
    mix_modalities
        Train a model further on cells perturbed in another way (CRISPRi after CRISPRa, say), which is an error
        otherwise.
    rng
        Seed or generator.

    Returns
    -------
    The model of the best epoch, in evaluation mode; ``card.training`` holds data hash, split, plan, seed and history.
    The card of one that was trained further also names the perturbations (``train_before``), modalities and cell types
    of before. ``adata`` is not changed.

    Raises
    ------
    DataError
        The data cannot be trained on: no setup or split, counts, no control cells, fewer cells than a batch, a file
        that is not in memory, other modality than ``init``.
    UnknownGeneError
        Perturbed genes that the model has no identity for.
    UnknownNameError
        There is no such variant.
    TrainingError
        The loss is not finite; ``out`` holds something else, another run, or is in use; the disk is full.
    WriteError
        ``out`` is no place that one can write to.

    Warns
    -----
    UserWarning
        Perturbations have cells in training and in the test; training was stopped by Ctrl-C.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> adata.obs["split"] = "train"
    >>> small = sgp.tl.Architecture(d_model=8, n_heads=2, d_hidden=8, n_layers=1)
    >>> plan = sgp.tl.TrainingPlan(epochs=1, batch_size=16)
    >>> model = sgp.tl.finetune(adata, variant="scgpt", init=None, architecture=small, plan=plan)
    >>> sorted(model.card.perturbed_genes)
    ['KLF1', 'MAP2K6']
    """
    for name, value, kind, how in (
        ("plan", plan, TrainingPlan, "scgenept.tl.TrainingPlan(epochs=5)"),
        ("architecture", architecture, Architecture, "scgenept.tl.Architecture(n_layers=2)"),
        ("hardware", hardware, Hardware, "scgenept.tl.Hardware(device='cpu')"),
    ):
        if value is not None:
            require_kind(name, value, kind, how)
    plan = plan or TrainingPlan()
    loggers, callbacks = _listed("loggers", loggers, Logger), _listed("callbacks", callbacks, Callback)
    seed = seed_of(rng)
    if resume and out is None:
        msg = "resume=True needs out=, the folder of the run to go on with."
        raise TrainingError(msg)
    writing = out is not None and getattr(rank_zero_only, "rank", 0) == 0
    if out is not None and writing:
        require_run_folder(out, resume=resume)
    setup = _check(adata, layer)
    examples = examples_from_adata(
        adata, setup, layer=layer, with_controls=plan.control_examples, paired=plan.controls == "frozen"
    )
    warn_of_split_cells(adata, examples)
    start = load_start(init)
    require_same_modality(start, setup, mix=mix_modalities)
    wish = Wish(variant, language, architecture or Architecture(), rule="v1" if plan.reproduce == "v1" else "alias")
    model = starting_model(start, wish, examples, setup, seed=seed)
    require_known_targets(model, examples)
    asked = {
        "version": VERSION,
        "data": examples.digest,
        "variant": model.card.variant,
        "init": "nothing" if start is None else start.weight_hash,
        "network": model.network.config.to_dict(),
        "language": model.card.training.get("language", []),
        "plan": plan.to_dict(),
        "seed": seed,
    }
    around = Surroundings(hardware or Hardware(), resume=resume, loggers=loggers, callbacks=callbacks)
    if out is None:
        run = fit(model, examples.train, examples.validation, plan, seed=seed, surroundings=around)
        return _finished(model, run, examples, setup, asked)
    folder = RunFolder(out, asked)
    with folder.open(resume=resume, writing=writing):
        around = replace(around, folder=folder)
        run = fit(model, examples.train, examples.validation, plan, seed=seed, surroundings=around)
        model = _finished(model, run, examples, setup, asked)
        if writing:
            folder.save_model(model)
    return model


def _listed(name: str, given: object, kind: type) -> Sequence[Any]:
    """Return what Lightning is to be handed, or say what it should be; one may come without a list."""
    listed = [given] if isinstance(given, kind) else given
    if not isinstance(listed, Sequence) or not all(isinstance(one, kind) for one in listed):
        msg = f"{name}= should be a list of {kind.__module__.split('.')[0]} {name}, not {shown(given)}."
        raise DataError(msg)
    return listed


def _check(adata: AnnData, layer: str | None) -> Setup:
    require_anndata(adata)
    if adata.isbacked:
        n_bytes = 4 * adata.n_obs * adata.n_vars
        msg = (
            "adata is backed by a file, and training reads every cell in every epoch: load it with adata.to_memory() "
            f"(at most {n_bytes / 1e9:.1f} GB, a tenth of that for sparse counts), or train on a subset of cells."
        )
        raise DataError(msg)
    check_shape(adata.n_obs, adata.n_vars)
    check_unique_genes(adata.var_names)
    setup = read_setup(adata)
    require_log_expression(adata, np.arange(adata.n_obs), layer)
    return setup


def _finished(model: ScGenePT, run: TrainingRun, examples: Examples, setup: Setup, asked: dict[str, Any]) -> ScGenePT:
    if run.interrupted:
        n = len(run.history)
        done = f"after {n} epoch{'s' * (n > 1)}; the model is the best of them" if n else "in its first epoch"
        msg = f"Training was stopped {done}."
        warnings.warn(msg, UserWarning, stacklevel=4)
    before = model.card
    training = {
        **examples.parts,
        "train_before": None if before.perturbed_genes is None else sorted(before.trained_on),
        "language": asked["language"],
        "data_sha256": examples.digest,
        "n_cells": len(examples.train),
        "seed": asked["seed"],
        "plan": asked["plan"],
        "init": asked["init"],
        "version": asked["version"],
        "best_epoch": run.best_epoch,
        "micro_batch": run.micro_batch,
        "interrupted": run.interrupted,
        "history": run.history.to_dict(orient="records"),
    }
    # What an earlier card says of its data set and scores does not hold for what was trained further.
    card = replace(
        before,
        name=f"{model.name.removesuffix('-finetuned')}-finetuned",
        dataset="",
        modality=_both(before.modality, setup.modality) or "unknown",
        cell_type=_both(before.cell_type, setup.cell_type),
        training=training,
        caveats=("Not evaluated yet: see scgenept.tl.evaluate.",),
        metrics=(),
        calibration=(),
        weights_sha256="",
    )
    mean = dict(zip(examples.train.genes, examples.control_mean.tolist(), strict=True))
    return type(model)(model.network, model.vocabulary, card, genes=examples.train.genes, control_mean=mean)


def _both(before: str, now: str) -> str:
    """Join what an earlier card says and what holds now, each once, as far as they are known."""
    return ", ".join(name for name in dict.fromkeys([*before.split(", "), *now.split(", ")]) if name not in _UNKNOWN)
