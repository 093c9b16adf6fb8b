"""Errors of a model on perturbations that were held out: what its conformal intervals are made from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .._errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_FACTS: Final = "calibration"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Standardised errors of a model on held-out perturbations, gene by gene; :func:`scgenept.tl.calibrate` makes it.

    Attributes
    ----------
    scores
        ``|observed mean - predicted mean| / scale``, perturbations x genes, float32
        (``scgenept.evaluation.uncertainty.conformal.scale``).
    spread
        Standard deviation over control cells, (genes,), log1p of counts per 1e4, float32.
    genes
        Names of the columns.
    perturbations, strata
        Name and stratum of each row.
    seen
        Genes that were perturbed in training: what the stratum of a new perturbation follows from.
    weights_sha256
        Hash of the weights that were calibrated.
    modality, cell_type
        Of the cells that the errors were measured on.
    """

    scores: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    genes: tuple[str, ...]
    perturbations: tuple[str, ...]
    strata: tuple[str, ...]
    seen: tuple[str, ...]
    weights_sha256: str
    modality: str = "unknown"
    cell_type: str = "unknown"

    def __repr__(self) -> str:
        return f"Calibration: {len(self.perturbations)} perturbations x {len(self.genes):,} genes"


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the arrays as safetensors, the names in its header."""
    facts = {
        name: getattr(calibration, name)
        for name in ("genes", "perturbations", "strata", "seen", "weights_sha256", "modality", "cell_type")
    }
    tensors = {
        name: np.ascontiguousarray(getattr(calibration, name), dtype=np.float32) for name in ("scores", "spread")
    }
    save_file(tensors, path, metadata={_FACTS: json.dumps(facts)})


def read_calibration(path: Path) -> Calibration:
    """Read what :func:`write_calibration` wrote.

    Raises
    ------
    CheckpointError
        The file is damaged, or holds something else.
    """
    try:
        with safe_open(path, framework="numpy") as stored:
            facts: dict[str, Any] = json.loads((stored.metadata() or {})[_FACTS])
            scores, spread = (stored.get_tensor(name) for name in ("scores", "spread"))
        facts |= {name: tuple(facts[name]) for name in ("genes", "perturbations", "strata", "seen")}
        calibration = Calibration(scores=scores, spread=spread, **facts)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        msg = f"{path} is not a calibration ({error}). Delete it and run scgenept.tl.calibrate again."
        raise CheckpointError(msg) from error
    n_rows, n_genes = len(calibration.perturbations), len(calibration.genes)
    shapes = (scores.shape, spread.shape, len(calibration.strata))
    if shapes != ((n_rows, n_genes), (n_genes,), n_rows):
        msg = f"{path} has arrays of other sizes than it has names. Delete it and run scgenept.tl.calibrate again."
        raise CheckpointError(msg)
    return calibration
