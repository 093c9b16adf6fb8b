"""Milliseconds that one training step spends on its data, at full size, and the share of the step that is.

    python -m tests.benchmarks.training_data [--cells 20000] [--genes 5045]

20,000 cells x 5,045 genes, a tenth non-zero, 100 perturbations; 64 pairs on 1,536 genes a step, from host memory.
The share is that of a step of ``--step-ms`` milliseconds.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np
import scipy.sparse as sp

from scgenept.data.pairs import Pairs
from scgenept.genes.vocabulary import Vocabulary
from scgenept.nn import VARIANTS, Network
from scgenept.perturbation import Perturbation
from scgenept.training.batches import PairBatches, Share, TargetTokens
from scgenept.training.plan import TrainingPlan
from scgenept.training.step import GeneRows
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT


def made_up_pairs(n_cells: int, n_genes: int, n_perturbations: int = 100) -> Pairs:
    """Return random cells of which a tenth of the values is not zero; 5 % are controls."""
    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(n_genes)]
    values = sp.random(n_cells, n_genes, density=0.1, format="csr", dtype=np.float32, random_state=0)
    n_controls = n_cells // 20
    perturbations = [Perturbation.parse(genes[i]) for i in range(n_perturbations)]
    labels = rng.integers(n_perturbations, size=n_cells - n_controls)
    return Pairs.from_arrays(genes, values[:n_controls], values[n_controls:], perturbations, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=5_045)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--step-ms", type=float, default=66.0, help="time of a step to compare with")
    arguments = parser.parse_args()
    pairs = made_up_pairs(arguments.cells, arguments.genes)
    vocabulary = Vocabulary(pairs.genes).with_specials()
    config = VARIANTS["scgpt"].config(
        n_tokens=len(vocabulary), pad_id=vocabulary.pad_id, d_model=8, n_heads=1, d_hidden=8, n_layers=1
    )
    model = ScGenePT(Network.initialised(config), vocabulary, Card("benchmark", token_mapping="v1"))
    tokens = TargetTokens(model, pairs)
    batches = PairBatches(pairs, tokens, GeneRows(model.network, tokens.all_ids()), TrainingPlan(), seed=0)
    steps = batches.training(0, 0, Share())
    next(steps)
    times = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        next(steps)
        times.append(1000 * (time.perf_counter() - start))
    median = statistics.median(times)
    print(f"{platform.processor() or platform.machine()}; {arguments.cells:,} cells x {arguments.genes:,} genes")
    print(f"data of one step: median {median:.2f} ms, largest {max(times):.2f} ms; {median / arguments.step_ms:.1%} of")
    print(f"a step of {arguments.step_ms:.0f} ms, {median / (arguments.step_ms + median):.1%} of both together")


if __name__ == "__main__":
    main()
