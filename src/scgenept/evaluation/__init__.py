"""Evaluation: scores, baselines and the bounds that the data themselves set.

========================  ==================================================================================
:mod:`.scores`            predicted against observed pseudobulks, one value per perturbation
:mod:`.baselines`         predictions that need no network, from no change to a Gaussian process
:mod:`.references`        split-half and interpolated duplicate: what a replicate of the experiment would score
:mod:`.strata`            kinds of test perturbations: what the model saw of them, effect size, number of cells
:mod:`.experiment`        test and training perturbations of an AnnData, and what scores derive from the cells
:mod:`.reading`           anybody's predictions, brought to perturbations x genes
:mod:`.calibration`       every predictor on halves of the cells, beside a replicate
:mod:`.uncertainty`       intervals of a predicted mean: bootstrap, ensemble, conformal, and whether they cover
:mod:`.statistics`        bootstrap over perturbations, Holm
:mod:`.report`            the result: tidy tables, notes in words, and how they are shown and stored
:mod:`.pseudobulk`        mean, spread and number of the cells of each perturbation
:mod:`.de`                genes ranked by Welch's t against control or all other perturbed cells
:mod:`.de_table`          the strongest genes of every perturbation as one table
========================  ==================================================================================

Nothing here knows torch: a network enters as the table of pseudobulks that it predicts.
"""
