"""From one score per perturbation to tables: means with intervals, calibrated, by stratum, and who beats whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from .calibration import REPLICATE
from .statistics import bootstrap_means, holm, interval, sign_flip_p, two_sided_p

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
ROUNDING: Final = 1e-9
"""Two figures that differ by no more than this share of them are equal."""
FEWEST: Final = 6
"""With fewer perturbations the exact test of signs never gets under 0.05."""
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
        The same against halves, with ``"replicate"``; empty without calibration. A prediction that is the mean of
        training has the constant of a score there (:class:`~scgenept.evaluation.catalog.Metric`).
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
        halves = np.concatenate([scored.halves[name][rows] for name in names], axis=1)
        controls = [np.tile(scored.halves[name][rows], len(names)) for name in (MEAN, REPLICATE)]
        # all three over the same perturbations: those with the score of the predictor and both controls
        unknown = np.isnan(halves + controls[0] + controls[1])
        tables += [np.where(unknown, np.nan, table) for table in (halves, *controls)]
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
        "n_nan_on_halves": np.isnan(tables[1]).sum(axis=0) if scored.halves else int(rows.sum()),
    }
    upwards = np.where(columns["higher_is_better"], 1.0, -1.0)
    return pd.DataFrame(columns | _calibrated(tables[1:], means[1:], draws[1:], upwards, enough=enough))


def _calibrated(
    tables: list[FloatArray], means: list[FloatArray], draws: list[FloatArray], upwards: FloatArray, *, enough: bool
) -> dict[str, Any]:
    """Return the columns of the calibration, ``(u - b) / (r - b)``, NaN where there is none."""
    if not tables:
        nothing = np.full(len(upwards), np.nan)
        return dict.fromkeys(CALIBRATION, nothing) | {"can_rank": np.zeros(len(upwards), dtype=bool)}
    u, b, r = means
    range_ = _range(b, r)
    ratios = (draws[0] - draws[1]) / _range(draws[1], draws[2])
    low, high = interval(ratios) if enough else np.full((2, len(u)), np.nan)
    # a replicate that is surely better; one that is worse is too noisy a yardstick
    least, _ = interval((draws[2] - draws[1]) * upwards)
    n = np.isfinite(tables[0]).sum(axis=0)
    wide = np.abs(range_) > SMALL_RANGE * np.maximum(np.abs(r), np.abs(b))
    return {
        "value_on_halves": u,
        "negative_control": b,
        "positive_control": r,
        "dynamic_range": np.abs(r - b),
        "calibrated": (u - b) / range_,
        "calibrated_low": low,
        "calibrated_high": high,
        "can_rank": (least > 0) & wide & (n >= FEWEST),
    }


def _range(b: FloatArray, r: FloatArray) -> FloatArray:
    """Return ``r - b``, NaN where rounding is all there is."""
    range_: FloatArray = np.where(np.abs(r - b) <= ROUNDING * np.maximum(np.abs(r), np.abs(b)), np.nan, r - b)
    return range_


def compare(scored: Scored, *, n_boot: int, rng: np.random.Generator) -> pd.DataFrame:
    """Compare each predictor with each other one on the perturbations that both have a score for.

    Both tests, bootstrap and signs, are paired, over perturbations. Holm's correction is over the rivals of a
    predictor: one family per score, stratum and predictor. A pair of judged predictors is in the family of both, and
    the larger p-value counts.
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
    p_value = np.maximum(two_sided_p(draws), sign_flip_p(differences, n_draws=n_boot, rng=rng))
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
    table["p_holm"] = np.nan
    for _, rows_of_metric in table.groupby("metric", sort=False):
        for name in scored.judged:
            family = rows_of_metric.index[(rows_of_metric[["predictor", "rival"]] == name).any(axis=1)]
            table.loc[family, "p_holm"] = np.fmax(table.loc[family, "p_holm"], holm(table.loc[family, "p_value"]))
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
