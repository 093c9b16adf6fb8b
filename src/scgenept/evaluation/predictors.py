"""What makes guesses: a fixed table, or a baseline that is fitted anew to the controls of each half."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from .. import _keys
from .baselines import CATALOG, DEFAULT
from .observation import Guess
from .reading import read_table

if TYPE_CHECKING:
    from .baselines import Baseline
    from .experiment import Experiment
    from .observation import FloatArray, Observation

_QUICK: Final = tuple(CATALOG[name].kind for name in DEFAULT)
"""Baselines that are fitted again for each half; the others would take minutes."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A name and the guesses made under it.

    Attributes
    ----------
    name
        In the tables.
    values
        Test perturbations x genes, log1p of counts per 1e4.
    control
        Mean of the control cells that the values were predicted from, one value per gene.
    is_baseline
        Whether it is there to compare with, and not what was handed in to be judged.
    refit
        The baseline, where it is fitted anew to other controls.
    seed
        With which it is fitted.
    """

    name: str
    values: FloatArray
    control: FloatArray
    is_baseline: bool
    refit: Baseline | None = None
    seed: int = 0

    def guess(self, knew: Observation, experiment: Experiment) -> Guess:
        """Guess as someone who saw these controls and singles, and all cells of the training perturbations."""
        if knew is experiment.seen or self.refit is None:
            return Guess(self.values, self.control, knew.additive)
        with warnings.catch_warnings():
            # What there is to say was said when it was fitted the first time.
            warnings.filterwarnings("ignore", category=UserWarning)
            fitted = fit(copy.copy(self.refit), experiment, knew.control, self.seed)
        return knew.guess(fitted.predict_pseudobulks(experiment.test).to_numpy())


def from_baseline(name: str, baseline: Baseline, experiment: Experiment, *, is_baseline: bool, seed: int) -> Predictor:
    """Fit a baseline to the training perturbations, or take it as it is where it is fitted already.

    Raises
    ------
    DataError
        It cannot be fitted, or was fitted to other genes.
    """
    was_fitted = baseline.is_fitted
    fitted = baseline if was_fitted else fit(copy.copy(baseline), experiment, experiment.control, seed)
    table = fitted.predict_pseudobulks(experiment.test)
    refit = baseline if not was_fitted and isinstance(baseline, _QUICK) else None
    values = read_table(table, experiment, name=name).values
    return Predictor(name, values, experiment.control, is_baseline, refit, seed)


def fit(baseline: Baseline, experiment: Experiment, control: FloatArray, seed: int) -> Baseline:
    """Fit to the training perturbations and the given controls."""
    if baseline.needs_cells:
        keep = experiment.adata.obs[experiment.key].isin([*experiment.training, _keys.CONTROL])
        return baseline.fit(experiment.adata[keep.to_numpy()].copy(), rng=seed)
    table = experiment.training_table
    n_cells = experiment.seen.bulk.n.loc[table.index]
    return baseline.fit_pseudobulks(table, pd.Series(control, index=table.columns), n_cells=n_cells, rng=seed)
