"""Where a fine-tuning starts: weights, texts, and whether they and the data go together."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from .._errors import DataError, UnknownGeneError, UnknownNameError, listing, near_names
from .._logging import logger
from ..data.records import split_key
from ..genes.matching import measured_as
from ..genes.vocabulary import SPECIALS, Vocabulary
from ..knowledge import KnowledgeSource, load
from ..nn import VARIANTS
from ..weights.card import Card
from ..weights.initial import from_nothing, from_pretrained, further, set_gene_offset
from ..weights.model import ScGenePT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from ..data.examples import Examples
    from ..data.pairs import Pairs
    from ..data.setup import Setup
    from ..genes.matching import Rule
    from ..knowledge._source import Missing
    from ..nn import Variant
    from ..weights.initial import Architecture

DEFAULT_VARIANT: Final = "scgenept_go_c"


@dataclass(frozen=True)
class Wish:
    """What the user asks of a new network.

    Attributes
    ----------
    variant, language, architecture
        As :func:`scgenept.tl.finetune` takes them.
    rule
        How genes find their tokens.
    """

    variant: str | None
    language: Sequence[KnowledgeSource | str] | None
    architecture: Architecture
    rule: Rule


def load_start(init: ScGenePT | str | os.PathLike[str] | None) -> ScGenePT | None:
    """Return the model to start from; ``None`` for fresh weights."""
    if init is None or isinstance(init, ScGenePT):
        return init
    from ..models import load, load_pretrained

    return load_pretrained() if init == "scgpt" else load(init)


def require_same_modality(start: ScGenePT | None, setup: Setup, *, mix: bool) -> None:
    """Refuse to train a model further on cells perturbed in another way, unless that is asked for."""
    if start is not None and start.card.fine_tuned and not mix and not start.card.covers(setup.modality):
        msg = (
            f"{start.name} was trained on {start.card.modality} and adata is {setup.modality}: the flag of a perturbed "
            "gene would mean both. Start from pretrained weights, or pass mix_modalities=True."
        )
        raise DataError(msg)


def starting_model(start: ScGenePT | None, wish: Wish, examples: Examples, setup: Setup, *, seed: int) -> ScGenePT:
    """Return the untrained model: a copy of a fine-tuned one, or a new one around pretrained or fresh weights."""
    variant, language, architecture = wish.variant, wish.language, wish.architecture
    if start is not None and start.card.fine_tuned:
        if variant is not None and variant != start.card.variant:
            msg = f"{start.name} is a {start.card.variant}, not a {variant}: leave variant= out to train it further."
            raise UnknownNameError(msg)
        if language is not None:
            msg = f"{start.name} has its own texts: leave language= out to train it further."
            raise UnknownNameError(msg)
        return further(start)
    recipe = _variant(variant)
    sources = _sources(recipe, language)
    card = Card(
        name=f"{recipe.name}-finetuned",
        variant=recipe.name,
        modality=setup.modality,
        cell_type=setup.cell_type,
        token_mapping=wish.rule,
        licence="" if start is None else start.card.licence,
        citation="" if start is None else start.card.citation,
    )
    vocabulary = _vocabulary(examples, sources, wish.rule) if start is None else start.vocabulary
    missing: Missing = "random" if wish.rule == "v1" else "mean"
    texts, facts = {}, []
    for source in sources:
        table, matches = source.for_genes(vocabulary.tokens, missing=missing, rule=wish.rule, rng=seed)
        texts[source.name] = table
        without = [token for token in matches.where("unmatched") if token not in SPECIALS]
        facts.append({"name": source.name, "sha256": source.sha256, "n_tokens_without_text": len(without)})
        logger.info("%s: %d of %d tokens have no text (%s)", source.name, len(without), len(table), listing(without))
    card = replace(card, training={"language": facts, "train": []})
    if start is None:
        model = from_nothing(vocabulary, recipe, texts, architecture, card=card, seed=seed)
    else:
        model = from_pretrained(start, recipe, texts, architecture, card=card, seed=seed)
    changes = model.network.config.decoder == "residual"
    set_gene_offset(model, examples.train.genes, examples.training_change if changes else examples.training_mean)
    return model


def _sources(recipe: Variant, language: Sequence[KnowledgeSource | str] | None) -> list[KnowledgeSource]:
    """Return the texts asked for, or the published ones of the variant."""
    if language is None:
        return [load(name) for name in recipe.languages]
    if isinstance(language, str | os.PathLike | KnowledgeSource):
        language = [language]
    given: object = language
    if not isinstance(given, Iterable):
        msg = f"language= should be a list of names or sources, not {type(language).__name__}."
        raise DataError(msg)
    sources = [source if isinstance(source, KnowledgeSource) else load(source) for source in language]
    names = [source.name for source in sources]
    if odd := [name for name in names if not name or "." in name or names.count(name) > 1]:
        msg = f"Each text needs a name of its own, without a dot; got {listing(map(repr, odd))}."
        raise DataError(msg)
    return sources


def _vocabulary(examples: Examples, sources: Sequence[KnowledgeSource], rule: Rule) -> Vocabulary:
    """Return measured genes, targets of any part, and genes that have a text, as the tokens of a fresh model.

    A gene that is measured under another name has one token, not two.
    """
    measured = examples.train.genes
    targets = {gene for part in examples.parts.values() for name in part for gene in name.split("+")}
    others = dict.fromkeys([*sorted(targets), *(name for source in sources for name in source.names)])
    if rule == "alias":
        known = measured_as(others, measured)
        others = dict.fromkeys(name for name in others if name not in known)
    return Vocabulary([name for name in dict.fromkeys([*measured, *others]) if name not in SPECIALS]).with_specials()


def _variant(name: str | None) -> Variant:
    wanted = name or DEFAULT_VARIANT
    if wanted not in VARIANTS:
        msg = f"There is no variant {wanted!r}.{near_names(wanted, VARIANTS)} All names: scgenept.nn.VARIANTS."
        raise UnknownNameError(msg)
    return VARIANTS[wanted]


def require_known_targets(model: ScGenePT, examples: Examples) -> None:
    """Refuse perturbed genes without an identity, all at once and before anything is computed."""
    pairs = [examples.train, *([examples.validation] if examples.validation is not None else [])]
    targets = sorted({gene for part in pairs for perturbation in part.perturbations for gene in perturbation.genes})
    matched = model.gene_set(targets).matches.matched
    measured = set(examples.train.genes) if model.card.token_mapping == "v1" else set()
    unknown = [gene for gene, match in zip(targets, matched, strict=True) if match is None and gene not in measured]
    # Two names of one gene are ambiguous together, and each of them clear in a perturbation of its own.
    unknown = [gene for gene in unknown if not model.gene_set([gene]).matches.n_matched]
    if unknown:
        n_cells = sum(_n_cells_of(part, set(unknown)) for part in pairs)
        msg = (
            f"{model.name} has no token for {len(unknown)} of {len(targets)} perturbed genes ({listing(unknown)}), so "
            f"{n_cells:,} cells cannot be learned from.{near_names(unknown[0], model.vocabulary.tokens)} Rename them "
            "in the labels, or leave these cells out."
        )
        raise UnknownGeneError(msg)


def warn_of_split_cells(adata: AnnData, examples: Examples) -> None:
    """Warn where cells, not perturbations, are split, so that the test is of what was trained on."""
    if both := [name for name in examples.parts["train"] if name in examples.parts["test"]]:
        msg = (
            f"{len(both)} perturbations have cells in 'train' and in 'test' of obs[{split_key(adata)!r}] "
            f"({listing(both)}): no score on them says how new perturbations are predicted. Split by perturbation: "
            "scgenept.pp.split(adata)."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)


def _n_cells_of(pairs: Pairs, genes: set[str]) -> int:
    hit = [i for i, perturbation in enumerate(pairs.perturbations) if genes & set(perturbation.genes)]
    return int(np.isin(pairs.labels, hit).sum())
