"""Get results out of an AnnData without knowing a single key."""

from __future__ import annotations

from ._mudata import mudata
from ._predicted import predicted, record
from ._predictions import predictions
from ._report import report
from ._setup import Setup, setup

__all__ = ["Setup", "mudata", "predicted", "predictions", "record", "report", "setup"]
