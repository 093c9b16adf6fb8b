"""models.cite: what to put into the references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._arguments import require_kind

if TYPE_CHECKING:
    from ..weights.model import ScGenePT


def cite(model: ScGenePT) -> str:
    """Return the citation, licence and terms of use of a model.

    Parameters
    ----------
    model
        Any model; its card says what to cite.

    Returns
    -------
    One line each, as far as the card knows.

    Examples
    --------
    >>> import scgenept as sgp
    >>> "Norman" in sgp.cite(sgp.models.load("scgenept-mini"))
    True
    """
    from ..weights.model import ScGenePT

    require_kind("model", model, ScGenePT, "scgenept.models.load('scgenept-mini')")
    card = model.card
    lines = [f"{card.name}: {card.citation or 'no citation recorded'}"]
    lines += [f"Licence: {card.licence}"] * bool(card.licence)
    lines += [f"Acceptable use: {card.acceptable_use}"] * bool(card.acceptable_use)
    return "\n".join(lines)
