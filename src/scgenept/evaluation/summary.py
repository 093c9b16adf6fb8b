"""From one score per perturbation to tables: means with intervals, calibrated, by stratum, and who beats whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from .calibration import REPLICATE
from .statistics import bootstrap_means, holm, interval, two_sided_p

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .catalog import Metric
    from .observation import FloatArray

MEAN: Final = "mean"
"""The negative control: the mean of the training perturbations."""
ALL: Final = "all"
CALIBRATION: Final = (
    "value_on_halves", "negative_control", "positive_control", "dynamic_range", "calibrated", "calibrated_low",
    "calibrated_high",
)  # fmt: skip
SMALL_RANGE: Final = 0.01
"""A range smaller than this share of the values it lies between is near zero."""


@dataclass(frozen=True, eq=False)
class Scored:
    """All scores of all predictors.

    Attributes
    ----------
    strata
        Of the test perturbations, as :func:`scgenept.evaluation.strata.strata` gives them.
    metrics
        The scores.
    full
        Predictor -> test perturbations x scores, against all cells.
    halves
        The same against halves, with ``"replicate"``; empty without calibration.
    judged
        Names of the predictors that were handed in; the others are baselines.
    """

    strata: pd.DataFrame
    metrics: Sequence[Metric]
    full: dict[str, FloatArray]
    halves: dict[str, FloatArray]
    judged: tuple[str, ...]

    def groups(self) -> Iterator[tuple[str, str, Any]]:
        """Yield what a stratum is of, its name and its rows; all perturbations first, empty strata never."""
        yield ALL, ALL, np.ones(len(self.strata), dtype=bool)
        kinds = self.strata["kind"].to_numpy(dtype=object)
        for kind in sorted(set(kinds)):
            yield "kind", str(kind), kinds == kind
        for of in ("effect_size", "n_cells"):
            tertile = self.strata[f"{of}_tertile"].to_numpy(dtype=object)
            for third in ("low", "mid", "high"):
                if (rows := tertile == third).any():
                    yield of, f"{of}_{third}", rows


def per_perturbation(scored: Scored) -> pd.DataFrame:
    """Return one row per perturbation, predictor and score."""
    names = [*scored.full, *([REPLICATE] if scored.halves else [])]
    empty = np.full((len(scored.strata), len(scored.metrics)), np.nan)
    blocks = []
    for name in names:
        full, halves = (scores.get(name, empty) for scores in (scored.full, scored.halves))
        for column, metric in enumerate(scored.metrics):
            block = scored.strata.reset_index()
            block["predictor"], block["metric"] = name, metric.name
            block["value"], block["value_on_halves"] = full[:, column], halves[:, column]
            blocks.append(block)
    table = pd.concat(blocks, ignore_index=True)
    for name in ("effect_size_tertile", "n_cells_tertile"):
        table[name] = table[name].astype(object).where(table[name].notna(), "")
    return table


def summarise(scored: Scored, *, n_boot: int, rng: np.random.Generator) -> pd.DataFrame:
    """Average over the perturbations of each stratum, with bootstrap intervals and calibration."""
    return pd.concat(
        [_stratum(scored, of, name, rows, n_boot, rng) for of, name, rows in scored.groups()], ignore_index=True
    )


def _stratum(scored: Scored, of: str, stratum: str, rows: Any, n_boot: int, rng: np.random.Generator) -> pd.DataFrame:
    names = list(scored.full)
    n_metrics = len(scored.metrics)
    full = np.concatenate([scored.full[name][rows] for name in names], axis=1)
    tables = [full]
    if scored.halves:
        replicate = scored.halves[REPLICATE][rows]
        # without a positive control a perturbation tells nothing of the range
        known = np.where(np.isnan(replicate), np.nan, 0.0)
        constant = np.array([np.nan if m.constant is None else m.constant for m in scored.metrics])
        mean = scored.halves[MEAN][rows]
        mean = np.where(np.isnan(mean), constant, mean) + known
        halves = np.concatenate([scored.halves[name][rows] + known for name in names], axis=1)
        tables += [halves, mean, replicate]
    means = [_mean(table) for table in tables]
    draws = bootstrap_means(tables, n_boot=n_boot, rng=rng)
    enough = rows.sum() > 1
    low, high = interval(draws[0]) if enough else np.full((2, full.shape[1]), np.nan)
    columns: dict[str, Any] = {
        "metric": [m.name for m in scored.metrics] * len(names),
        "stratum_of": of,
        "stratum": stratum,
        "predictor": np.repeat(names, n_metrics).astype(object),
        "is_baseline": np.repeat([name not in scored.judged for name in names], n_metrics),
        "higher_is_better": [m.higher_is_better for m in scored.metrics] * len(names),
        "value": means[0],
        "ci_low": low,
        "ci_high": high,
        "n": int(rows.sum()),
        "n_nan": np.isnan(full).sum(axis=0),
    }
    upwards = np.where([m.higher_is_better for m in scored.metrics], 1.0, -1.0)
    return pd.DataFrame(columns | _calibrated(means, draws, upwards, len(names), enough=enough))


def _calibrated(
    means: list[FloatArray], draws: list[FloatArray], upwards: FloatArray, n_names: int, *, enough: bool
) -> dict[str, Any]:
    """Return the columns of the calibration, ``(u - b) / (r - b)``, NaN where there is none."""
    shape = means[0].shape
    if len(means) == 1:
        nothing = np.full(shape, np.nan)
        return dict.fromkeys(CALIBRATION, nothing) | {"can_rank": np.zeros(shape, dtype=bool)}
    (u, b, r), (u_draws, b_draws, r_draws) = means[1:], draws[1:]
    range_, range_draws = r - b, r_draws - b_draws
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (u - np.tile(b, n_names)) / np.tile(range_, n_names)
        ratios = (u_draws - np.tile(b_draws, n_names)) / np.tile(range_draws, n_names)
    ratios[np.isinf(ratios)] = np.nan
    low, high = interval(ratios) if enough else np.full((2, *shape), np.nan)
    # a replicate that is surely better; one that is worse is too noisy a yardstick
    least, _ = interval(range_draws * upwards)
    separable = (least > 0) & enough
    wide = np.abs(range_) > SMALL_RANGE * np.maximum(np.abs(r), np.abs(b))
    return {
        "value_on_halves": u,
        "negative_control": np.tile(b, n_names),
        "positive_control": np.tile(r, n_names),
        "dynamic_range": np.tile(np.abs(range_), n_names),
        "calibrated": np.where(np.isfinite(value), value, np.nan),
        "calibrated_low": low,
        "calibrated_high": high,
        "can_rank": np.tile(separable & wide, n_names),
    }


def compare(scored: Scored, *, n_boot: int, rng: np.random.Generator) -> pd.DataFrame:
    """Compare each predictor with each other one on the perturbations that both have a score for.

    The bootstrap is paired, over perturbations. Holm's correction is over the rivals of a predictor: one family per
    score, stratum and predictor.
    """
    pairs = [(a, b) for a in scored.judged for b in scored.full if b != a and not (b in scored.judged and b < a)]
    blocks = [_compared(scored, of, name, rows, pairs, n_boot, rng) for of, name, rows in scored.groups() if pairs]
    return pd.concat(blocks, ignore_index=True) if blocks else pd.DataFrame(columns=COMPARISON_COLUMNS)


COMPARISON_COLUMNS: Final = (
    "metric", "stratum_of", "stratum", "predictor", "rival", "difference", "ci_low", "ci_high", "n", "p_value",
    "p_holm", "better",
)  # fmt: skip


def _compared(
    scored: Scored,
    of: str,
    stratum: str,
    rows: Any,
    pairs: list[tuple[str, str]],
    n_boot: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    differences = np.concatenate([scored.full[a][rows] - scored.full[b][rows] for a, b in pairs], axis=1)
    (draws,) = bootstrap_means([differences], n_boot=n_boot, rng=rng)
    low, high = interval(draws)
    n = np.isfinite(differences).sum(axis=0)
    p_value = two_sided_p(draws, n)
    for figures in (low, high, p_value):
        figures[n < 2] = np.nan
    n_metrics = len(scored.metrics)
    table = pd.DataFrame(
        {
            "metric": [m.name for m in scored.metrics] * len(pairs),
            "stratum_of": of,
            "stratum": stratum,
            "predictor": np.repeat([a for a, _ in pairs], n_metrics).astype(object),
            "rival": np.repeat([b for _, b in pairs], n_metrics).astype(object),
            "difference": _mean(differences),
            "ci_low": low,
            "ci_high": high,
            "n": n,
            "p_value": p_value,
        }
    )
    table["p_holm"] = table.groupby(["metric", "predictor"], sort=False)["p_value"].transform(holm)
    upwards = np.array([m.higher_is_better for m in scored.metrics] * len(pairs))
    wins = (table["difference"] > 0) == upwards
    certain = (table["p_holm"] < 0.05) & (table["difference"] != 0)
    table["better"] = np.where(certain, np.where(wins, table["predictor"], table["rival"]), "").astype(object)
    return table


def _mean(table: FloatArray) -> FloatArray:
    """Mean over perturbations that have a value; NaN where none has."""
    known = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        mean: FloatArray = np.where(known, table, 0.0).sum(axis=0) / known.sum(axis=0)
    return mean
