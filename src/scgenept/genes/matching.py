"""Match the gene names of a data set to the names a model knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from .._errors import DataError, UnknownNameError, listing
from .aliases import alias_table, ensembl_id
from .vocabulary import SPECIALS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from .aliases import AliasTable

Rule: TypeAlias = Literal["alias", "v1"]
"""``"alias"``: symbol, alias, Ensembl id. ``"v1"``: the exact name or nothing, as the original does."""

How: TypeAlias = Literal["symbol", "alias", "ensembl", "ambiguous", "unmatched"]


@dataclass(frozen=True, repr=False)
class GeneMatches:
    """Who matched how; the three tuples run in parallel.

    Attributes
    ----------
    names
        The names asked for.
    matched
        The known name, or ``None``. No known name appears twice.
    how
        ``"symbol"`` (the very name), ``"alias"``, ``"ensembl"``, ``"ambiguous"`` (two genes claim the name, or two
        names the gene) or ``"unmatched"``.
    """

    names: tuple[str, ...]
    matched: tuple[str | None, ...]
    how: tuple[How, ...]

    @property
    def n_matched(self) -> int:
        """How many names have a known name."""
        return len(self.matched) - self.matched.count(None)

    def where(self, how: How) -> tuple[str, ...]:
        """Return the names that matched in this way."""
        return tuple(name for name, reason in zip(self.names, self.how, strict=True) if reason == how)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per name: ``gene``, ``matched`` (``None`` where nothing is), ``how``."""
        import pandas as pd

        columns = {"gene": self.names, "matched": self.matched, "how": self.how}
        return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})

    def summary(self) -> str:
        """Write in one sentence how many matched how, and name the first that did not.

        Examples
        --------
        >>> match_genes(["JUN", "KIAA1804", "ENSG00000105610.6", "XYZ"], ["JUN", "MAP3K21", "KLF1"]).summary()
        '3 of 4 genes matched: 1 by symbol, 1 by alias, 1 by Ensembl id; 1 unmatched (XYZ).'
        """
        count = Counter(self.how)
        text = (
            f"{self.n_matched:,} of {len(self):,} genes matched: {count['symbol']:,} by symbol, "
            f"{count['alias']:,} by alias, {count['ensembl']:,} by Ensembl id"
        )
        left: tuple[How, ...] = ("unmatched", "ambiguous")
        parts = [f"{count[how]:,} {how} ({listing(self.where(how))})" for how in left if count[how]]
        return "; ".join([text, *parts]) + "."

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"GeneMatches({self.n_matched:,} of {len(self):,})"


def match_genes(names: Iterable[str], known: Iterable[str], *, rule: Rule = "alias") -> GeneMatches:
    """Find for each name the known name of the same human gene.

    A name that is known matches itself. Any other is looked up in the packaged table, which says which gene it means:
    by current symbol, alias, or Ensembl id with or without version. The known name may be the old one of the two: the
    gene decides, not the spelling. Nothing is guessed. A name that two genes claim matches neither, and so does a known
    name that two names claim, unless one of them is the very name. Special tokens match nothing.

    Parameters
    ----------
    names
        Gene names, each once.
    known
        A :class:`~scgenept.genes.Vocabulary` or any collection of names.
    rule
        ``"v1"`` takes the exact name only, as the original does; its official weights need that.

    Raises
    ------
    DataError
        If a name appears twice, under rule ``"alias"``.
    UnknownNameError
        If there is no such rule.

    Examples
    --------
    >>> match_genes(["KLF1", "KIAA1804", "ENSG00000177606"], ["KLF1", "MAP3K21", "JUN"]).matched
    ('KLF1', 'MAP3K21', 'JUN')
    """
    if isinstance(names, str) or isinstance(known, str):
        msg = "match_genes takes collections of gene names, not one string."
        raise TypeError(msg)
    if rule not in get_args(Rule):
        msg = f"rule={rule!r} does not exist: 'alias' or 'v1'."
        raise UnknownNameError(msg)
    wanted = tuple(names)
    lookup = frozenset(known)
    if rule == "v1":
        exact = tuple(name if name in lookup else None for name in wanted)
        return GeneMatches(wanted, exact, tuple("symbol" if name else "unmatched" for name in exact))
    check_unique_genes(wanted)
    lookup -= set(SPECIALS)
    exact_names = {name for name in wanted if name in lookup}
    finder = _Finder(alias_table(), lookup) if len(exact_names) < len(wanted) else None
    found: dict[str, _Found] = {
        name: (name, "symbol") if name in exact_names or finder is None else finder.find(name) for name in wanted
    }
    claims = Counter(known_name for known_name, _ in found.values())
    for name, (known_name, how) in found.items():
        if known_name is not None and how != "symbol" and claims[known_name] > 1:
            found[name] = (None, "ambiguous")
    return GeneMatches(wanted, tuple(match for match, _ in found.values()), tuple(how for _, how in found.values()))


def measured_as(targets: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Return the targets that are among the measured genes, each with the name that it has there.

    Labels mostly name genes by symbol, where a file may know them by Ensembl id.

    Examples
    --------
    >>> measured_as(["KLF1", "JUN"], ["ENSG00000105610", "HBZ"])
    {'KLF1': 'ENSG00000105610'}
    """
    matches = match_genes(dict.fromkeys(targets), names)
    return {name: found for name, found in zip(matches.names, matches.matched, strict=True) if found is not None}


def check_unique_genes(names: Iterable[str]) -> None:
    """Refuse gene names that appear twice.

    Raises
    ------
    DataError
        With the first of them and how many there are.
    """
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        msg = (
            f"{len(twice)} gene names appear more than once: {listing(twice)}. "
            "Sum or drop the repeats, or run adata.var_names_make_unique()."
        )
        raise DataError(msg)


_Found: TypeAlias = tuple[str | None, How]


class _Finder:
    """Find the known name of a gene whose name, as given, is not known."""

    def __init__(self, table: AliasTable, known: Collection[str]) -> None:
        self.table = table
        self.known = known
        self.by_ensembl: dict[str, set[str]] = {}
        for name in known:
            if identifier := ensembl_id(name):
                self.by_ensembl.setdefault(identifier, set()).add(name)

    def find(self, name: str) -> _Found:
        """Return the known name and how it was found."""
        identifier = ensembl_id(name)
        if identifier and (same := self.by_ensembl.get(identifier)):
            return _only(same, "ensembl")
        symbols = self.table.symbols_of(name)
        if not symbols:
            return None, "unmatched"
        if len(symbols) > 1:
            return None, "ambiguous"
        (symbol,) = symbols
        how: How = "ensembl" if identifier else "alias"
        if symbol in self.known:
            return symbol, how
        others = self.table.names.get(symbol, ())
        if aliases := {other for other in others if other in self.known and self.table.symbols_of(other) == symbols}:
            return _only(aliases, how)
        return _only({token for other in others for token in self.by_ensembl.get(other, ())}, "ensembl")


def _only(candidates: set[str], how: How) -> _Found:
    """Return the one candidate; several are ambiguous, none is unmatched."""
    if len(candidates) == 1:
        return next(iter(candidates)), how
    return None, "ambiguous" if candidates else "unmatched"
