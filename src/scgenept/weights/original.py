"""Read what scGPT and scGenePT wrote: a scGPT folder, or a checkpoint with its ``vocab.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import CheckpointError, listing
from ..genes.vocabulary import Vocabulary
from .adapters import PRETRAINING_PREFIXES, UNUSED_PREFIXES, names_in_original, to_ours
from .assemble import build_network, infer_config
from .card import Card
from .json_file import read_json
from .model import ScGenePT
from .pickles import load_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

SCGPT_FILES = ("best_model.pt", "args.json", "vocab.json")
SPECIAL_TOKENS = ("<pad>", "<cls>", "<eoc>")
"""Appended to a vocabulary that lacks them, as the original does before it builds its network."""


def is_scgpt_folder(path: Path) -> bool:
    """Whether a folder looks like a pretrained scGPT model."""
    return path.is_dir() and (path / SCGPT_FILES[0]).exists() and not (path / "model.safetensors").exists()


def read_scgpt_folder(path: Path, *, genes: Sequence[str] | None = None) -> ScGenePT:
    """Read a pretrained scGPT model: ``best_model.pt``, ``args.json``, ``vocab.json``.

    Flags and decoder start fresh, so the model has to be fine-tuned before it predicts anything.
    """
    if absent := [name for name in SCGPT_FILES if not (path / name).is_file()]:
        msg = f"{path} is not a whole scGPT folder: {listing(absent)} missing. It needs {', '.join(SCGPT_FILES)}."
        raise CheckpointError(msg)
    settings = read_json(path / "args.json")
    if not isinstance(heads := settings.get("nheads", 8), int) or heads < 1:
        msg = f"{path / 'args.json'} names nheads={heads!r}, which is no number of attention heads: copy it again."
        raise CheckpointError(msg)
    return read_checkpoint(
        path / "best_model.pt",
        vocabulary=Vocabulary.from_json(path / "vocab.json"),
        genes=genes,
        n_heads=heads,
        card=Card(name="scgpt", variant="scgpt", fine_tuned=False),
    )


def read_checkpoint(
    path: Path,
    *,
    vocabulary: Vocabulary,
    genes: Sequence[str] | None = None,
    n_heads: int = 8,
    card: Card | None = None,
    languages: Sequence[str] = (),
) -> ScGenePT:
    """Read a checkpoint of scGPT or scGenePT of any size, in either key form.

    Parameters
    ----------
    path
        The ``.pt`` file.
    vocabulary
        Names of the token rows.
    genes
        The genes the model was trained on, in their order.
    n_heads
        Attention heads.
    card
        What is known about the model.
    languages
        Names of its language sources, where known.
    """
    state = load_state_dict(path)
    tensors, left_over = to_ours(state, languages)
    named = names_in_original(languages)
    foundation = "body.flag_embedding.weight" not in tensors
    dropped = (*UNUSED_PREFIXES, *PRETRAINING_PREFIXES) if foundation else UNUSED_PREFIXES
    left_over = [name for name in left_over if not name.removeprefix("module.").startswith(dropped)]
    if foundation:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("body.decoder.")}
    vocabulary = vocabulary.with_specials(SPECIAL_TOKENS)
    _check_vocabulary(tensors, vocabulary, path)
    config = infer_config(
        tensors, n_tokens=len(vocabulary), pad_id=vocabulary.pad_id, n_heads=n_heads, source=path, named=named
    )
    if foundation:
        from dataclasses import replace

        config = replace(config, norm_sum=True)
    network = build_network(
        config,
        tensors,
        source=path,
        left_over=left_over,
        named=named,
        fresh=("body.flag_embedding.", "body.norm.", "body.decoder.") if foundation else (),
    )
    from dataclasses import replace

    card = card or Card(name=path.stem)
    return ScGenePT(network, vocabulary, replace(card, fine_tuned=not foundation), genes=genes)


def _check_vocabulary(tensors: Mapping[str, Tensor], vocabulary: Vocabulary, path: Path) -> None:
    for name, tensor in tensors.items():
        if name.endswith("table.weight") and tensor.shape[0] != len(vocabulary):
            msg = (
                f"{path} is of {tensor.shape[0]:,} tokens, but the vocabulary names {len(vocabulary):,} (with "
                f"{', '.join(SPECIAL_TOKENS)}). Pass the vocab.json that belongs to this checkpoint."
            )
            raise CheckpointError(msg)
