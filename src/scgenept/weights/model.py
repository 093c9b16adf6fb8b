"""ScGenePT: a network with its vocabulary and its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .digest import require_sha256, tensors_sha256
from .gene_set import CompiledGenes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from ..genes.vocabulary import Vocabulary
    from ..nn import Network
    from .adapters import KeyForm
    from .calibration import Calibration
    from .card import Card
    from .gene_set import GeneSet


class ScGenePT:
    """A perturbation model: what :func:`scgenept.models.load` returns and predictions are made with.

    Parameters
    ----------
    network
        A :class:`torch.nn.Module`; ``network(token_ids, values, perturbation_flags, padding_mask=None)``
        is the stable low level.
    vocabulary
        Names of the rows of the network's gene tables.
    card
        What the model is and how far to trust it.
    genes
        The genes it was trained on, in their order, where known.
    control_mean
        Mean expression of the training controls by gene, log1p of counts per 1e4, where known;
        new data are compared with it.
    calibration
        Errors on held-out perturbations, where :func:`scgenept.tl.calibrate` measured them.

    Examples
    --------
    >>> import scgenept as sgp
    >>> model = sgp.models.load("scgenept-mini")
    >>> model.card.modality
    'CRISPRa'
    """

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        card: Card,
        *,
        genes: Sequence[str] | None = None,
        control_mean: Mapping[str, float] | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.card = card
        self.genes = None if genes is None else tuple(genes)
        self.control_mean = dict(control_mean or {})
        self.calibration = calibration
        self._loaded = _state(network)
        self._hashed: tuple[tuple[tuple[int, int], ...], str] | None = None
        self._compiled = CompiledGenes()
        self._unchecked: Mapping[str, Tensor] | None = None

    @property
    def name(self) -> str:
        """Name on the card."""
        return self.card.name

    @property
    def weight_hash(self) -> str:
        """SHA-256 over all tensors, from the card of a loaded model, computed where there is none or they changed.

        Raises
        ------
        CheckpointError
            The file that was loaded does not hold the weights that its card names. A large file is read for that when
            it is first asked for.
        """
        state = _state(self.network)
        if self.card.weights_sha256 and state == self._loaded:
            if self._unchecked is not None:
                require_sha256(self._unchecked, self.card.weights_sha256, self.name)
                self._unchecked = None
            return self.card.weights_sha256
        if self._hashed is None or self._hashed[0] != state:
            self._hashed = (state, tensors_sha256(self.network.state_dict()))
        return self._hashed[1]

    def _check_later(self, tensors: Mapping[str, Tensor]) -> None:
        """Compare tensors, as they are stored, with the hash on the card when that hash is first used."""
        self._unchecked = tensors

    def gene_set(self, names: Sequence[str]) -> GeneSet:
        """Compile a list of genes; the same list is compiled once as long as the gene tables do not change.

        What is written through ``tensor.data`` torch does not count: write to the parameters under ``torch.no_grad()``.
        """
        return self._compiled.get(self, tuple(names), _state(self.network.genes))

    def save(self, path: str | Path, *, half: bool = False, overwrite: bool = False) -> Path:
        """Write the model as a folder: ``model.safetensors``, ``config.json``, ``genes.tsv``, ``card.json``.

        A calibrated one has ``calibration.safetensors`` too.

        Parameters
        ----------
        path
            The folder to make. It appears complete or not at all.
        half
            Store float16: half the size, about three decimal digits.
        overwrite
            Replace a model folder that is there, calibrated or not; one that holds anything else is never replaced.

        Returns
        -------
        The folder.

        Raises
        ------
        CheckpointError
            Something is there that is not to be replaced; the message names it.
        """
        from .folder import save_folder

        return save_folder(self, path, half=half, overwrite=overwrite)

    def export(self, path: str | Path, *, form: KeyForm = "native", overwrite: bool = False) -> Path:
        """Write a checkpoint that the original scGenePT code loads with ``strict=True``.

        Parameters
        ----------
        path
            The ``.pt`` file to write.
        form
            ``"native"`` for torch's names of the attention weights, ``"flash"`` for flash-attention's.
        overwrite
            Replace a file that is there.

        Returns
        -------
        The file.
        """
        from .folder import export_original

        return export_original(self, path, form=form, overwrite=overwrite)

    def __repr__(self) -> str:
        from .assemble import describe

        n_parameters = sum(tensor.numel() for tensor in self.network.parameters())
        return (
            f"ScGenePT {self.name!r}: {describe(self.network.config)}; {n_parameters:,} parameters; "
            f"trained on {self.card.dataset or 'unknown data'} ({self.card.modality}, {self.card.cell_type})"
        )


def _state(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """Return where the tensors of a module lie, which ``module.float()`` changes, and how often each was written to."""
    return tuple((tensor.data_ptr(), tensor._version) for tensor in module.parameters())
