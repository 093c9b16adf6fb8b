"""Evaluation: scores, baselines and the bounds that the data themselves set.

========================  ==================================================================================
:mod:`.scores`            predicted against observed pseudobulks, one value per perturbation
:mod:`.baselines`         predictions that need no network: no change, mean, additive
:mod:`.references`        split-half and interpolated duplicate: what a replicate of the experiment would score
:mod:`.strata`            kinds of test perturbations: what the model saw of them, effect size, number of cells
:mod:`.pseudobulk`        mean, spread and number of the cells of each perturbation
:mod:`.de`                genes ranked by Welch's t against control, from cells or from figures
========================  ==================================================================================

Nothing here knows torch: a network enters as the table of pseudobulks that it predicts.
"""
