"""The packaged table of human gene symbols, their aliases and Ensembl ids."""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENSEMBL: Final = re.compile(r"(?:.*_)?(ENSG\d{11})(?:\.\d+)?")


@dataclass(frozen=True, repr=False)
class AliasTable:
    """Which gene a name may mean, by Bioconductor's org.Hs.eg.db 3.16 (``scripts/build_gene_aliases.py``).

    Attributes
    ----------
    names
        Symbol -> its aliases and Ensembl gene ids.
    symbols
        Alias or Ensembl gene id -> the symbols it may mean.
    """

    names: Mapping[str, tuple[str, ...]]
    symbols: Mapping[str, tuple[str, ...]]

    def symbols_of(self, name: str) -> tuple[str, ...]:
        """Return the symbols that a name may mean: itself where it is one, else all genes that it is an alias of."""
        return (name,) if name in self.names else self.symbols.get(ensembl_id(name) or name, ())


def ensembl_id(name: str) -> str | None:
    """Return the human Ensembl gene id that a name is or ends in, without its version.

    Examples
    --------
    >>> ensembl_id("ENSG00000105610.6"), ensembl_id("RGS5_ENSG00000143248"), ensembl_id("KLF1")
    ('ENSG00000105610', 'ENSG00000143248', None)
    """
    found = _ENSEMBL.fullmatch(name) if "ENSG" in name else None
    return found[1] if found else None


@cache
def alias_table() -> AliasTable:
    """Read the table: 0.2 s the first time, then at hand."""
    names: dict[str, tuple[str, ...]] = {}
    symbols: defaultdict[str, list[str]] = defaultdict(list)
    with (files(__package__) / "data" / "aliases.tsv.gz").open("rb") as stream:
        lines = gzip.decompress(stream.read()).decode().splitlines()
    for line in lines[2:]:
        symbol, aliases, identifiers = line.split("\t")
        names[symbol] = tuple(name for name in (*aliases.split("|"), *identifiers.split("|")) if name)
        for name in names[symbol]:
            symbols[name].append(symbol)
    return AliasTable(names, {name: tuple(owners) for name, owners in symbols.items()})
