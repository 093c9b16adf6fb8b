"""What was meant by a perturbation that is written in another way than ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..perturbation import Perturbation

if TYPE_CHECKING:
    from collections.abc import Iterable

_BETWEEN: Final = re.compile(r"[_,;|&:\s-]+")
"""What stands between genes, or before the number of a guide, where it is not ``+``."""
_GUIDE: Final = re.compile(r"(?:sg|g|guide)?\d+", re.IGNORECASE)


def respell(perturbation: Perturbation, known: Iterable[str]) -> Perturbation | None:
    """Return the same perturbation in known names, or ``None`` where not every part of it is one.

    Examples
    --------
    >>> str(respell(Perturbation.parse("set_KLF1"), ["KLF1", "SET"]))
    'KLF1+SET'
    >>> str(respell(Perturbation.parse("JUN_sg2"), ["JUN"]))
    'JUN'
    >>> respell(Perturbation.parse("JUN_FOS"), ["JUN"])
    """
    by_folded = {name.casefold(): name for name in known}
    parts = [
        part
        for gene in perturbation
        for part in ([gene] if gene.casefold() in by_folded else _BETWEEN.split(gene))
        if part.casefold() in by_folded or not _GUIDE.fullmatch(part)
    ]
    if not parts or not all(part.casefold() in by_folded for part in parts):
        return None
    return Perturbation(tuple(by_folded[part.casefold()] for part in parts))
