"""Intervals of a predicted mean response: what they are of, where they come from, and whether they hold.

An interval is of the mean expression over the cells of one perturbation, gene by gene, never of a single cell.

====================  ==========================================================================================
:mod:`.intervals`     from other draws of the control cells, from the members of an ensemble
:mod:`.conformal`     from the errors on perturbations that were held out: the one that knows how wrong a model is
:mod:`.measure`       whether intervals cover what was observed, and whether sure means right
====================  ==========================================================================================
"""

from __future__ import annotations

from .intervals import Intervals, Uncertainty
from .measure import IntervalReport

__all__ = ["IntervalReport", "Intervals", "Uncertainty"]
