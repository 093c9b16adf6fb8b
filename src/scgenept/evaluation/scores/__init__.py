"""Scores of predicted against observed pseudobulks. The unit of every score is the perturbation.

Notation, per perturbation p over genes g, all in log1p of counts per 1e4:

====================  ============================================  =========================
symbol                meaning                                       argument
====================  ============================================  =========================
``y``                 observed mean over cells                      ``observed``
``yhat``              predicted mean over cells                     ``predicted``
``c``                 mean of the control cells                     ``control``
``m``                 mean over the *training* perturbations' y     ``reference_mean``
``d``, ``dhat``       change over control: y - c, yhat - c
====================  ============================================  =========================

Arrays are (perturbations, genes); a DataFrame with perturbations as rows does as well, and where two inputs carry
labels these must be the same in the same order. ``genes=`` restricts a score to k genes of each perturbation, given
as an index array (perturbations, k): ``mse_top20`` of the literature is ``mse(..., genes=top_gene_indices(...))``.

A score that is undefined, a correlation with a constant above all, is NaN and stays NaN: report how many there are.
Only ``gears_metrics``, the view that published tables are made of, writes 0. Differences smaller than the rounding
of float32 count as no difference, so that a mean predictor is undefined and not a correlation of rounding errors.

==========================  ====================================================================================
question                    scores
==========================  ====================================================================================
how far off                 ``mse``, ``wmse``, ``weighted_r2_delta``
how alike over genes        ``pearson``, ``pearson_delta``, ``pearson_delta_ref_mean``
which perturbation          ``pds_cosine``, ``centroid_accuracy``
all the same                ``collapse_ratio``, ``mean_correlation_between_predictions``
which genes respond         ``de_auprc``, ``de_recall_at_k``, ``top_k_overlap``,
                            ``direction_agreement``, ``lfc_nmae``
what pairs do together      ``non_additivity``, ``non_additivity_correlation``, ``non_additive_auprc``
how cells are spread        ``energy_distance``, ``mmd``, ``variance_ratio``
how sure                    ``interval_coverage``, ``interval_width``, ``crps``,
                            ``risk_coverage``, ``aurc``, ``confidence_error_spearman``
what the original printed   ``gears_metrics``, ``gears_summary``, and the parts ``correct_direction``,
                            ``opposite_direction``, ``fold_change_gap``, ``within_range``,
                            ``mean_sigma``
==========================  ====================================================================================
"""

from __future__ import annotations

from .collapse import collapse_ratio, mean_correlation_between_predictions
from .correlations import pearson, pearson_delta, pearson_delta_ref_mean
from .de import de_auprc, de_recall_at_k, direction_agreement, lfc_nmae, top_k_overlap
from .directions import correct_direction, fold_change_gap, mean_sigma, opposite_direction, within_range
from .discrimination import centroid_accuracy, pds_cosine
from .distributions import energy_distance, mmd, variance_ratio
from .errors import mse, weighted_r2_delta, wmse
from .gears import gears_metrics, gears_summary
from .pairs import non_additive_auprc, non_additivity, non_additivity_correlation
from .uncertainty import aurc, confidence_error_spearman, crps, interval_coverage, interval_width, risk_coverage

__all__ = [
    "aurc",
    "centroid_accuracy",
    "collapse_ratio",
    "confidence_error_spearman",
    "correct_direction",
    "crps",
    "de_auprc",
    "de_recall_at_k",
    "direction_agreement",
    "energy_distance",
    "fold_change_gap",
    "gears_metrics",
    "gears_summary",
    "interval_coverage",
    "interval_width",
    "lfc_nmae",
    "mean_correlation_between_predictions",
    "mean_sigma",
    "mmd",
    "mse",
    "non_additive_auprc",
    "non_additivity",
    "non_additivity_correlation",
    "opposite_direction",
    "pds_cosine",
    "pearson",
    "pearson_delta",
    "pearson_delta_ref_mean",
    "risk_coverage",
    "top_k_overlap",
    "variance_ratio",
    "weighted_r2_delta",
    "within_range",
    "wmse",
]
