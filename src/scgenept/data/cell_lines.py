"""Whether the data say that the cells are others than the user says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .._arguments import shown
from .._errors import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

COLUMNS: Final = frozenset({"cellcontext", "cellline", "celllinename", "cellname", "celltype", "context", "tissue"})
"""Columns of ``obs`` that name cells in scPerturb, CELLxGENE, GEARS and others, in small letters, letters only."""

LINES: Final = (
    "A-172", "A-375", "A-549", "BT-474", "BxPC-3", "Caco-2", "DLD-1", "H1", "H9", "HAP-1", "HCT-116",
    "(HEK-)?293(-F?T)?", "HeLa", "Hep-3B", "Hep-G2", "HL-60", "HT-29", "HUH-7", "Jurkat", "K-562", "Kelly", "LNCaP",
    "MCF-10A", "MCF-7", "MDA-MB-231", "MOLM-13", "NALM-6", "OCI-AML-3", "PC-3", "(hTERT-)?RPE-1", "SK-BR-3", "SW-480",
    "T-47D", "T-98G", "TF-1", "THP-1", "U-2-OS", "U-87(-MG)?", "U-937", "WTC-11",
)  # fmt: skip
"""Lines of Perturb-seq studies, as patterns; a hyphen stands for a hyphen, a blank, ``_`` or nothing."""

_PATTERNS: Final = {
    line: re.compile(rf"(?<![a-z0-9])({line.replace('-', '[-_ ]?')})(?![a-z0-9])", re.IGNORECASE) for line in LINES
}


def contradictions(obs: pd.DataFrame, cell_type: str) -> Iterator[str]:
    """Say which columns of ``obs`` name other cell lines than ``cell_type`` does.

    Only names of known lines speak, on both sides: an ontology's ``"erythroblast"`` or ``"lymphoblast"`` may well be
    what the user calls K562, and so may an identifier.

    Parameters
    ----------
    obs
        One row per cell.
    cell_type
        What the user says; several lines may be named.

    Yields
    ------
    One sentence per column, with its values and what to do.
    """
    said = lines_in(cell_type)
    said_as = shown(cell_type)
    columns = [name for name in obs if re.sub("[^a-z]", "", str(name).casefold()) in COLUMNS] if said else []
    for name in columns:
        counts = obs[name].value_counts()
        counts = counts[counts > 0]
        found = {value: lines_in(str(value)) for value in counts.index}
        if not (others := [value for value, lines in found.items() if lines and not lines & said]):
            continue
        n = int(counts[others].sum())
        here = f"cell_type={said_as}, but obs[{name!r}] says {listing(others)} for {n:,} of {len(obs):,} cells. "
        if len(others) < len(counts):
            together = ", ".join([cell_type, *map(str, others)])
            yield f"{here}Leave these cells out, or name all: cell_type={together!r}."
        else:
            yield f"{here}Pass what the cells are as cell_type=, or correct it: adata.obs[{name!r}] = {said_as}."


def are_alike(one: str, other: str) -> bool:
    """Whether two names of cells may mean the same: one is not known, they differ in spelling, or share a line.

    Examples
    --------
    >>> are_alike("K562", "k-562 cells"), are_alike("K562", ""), are_alike("K562", "A549")
    (True, True, False)
    """
    if {one, other} & {"", "unknown"}:
        return True
    folded = {re.sub("[^a-z0-9]", "", name.casefold()) for name in (one, other)}
    return len(folded) == 1 or bool(lines_in(one) & lines_in(other))


def lines_in(text: str) -> set[str]:
    """Return the known lines that a text names, as they stand in :data:`LINES`.

    Examples
    --------
    >>> sorted(lines_in("K562_CRISPRi and hTERT RPE-1"))
    ['(hTERT-)?RPE-1', 'K-562']
    >>> lines_in("lymphoblast")
    set()
    """
    return {line for line, pattern in _PATTERNS.items() if pattern.search(text)}
