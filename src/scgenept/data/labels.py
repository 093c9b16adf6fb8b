"""Read the labels that data sets give to perturbed cells, or refuse them by name."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .._errors import DataError, listing, near_names
from ..perturbation import SEPARATOR, Perturbation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

CONTROL_LABELS: Final = frozenset({
    "ctrl", "control", "controls", "non-targeting", "non_targeting", "non targeting", "nontargeting", "nt", "ntc",
    "neg_ctrl", "negctrl", "negative_control", "negative control", "unperturbed",
})  # fmt: skip
"""Labels of control cells that are recognised without being told, in any case but ``CTRL``, which is a gene."""

MISSING_LABELS: Final = frozenset({
    "", "-", "na", "n/a", "<na>", "nan", "none", "null", "unassigned", "unknown", "undetermined", "negative",
    "no guide", "no_guide", "doublet", "multiplet", "multiple",
})  # fmt: skip
"""What stands, in any case, where nobody knows which gene was perturbed; ``nan`` is a missing value made a string."""

_SUSPECT: Final = re.compile(r"[_,;|&:\s]")
"""What joins genes or numbers guides in some data set, and is in no symbol of a usual target."""

_GUIDE_NUMBER: Final = re.compile(r"[_,;|&:\s.-](?:sg|g|guide|grna|sgrna)?\d+$", re.IGNORECASE)
"""What ends a label that may be the number of a guide."""

_WORDS: Final = "|".join(re.escape(word) for word in sorted(CONTROL_LABELS, key=len, reverse=True))
_NEAR_CONTROL: Final = re.compile(
    rf"(?:(?:sg|g|guide|neg|negative|\d+)[-_. ]?)?(?:{_WORDS})(?:[-_. ]?(?:human|mouse|sg|g|guide))?(?:[-_. ]?\d+)*",
    re.IGNORECASE,
)
"""A control word with a number or a guide beside it, such as ``NT-3``; beside a gene it is the partner of the gene."""
_FEW: Final = 10
"""Labels that a message spells out in a call."""

LABEL_COLUMNS = frozenset({
    "condition", "gene", "gene_target", "guide", "guide_id", "guide_identity", "perturbation", "perturbation_name",
    "perturbations", "sgrna", "target", "target_gene",
})  # fmt: skip
"""Columns that usually hold perturbation labels."""


@dataclass(frozen=True)
class ParsedLabels:
    """The meaning of every label of a data set.

    Attributes
    ----------
    perturbations
        Label as it came -> perturbation.
    controls
        The labels that stand for control cells, stripped.
    """

    perturbations: Mapping[str, Perturbation]
    controls: tuple[str, ...]


def looks_like_control(name: str) -> bool:
    """Whether a label is one of the usual names of control cells."""
    return name.casefold() in CONTROL_LABELS and name != "CTRL"


def says_nothing(name: str) -> bool:
    """Whether a label, or the name of a gene in it, is one of the usual words for a missing value."""
    return name.strip().casefold() in MISSING_LABELS


def named_controls(control: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the control labels that were asked for, stripped, or ``None`` where none was."""
    given = (control,) if isinstance(control, str) else control
    return None if given is None else tuple(label.strip() for label in given)


def is_canonical(label: str) -> bool:
    """Whether a label is already what :class:`~scgenept.Perturbation` prints."""
    try:
        return str(Perturbation.parse(label)) == label
    except DataError:
        return False


def parse_labels(
    labels: Sequence[str],
    *,
    control: str | Sequence[str] | None = None,
    separators: str | Sequence[str] | None = None,
    guide_suffix: str | None = None,
) -> ParsedLabels:
    """Read distinct labels, as :func:`scgenept.pp.setup_perturbations` documents it.

    Raises
    ------
    DataError
        If a label could mean two things or nothing, or no label stands for control cells.
    """
    texts = (SEPARATOR,) if separators is None else (separators,) if isinstance(separators, str) else tuple(separators)
    named = named_controls(control)
    clean = _suffix_remover(guide_suffix, texts)
    bare = {label: label.strip() for label in labels}
    # A control label is taken whole, whatever a suffix or separator would make of it.
    bare = {
        label: name if (looks_like_control(name) if named is None else name in named) else clean(name)
        for label, name in bare.items()
    }
    controls = _recognised(list(bare.values())) if named is None else named
    parsed = _parse_all(bare, controls, texts)
    if named is None:
        parsed = {label: _without_controls(perturbation) for label, perturbation in parsed.items()}
    else:
        _refuse_unseen(named, list(bare.values()), texts)
        _refuse(parsed, looks_like_control, _UNNAMED_CONTROL)
    _refuse(parsed, says_nothing, _no_partner(parsed.values(), controls))
    _refuse(parsed, str.isdigit, _NUMBER)
    if separators is None:
        _refuse(parsed, lambda gene: _SUSPECT.search(gene) is not None, _ambiguous(parsed.values()))
    if not any(perturbation.is_control for perturbation in parsed.values()):
        msg = f"There are no control cells. Name their label with control=. Labels seen: {listing(labels)}."
        raise DataError(msg)
    return ParsedLabels(parsed, controls)


_UNNAMED_CONTROL: Final = (
    "look like control cells but are not named by control=. Name every control label, control=[...], or drop the cells"
)
_NUMBER: Final = (
    "hold a gene name that is a number. If it numbers the guides of one gene, say so with guide_suffix=r'_\\d+'"
)


def _no_partner(perturbations: Iterable[Perturbation], controls: Sequence[str]) -> str:
    """Say how a label is read that has a word for a missing value beside a gene."""
    words = list(dict.fromkeys(gene for perturbation in perturbations for gene in perturbation if says_nothing(gene)))
    return (
        "name a gene and a word for a missing value. If it says that no second gene was perturbed, pass "
        f"control={[*controls, *words]!r}; otherwise relabel these cells or leave them out"
    )


def _ambiguous(perturbations: Iterable[Perturbation]) -> str:
    """Say how labels with these signs could be read, in the signs that they have."""
    genes = [gene for perturbation in perturbations for gene in perturbation]
    signs = list(dict.fromkeys(sign for gene in genes for sign in _SUSPECT.findall(gene)))
    ways = [f"separators={(SEPARATOR, *signs)!r} where {' or '.join(f'A{sign}B' for sign in signs)} is a pair"]
    if any(_GUIDE_NUMBER.search(gene) for gene in genes):
        ways.append("guide_suffix=r'_\\d+' where A_1 is guide 1 of A")
    ways.append(f"separators={SEPARATOR!r} where the signs belong to the gene name")
    return f"can be read in more than one way. Say what is meant: {', '.join(ways[:-1])}, or {ways[-1]}"


def _suffix_remover(guide_suffix: str | None, separators: Sequence[str]) -> Callable[[str], str]:
    """Return a function that takes the guide suffix off before each separator and at the end."""
    if guide_suffix is None:
        return str
    ends = "|".join([*(re.escape(text) for text in separators if text), "$"])
    try:
        pattern = re.compile(rf"(?:{guide_suffix})(?=\s*(?:{ends}))")
    except re.error as error:
        msg = f"guide_suffix={guide_suffix!r} is not a regular expression: {error}. For JUN_1 it is r'_\\d+'."
        raise DataError(msg) from error
    return lambda name: pattern.sub("", name)


def _recognised(names: Sequence[str]) -> tuple[str, ...]:
    """Return the one label that is usual for control cells."""
    found = tuple(dict.fromkeys(name for name in names if looks_like_control(name)))
    if not found:
        near = list(dict.fromkeys(name for name in names if name != "CTRL" and _NEAR_CONTROL.fullmatch(name)))
        what = _near_controls(near) if near else f"Name it with control=. Labels seen: {listing(names)}."
        msg = f"No label is known to mean control cells. {what}"
        raise DataError(msg)
    if len(found) > 1:
        msg = f"{len(found)} labels may mean control cells: {listing(found)}. Name those that do: control={[*found]!r}."
        raise DataError(msg)
    return found


def _near_controls(near: Sequence[str]) -> str:
    """Say which labels begin or end with a control word, and how to name them all."""
    shared = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*near, strict=False))
    prefix = "".join(letters[0] for letters in shared).rstrip("0123456789")
    call = (
        f"control={[*near]!r}"
        if len(near) <= _FEW or not prefix
        else f"control=[label for label in adata.obs[key].unique() if label.startswith({prefix!r})]"
    )
    return f"Of the labels {len(near)} may, by the name: {listing(near)}. If so, pass {call}."


def _parse_all(bare: Mapping[str, str], controls: Sequence[str], separators: Sequence[str]) -> dict[str, Perturbation]:
    """Parse every label; where some cannot be, name them all in one error."""
    parsed, failed, first = {}, [], None
    for label, name in bare.items():
        try:
            parsed[label] = Perturbation.parse(name, control=controls, separators=separators)
        except DataError as error:
            failed.append(repr(label))
            first = first or error
    if first is not None:
        msg = f"{len(failed)} of {len(bare)} labels cannot be read: {listing(failed)}. {first}"
        if any("/" in label for label in failed):
            msg += (
                f" Where '/' stands between genes, pass separators={(*separators, '/')!r}; where it belongs to a name, "
                "adata.obs[key] = adata.obs[key].astype(str).str.replace('/', '-')."
            )
        raise DataError(msg) from first
    return parsed


def _without_controls(perturbation: Perturbation) -> Perturbation:
    return Perturbation(tuple(gene for gene in perturbation if not looks_like_control(gene)))


def _refuse_unseen(controls: Sequence[str], names: Sequence[str], separators: Sequence[str]) -> None:
    """Refuse a control label that no cell has, alone or as the partner of a gene."""
    pattern = "|".join(re.escape(text) for text in separators if text) or "$"
    seen = {*names, *(part.strip() for name in names for part in re.split(pattern, name))}
    if unseen := [label for label in controls if label not in seen]:
        msg = (
            f"control={unseen[0]!r} is the label of no cell.{near_names(unseen[0], names)} "
            f"Labels seen: {listing(names)}."
        )
        raise DataError(msg)


def _refuse(parsed: Mapping[str, Perturbation], wrong: Callable[[str], bool], why: str) -> None:
    if labels := [repr(label) for label, perturbation in parsed.items() if any(map(wrong, perturbation))]:
        msg = f"{len(labels)} of {len(parsed)} labels {why}: {listing(labels)}."
        raise DataError(msg)
