"""What makes guesses: a table, a network on the controls of each half, or a baseline fitted anew to them."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import pandas as pd

from .. import _keys
from .baselines import CATALOG, DEFAULT
from .observation import Guess
from .reading import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .baselines import Baseline
    from .experiment import Experiment
    from .observation import FloatArray, Observation

_QUICK: Final = tuple(CATALOG[name].kind for name in DEFAULT)
"""Baselines that are fitted again for each half; the others would take minutes."""


class FromHalf(NamedTuple):
    """What a network predicts from the control cells of a first half.

    Attributes
    ----------
    values
        Test perturbations x genes, log1p of counts per 1e4.
    control
        Mean of those control cells, one value per gene.
    """

    values: FloatArray
    control: FloatArray


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
    from_halves
        What a network predicts from the controls of each first half; nothing where that is not known.
    refit
        The baseline, where it is fitted anew to other controls.
    seed
        With which it is fitted.
    """

    name: str
    values: FloatArray
    control: FloatArray
    is_baseline: bool
    from_halves: Sequence[FromHalf] = ()
    refit: Baseline | None = None
    seed: int = 0

    @property
    def is_fixed(self) -> bool:
        """Whether nobody knows what it would predict from half of the control cells."""
        return self.refit is None and not self.from_halves

    def guess(self, knew: Observation, experiment: Experiment, *, halving: int | None = None) -> Guess:
        """Guess as someone who saw these controls and singles, and all cells of the training perturbations.

        A table, of which nobody knows how it follows from the controls, keeps its change over all of them.

        Parameters
        ----------
        knew
            All cells, or those of a first half.
        experiment
            What is judged by.
        halving
            Of which halving the first half is; ``None`` for all cells.
        """
        if halving is not None and self.from_halves:
            values, control = self.from_halves[halving]
            return Guess(values, control, knew.additive)
        if halving is None or self.refit is None:
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
    values = aligned(table, experiment, name=name).values
    return Predictor(name, values, experiment.control, is_baseline, refit=refit, seed=seed)


def fit(baseline: Baseline, experiment: Experiment, control: FloatArray, seed: int) -> Baseline:
    """Fit to the training perturbations and the given controls."""
    if baseline.needs_cells:
        keep = experiment.adata.obs[experiment.key].isin([*experiment.training, _keys.CONTROL])
        return baseline.fit(experiment.adata[keep.to_numpy()].copy(), rng=seed)
    table = experiment.training_table
    n_cells = experiment.seen.bulk.n.loc[table.index]
    return baseline.fit_pseudobulks(table, pd.Series(control, index=table.columns), n_cells=n_cells, rng=seed)
