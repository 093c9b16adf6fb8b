"""Gene names: the vocabulary of a model, and matching the names of a data set to it."""

from __future__ import annotations

from .aliases import AliasTable, alias_table, ensembl_id
from .matching import GeneMatches, How, Rule, check_unique_genes, match_genes
from .vocabulary import PAD, SPECIALS, Vocabulary

__all__ = [
    "PAD",
    "SPECIALS",
    "AliasTable",
    "GeneMatches",
    "How",
    "Rule",
    "Vocabulary",
    "alias_table",
    "check_unique_genes",
    "ensembl_id",
    "match_genes",
]
