"""Predictions that need no network, by name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._errors import UnknownNameError, listing, near_names
from ..evaluation.baselines import CATALOG

if TYPE_CHECKING:
    from ..evaluation.baselines import Baseline

__all__ = ["available", "load"]


def available() -> pd.DataFrame:
    """List the baselines that :func:`load` knows.

    Returns
    -------
    One row per baseline, the simplest first: ``name``, ``description``, ``reference``, ``options`` (what :func:`load`
    takes), ``needs_embedding`` (of genes), ``has_variance``, ``default`` (whether an evaluation shows it unless told
    otherwise) and ``extra`` (what to install beside scgenept, if anything).

    Examples
    --------
    >>> import scgenept as sgp
    >>> table = sgp.models.baselines.available()
    >>> table.query("has_variance")["name"].tolist()
    ['gp']
    """
    return pd.DataFrame(
        [
            {
                "name": name,
                "description": entry.description,
                "reference": entry.reference,
                "options": ", ".join(_options(name)),
                "needs_embedding": entry.needs_embedding,
                "has_variance": entry.has_variance,
                "default": entry.default,
                "extra": entry.extra,
            }
            for name, entry in CATALOG.items()
        ]
    )


def load(name: str, **options: Any) -> Baseline:
    """Make a baseline, not yet fitted.

    Parameters
    ----------
    name
        One of :func:`available`.
    options
        Of that baseline, such as ``embedding=`` of ``"ridge"``; the class it returns documents them.

    Returns
    -------
    A baseline with ``fit`` and ``predict``.

    Raises
    ------
    UnknownNameError
        There is no such baseline, or it has no such option.

    Examples
    --------
    >>> import scgenept as sgp
    >>> sgp.models.baselines.load("linear", n_components=5)
    Linear(n_components=5, penalty=0.1)
    """
    if name not in CATALOG:
        msg = f"There is no baseline {name!r}.{near_names(name, CATALOG)} Known: {listing(CATALOG, first=20)}."
        raise UnknownNameError(msg)
    known = _options(name)
    if unknown := [option for option in options if option not in known]:
        hint = near_names(unknown[0], known)
        msg = f"{name} has no option {listing(unknown)}.{hint} Its options: {listing(known, first=20) or 'none'}."
        raise UnknownNameError(msg)
    return CATALOG[name].kind(**options)


def _options(name: str) -> list[str]:
    return list(inspect.signature(CATALOG[name].kind).parameters)
