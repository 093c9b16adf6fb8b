"""Draw the figure of README and landing page, from the data and the model in the package.

Run from the root of the repository::

    python scripts/draw_readme_figure.py

A held-out pair as ``scgenept-mini`` predicts it beside what was observed, and how well that and two simpler guesses
agree with the observation. Writes ``docs/_static/first_prediction.png``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import matplotlib.pyplot as plt

import scgenept as sgp
from scgenept.pl import _style as style

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

PAIR: Final = "KLF1+MAP2K6"
MODEL: Final = "scgenept-mini"
GUESSES: Final = {"mean": "mean of training perturbations", "additive": "sum of the two single effects"}
OUT: Final = Path(__file__).parents[1] / "docs" / "_static" / "first_prediction.png"


def scores(adata: AnnData) -> dict[str, float]:
    """Return the Pearson delta over all genes of prediction, guesses and replicate."""
    observed = adata.varm["observed_mean"]
    control: pd.Series[float] = observed["ctrl"]
    facts = adata.uns["scgenept"]["observed"].set_index("perturbation")
    training = observed.T.loc[facts.index[facts["split"] == "train"]]
    truth = observed.T.loc[[PAIR]]
    change = sgp.get.predictions(adata, PAIR).set_index("gene")["delta"].reindex(control.index)
    predicted = {MODEL: (control + change).to_frame(PAIR).T}
    for name in GUESSES:
        fitted = sgp.models.baselines.load(name).fit_pseudobulks(training, control)
        predicted[name] = fitted.predict_pseudobulks([PAIR])
    values = {of: float(sgp.metrics.pearson_delta(table, truth, control)[0]) for of, table in predicted.items()}
    return {
        GUESSES["mean"]: values["mean"],
        MODEL: values[MODEL],
        GUESSES["additive"]: values["additive"],
        "repeat, with half of the real cells": float(facts.loc[PAIR, "split_half_pearson_delta"]),
    }


def draw_scores(ax: Axes, values: dict[str, float]) -> None:
    """One row per guess, its name above its dot."""
    for row, (name, value) in enumerate(values.items()):
        colour = style.VERMILION if name == MODEL else style.INK
        ax.plot([0, value], [-row, -row], color=style.FAINT, linewidth=style.LINE, zorder=1)
        ax.plot(value, -row, "o", color=colour, markersize=5, zorder=2)
        ax.text(0, -row + 0.2, name, fontsize=style.SMALL, color=colour, ha="left", va="bottom")
        ax.text(value + 0.04, -row, f"{value:.2f}", fontsize=style.SMALL, color=colour, ha="left", va="center")
    style.tidy(ax)
    ax.set(xlim=(0, 1.15), ylim=(0.6 - len(values), 0.8), yticks=[], xticks=[0, 0.5, 1])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("agreement with the observed change\n(Pearson delta over 500 genes)", fontsize=style.SMALL)
    ax.set_title("Would a simpler guess do?", fontsize=style.TEXT, loc="left", color=style.INK, fontweight="bold")


def main() -> None:
    """Predict, draw, write."""
    mpl.use("Agg")
    adata = sgp.datasets.k562_mini()
    sgp.tl.predict_perturbation(adata, PAIR, model=MODEL)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(190 * style.MM, 80 * style.MM), width_ratios=(2.6, 1), layout="constrained", facecolor="white"
    )
    sgp.pl.top_genes(adata, PAIR, n_top=15, ax=left)
    draw_scores(right, scores(adata))
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=160, metadata={"Software": None})


if __name__ == "__main__":
    main()
