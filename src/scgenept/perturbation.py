"""The perturbation: a frozen value that is parsed from labels and printed as one canonical name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from ._errors import DataError, listing
from ._keys import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator

SEPARATOR: Final = "+"
"""What stands between the genes of a canonical name."""

PerturbationLike: TypeAlias = "str | Iterable[str] | Perturbation"
"""``"FOSB"``, ``"CEBPB+FOSB"``, ``["FOSB", "CEBPB"]`` or a :class:`Perturbation`."""


@dataclass(frozen=True, order=True)
class Perturbation:
    """Genes that are perturbed together in one cell; no gene at all is the control.

    The canonical name is the sorted gene names joined by ``+``, so two labels of the same experiment are one
    value, one dictionary key and one AnnData key. That is why a name may hold neither ``+`` nor ``/``.

    Parameters
    ----------
    genes
        Gene names in any order; stored sorted, unique and stripped of outer whitespace.

    Raises
    ------
    TypeError
        If ``genes`` is one string, or a name is not a string.
    DataError
        If a name is empty, is the control label, or holds ``+``, ``/`` or an unprintable character.

    Examples
    --------
    >>> pair = Perturbation.parse("FOSB+CEBPB")
    >>> pair
    Perturbation(genes=('CEBPB', 'FOSB'))
    >>> str(pair), len(pair), list(pair)
    ('CEBPB+FOSB', 2, ['CEBPB', 'FOSB'])
    >>> str(Perturbation()), Perturbation().is_control
    ('ctrl', True)
    """

    genes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        genes = cast("object", self.genes)
        if isinstance(genes, str):
            msg = f"Perturbation takes a collection of gene names, not one string. Use Perturbation.parse({genes!r})."
            raise TypeError(msg)
        object.__setattr__(self, "genes", tuple(sorted({_checked(name) for name in self.genes})))

    @classmethod
    def parse(
        cls,
        value: PerturbationLike,
        *,
        control: str | Iterable[str] = (CONTROL,),
        separators: str | Iterable[str] = (SEPARATOR,),
    ) -> Perturbation:
        """Read a label such as ``"A+B"``, ``"A+ctrl"`` or ``"ctrl"``, or the names of genes perturbed together.

        Parameters
        ----------
        value
            A label, which is split at the separators, or a collection of single gene names, which are not.
        control
            Labels that mean "nothing perturbed", beside ``ctrl``, alone or as a partner of a gene.
        separators
            Texts that stand between genes in a label.

        Raises
        ------
        TypeError
            If ``value`` or one of its items is not a string.
        DataError
            If nothing is named, or a separator has no name beside it (``"A++B"``, ``"A+"``).

        Examples
        --------
        >>> str(Perturbation.parse(("FOSB", "ctrl")))
        'FOSB'
        >>> str(Perturbation.parse("FOSB_control", control="control", separators="_"))
        'FOSB'
        """
        if isinstance(value, Perturbation):
            return value
        controls = {CONTROL, *_texts(control)}
        if isinstance(value, str):
            label = value.strip()
            names = [label] if label in controls else _split(label, _texts(separators))
        else:
            names = _names(value)
        return cls(tuple(name for name in names if name not in controls))

    @property
    def is_control(self) -> bool:
        """Whether nothing is perturbed."""
        return not self.genes

    def __str__(self) -> str:
        return SEPARATOR.join(self.genes) or CONTROL

    def __len__(self) -> int:
        return len(self.genes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.genes)


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _split(label: str, separators: tuple[str, ...]) -> list[str]:
    pattern = "|".join(re.escape(separator) for separator in sorted(separators, key=len, reverse=True) if separator)
    names = [name.strip() for name in (re.split(pattern, label) if pattern else [label])]
    if not all(names):
        msg = (
            f"Perturbation label {label!r} has an empty gene name. Write genes as 'A' or 'A{SEPARATOR}B', "
            f"unperturbed cells as {CONTROL!r}."
        )
        raise DataError(msg)
    return names


def _names(value: object) -> list[str]:
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        msg = f"A perturbation is a label or a collection of gene names, not {type(value).__name__}: {value!r}."
        raise TypeError(msg)
    names = list(value)
    if not names:
        msg = f"No gene is named. Unperturbed cells are the perturbation {CONTROL!r}."
        raise DataError(msg)
    if wrong := [name for name in names if not isinstance(name, str)]:
        msg = f"Gene names must be strings; {len(wrong)} of {len(names)} are not: {listing(map(repr, wrong))}."
        raise TypeError(msg)
    return [name.strip() for name in names]


def _checked(name: object) -> str:
    """Return the stripped name, or say why it can be neither printed and parsed back nor used as a key."""
    if not isinstance(name, str):
        msg = f"Gene names must be strings, not {type(name).__name__}: {name!r}."
        raise TypeError(msg)
    stripped = name.strip()
    if not stripped or not stripped.isprintable():
        msg = f"Gene name {name!r} is empty or holds unprintable characters."
        raise DataError(msg)
    if SEPARATOR in stripped:
        msg = (
            f"Gene name {name!r} holds {SEPARATOR!r}, which separates genes. A collection names the genes perturbed "
            f"together, one by one: {stripped.split(SEPARATOR)!r}."
        )
        raise DataError(msg)
    if "/" in stripped:
        msg = (
            f"Gene name {name!r} holds '/', which no AnnData key can hold. Rename the gene; genes perturbed together "
            f"are written {stripped.replace('/', SEPARATOR)!r}."
        )
        raise DataError(msg)
    if stripped == CONTROL:
        msg = f"{CONTROL!r} is the label of control cells and cannot be a gene. Control is Perturbation()."
        raise DataError(msg)
    return stripped
