"""Get results out of an AnnData without knowing a single key."""

from __future__ import annotations

from ._de_genes import de_genes
from ._mudata import mudata
from ._predicted import predicted, record
from ._predictions import predictions
from ._report import report
from ._setup import Setup, setup
from ._split_table import split_table

__all__ = [
    "Setup",
    "de_genes",
    "mudata",
    "predicted",
    "predictions",
    "record",
    "report",
    "setup",
    "split_table",
]
