"""Intervals from other draws of the control cells, and from the members of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from scipy import stats

from ..._errors import DataError, UnknownNameError, near_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from ..scores.tables import FloatArray

Source: TypeAlias = Literal["controls", "ensemble", "conformal"]
SOURCES: Final = ("controls", "ensemble", "conformal")
LEVELS: Final = (0.5, 0.8, 0.9, 0.95)
"""Levels that coverage is reported at."""
ONE_SD: Final = 0.6826894921370859
"""Share of a normal distribution within one standard deviation."""
_BLOCK: Final = 2_000_000
"""Resampled counts held at once."""


@dataclass(frozen=True)
class Uncertainty:
    """Which interval to put around a predicted mean response.

    Attributes
    ----------
    source
        ``"controls"``: bootstrap over the control cells, how far the predicted mean depends on which of them went in.
        ``"ensemble"``: spread over several models. Neither knows an error that is the same every time.
        ``"conformal"``: the errors on held-out perturbations, stored by :func:`scgenept.tl.calibrate`.
    level
        Share of the intervals that should cover, between 0 and 1.
    n_boot
        Draws of the bootstrap.
    """

    source: Source
    level: float = 0.9
    n_boot: int = 1000

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            hint = near_names(str(self.source), SOURCES)
            msg = f"uncertainty={self.source!r} is none of {', '.join(SOURCES)}.{hint}"
            raise UnknownNameError(msg)
        require_level(self.level)
        if self.n_boot < 2:
            msg = f"n_boot={self.n_boot} should be at least 2 draws."
            raise DataError(msg)


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of one perturbation, gene by gene, log1p of counts per 1e4.

    Attributes
    ----------
    lower, upper
        Levels x genes.
    std
        Standard deviation of the mean response, (genes,).
    """

    lower: FloatArray
    upper: FloatArray
    std: FloatArray


def require_level(level: float) -> None:
    """Refuse what is no share."""
    if not 0 < level < 1:
        msg = f"level={level} should lie between 0 and 1: 0.9 for an interval that covers nine times of ten."
        raise DataError(msg)


def bootstrap_intervals(
    cells: npt.ArrayLike, levels: Sequence[float], *, n_boot: int, rng: np.random.Generator
) -> Intervals:
    """Where the mean over cells would lie had other cells been drawn: percentiles of the bootstrap over cells.

    Deviations are stretched by ``sqrt(n / (n - 1))``, so that the variance over draws is without bias that of the mean;
    otherwise intervals from few cells are too narrow (Hesterberg, Am Stat 2015).

    Parameters
    ----------
    cells
        Cells x genes, log1p of counts per 1e4.
    levels
        Shares, each between 0 and 1.
    n_boot
        Number of draws.
    rng
        Generator.

    Raises
    ------
    DataError
        There are fewer than two cells.
    """
    values = np.asarray(cells)
    n = len(values)
    if n < 2:
        msg = f"A bootstrap over control cells needs two of them or more; got {n}."
        raise DataError(msg)
    mean = values.mean(axis=0, dtype=np.float64)
    centred = (values - mean).astype(np.float32)
    draws = np.empty((n_boot, values.shape[1]), dtype=np.float32)
    step = max(1, _BLOCK // n)
    for start in range(0, n_boot, step):
        stop = min(start + step, n_boot)
        counts = rng.multinomial(n, np.full(n, 1.0 / n), size=stop - start).astype(np.float32)
        draws[start:stop] = counts @ centred
    draws *= np.float32(np.sqrt(n / (n - 1)) / n)
    half = 0.5 * np.asarray(levels, dtype=np.float64)
    bounds = np.quantile(draws, np.concatenate([0.5 - half, 0.5 + half]), axis=0)
    lower, upper = mean + bounds[: len(half)], mean + bounds[len(half) :]
    return Intervals(lower, upper, draws.std(axis=0, ddof=1, dtype=np.float64))


def ensemble_intervals(members: npt.ArrayLike, levels: Sequence[float]) -> Intervals:
    """Where one more member of the ensemble would predict the mean: ``mean +- t_(K-1) s sqrt(1 + 1/K)``.

    The interval for a further normal observation, ``s`` with ``ddof=1`` over K members. It covers the truth so far as
    the truth could be one of them; what all members get wrong alike it does not see.

    Parameters
    ----------
    members
        Members x genes, predicted means, log1p of counts per 1e4.
    levels
        Shares, each between 0 and 1.

    Raises
    ------
    DataError
        There are fewer than two members.
    """
    values = np.asarray(members, dtype=np.float64)
    n = len(values)
    if n < 2:
        msg = f"An ensemble needs two members or more; got {n}."
        raise DataError(msg)
    mean, std = values.mean(axis=0), values.std(axis=0, ddof=1) * np.sqrt(1.0 + 1.0 / n)
    half = stats.t.ppf(0.5 + 0.5 * np.asarray(levels, dtype=np.float64), n - 1)[:, None] * std
    return Intervals(mean - half, mean + half, std)
