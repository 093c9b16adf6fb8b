"""Every predictor on halves of the cells, beside what a replicate of the experiment would score there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from .. import _keys
from .._errors import listing
from .._progress import progress
from .de import against_rest
from .observation import Observation
from .pseudobulk import Pseudobulk
from .references import interpolate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .catalog import Metric
    from .experiment import Experiment
    from .halvings import Halvings
    from .observation import FloatArray, Guess
    from .predictors import Predictor

REPLICATE: Final = "replicate"
"""Name of the positive control in the tables."""
MIN_CELLS: Final = 50
"""With fewer cells a half is so noisy that the positive control is the interpolated duplicate."""
MIN_REPLICATE: Final = 4
"""With fewer cells a half may be a single one, which has no variance."""
N_HALVINGS: Final = 5
N_THREADS: Final = 2


@dataclass(frozen=True, eq=False)
class HalfScores:
    """Scores against halves, averaged over the draws in which they are defined.

    Attributes
    ----------
    values
        Name of a predictor, or ``"replicate"`` -> test perturbations x scores.
    notes
        What was done where cells are few.
    """

    values: dict[str, FloatArray]
    notes: tuple[str, ...]


def score(guess: Guess, seen: Observation, metrics: Sequence[Metric]) -> FloatArray:
    """Return test perturbations x scores."""
    return np.stack([metric.score(guess, seen) for metric in metrics], axis=1)


def score_all(guesses: Mapping[str, Guess], seen: Observation, metrics: Sequence[Metric]) -> dict[str, FloatArray]:
    """Score several guesses, two at a time: numpy works outside of Python's lock."""
    (name, first), *others = guesses.items()
    # the first one alone, so that what all scores derive from the cells is computed once
    found = {name: score(first, seen, metrics)}
    with ThreadPoolExecutor(max_workers=N_THREADS) as pool:
        rest = pool.map(lambda item: score(item[1], seen, metrics), others)
        found |= {name: values for (name, _), values in zip(others, rest, strict=True)}
    return found


def score_on_halves(
    predictors: Sequence[Predictor],
    experiment: Experiment,
    metrics: Sequence[Metric],
    halvings: Halvings,
) -> HalfScores:
    """Score against the second half of the cells, halving by halving.

    The first half is the replicate, with its own half of the controls; of few cells it is shrunk to the mean of the
    training perturbations (:func:`scgenept.evaluation.references.interpolate`). Baselines are fitted to the controls of
    the first half and to all cells of the training perturbations (once more for the scores of pairs, with the singles
    of the first half only), and networks predict from the controls of the first half, so that nothing they know is part
    of the truth. The genes that weigh and those that respond are those of the second half.

    Parameters
    ----------
    predictors
        Who is scored.
    experiment
        The cells.
    metrics
        The scores.
    halvings
        The halves.
    """
    few, notes = _few_cells(experiment)
    total = {
        name: np.zeros((len(experiment.test), len(metrics))) for name in (REPLICATE, *(p.name for p in predictors))
    }
    number = {name: np.zeros_like(table) for name, table in total.items()}
    for i in progress(range(len(halvings)), "halves of the cells"):
        first, second = (_observe(half, experiment) for half in halvings.both(i))
        guesses = {REPLICATE: _replicate(first, few)}
        guesses |= {p.name: p.guess(first, experiment, halving=i) for p in predictors}
        for name, values in score_all(guesses, second, metrics).items():
            defined = _with_constants(values, guesses[name], metrics)
            known = ~np.isnan(defined)
            total[name][known] += defined[known]
            number[name] += known
    with np.errstate(invalid="ignore"):
        averages = {name: total[name] / number[name] for name in total}
    if fixed := [p.name for p in predictors if p.is_fixed]:
        note = (
            f"On halves {listing(fixed)} keep{'s' * (len(fixed) == 1)} the change over all control cells, half of "
            "which are in the truth: calibrated scores can come out too good."
        )
        notes = (*notes, note)
    return HalfScores(averages, notes)


def _with_constants(values: FloatArray, guess: Guess, metrics: Sequence[Metric]) -> FloatArray:
    """Give a prediction what it gets by construction where a formula leaves it undefined.

    Otherwise a predictor that answers with the mean of training wherever it knows nothing is scored on the rest alone.
    """
    missing = np.isnan(guess.values).any(axis=1, keepdims=True)
    constant = np.array([np.nan if metric.constant is None else metric.constant for metric in metrics])
    filled: FloatArray = np.where(np.isnan(values) & ~missing, constant, values)
    return filled


def _observe(bulk: Pseudobulk, experiment: Experiment) -> Observation:
    """Observe half of the cells; a single control cell is in both halves."""
    if bulk.n[_keys.CONTROL] == 0 or experiment.seen.bulk.n[_keys.CONTROL] < 2:
        whole = experiment.seen.bulk
        mean, std, n = bulk.mean.copy(), bulk.std.copy(), bulk.n.copy()
        mean.loc[_keys.CONTROL], std.loc[_keys.CONTROL] = whole.mean.loc[_keys.CONTROL], whole.std.loc[_keys.CONTROL]
        n[_keys.CONTROL] = whole.n[_keys.CONTROL]
        bulk = Pseudobulk(mean, std, n)
    return Observation(bulk, experiment.test, experiment.seen.reference_mean)


def _replicate(first: Observation, few: list[str]) -> Guess:
    if not few:
        return first.guess(first.mean)
    table = first.bulk.mean.loc[list(first.test)].copy()
    _, p_adjusted = against_rest(first.bulk, perturbations=few)
    mean = table.iloc[0].copy()
    mean[:] = first.reference_mean
    table.loc[few] = interpolate(table.loc[few], p_adjusted, mean)
    # without a variance nobody knows what is sure, and all that is left is the mean: that is no replicate
    table.loc[[name for name in few if first.bulk.n[name] < 2]] = np.nan
    return first.guess(table.to_numpy())


def _few_cells(experiment: Experiment) -> tuple[list[str], tuple[str, ...]]:
    """Return the perturbations with an interpolated positive control, and what to say of them."""
    n = experiment.seen.bulk.n
    n_control = int(n[_keys.CONTROL])
    few = [name for name in experiment.test if n[name] < MIN_CELLS]
    notes = []
    if n_control < MIN_CELLS:
        shared = (
            " It is in both halves, so that what a replicate would get comes out too high." if n_control < 2 else ""
        )
        notes.append(
            f"There {'is' if n_control == 1 else 'are'} only {n_control} control cell{'s'[: n_control != 1]}: the "
            f"positive control is the interpolated duplicate for every perturbation.{shared}"
        )
    elif few:
        notes.append(
            f"{len(few)} of {len(experiment.test)} test perturbations have fewer than {MIN_CELLS} cells; their "
            f"positive control is the interpolated duplicate: {listing(few)}."
        )
    if single := [name for name in few if n[name] < MIN_REPLICATE]:
        notes.append(
            f"Fewer than {MIN_REPLICATE} cells cannot be cut into halves of two: {listing(single)} "
            f"{'has' if len(single) == 1 else 'have'} no positive control, and no part in calibrated scores."
        )
    return (list(experiment.test) if n_control < MIN_CELLS else few), tuple(notes)
