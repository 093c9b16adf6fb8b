"""models.load: a model by name or path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._arguments import require_path
from .._errors import CheckpointError, DownloadError, UnknownNameError, listing, near_names
from .._settings import settings
from ..genes.vocabulary import Vocabulary
from ..nn import VARIANTS
from ..registry import fetch
from ..weights.folder import RUN_MODEL, is_folder, load_folder
from ..weights.original import is_scgpt_folder, read_checkpoint, read_scgpt_folder
from ._catalog import MINI, PRETRAINED, catalog, mini_folder, official_card

if TYPE_CHECKING:
    import os

    from ..weights.model import ScGenePT
    from ._catalog import Known


def load(name_or_path: str | os.PathLike[str], dataset: str | None = None) -> ScGenePT:
    """Load a model.

    Parameters
    ----------
    name_or_path
        A name of :func:`scgenept.models.available` (``"scgenept_go_c"``, ``"scgenept_go_c:norman"``,
        ``"scgenept-mini"``) or the path of a folder written by :meth:`ScGenePT.save`. Official models are
        downloaded once, with their vocabulary; no embedding file is needed. A folder that
        :func:`scgenept.tl.finetune` kept its run in counts as the model in it.
    dataset
        The data set an official model was fine-tuned on: ``"norman"`` or ``"adamson"``.

    Returns
    -------
    The model.

    Raises
    ------
    UnknownNameError
        There is no such model.
    DownloadError
        Its files cannot be fetched.
    CheckpointError
        The folder is not a whole model.

    Examples
    --------
    >>> import scgenept as sgp
    >>> sgp.models.load("scgenept-mini").card.cell_type
    'K562'
    """
    require_path("name_or_path", name_or_path, what="the name of a model or the path of its folder")
    path = Path(name_or_path).expanduser()
    if is_folder(path / RUN_MODEL):
        return load_folder(path / RUN_MODEL)
    if is_folder(path):
        return load_folder(path)
    if is_scgpt_folder(path):
        return read_scgpt_folder(path)
    text = str(name_or_path)
    if (text and path.exists()) or path.suffix or len(path.parts) > 1:
        what = "holds no model" if path.is_dir() else "is no model folder" if path.exists() else "does not exist"
        msg = f"{path} {what}. For a .pt file use scgenept.models.from_checkpoint(path, vocab=...)."
        raise CheckpointError(msg)
    name, _, of_name = text.partition(":")
    if dataset and of_name and dataset != of_name:
        msg = f"{text} names the data set {of_name!r} and dataset= names {dataset!r}: give one of them."
        raise UnknownNameError(msg)
    return _load_known(_find(name, dataset or of_name or None))


def load_pretrained() -> ScGenePT:
    """Load pretrained scGPT, downloading it once.

    Returns
    -------
    scGPT whole-human, to be fine-tuned; it predicts nothing by itself.

    Raises
    ------
    DownloadError
        Its files cannot be fetched.
    """
    checkpoint = fetch(f"{PRETRAINED}/best_model.pt")
    for name in ("args.json", "vocab.json"):
        fetch(f"{PRETRAINED}/{name}")
    return read_scgpt_folder(checkpoint.parent)


def load_default() -> ScGenePT:
    """Load ``settings.default_model``, or say what to do where it cannot be fetched.

    Returns
    -------
    The model that :func:`scgenept.tl.predict_perturbation` takes where none is given.

    Raises
    ------
    DownloadError
        It is not in the cache and cannot be fetched. No other model is taken in its place.
    """
    try:
        return load(settings.default_model)
    except DownloadError as error:
        msg = (
            f"The default model {settings.default_model!r} cannot be fetched: {error}\n"
            f"Without a network, pass model={MINI!r}: a small model in the package, made for trying things out."
        )
        raise DownloadError(msg) from error


def _baseline_of_that_name(name: str) -> str:
    from ..evaluation.baselines import CATALOG

    if name not in CATALOG:
        return ""
    return f" It is a baseline, which predicts means and no cells: scgenept.models.baselines.load({name!r})."


def _find(name: str, dataset: str | None) -> Known:
    of_name = [known for known in catalog() if known.name == name]
    if not of_name:
        names = sorted({known.name for known in catalog()})
        what = near_names(name, names) or _baseline_of_that_name(name)
        msg = f"There is no model {name!r}.{what} Known: {listing(names, first=20)}; or give a path."
        raise UnknownNameError(msg)
    datasets = [known.dataset for known in of_name]
    if dataset is None and len(of_name) > 1:
        msg = f"{name} was fine-tuned on several data sets: pass dataset= one of {', '.join(datasets)}."
        raise UnknownNameError(msg)
    if dataset is not None and dataset not in datasets:
        msg = f"{name} was not fine-tuned on {dataset!r}, but on {', '.join(datasets)}."
        raise UnknownNameError(msg)
    return next(known for known in of_name if dataset in {None, known.dataset})


def _load_known(known: Known) -> ScGenePT:
    if known.entry is None:
        return load_folder(mini_folder())
    checkpoint = fetch(known.entry.name)
    vocabulary = Vocabulary.from_json(fetch("scgpt/vocab.json"))
    return read_checkpoint(
        checkpoint, vocabulary=vocabulary, card=official_card(known), languages=VARIANTS[known.variant].languages
    )
