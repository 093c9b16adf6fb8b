"""Checks of single arguments that every room words alike: whole numbers, paths, objects of one kind."""

from __future__ import annotations

import math
import os
import reprlib

import numpy as np

from ._errors import DataError


def shown(value: object) -> str:
    """Write a value as a user would: cut where it is long, and numbers of numpy as numbers.

    Examples
    --------
    >>> shown(np.float64(0.5)), shown("KLF1")
    ('0.5', "'KLF1'")
    """
    return reprlib.repr(value.item() if isinstance(value, np.generic) else value)


def require_whole(name: str, value: object, *, least: int = 1, otherwise: str = "") -> None:
    """Refuse what is no whole number, or a smaller one.

    Parameters
    ----------
    name
        Of the argument, for the message.
    value
        What was given.
    least
        The smallest number allowed.
    otherwise
        What else may be given, such as ``"None for all"``.

    Raises
    ------
    DataError
        If it is something else.

    Examples
    --------
    >>> require_whole("n_boot", 100)
    """
    if not isinstance(value, int | np.integer) or value < least:
        alternative = f", or {otherwise}" if otherwise else ""
        msg = f"{name}={shown(value)} should be a whole number, at least {least}{alternative}."
        raise DataError(msg)


def require_number(name: str, value: object, *, above: float = 0, below: float = math.inf) -> None:
    """Refuse what is no number between two bounds, which it may not be itself.

    Raises
    ------
    DataError
        If it is something else.

    Examples
    --------
    >>> require_number("learning_rate", 1e-4)
    """
    if not isinstance(value, int | float | np.integer | np.floating) or not above < value < below:
        words = f"between {above:g} and {below:g}" if math.isfinite(below) else f"above {above:g}"
        msg = f"{name}={shown(value)} should be a number {words}."
        raise DataError(msg)


def require_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False.

    Raises
    ------
    DataError
        If it is something else.
    """
    if not isinstance(value, bool | np.bool_):
        msg = f"{name}={shown(value)} should be True or False."
        raise DataError(msg)


def require_kind(name: str, value: object, kind: type, how: str) -> None:
    """Refuse an object of another kind, and say how to make or get one.

    Parameters
    ----------
    name
        Of the argument, for the message.
    value
        What was given.
    kind
        The class that it should be of.
    how
        A call that makes one.

    Raises
    ------
    DataError
        If it is something else.
    """
    if not isinstance(value, kind):
        msg = f"{name}= should be a {kind.__name__}, not {type(value).__name__}. Make one: {how}."
        raise DataError(msg)


def require_path(name: str, value: object, *, what: str) -> None:
    """Refuse what is neither a string nor a path.

    Parameters
    ----------
    name
        Of the argument, for the message.
    value
        What was given.
    what
        What should be given, in words.

    Raises
    ------
    DataError
        If it is something else.
    """
    if not isinstance(value, str | os.PathLike):
        msg = f"{name}= should be {what}, not {type(value).__name__}."
        raise DataError(msg)
