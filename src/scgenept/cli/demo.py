"""scgenept demo: two real double perturbations, predicted, shown beside what was observed, and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from .. import _keys
from .._io import atomic_file, require_writable
from .files import write_cells

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from ..weights.model import ScGenePT

MODEL: Final = "scgenept-mini"
PAIRS: Final = ("KLF1+MAP2K6", "MAPK1+TGFBR2")
"""Held out from the training of the mini model, while both of their genes were seen alone."""


@dataclass(frozen=True)
class Observed:
    """What real cells did.

    Attributes
    ----------
    mean
        Perturbations (and ``"ctrl"``) x genes, mean over real cells, log1p of counts per 1e4.
    training
        The perturbations that the model was trained on.
    split_half
        Pearson delta of one half of the real cells against the other, per perturbation.
    """

    mean: pd.DataFrame
    training: list[str]
    split_half: pd.Series


def run_demo(out: Path, *, data: str = "k562_mini") -> str:
    """Predict, write ``result.h5ad`` and ``top_genes.png`` into a folder, and return what to print."""
    from .. import datasets, models, tl

    require_writable(out / "result.h5ad")
    model = models.load(MODEL)
    figures = datasets.k562_mini()
    cells, observed_cells = (figures, figures) if data == "k562_mini" else _real_cells()
    for pair in PAIRS:
        tl.predict_perturbation(cells, pair, model=model)
    write_cells(cells, out / "result.h5ad")
    _draw(cells, observed_cells, out / "top_genes.png")
    return _text(cells, _observed(figures), model, out)


def _real_cells() -> tuple[AnnData, AnnData]:
    """Return the control cells of the Norman subset, and all of it."""
    from .. import datasets, pp

    adata = datasets.norman_subset()
    pp.setup_perturbations(
        adata, key=_keys.PERTURBATION, control="control", modality="CRISPRa", cell_type="K562", overwrite=True
    )
    return adata[adata.obs[_keys.IS_CONTROL].to_numpy(dtype=bool)].copy(), adata


def _observed(figures: AnnData) -> Observed:
    table = figures.uns[_keys.UNS][_keys.OBSERVED].set_index("perturbation")
    return Observed(
        mean=figures.varm[_keys.OBSERVED_MEAN].T,
        training=table.index[table["split"] == "train"].tolist(),
        split_half=table["split_half_pearson_delta"],
    )


def _draw(cells: AnnData, observed: AnnData, path: Path) -> None:
    from ..pl import top_genes
    from ..pl._figures import stacked_axes

    figure, axes = stacked_axes(len(PAIRS))
    for ax, pair in zip(axes, PAIRS, strict=True):
        top_genes(cells, pair, observed=observed, ax=ax)
    with atomic_file(path) as work:
        figure.savefig(work, dpi=200)


def _scores(cells: AnnData, observed: Observed) -> pd.DataFrame:
    """Return Pearson delta over all genes, pairs x predictors."""
    from ..evaluation.baselines import Additive, Mean
    from ..evaluation.scores import pearson_delta

    control: pd.Series[float] = observed.mean.T[_keys.CONTROL]
    training = observed.mean.loc[observed.training]
    truth = observed.mean.loc[list(PAIRS)].to_numpy()
    # Change over the cells it started from, on top of the real controls: simulated cells differ a little from them.
    predicted = np.stack([_change(cells, pair) + control.to_numpy() for pair in PAIRS])
    table = {
        "model": predicted,
        "additive": Additive().fit_pseudobulks(training, control).predict_pseudobulks(PAIRS).to_numpy(),
        "mean": Mean().fit_pseudobulks(training, control).predict_pseudobulks(PAIRS).to_numpy(),
    }
    scores = {name: pearson_delta(values, truth, control.to_numpy()) for name, values in table.items()}
    return pd.DataFrame(scores | {"split_half": observed.split_half.loc[list(PAIRS)].to_numpy()}, index=list(PAIRS))


def _text(cells: AnnData, observed: Observed, model: ScGenePT, out: Path) -> str:
    scores = _scores(cells, observed)
    control: pd.Series[float] = observed.mean.T[_keys.CONTROL]
    n_cells = f"{cells.n_obs} {'simulated' if _keys.SIMULATED in cells.obs else 'real'} control cells"
    lines = [
        f"Predicted: {' and '.join(PAIRS)} from {n_cells} x {cells.n_vars} genes, by {model.name}",
        f"  ({model.card.modality} in {model.card.cell_type}; held out, trained on {len(observed.training)} others).",
    ]
    for pair in PAIRS:
        change: pd.Series[float] = observed.mean.T[pair] - control
        genes = change.abs().sort_values(ascending=False).index[:3]
        predicted = pd.Series(_change(cells, pair), index=cells.var_names)
        seen = ", ".join(f"{gene} {predicted[gene]:+.2f} (observed {change[gene]:+.2f})" for gene in genes)
        lines.append(f"{pair}, change of log1p expression: {seen}")
    lines.append("Correlation of predicted with observed change over all genes (Pearson delta), 1 is perfect:")
    lines.append(f"  {'':<14}{'model':>8}{'additive':>10}{'mean':>8}{'replicate':>11}")
    lines += [
        f"  {pair:<14}{row['model']:>8.2f}{row['additive']:>10.2f}{row['mean']:>8.2f}{row['split_half']:>11.2f}"
        for pair, row in scores.iterrows()
    ]
    lines += [
        f"How far to trust it: {_verdict(scores)}",
        "Do not conclude: anything about genes the model never saw perturbed (there it is worse than the mean),",
        f"  other cell types, knock-outs, or single cells. Read more: sgp.models.load({model.name!r}).card",
        f"Written: {out / 'result.h5ad'} and {out / 'top_genes.png'}. Next: scgenept predict --help, or the tutorials.",
    ]
    return "\n".join(lines)


def _verdict(scores: pd.DataFrame) -> str:
    """Say in one sentence how the model stands beside its baselines, whatever the figures are."""
    model, additive, mean, replicate = (scores[name].mean() for name in ("model", "additive", "mean", "split_half"))
    beside = "above" if model > additive + 0.01 else "below" if model < additive - 0.01 else "level with"
    return (
        f"{model:.2f} on average, {beside} adding up the single effects ({additive:.2f}), against {mean:.2f} for the "
        f"mean of all perturbations and {replicate:.2f} for a second experiment of half the cells."
    )


def _change(cells: AnnData, pair: str) -> np.ndarray:
    """Return the mean predicted change over the input cells, one value per gene, log1p of counts per 1e4."""
    control = np.asarray(cells.X.mean(axis=0), dtype=np.float64).ravel()
    predicted: np.ndarray = np.asarray(cells.layers[pair], dtype=np.float64).mean(axis=0)
    return predicted - control
