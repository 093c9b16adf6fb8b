"""models.from_checkpoint: other people's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .._arguments import require_path, require_whole
from .._errors import CheckpointError, DataError
from ..genes.vocabulary import Vocabulary
from ..weights.card import Card
from ..weights.folder import is_folder, load_folder
from ..weights.original import is_scgpt_folder, read_checkpoint, read_scgpt_folder

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from ..weights.model import ScGenePT


def from_checkpoint(
    path: str | os.PathLike[str],
    *,
    vocab: str | os.PathLike[str] | Mapping[str, int] | None = None,
    genes: Sequence[str] | None = None,
    n_heads: int = 8,
) -> ScGenePT:
    """Read a checkpoint of scGPT, scGenePT or this package, of any size.

    Everything but the number of heads follows from the tensors. Both torch's and flash-attention's
    tensor names are read, and nothing in the file is executed.

    Parameters
    ----------
    path
        A ``.pt`` file, a scGPT folder (``best_model.pt``, ``args.json``, ``vocab.json``), or a folder
        written by :meth:`ScGenePT.save`.
    vocab
        ``vocab.json`` or its content, name -> token id. Needed for a ``.pt`` file; folders have their own.
    genes
        The genes the model was trained on, in their order, where you know them.
    n_heads
        Attention heads of a ``.pt`` file.

    Returns
    -------
    The model. A pretrained scGPT has fresh flags and decoder: its card says ``fine_tuned=False``, and
    predictions with it are refused.

    Raises
    ------
    CheckpointError
        The file is not such a checkpoint; unmatched, missing or misshapen tensors are named.
    UnsafePickleError
        The file asks for more than plain tensors; nothing of it ran.
    """
    require_path("path", path, what="the path of a checkpoint")
    source = Path(path).expanduser()
    if is_folder(source):
        return load_folder(source)
    if is_scgpt_folder(source):
        return read_scgpt_folder(source, genes=genes)
    if not source.is_file():
        what = "is neither a checkpoint file nor a model folder" if source.exists() else "does not exist"
        msg = f"{source} {what}. Give a .pt file, a scGPT folder (best_model.pt, args.json, vocab.json) or a saved one."
        raise CheckpointError(msg)
    if vocab is None:
        msg = f"{source} does not name its tokens: pass vocab= with the vocab.json that belongs to it."
        raise CheckpointError(msg)
    require_whole("n_heads", n_heads)
    if not isinstance(vocab, Mapping):
        require_path("vocab", vocab, what="a vocab.json, or name -> token id")
    given: object = genes
    if given is not None and (isinstance(given, str) or not isinstance(given, Iterable) or not _each_once(given)):
        msg = "genes= should be a list of gene names, each once."
        raise DataError(msg)
    vocabulary = Vocabulary.from_mapping(vocab) if isinstance(vocab, Mapping) else Vocabulary.from_json(vocab)
    card = Card(name=source.stem, caveats=("Read from a file without a card: its training data are not known.",))
    return read_checkpoint(source, vocabulary=vocabulary, genes=genes, n_heads=n_heads, card=card)


def _each_once(names: Iterable[object]) -> bool:
    listed = list(names)
    return len(set(listed)) == len(listed)
