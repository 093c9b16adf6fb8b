"""Embed the GO text of the genes that ``scgenept-mini`` knows.

Needs the extra ``text``::

    python scripts/build_mini_language.py go_human_terms.tsv.gz language.npz

Writes ``genes`` (n,), ``embeddings`` (n, 384) float16 and ``has_text`` (n,): 500 measured genes, then the unmeasured
targets of the 33 perturbations. Genes without any GO annotation have a row of zeros, which the network's projection
turns into one learned vector that stands for "nothing known".
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from scgenept import Perturbation, datasets, knowledge


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("go_terms", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()

    genes = mini_genes()
    texts = knowledge.go_texts(knowledge.read_go_terms(arguments.go_terms), genes)
    embeddings = np.zeros((len(genes), 384), dtype=np.float16)
    has_text = np.asarray([gene in texts for gene in genes])
    embeddings[has_text] = knowledge.MiniLM()(list(texts.values()))
    np.savez_compressed(arguments.out, genes=np.asarray(genes), embeddings=embeddings, has_text=has_text)


def mini_genes() -> list[str]:
    """Measured genes in the order of the data, then unmeasured targets in alphabetical order."""
    adata = datasets.k562_mini(n_cells=1)
    measured = adata.var_names.tolist()
    perturbations = adata.uns["scgenept"]["observed"]["perturbation"]
    targets = {gene for name in perturbations for gene in Perturbation.parse(name).genes}
    return [*measured, *sorted(targets.difference(measured))]


if __name__ == "__main__":
    main()
