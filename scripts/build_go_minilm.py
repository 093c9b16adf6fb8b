"""Build the knowledge source ``go_minilm``: Gene Ontology texts of all vocabulary genes, embedded with MiniLM.

Needs the extra ``text``; about ten minutes on two cores, and a killed run goes on where it stopped::

    python scripts/build_go_minilm.py go_human_terms.tsv.gz [--vocabulary vocab.json] [--joined concat] [--out FILE]

The table has one row per gene and term (``symbol``, ``gene_name``, ``go_id``, ``term``, ``aspect``). Without ``--out``
the source lies where ``knowledge.load("go_minilm")`` looks for it. Beside it, ``<file>.without_text.txt`` lists the
vocabulary genes of which the table knows nothing. What is printed says whether neighbours make sense, and how well
similarity tells pairs of one protein complex from random pairs: with texts that name the complexes, and with the terms
of function and process alone, which do not.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scgenept import knowledge
from scgenept.genes import SPECIALS, Vocabulary, match_genes
from scgenept.registry import fetch, find
from scgenept.registry.recorded import file_sha256

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = ("KLF1", "HBA1", "RPL3", "TP53")


def main() -> None:
    """Build, save and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("go_terms", type=Path)
    parser.add_argument("--vocabulary", type=Path, help="scGPT's vocab.json; from the registry otherwise")
    parser.add_argument("--joined", choices=("concat", "avg"), default="concat")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    terms = knowledge.read_go_terms(arguments.go_terms)
    vocabulary = Vocabulary.from_json(arguments.vocabulary or fetch("scgpt/vocab.json"))
    genes = [token for token in vocabulary.tokens if token not in SPECIALS]
    matches = match_genes(genes, dict.fromkeys(terms["symbol"]))
    symbols = [symbol for symbol in dict.fromkeys(terms["symbol"]) if symbol in set(matches.matched)]
    print(matches.summary())

    provenance = {
        "texts": f"Gene Ontology, {arguments.joined}",
        "table_sha256": file_sha256(arguments.go_terms),
        "licence": find("gene_embeddings/go_minilm.safetensors").licence,
    }
    write = knowledge.go_texts if arguments.joined == "concat" else knowledge.go_term_texts
    source = knowledge.embed(
        write(terms, symbols), arguments.embedder, name=f"go_{arguments.embedder}", provenance=provenance
    )
    path = source.save(arguments.out or find("gene_embeddings/go_minilm.safetensors").path, overwrite=True)
    without = [name for name, match in zip(matches.names, matches.matched, strict=True) if match is None]
    path.with_suffix(".without_text.txt").write_text("\n".join(without) + "\n", encoding="utf-8")
    print(f"{path}: {source}; {len(without):,} of {len(genes):,} vocabulary genes have no text.")
    report(source, terms)
    without_components = knowledge.go_term_texts(terms, symbols, aspects=("F", "P"))
    blind = knowledge.embed(without_components, arguments.embedder, name="function and process, avg")
    report(blind, terms)


def report(source: knowledge.KnowledgeSource, terms: pd.DataFrame) -> None:
    """Print neighbours and scores of a source and of its permutation."""
    facts = source.provenance
    print(f"\n{source.name}: {facts['n_texts']:,} texts, {facts['n_cut']:,} cut at the embedder's limit")
    for gene in _SHOWN:
        near = knowledge.neighbors(source, gene, n=8)
        print(f"  {gene}: " + ", ".join(f"{name} {s:.2f}" for name, s in near.itertuples(index=False)))
    complexes = knowledge.go_complexes(terms)
    for candidate in (source, knowledge.ablate(source, "permuted")):
        score = knowledge.pair_auroc(candidate, complexes)
        print(
            f"  {candidate.name}: AUROC {score.auroc:.3f}, {score.n_pairs:,} pairs within {score.n_groups:,} complexes "
            f"against {score.n_random:,} random pairs of the same {score.n_genes:,} genes"
        )


if __name__ == "__main__":
    main()
