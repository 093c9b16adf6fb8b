"""The losses of a training, wherever they are kept."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._errors import DataError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAIN_LOSS = "train_loss"
VALIDATION_LOSS = "validation_loss"
LEARNING_RATE = "learning_rate"
_EPOCH = "epoch"


@dataclass(frozen=True, eq=False)
class History:
    """What a training wrote down.

    Attributes
    ----------
    table
        One row per epoch: ``epoch``, ``train_loss`` and, where there are any, ``validation_loss``, ``learning_rate``,
        ``seconds``.
    best_epoch
        The epoch whose weights were kept, or would be if the training ended now.
    name
        Of the model, or of the folder; empty where there is none.
    facts
        ``training`` of the card, where there is one.
    finished
        Whether the training is over.
    """

    table: pd.DataFrame
    best_epoch: int
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    finished: bool = True

    @property
    def validated(self) -> bool:
        """Whether there is a validation loss."""
        return VALIDATION_LOSS in self.table


def read_history(run: object) -> History:
    """Read the losses from a model, the folder of a run or of a model, a table, or what ``training.fit`` returns.

    Raises
    ------
    DataError
        There are none.
    """
    if isinstance(run, str | os.PathLike):
        return _of_folder(Path(run).expanduser())
    if isinstance(run, pd.DataFrame):
        return _history(run, None, name="")
    if (card := getattr(run, "card", None)) is not None:
        return _of_card(str(card.name), card.training)
    if isinstance(table := getattr(run, "history", None), pd.DataFrame):
        return _history(table, getattr(run, "best_epoch", None), name="")
    msg = f"training draws a model, the folder of a run or a table of losses; got {type(run).__name__}."
    raise DataError(msg)


def _of_folder(folder: Path) -> History:
    from ..training.run_folder import LOG, RUN
    from ..weights.folder import CARD, RUN_MODEL

    for card in (folder / RUN_MODEL / CARD, folder / CARD):
        if card.exists():
            values = json.loads(card.read_text(encoding="utf-8"))
            return _of_card(str(values.get("name") or folder.name), values.get("training") or {})
    if (folder / LOG).exists():
        return _history(pd.read_csv(folder / LOG), None, name=folder.name, finished=False)
    what = "no epoch is finished yet" if (folder / RUN).exists() else "it holds no run of sgp.tl.finetune(..., out=)"
    msg = f"{folder} has no losses: {what if folder.exists() else 'there is no such folder'}."
    raise DataError(msg)


def _of_card(name: str, training: Mapping[str, Any]) -> History:
    rows = training.get("history")
    if not rows:
        msg = f"The card of {name} has no losses. They are written by sgp.tl.finetune: train one, or pass a run folder."
        raise DataError(msg)
    return _history(pd.DataFrame(rows), training.get("best_epoch"), name=name, facts=training)


def _history(
    table: pd.DataFrame,
    best_epoch: int | None,
    *,
    name: str,
    facts: Mapping[str, Any] | None = None,
    finished: bool = True,
) -> History:
    of = f" of {name}" if name else ""
    if missing := [column for column in (_EPOCH, TRAIN_LOSS) if column not in table]:
        msg = f"The losses{of} have no column {listing(missing)}; they have: {listing(table.columns, first=9)}."
        raise DataError(msg)
    table = table.sort_values(_EPOCH, ignore_index=True)
    losses = [column for column in (TRAIN_LOSS, VALIDATION_LOSS) if column in table]
    table = table.astype(dict.fromkeys(losses, np.float64))
    if VALIDATION_LOSS in table and table[VALIDATION_LOSS].isna().all():
        table = table.drop(columns=VALIDATION_LOSS)
    if not np.isfinite(table[TRAIN_LOSS]).any():
        msg = f"No epoch{of} has a finite loss: look for what is wrong with the data or the rate, and train again."
        raise DataError(msg)
    if best_epoch is None:
        # as training chooses it: the first of the lowest validation losses, else the last epoch
        row = int(np.nanargmin(table[VALIDATION_LOSS])) if VALIDATION_LOSS in table else -1
        best_epoch = int(table[_EPOCH].iloc[row])
    return History(table, int(best_epoch), name, facts or {}, finished)
