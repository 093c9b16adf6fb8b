"""From a seed or a generator, as a user gives it, to what draws: checked and worded alike by every function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ._arguments import shown
from ._errors import DataError

if TYPE_CHECKING:
    from ._types import RNGLike

_SMALLER_THAN: Final = 2**63
"""So that a seed fits into a file, and into torch."""


def require_rng(rng: object) -> None:
    """Refuse what is neither a seed nor a generator: ``None``, which would draw anew each time, among others.

    Raises
    ------
    DataError
        If it is something else; the message names the parameter ``rng`` and a call that works.
    """
    if not isinstance(rng, np.random.Generator) and not _is_whole(rng, _SMALLER_THAN):
        msg = (
            f"{_given('rng', rng)} should be a seed, a whole number from 0 to 2**63 - 1, or a numpy Generator: rng=0, "
            "or rng=numpy.random.default_rng(0)."
        )
        raise DataError(msg)


def require_seed(seed: object) -> None:
    """Refuse what numpy's frozen ``RandomState`` takes no seed from.

    Raises
    ------
    DataError
        If it is something else; the message names the parameter ``seed`` and a call that works.
    """
    if not _is_whole(seed, 2**32):
        msg = f"{_given('seed', seed)} should be a whole number from 0 to 2**32 - 1: seed=1."
        raise DataError(msg)


def generator_of(rng: RNGLike) -> np.random.Generator:
    """Return the generator that was given, or a new one of the seed.

    Examples
    --------
    >>> bool(generator_of(3).random() == generator_of(3).random())
    True
    """
    require_rng(rng)
    return np.random.default_rng(rng)


def seed_of(rng: RNGLike) -> int:
    """Return the seed that was given, or one that the generator draws.

    Examples
    --------
    >>> seed_of(3)
    3
    """
    require_rng(rng)
    return int(rng.integers(2**31)) if isinstance(rng, np.random.Generator) else int(rng)


def _is_whole(value: object, smaller_than: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return 0 <= int(value) < smaller_than


def _given(name: str, value: object) -> str:
    if value is None or isinstance(value, str | int | float | np.generic):
        return f"{name}={shown(value)}"
    return f"{name}= of type {type(value).__name__}"
