"""What a network knows, one tensor per source, and what stands in for knowing nothing.

Shape suffixes: c cells, g genes (measured, then targets that are not), d width of the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from ...nn import Body

if TYPE_CHECKING:
    from torch import Tensor

    from ...nn import Network
    from ...weights.model import ScGenePT
    from ...weights.tokens import Tokens

Reference: TypeAlias = Literal["mean", "zero"]
SourceKind: TypeAlias = Literal["tokens", "language", "counts", "perturbation", "gene_offset"]

COUNTS: Final = "counts"
OFFSET: Final = "gene_offset"


class InputSource(NamedTuple):
    """One source of knowledge as the network gets it.

    Attributes
    ----------
    kind
        What it is.
    name
        Name of the text, or the kind again.
    actual
        What goes in: genes x d of a summand of the input, cells x genes of the counts, (genes,) of the learned level.
    reference
        The same shape, or one row for all cells: what would go in if the source told no gene from another.
    """

    kind: SourceKind
    name: str
    actual: Tensor
    reference: Tensor


def input_sources(model: ScGenePT, tokens: Tokens, cells: np.ndarray, *, baseline: Reference) -> list[InputSource]:
    """Take the input of a network apart.

    Parameters
    ----------
    model
        The model; nothing in it is changed.
    tokens
        Genes and flags of the perturbation.
    cells
        Control cells, cells x measured genes, log1p of counts per 1e4.
    baseline
        ``"mean"``: every gene gets the mean over the known genes (of the vectors as they enter the sum, of the mean
        expression, of the learned level). ``"zero"``: zeros. The flag is that of a gene that is not perturbed in both.

    Returns
    -------
    The sources that this network has, in the order of its sum, on the CPU, in the type of its weights.
    """
    network = model.network
    every = model.gene_set([*tokens.genes.names, *tokens.unmeasured])
    known = torch.tensor([match is not None for match in every.matches.matched])
    found = []
    with torch.inference_mode(mode=False), torch.no_grad():
        for kind, name, actual in [*_gene_terms(network, torch.from_numpy(every.token_ids))]:
            mean = actual[known].mean(dim=0) if known.any() else torch.zeros_like(actual[0])
            reference = (mean if baseline == "mean" else torch.zeros_like(mean)).expand_as(actual)
            found.append(InputSource(kind, name, actual, reference))
        if reads_counts(network):
            found.append(_counts(cells, tokens, known, baseline, like=network.body.flag_embedding.weight))
        flags = network.body.flag_embedding.weight.detach().cpu()
        shift = flags[Body.PERTURBED] - flags[Body.NOT_PERTURBED]
        marks = tokens.flags.to(shift.dtype)[:, None] * shift
        found.append(InputSource("perturbation", "perturbation", marks, torch.zeros_like(marks)))
    order = {"tokens": 0, "language": 1, COUNTS: 2, "perturbation": 3, OFFSET: 4}
    return sorted(found, key=lambda source: order[source.kind])


def reads_counts(network: Network) -> bool:
    """Whether the response depends on the expression of the control cells at all."""
    return network.config.counts or network.config.decoder == "affine"


def _gene_terms(network: Network, ids: Tensor) -> list[tuple[SourceKind, str, Tensor]]:
    """Return the summands of :class:`scgenept.nn.GeneEmbedding`, genes x d each, and its learned level, (genes,)."""
    genes = network.genes
    terms: list[tuple[SourceKind, str, Tensor]] = []
    if genes.token_table is not None and genes.token_norm is not None:
        terms.append(("tokens", "tokens", genes.token_norm(genes.token_table(ids).to(genes.token_norm.weight.dtype))))
    terms += [("language", name, encoder(ids)) for name, encoder in genes.languages.items()]
    offset = genes.offset(ids)
    return terms if offset is None else [*terms, (OFFSET, OFFSET, offset)]


def _counts(cells: np.ndarray, tokens: Tokens, known: Tensor, baseline: Reference, *, like: Tensor) -> InputSource:
    """Expression, with 0 for targets that are not measured, whose reference is 0 too: there is nothing to attribute."""
    n_measured, n_extra = tokens.n_measured, len(tokens.unmeasured)
    measured = known[:n_measured].numpy()
    level = float(cells[:, measured].mean(dtype=np.float64)) if baseline == "mean" and measured.any() else 0.0
    reference = np.full((1, n_measured), level)
    actual, reference = (np.pad(values, ((0, 0), (0, n_extra))) for values in (cells, reference))
    return InputSource(
        COUNTS, COUNTS, torch.from_numpy(actual).to(like.dtype), torch.from_numpy(reference).to(like.dtype)
    )
