"""The models of a prediction: one, or the members of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .._errors import CheckpointError, DataError, listing
from ..prediction.engine import predict_cells
from ..weights.model import ScGenePT
from ..weights.tokens import build_tokens

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ..evaluation.uncertainty import Uncertainty
    from ..perturbation import Perturbation
    from ..prediction.engine import Engine

    Model: TypeAlias = "ScGenePT | str | os.PathLike[str]"
    Models: TypeAlias = "Model | Sequence[Model] | None"


def load_model(model: Model | None) -> ScGenePT:
    """Return a model that can predict, loading it where it is named."""
    from ..models import load, load_default

    loaded = load_default() if model is None else model if isinstance(model, ScGenePT) else load(model)
    if not loaded.card.fine_tuned:
        msg = f"{loaded.name} is pretrained only: its decoder never saw a perturbation. Load a fine-tuned model."
        raise CheckpointError(msg)
    return loaded


def load_members(model: Models, wish: Uncertainty | None) -> list[ScGenePT]:
    """Return the models asked for: several for an ensemble, else one.

    Raises
    ------
    DataError
        Number and kind of uncertainty do not go together, or the members cannot be averaged.
    """
    wanted = wish is not None and wish.source == "ensemble"
    if not isinstance(model, Sequence) or isinstance(model, str):
        if wanted:
            msg = (
                "uncertainty='ensemble' needs several models, fine-tuned alike with different rng: "
                "model=[first, second, third]."
            )
            raise DataError(msg)
        return [load_model(model)]
    if not wanted:
        msg = f"{len(model)} models make an ensemble: pass uncertainty='ensemble', or one of them."
        raise DataError(msg)
    if len(model) < 2:
        msg = f"An ensemble needs two models or more; got {len(model)}. Fine-tune others with another rng."
        raise DataError(msg)
    members = [load_model(member) for member in model]
    _require_alike(members)
    return members


def _require_alike(members: list[ScGenePT]) -> None:
    """Refuse members whose predictions mean different things, and one that counts twice."""
    first = members[0]
    for place, member in enumerate(members[1:], start=2):
        if set(first.genes or ()) != set(member.genes or ()):
            odd = sorted(set(first.genes or ()) ^ set(member.genes or ()))
            msg = (
                f"Members 1 and {place} of the ensemble were trained on different genes, {len(odd):,} of them: "
                f"{listing(odd)}. Fine-tune all on the same data."
            )
            raise DataError(msg)
        for what in ("modality", "cell_type", "token_mapping"):
            here, there = getattr(first.card, what), getattr(member.card, what)
            if here != there:
                msg = (
                    f"Members 1 and {place} of the ensemble differ in {what.replace('_', ' ')} ({here} and {there}): "
                    "their mean would mean neither."
                )
                raise DataError(msg)
    hashes = [member.weight_hash for member in members]
    if len(set(hashes)) < len(hashes):
        places = [i for i, value in enumerate(hashes, start=1) if hashes.count(value) > 1]
        msg = (
            f"Members {listing(places)} of the ensemble have the same weights, and would count twice. Leave one out, "
            "or fine-tune with another rng."
        )
        raise DataError(msg)


def predict_by_all(
    members: Sequence[ScGenePT],
    names: Sequence[str],
    perturbation: Perturbation,
    read: Callable[[int, int], np.ndarray],
    n_cells: int,
    *,
    engine: Engine,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predict the cells by every member.

    Returns
    -------
    The mean over members, cells x genes, float32; the cell embedding of the first (those of different networks share no
    axes); and the mean over cells of each member, members x genes, float64.
    """
    total, embedding, means = np.zeros(0), np.zeros(0), []
    for member in members:
        tokens = build_tokens(member, names, perturbation)
        found = predict_cells(member.network, tokens, read, n_cells, engine=engine, label=str(perturbation))
        means.append(found.values.mean(axis=0, dtype=np.float64))
        if len(means) == 1:
            total, embedding = found.values, found.embedding
        else:
            total += found.values
    if len(members) > 1:
        total /= np.float32(len(members))
    return total, embedding, np.stack(means)
