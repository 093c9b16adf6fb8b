"""models.available: a table of the models that have a name."""

from __future__ import annotations

import pandas as pd

from ..registry import readable_size
from ..weights.folder import load_folder
from ._catalog import catalog, mini_folder


def available() -> pd.DataFrame:
    """List the models that :func:`scgenept.models.load` knows by name.

    Returns
    -------
    One row per model: ``name``, ``dataset``, ``variant``, ``size``, ``licence``, ``hashed`` (whether the
    registry knows the hash of the file; otherwise the first download records it) and ``embedded`` (in
    the package, no download).

    Examples
    --------
    >>> import scgenept as sgp
    >>> sgp.models.available().query("embedded")["name"].tolist()
    ['scgenept-mini']
    """
    rows = []
    for known in catalog():
        entry = known.entry
        if entry is None:
            size = sum(path.stat().st_size for path in mini_folder().iterdir())
            licence = load_folder(mini_folder()).card.licence
            facts = {"size": readable_size(size), "licence": licence, "hashed": True}
        else:
            facts = {"size": entry.size_text, "licence": entry.licence, "hashed": entry.sha256 is not None}
        row = {"name": known.name, "dataset": known.dataset, "variant": known.variant}
        rows.append(row | facts | {"embedded": entry is None})
    return pd.DataFrame(rows)
