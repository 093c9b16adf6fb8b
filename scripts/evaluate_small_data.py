"""Fine-tune from scratch on small real data, and score the network beside predictions that need none.

    python scripts/evaluate_small_data.py norman norman_mcfaline_subset.h5ad RESULTS --texts go_minilm.safetensors
    python scripts/evaluate_small_data.py --summary RESULTS

One file per data set, recipe and seed, so that a run that was stopped goes on where it stood. A seed draws the split
and the training alike; every recipe sees the same splits, so differences are paired.

==========  ====================================================================================================
norman      K562, CRISPRa; of 33 perturbations 8 are test and 3 validation, drawn at random
mcfaline    A172, T98G, U87MG, CRISPRi; 2 of 9 targets are test everywhere, 1 is validation, and 3 of the others
            are test in one cell line
jurkat      counts, stimulated and not, 60 cells per target and context; 4 of 20 targets are test in both, 2
            validation, and 4 of the others are test in one of the two
==========  ====================================================================================================

The genes are the 120 that most cells express, 36 of them in a step (the original: 1,536 of 5,045). The network is
small, since it starts from nothing.

Strata: what training saw of the targets (:func:`scgenept.evaluation.strata.strata`), and ``other_context`` where it saw
the perturbation in other cells. Scores are per perturbation and context, against the real mean of the control cells.
``split_half`` predicts one half of the cells from the other, each with its own half of the controls;
``split_half_shared`` with the controls that everybody shares, whose noise then correlates with itself.
``ridge_permuted`` and the like are means over permutations of the vectors; ``above_permuted`` of ``ridge`` is the share
of permutations that it beats in Pearson delta.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import anndata as ad
import numpy as np
import pandas as pd

import scgenept as sgp
from scgenept import _keys, metrics
from scgenept.evaluation.pseudobulk import pseudobulk
from scgenept.evaluation.references import halves
from scgenept.evaluation.strata import strata
from scgenept.prediction.engine import Engine, predict_cells
from scgenept.weights.tokens import build_tokens

SIZES = {"d_model": 32, "n_heads": 4, "d_hidden": 32, "n_layers": 2}
N_GENES = 120  # those that most cells express
N_JURKAT_CELLS = 60  # per target and context
SHARE_OF_GENES = 0.3  # per step; the original draws 1,536 of about 5,050
BASELINES = ("mean", "additive", "no_change", "linear", "ridge", "knn", "gp")
ON_TEXT = ("ridge", "knn", "gp")  # on the texts, and on the same vectors given to other genes
N_PERMUTATIONS = 20  # over which the latter are averaged
N_CONTROLS = 128  # at most, to predict from
N_HALVES = 20
DIAGNOSES = ["collapse_ratio", "correlation_with_mean", "above_permuted"]
COLUMNS = ["data", "seed", "predictor", "recipe", "perturbation", "context", "stratum"]
SCORES = ["pearson_delta", "pearson_delta_ref_mean", "pds_cosine", "mse"]


@dataclass(frozen=True)
class Recipe:
    """A variant and what differs from the defaults of plan and architecture."""

    variant: str = "scgenept_go_c"
    architecture: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    another_seed: int = 0
    ablation: Literal["permuted", "random"] | None = None


FASTER = {"learning_rate": 1e-3}  # there is nothing pretrained to preserve
AVERAGED = {**FASTER, "controls": "mean"}
CHANGE = {"decoder": "residual", "gene_offset": True}
RECIPES = {
    "default": Recipe(),
    "faster": Recipe(plan=FASTER),
    "other_training_seed": Recipe(plan=FASTER, another_seed=100),
    # remedies, each one change of "faster"
    "targets_mean": Recipe(plan={**FASTER, "targets": "mean"}),
    "gene_offset": Recipe(plan=FASTER, architecture={"gene_offset": True}),
    "residual": Recipe(plan=FASTER, architecture={"decoder": "residual"}),
    "controls_mean": Recipe(plan=AVERAGED),
    "language_only": Recipe(plan=FASTER, variant="go_c"),
    "no_language": Recipe(plan=FASTER, variant="scgpt"),
    "averaging": Recipe(plan={**FASTER, "averaging": 0.98}),
    "no_dropout": Recipe(plan=FASTER, architecture={"dropout": 0.0}),
    # together
    "change_offset": Recipe(plan=FASTER, architecture=CHANGE),
    "together": Recipe(plan={**FASTER, "targets": "mean", "averaging": 0.98}, architecture={"gene_offset": True}),
    "together_language_only": Recipe(
        plan={**FASTER, "targets": "mean", "averaging": 0.98}, architecture={"gene_offset": True}, variant="go_c"
    ),
    "mean_to_change": Recipe(plan=AVERAGED, architecture=CHANGE),
    # what the text is worth: the same with the vectors of other genes, and without
    "controls_mean_permuted": Recipe(plan=AVERAGED, ablation="permuted"),
    "controls_mean_no_language": Recipe(plan=AVERAGED, variant="scgpt"),
    "mean_to_change_permuted": Recipe(plan=AVERAGED, architecture=CHANGE, ablation="permuted"),
    "mean_to_change_no_language": Recipe(plan=AVERAGED, architecture=CHANGE, variant="scgpt"),
    "mean_to_change_other_seed": Recipe(plan=AVERAGED, architecture=CHANGE, another_seed=100),
    "mean_to_change_permuted_other_seed": Recipe(
        plan=AVERAGED, architecture=CHANGE, another_seed=100, ablation="permuted"
    ),
    "mean_to_change_no_language_other_seed": Recipe(
        plan=AVERAGED, architecture=CHANGE, another_seed=100, variant="scgpt"
    ),
    # choices of the original, each one change of "faster", then all
    "control_examples": Recipe(plan={**FASTER, "control_examples": True}),
    "train_language": Recipe(plan={**FASTER, "train_language": True}),
    "controls_frozen": Recipe(plan={**FASTER, "controls": "frozen"}),
    "targets_drawn": Recipe(plan={**FASTER, "keep_targets": False}),
    "validate_drawn_genes": Recipe(plan={**FASTER, "validate_all_genes": False}),
    "v1": Recipe(plan={**FASTER, "reproduce": "v1"}),
}


@dataclass(frozen=True)
class Data:
    """A data set: cells, the column that names their context, and how many perturbations to hold out."""

    adata: ad.AnnData
    context: str
    n_test: int
    n_validation: int
    n_other_context: int


def main() -> None:
    """Run what is asked for and not there yet, or print the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", choices=sorted(READERS))
    parser.add_argument("cells", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?", default=Path("results"))
    parser.add_argument("--texts", default="go_minilm", help="knowledge source: a name or a file")
    parser.add_argument("--recipes", nargs="+", default=["default"], choices=sorted(RECIPES), metavar="RECIPE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--summary", type=Path, metavar="RESULTS")
    parser.add_argument("--against", default="faster", help="recipe that the summary compares the others with")
    arguments = parser.parse_args()
    if arguments.summary:
        results = read_results(arguments.summary)
        print(summary(results).to_string(), "\n")
        print(differences(results, arguments.against).to_string())
        return
    sgp.settings.device = "cpu"
    arguments.out.mkdir(parents=True, exist_ok=True)
    texts = None
    for name in arguments.recipes:
        for seed in arguments.seeds:
            path = arguments.out / f"{arguments.data}.{name}.{seed}.csv"
            if path.exists():
                continue
            data = READERS[arguments.data](arguments.cells)
            split(data, seed)
            texts = texts or texts_of(arguments.texts, data)
            reference = arguments.out / f"{arguments.data}.baselines.{seed}.csv"
            if not reference.exists():
                finish(reference, baseline_scores(data, texts, seed))
            began = time.perf_counter()
            table, run = network_scores(data, RECIPES[name], texts, seed, arguments.epochs)
            finish(path, table.assign(recipe=name, seconds=round(time.perf_counter() - began, 1), **run))
            print(path.name, table.groupby("predictor")[SCORES].median().round(4).to_dict("index"), run, flush=True)


def read_norman(path: Path) -> Data:
    """Read the Norman part: one context."""
    adata = ad.read_h5ad(path)
    adata = expressed(adata[adata.obs["dataset"] == "norman19"])
    del adata.obs["perturbation"]
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality="CRISPRa", cell_type="K562")
    return Data(adata, "cell_type", n_test=8, n_validation=3, n_other_context=0)


def read_mcfaline(path: Path) -> Data:
    """Read the McFaline part: three cell lines."""
    adata = ad.read_h5ad(path)
    adata = expressed(adata[adata.obs["dataset"] == "mcfaline23"])
    del adata.obs["perturbation"]
    sgp.pp.setup_perturbations(adata, key="condition", control="control", modality="CRISPRi", cell_type="glioblastoma")
    return Data(adata, "cell_type", n_test=2, n_validation=1, n_other_context=3)


def read_jurkat(path: Path) -> Data:
    """Read the Jurkat cells: counts and guide labels, stimulated or not."""
    adata = ad.read_h5ad(path)
    adata.obs["guide"] = adata.obs.pop("perturbation")
    sgp.pp.setup_perturbations(adata, key="guide", control="control", guide_suffix=r"_\d+", modality="knock-out")
    sgp.pp.prepare(adata, n_top_genes=None)
    groups = adata.obs.groupby([_keys.PERTURBATION, "perturbation_2"], observed=True)
    kept = groups.sample(frac=1, random_state=0).groupby([_keys.PERTURBATION, "perturbation_2"], observed=True)
    adata = expressed(adata[kept.head(N_JURKAT_CELLS).index])
    return Data(adata, "perturbation_2", n_test=4, n_validation=2, n_other_context=4)


def expressed(adata: ad.AnnData) -> ad.AnnData:
    """Return a copy with the genes that most cells express, in their own order."""
    n_cells = np.asarray((adata.X > 0).sum(axis=0)).ravel()
    return adata[:, np.sort(np.argsort(-n_cells, kind="stable")[:N_GENES])].copy()


READERS = {"norman": read_norman, "mcfaline": read_mcfaline, "jurkat": read_jurkat}


def split(data: Data, seed: int) -> None:
    """Write ``obs["split"]`` and say that controls are drawn within a context."""
    adata, rng = data.adata, np.random.default_rng(seed)
    labels = adata.obs[_keys.PERTURBATION].astype(str)
    contexts = adata.obs[data.context].astype(str)
    names = rng.permutation(sorted(set(labels) - {_keys.CONTROL}))
    part = pd.Series("train", index=adata.obs_names)
    test, rest = names[: data.n_test], names[data.n_test :]
    part[labels.isin(test)] = "test"
    part[labels.isin(rest[: data.n_validation])] = "val"
    for name in rest[data.n_validation :][: data.n_other_context]:
        part[(labels == name) & (contexts == rng.choice(sorted(set(contexts))))] = "test"
    adata.obs["split"] = part
    sgp.pp.pair_controls(adata, by=data.context, rng=seed)


def texts_of(source: str, data: Data) -> sgp.knowledge.KnowledgeSource:
    """Return the texts of measured genes and targets only, which is what the network can use."""
    whole = sgp.knowledge.load(source)
    targets = {gene for label in set(data.adata.obs[_keys.PERTURBATION]) for gene in label.split("+")}
    genes = [gene for gene in dict.fromkeys([*data.adata.var_names, *sorted(targets)]) if gene in whole]
    return sgp.knowledge.KnowledgeSource("go_c", genes, np.stack([whole[gene] for gene in genes]))


def network_scores(
    data: Data, recipe: Recipe, texts: sgp.knowledge.KnowledgeSource, seed: int, epochs: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train, predict the test perturbations in every context, and score."""
    genes_per_step = round(SHARE_OF_GENES * data.adata.n_vars)
    options = {"epochs": epochs, "genes_per_step": genes_per_step, **recipe.plan}
    if recipe.ablation:
        texts = sgp.knowledge.ablate(texts, recipe.ablation, rng=seed + recipe.another_seed)
    model = sgp.tl.finetune(
        data.adata,
        variant=recipe.variant,
        init=None,
        language=[] if recipe.variant == "scgpt" else [texts],
        architecture=sgp.tl.Architecture(**SIZES, **recipe.architecture),
        plan=sgp.tl.TrainingPlan(**options),
        rng=seed + recipe.another_seed,
    )
    history = pd.DataFrame(model.card.training["history"])
    run: dict[str, Any] = {
        "curve": " ".join(f"{loss:.4f}" for loss in history["validation_loss"]),
        "best_epoch": model.card.training["best_epoch"],
        "train_loss": history["train_loss"].iloc[-1],
        "validation_loss": history["validation_loss"].min(),
    }
    tables = []
    for view in views(data):
        predicted = {"network": network(model, view)}
        run |= diagnosis(predicted["network"], view)
        if options.get("controls") == "mean":
            predicted["network_from_mean"] = network(model, view, from_mean=True)
        tables += [view.scores(name, table) for name, table in predicted.items()]
    return pd.concat(tables), run


def diagnosis(predicted: pd.DataFrame, view: View) -> dict[str, float]:
    """Say whether the predictions differ at all, and whether they are at least the mean response (last context)."""
    mean = pd.DataFrame([view.training.mean()] * len(predicted), index=predicted.index)
    return {
        "collapse_ratio": float(metrics.collapse_ratio(predicted, view.observed.loc[view.test])),
        "correlation_with_mean": float(np.mean(metrics.pearson_delta(predicted, mean, view.control))),
    }


@dataclass(frozen=True)
class View:
    """One context: its cells, pseudobulks, and what is known of it in training."""

    name: str
    adata: ad.AnnData
    observed: pd.DataFrame
    control: pd.Series
    training: pd.DataFrame
    test: list[str]
    kinds: pd.Series
    is_target: np.ndarray

    def scores(self, predictor: str, predicted: pd.DataFrame) -> pd.DataFrame:
        """Score the test perturbations within the panel of all that were observed."""
        panel = self.observed.copy()
        panel.loc[self.test] = predicted.loc[self.test].to_numpy()
        return self._table(predictor, panel, self.observed, self.control, self.training.mean())

    def split_half(self, *, shared: bool) -> pd.DataFrame:
        """Score one half of the cells as a prediction of the other."""
        tables = []
        for first, second in islice(halves(self.adata, rng=0), N_HALVES):
            control = self.control if shared else second.loc[_keys.CONTROL]
            moved = first if shared else first - first.loc[_keys.CONTROL] + control
            rows, seen = self.observed.index, self.training.index
            # Each half against the mean of its own training perturbations, so that they share no noise.
            reference = second.loc[seen].mean()
            table = self._table("", moved.loc[rows], second.loc[rows], control, reference)
            ours = moved.loc[rows] - moved.loc[seen].mean() + reference
            value = metrics.pearson_delta_ref_mean(ours, second.loc[rows], reference)
            tables.append(table.assign(pearson_delta_ref_mean=value[rows.get_indexer(self.test)]))
        mean = pd.concat(tables).groupby("perturbation")[SCORES].mean().loc[self.test]
        name = "split_half_shared" if shared else "split_half"
        return self._labelled(mean.reset_index(), name)

    def _table(
        self, name: str, predicted: pd.DataFrame, truth: pd.DataFrame, control: pd.Series, mean: pd.Series
    ) -> pd.DataFrame:
        values = {
            "pearson_delta": metrics.pearson_delta(predicted, truth, control),
            "pearson_delta_ref_mean": metrics.pearson_delta_ref_mean(predicted, truth, mean),
            "pds_cosine": metrics.pds_cosine(predicted, truth, control, exclude=self.is_target),
            "mse": metrics.mse(predicted, truth),
        }
        table = pd.DataFrame(values, index=truth.index.rename("perturbation")).loc[self.test]
        return self._labelled(table.reset_index(), name)

    def _labelled(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        return table.assign(predictor=name, context=self.name, stratum=self.kinds.loc[self.test].to_numpy())


def views(data: Data) -> list[View]:
    """Return the contexts that hold test perturbations."""
    adata = data.adata
    seen = set(adata.obs.loc[adata.obs["split"] == "train", _keys.PERTURBATION]) - {_keys.CONTROL}
    found = []
    for name in sorted(set(adata.obs[data.context])):
        cells = adata[adata.obs[data.context] == name].copy()
        means = pseudobulk(cells).mean
        part = cells.obs.groupby(_keys.PERTURBATION, observed=True)["split"].first().drop(_keys.CONTROL)
        test, training = (sorted(part.index[part == wanted]) for wanted in ("test", "train"))
        kinds = strata(test, seen)["kind"].astype(object)
        kinds[[label in seen for label in test]] = "other_context"
        targets = {gene for label in part.index for gene in str(label).split("+")}
        is_target = adata.var_names.isin(targets)
        observed = means.drop(_keys.CONTROL)
        found.append(View(name, cells, observed, means.loc[_keys.CONTROL], means.loc[training], test, kinds, is_target))
    return found


def network(model: sgp.models.ScGenePT, view: View, *, from_mean: bool = False) -> pd.DataFrame:
    """Predict test perturbations from the control cells of a context, or from their mean."""
    is_control = view.adata.obs[_keys.IS_CONTROL].to_numpy()
    cells = view.adata.X[is_control].toarray().astype(np.float32)[:N_CONTROLS]
    if from_mean:
        cells = view.control.to_numpy(dtype=np.float32)[None]
    rows = []
    for label in view.test:
        tokens = build_tokens(model, list(view.observed.columns), sgp.Perturbation.parse(label))
        said = predict_cells(model.network, tokens, lambda a, b: cells[a:b], len(cells), engine=Engine(device="cpu"))
        rows.append(said.values.mean(axis=0, dtype=np.float64))
    return pd.DataFrame(rows, index=view.test, columns=view.observed.columns)


def baseline_scores(data: Data, texts: sgp.knowledge.KnowledgeSource, seed: int) -> pd.DataFrame:
    """Score every baseline, fitted within each context, and the two bounds."""
    tables, everywhere = [], views(data)
    changes = {view.name: view.training - view.control for view in everywhere}
    for view in everywhere:
        for name in BASELINES:
            on_text = name in ON_TEXT
            real = baseline_on(view, name, texts if on_text else None, seed)
            if not on_text:
                tables.append(real)
                continue
            permuted = [
                baseline_on(view, name, sgp.knowledge.ablate(texts, "permuted", rng=seed + 100 * i), seed)
                for i in range(N_PERMUTATIONS)
            ]
            lower = [table["pearson_delta"].mean() < real["pearson_delta"].mean() for table in permuted]
            tables.append(real.assign(above_permuted=np.mean(lower)))
            means = pd.concat(permuted).groupby("perturbation")[SCORES].mean().loc[real["perturbation"]]
            tables.append(
                real.assign(predictor=f"{name}_permuted", **{score: means[score].to_numpy() for score in SCORES})
            )
        if len(everywhere) > 1:
            # What the same perturbation did in other cells; the mean where no other cells had it.
            table = pd.DataFrame([view.training.mean()] * len(view.test), index=view.test)
            for label in view.test:
                elsewhere = [table.loc[label] for table in changes.values() if label in table.index]
                if elsewhere:
                    table.loc[label] = view.control + np.mean(elsewhere, axis=0)
            tables.append(view.scores("other_contexts", table))
        tables += [view.split_half(shared=shared) for shared in (False, True)]
    return pd.concat(tables).assign(recipe="")


def baseline_on(view: View, name: str, texts: sgp.knowledge.KnowledgeSource | None, seed: int) -> pd.DataFrame:
    """Score a baseline, fitted within a context, on the texts that it needs."""
    options = {} if texts is None else {"embedding": texts}
    baseline = sgp.models.baselines.load(name, **options)
    fitted = baseline.fit_pseudobulks(view.training, view.control, rng=seed)
    return view.scores(name, fitted.predict_pseudobulks(view.test))


def finish(path: Path, table: pd.DataFrame) -> None:
    """Write a table at once, so that a file that is there is whole."""
    work = path.with_suffix(".part")
    table.to_csv(work, index=False)
    work.replace(path)


def read_results(folder: Path) -> pd.DataFrame:
    """Return the scores of all runs: mean over test perturbations and contexts, per seed, by stratum and in all."""
    tables = []
    for path in sorted(folder.glob("*.csv")):
        data, *_, seed = path.stem.split(".")
        tables.append(pd.read_csv(path).assign(data=data, seed=int(seed)))
    table = pd.concat(tables, ignore_index=True).reindex(columns=[*COLUMNS, *SCORES, *DIAGNOSES])
    table["recipe"] = table["recipe"].fillna("")
    both = pd.concat([table, table.assign(stratum="all")])
    keys = ["data", "stratum", "predictor", "recipe", "seed"]
    found = both.groupby(keys)[[*SCORES, *DIAGNOSES]].mean()
    return found.assign(n=both.groupby(keys).size())


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return medians over seeds, how many seeds there are, and how many perturbations and contexts in all of them."""
    grouped = results.groupby(["data", "stratum", "predictor", "recipe"])
    return grouped[[*SCORES, *DIAGNOSES]].median().assign(seeds=grouped.size(), n=grouped["n"].sum()).round(4)


def differences(results: pd.DataFrame, against: str) -> pd.DataFrame:
    """Return, per recipe, median and range over seeds of its scores less those of another on the same split."""
    networks = results.xs("all", level="stratum")[SCORES]
    networks = networks[networks.index.get_level_values("recipe") != ""]
    other = networks.xs("network", level="predictor").xs(against, level="recipe")
    change = networks.reset_index(["predictor", "recipe"]).set_index(["predictor", "recipe"], append=True)
    base = other.reindex(change.index.droplevel(["predictor", "recipe"])).to_numpy()
    grouped = (change - base).groupby(["data", "recipe", "predictor"])
    table = grouped.agg(["median", "min", "max"])
    table[("seeds", "")] = grouped.size()
    return table.round(4)


if __name__ == "__main__":
    main()
