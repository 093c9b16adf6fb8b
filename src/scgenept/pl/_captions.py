"""Sentences that captions share: what made a prediction from what, and what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._responses import origin

if TYPE_CHECKING:
    from ._responses import Observation, Prediction


def predicted_by(prediction: Prediction) -> str:
    """Say which model made the prediction, what it was trained on, and from how many cells."""
    record = prediction.record
    trained = origin(record)
    simulated = prediction.n_simulated
    kind = {0: "", prediction.n_cells: "simulated "}.get(simulated, f"({simulated} simulated) ")
    model = f"{record.get('model', 'an unnamed model')}{f' (trained on {trained})' if trained else ''}"
    n_genes = len(prediction.table)
    known = f" It knows {n_genes - len(unknown):,} of the {n_genes:,} genes." if (unknown := prediction.unknown) else ""
    return f"Predicted by {model} from {cells(prediction.n_cells, f'{kind}control ')}.{known}"


def observed_by(observation: Observation, drawn: str = "") -> str:
    """Say how many cells were observed, of what, and how they are drawn."""
    number = cells(observation.n_cells) if observation.n_cells else "an unrecorded number of cells"
    over = "" if observation.own_control else ", change over the input control cells"
    return f"Observed: {number}{f' ({observation.origin})' if observation.origin else ''}{drawn}{over}."


def ranked_by(observation: Observation) -> str:
    """Say what the top genes are first in, of which one cell has no Welch's t."""
    if observation.n_cells == 1:
        return "size of the observed change, one cell being too few for a t"
    return "Welch's t of the observed cells against control"


def cells(number: int, kind: str = "") -> str:
    """Write a number of cells."""
    return many(number, f"{kind}cell")


def many(number: int, thing: str) -> str:
    """Write a number of things."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
