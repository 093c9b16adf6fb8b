"""tl.evaluate: predictions beside baselines, a replicate and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from .._arguments import require_whole
from .._errors import DataError
from .._random import generator_of
from ..evaluation.calibration import N_HALVINGS
from ..evaluation.catalog import choose_metrics
from ..evaluation.experiment import read_experiment
from ..evaluation.halvings import draw_halvings
from ..evaluation.run import run
from ..prediction.engine import given_engine
from ._predictors import Reader
from ._remarks import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from anndata import AnnData

    from .._types import RNGLike
    from ..evaluation.baselines import Baseline
    from ..evaluation.report import Report
    from ..prediction.engine import Engine
    from ..weights.model import ScGenePT

    PredictorLike: TypeAlias = "ScGenePT | Baseline | AnnData | pd.DataFrame | str"


def evaluate(  # noqa: PLR0913  (what is judged, by what, against whom, and how exactly)
    adata: AnnData,
    model_or_predictions: PredictorLike | Mapping[str, PredictorLike],
    *,
    split: str | Iterable[str] = "test",
    metrics: Literal["default", "all"] | str | Iterable[str] = "default",
    baselines: Literal["default"] | str | Iterable[str] | Mapping[str, PredictorLike] | None = "default",
    calibrate: bool | int = True,
    n_boot: int = 10_000,
    rng: RNGLike = 0,
    layer: str | None = None,
    n_control_cells: int | None = 300,
    engine: Engine | None = None,
) -> Report:
    """Judge predictions of any origin beside baselines, a replicate of the experiment and each other.

    The unit is the perturbation: each is scored once, on the mean of its cells, and means, intervals and tests are over
    perturbations. Nothing is trained but baselines, which see the training perturbations only.

    A score alone says little, so each is calibrated: the cells of every perturbation and the controls are cut in two,
    and one half is predicted by the other (*r*, what a replicate would get), by the mean of the training perturbations
    (*b*), and by the predictor (*u*), baselines and networks with the controls of that half only; a table keeps its
    change over all controls, and a note says so. ``(u - b) / (r - b)`` is 0 where a prediction is worth no more than
    the mean and 1 where it is as good as a second experiment. Of perturbations with fewer than 50 cells, or with fewer
    than 50 control cells, the replicate is the interpolated duplicate
    (:func:`scgenept.evaluation.references.interpolated_duplicate`).

    Parameters
    ----------
    adata
        Cells x genes, log1p of counts per 1e4, set up by :func:`scgenept.pp.setup_perturbations`, with control cells.
        Contexts, such as cell lines, are not told apart: pass one at a time.
    model_or_predictions
        What to judge, one or a mapping from names to several:

        - a table (``DataFrame`` or ``AnnData``) of perturbations x genes, in the unit of ``adata``: expression, not
          change. Genes and perturbations in any order; more than needed are ignored; test perturbations that are
          missing or NaN have no score and are counted; a missing gene is an error;
        - an ``AnnData`` of predicted cells, whose ``obs`` names the perturbation of each cell in a column called as in
          ``adata``, or with the layers of :func:`predict_perturbation`;
        - a model of :func:`scgenept.models.load`, or its name or path: it predicts from control cells of ``adata``;
        - a baseline, or its name.
    split
        The part of ``obs["split"]`` to score, with ``"train"`` for training; or the test perturbations themselves, all
        others being training.
    metrics
        ``"default"``, ``"all"``, or names of scores (:mod:`scgenept.metrics` explains them).
    baselines
        ``"default"``, names of :func:`scgenept.models.baselines.available`, or a mapping from names to anything that
        can be judged, such as other networks. The mean is always there.
    calibrate
        ``False`` leaves the calibration out; a number says how often the cells are halved (``True``: 5 times).
    n_boot
        Draws of the bootstrap.
    rng
        Seed or generator.
    layer
        Layer to read instead of ``X``.
    n_control_cells
        How many control cells a network predicts from, the same for every perturbation, drawn from ``rng``; ``None``
        for all. The prediction is the mean over them. On a CPU a cell of 5,000 genes takes seconds.
    engine
        Batch size, device and number type of a network, as :class:`scgenept.tl.Engine`.

    Returns
    -------
    The :class:`Report`, to be printed or read.

    Raises
    ------
    DataError
        There is no setup, split, test or training perturbation or control cell; predictions lack genes or all test
        perturbations, are no log1p values, or occur twice; a name is taken.
    UnknownNameError
        There is no such score, baseline or model.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> report = sgp.tl.evaluate(adata, "additive", split=["KLF1+MAP2K6"], n_boot=100)
    >>> scores = report.summary.query("stratum == 'all' and metric == 'mse'").set_index("predictor")
    >>> bool(scores.loc["additive", "value"] < scores.loc["mean", "value"])
    True
    """
    generator = generator_of(rng)
    n_halvings = _n_halvings(calibrate)
    for name, number in (("n_boot", n_boot), ("n_control_cells", n_control_cells)):
        if number is not None or name == "n_boot":
            require_whole(name, number)
    experiment = read_experiment(adata, split=split, layer=layer)
    chosen = choose_metrics(metrics, has_pairs=bool(len(experiment.seen.pairs)))
    seed = int(generator.integers(2**31))
    halvings = draw_halvings(experiment, n_halvings, generator) if n_halvings else None
    reader = Reader(experiment, n_control_cells, given_engine(engine), seed, halvings)
    judged, named = reader.judged(model_or_predictions)
    others = reader.baselines(baselines, judged=named)
    return run(
        [*judged.predictors, *others.predictors],
        experiment,
        chosen,
        halvings=halvings,
        n_boot=n_boot,
        rng=generator,
        notes=say([*judged.notes, *others.notes]),
    )


def _n_halvings(calibrate: int) -> int:
    if calibrate is True:
        return N_HALVINGS
    given: object = calibrate
    if not isinstance(given, int) or given < 0:
        msg = f"calibrate={calibrate!r} should be True, False or a number of halvings."
        raise DataError(msg)
    return int(calibrate)
