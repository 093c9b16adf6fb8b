"""From gene names and a perturbation to what the network takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .._errors import UnknownGeneError, listing, near_names
from ..genes.matching import match_genes
from ..genes.spelling import respell
from ..nn import Body
from .gene_index import GeneIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ..perturbation import Perturbation
    from .gene_set import GeneSet
    from .model import ScGenePT


@dataclass(frozen=True, eq=False)
class Tokens:
    """A gene set with one perturbation applied.

    Attributes
    ----------
    genes
        The measured genes, compiled.
    embedding
        Measured genes, then extra tokens, (g + e) x d_model, float32.
    flags
        1 where a gene is perturbed, else 0, (g + e,), int64.
    unmeasured
        Targets that are no measured gene and were added as tokens with value 0.
    """

    genes: GeneSet
    embedding: Tensor
    flags: Tensor
    unmeasured: tuple[str, ...]

    @property
    def n_measured(self) -> int:
        """Number of measured genes."""
        return len(self.genes)


def build_tokens(model: ScGenePT, names: Sequence[str], perturbation: Perturbation) -> Tokens:
    """Flag the targets of a perturbation among measured genes, and add those that are not measured.

    A target is found by its name, or else by its token, so that ``MAP3K21`` finds a gene measured as
    ``KIAA1804`` where the model matches aliases. A measured gene without an identity in the model is no target,
    unless the model was trained so (``v1``).

    Raises
    ------
    UnknownGeneError
        A target is neither measured nor known to the model, or it is measured and is no one gene to the model.
    """
    genes = model.gene_set(names)
    targets = model.gene_set(perturbation.genes)
    v1 = model.card.token_mapping == "v1"
    measured = {name: i for i, name in enumerate(genes.names)}
    by_name = {name: i for name, i in measured.items() if v1 or genes.matches.matched[i] is not None}
    by_token = {int(token): i for i, token in enumerate(genes.token_ids) if token != model.vocabulary.pad_id}
    flags = torch.zeros(len(genes), dtype=torch.int64)
    extra: list[int] = []
    for i, name in enumerate(targets.names):
        known = targets.matches.matched[i] is not None
        if name not in by_name and (not known or name in measured):
            _refuse(model, name, perturbation, names=names)
        position = by_name.get(name, by_token.get(int(targets.token_ids[i])) if known else None)
        if position is None:
            extra.append(i)
        else:
            flags[position] = Body.PERTURBED
    if not extra:
        return Tokens(genes, genes.embedding, flags, ())
    embedding = torch.cat([genes.embedding, targets.embedding[extra]])
    flags = torch.nn.functional.pad(flags, (0, len(extra)), value=Body.PERTURBED)
    return Tokens(genes, embedding, flags, tuple(targets.names[i] for i in extra))


def in_training(model: ScGenePT, names: Sequence[str]) -> NDArray[np.bool_]:
    """Return, per gene, whether the model was trained on it; all true where the card does not say."""
    if model.genes is None:
        return np.ones(len(names), dtype=bool)
    return GeneIndex(model, model.genes).positions(names) >= 0


def _refuse(model: ScGenePT, name: str, perturbation: Perturbation, *, names: Sequence[str]) -> None:
    if rivals := _rivals(model, name, names):
        msg = (
            f"{listing([name, *rivals])} are measured, and to {model.name} they are one gene: a perturbation of {name} "
            "has no place of its own. Keep one of them, or their sum."
        )
    elif name in names:
        msg = (
            f"{name} is measured, but {model.name} has no token for it, so a perturbation of it has no meaning "
            f"to the model.{near_names(name, model.vocabulary.tokens)}"
        )
    else:
        known = {*names, *model.vocabulary.tokens}
        meant = respell(perturbation, known)
        hint = near_names(name, known) if meant is None else f" If that is what is meant, ask for {str(meant)!r}."
        msg = f"{name} is neither a measured gene nor known to {model.name} ({len(model.vocabulary):,} genes).{hint}"
    raise UnknownGeneError(msg)


def _rivals(model: ScGenePT, name: str, names: Sequence[str]) -> list[str]:
    """Return the other measured names of the gene that a measured name means when it stands alone."""
    rule = model.card.token_mapping
    (token,) = match_genes([name], model.vocabulary, rule=rule).matched
    if token is None or name not in names:
        return []
    matches = model.gene_set(names).matches
    others = [other for other in matches.where("ambiguous") if other != name]
    same = [other for other in others if match_genes([other], model.vocabulary, rule=rule).matched == (token,)]
    return [*([token] if token in matches.names else []), *same]
