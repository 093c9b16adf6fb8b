"""The model card: what a model is, what it was trained on, how far it can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from .._arguments import shown
from .._errors import CheckpointError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS = ("caveats", "metrics", "calibration")


@dataclass(frozen=True)
class Card:
    """Facts about a model that travel with its weights, as ``card.json``.

    Attributes
    ----------
    name, variant, dataset
        Which model this is.
    modality, cell_type
        How perturbations acted in the training data and in which cells; shown with each prediction.
    token_mapping
        ``"v1"``: exact symbols only, unmatched genes share the ``<pad>`` row, as the original trained;
        ``"alias"``: symbols, then aliases, then Ensembl ids.
    fine_tuned
        False for pretrained weights whose decoder never saw a perturbation.
    licence, acceptable_use, citation
        Terms and reference.
    intended_use, out_of_scope, caveats
        What the model is for, what not, and what is known to be wrong with it.
    training
        Data hash, perturbations by part, those of earlier trainings (``train_before``), seed and plan.
    metrics
        Measured test scores beside baselines, one row per perturbation or stratum and predictor.
    calibration
        Split-conformal quantiles, one row per stratum and level, as :func:`scgenept.tl.calibrate` measured them; empty
        for a model that is not calibrated.
    weights_sha256
        Hash over all tensors; empty until the model is saved.
    """

    name: str
    variant: str = ""
    dataset: str = ""
    modality: str = "unknown"
    cell_type: str = "unknown"
    token_mapping: Literal["v1", "alias"] = "v1"
    fine_tuned: bool = True
    licence: str = ""
    acceptable_use: str = ""
    citation: str = ""
    intended_use: str = ""
    out_of_scope: str = ""
    caveats: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[dict[str, Any], ...] = ()
    calibration: tuple[dict[str, Any], ...] = ()
    weights_sha256: str = ""

    @property
    def perturbed_genes(self) -> frozenset[str] | None:
        """Genes that were perturbed in any training of the weights; ``None`` where the card does not list them all."""
        if self.training.get("train") is None or self.training.get("train_before", ()) is None:
            return None
        return frozenset(gene for label in self.trained_on for gene in label.split("+"))

    @property
    def trained_on(self) -> frozenset[str]:
        """Perturbations that the weights learned from, in this training or an earlier one, as far as the card knows."""
        return frozenset(str(label) for key in ("train", "train_before") for label in self.training.get(key) or ())

    def covers(self, modality: str) -> bool:
        """Whether cells perturbed in this way were among those trained on, as far as both are known."""
        trained = set(self.modality.split(", "))
        return modality in trained or bool({modality, *trained} & {"", "unknown"})

    def to_dict(self) -> dict[str, Any]:
        """Return plain, JSON-able values; :meth:`from_dict` is the way back."""
        return asdict(self) | {name: list(getattr(self, name)) for name in _LISTS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: object = "card.json") -> Card:
        """Build a card from what :meth:`to_dict` returned; ``source`` is what error messages name."""
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(values) - known):
            msg = f"{source} has fields that this version does not know: {listing(unknown)}. Update scgenept."
            raise CheckpointError(msg)
        if "name" not in values:
            msg = f"{source} does not name its model: copy or save the model again."
            raise CheckpointError(msg)
        kinds: dict[str, Any] = {"training": dict, **dict.fromkeys(_LISTS, list | tuple)}
        for name, value in values.items():
            if not isinstance(value, kinds.get(name, str | bool)):
                msg = f"{source} is damaged at {name!r}, which is {shown(value)}: copy or save the model again."
                raise CheckpointError(msg)
        return cls(**{**values, **{name: tuple(values.get(name, ())) for name in _LISTS}})
