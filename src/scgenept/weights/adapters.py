"""Tensor names of scGPT and scGenePT checkpoints, as data, and the way to ours and back.

A released file may carry torch's names (``self_attn.in_proj_weight``) or flash-attention's
(``self_attn.Wqkv.weight``); both hold the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor

    from ..nn import NetworkConfig

KeyForm: TypeAlias = Literal["native", "flash"]

# ours <- theirs; the longest matching prefix wins, so order does not matter
_PREFIXES: Final = {
    "genes.token_table.": "encoder.embedding.",
    "genes.token_norm.": "encoder.enc_norm.",
    "body.value_encoder.": "value_encoder.",
    "body.flag_embedding.": "pert_encoder.",
    "body.norm.": "ln.",
    "body.layers.": "transformer_encoder.layers.",
    "body.decoder.value.": "decoder.fc.",
    "body.decoder.slope.": "decoder.coeff_decoder.fc.",
    "body.decoder.offset.": "decoder.bias_decoder.fc.",
}
_LAYER_PARTS: Final[dict[KeyForm, dict[str, str]]] = {
    "native": {
        ".attention.qkv.weight": ".self_attn.in_proj_weight",
        ".attention.qkv.bias": ".self_attn.in_proj_bias",
        ".attention.out.": ".self_attn.out_proj.",
    },
    "flash": {
        ".attention.qkv.weight": ".self_attn.Wqkv.weight",
        ".attention.qkv.bias": ".self_attn.Wqkv.bias",
        ".attention.out.": ".self_attn.out_proj.",
    },
}
_LANGUAGE_PARTS: Final = {
    "genept_encoder": {"table": "embedding", "projection": "proj_layer", "norm": "enc_norm"},
    "gopt_encoder": {"table": "embedding", "projection": "fc", "norm": "enc_norm"},
}
# The original keeps GO-all under the name of GO-F, and NCBI and NCBI+UniProt under one name.
_SOURCE_SLOTS: Final = {
    "genept": "genept_encoder",
    "ncbi": "genept_encoder",
    "ncbi+uniprot": "genept_encoder",
    "go_f": "gopt_encoder_f",
    "go_c": "gopt_encoder_c",
    "go_p": "gopt_encoder_p",
    "go_all": "gopt_encoder_f",
}
_SLOT_SOURCES: Final = {
    "genept_encoder": "genept",
    "gopt_encoder_f": "go_f",
    "gopt_encoder_c": "go_c",
    "gopt_encoder_p": "go_p",
}
UNUSED_PREFIXES: Final = ("cls_decoder.",)
"""Built and saved by the original, never used in a forward pass: accepted, dropped, written on export."""

PRETRAINING_PREFIXES: Final = ("mvc_decoder.", "flag_encoder.", "batch_encoder.", "bn.", "dsbn.", "sim.")
"""Heads of scGPT's pretraining that perturbation prediction has no place for."""


def to_ours(state: Mapping[str, Tensor], languages: Iterable[str] = ()) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the tensors of a scGPT or scGenePT checkpoint.

    Parameters
    ----------
    state
        Tensors by their original names, in either key form.
    languages
        Names to give to the language sources (such as ``"go_all"``), where the caller knows them;
        the file alone cannot tell ``go_all`` from ``go_f``, nor ``ncbi`` from ``ncbi+uniprot``.

    Returns
    -------
    Tensors by our names, and the original names that have no place in our network.
    """
    rules = _rules({**_SLOT_SOURCES, **{_slot(name): name for name in languages}})
    ours: dict[str, Tensor] = {}
    left_over: list[str] = []
    for key, tensor in state.items():
        name = _rename(key.removeprefix("module."), rules)
        if name is None:
            left_over.append(key)
        else:
            ours[name] = tensor
    return ours, left_over


def to_original(state: Mapping[str, Tensor], config: NetworkConfig, form: KeyForm = "native") -> dict[str, Tensor]:
    """Rename our tensors to the original's names, complete enough for its ``load_state_dict(strict=True)``.

    Language tables become float64 as there, and the classifier head that the original never uses is
    filled with zeros.
    """
    rules = _back({_slot(source.name): source.name for source in config.languages})
    original: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = _their_name(key, rules, form)
        if name is None:
            msg = f"Tensor {key} has no name in the original's checkpoints."
            raise KeyError(msg)
        original[name] = tensor.double() if key.endswith(".table.weight") else tensor.float()
    return original | _unused_head(config.d_model)


def names_in_original(languages: Iterable[str] = ()) -> Callable[[str], str]:
    """Return a function from our name of a tensor to the one in the original's checkpoints, for messages."""
    rules = _back({**_SLOT_SOURCES, **{_slot(name): name for name in languages}})
    return lambda name: _their_name(name, rules, "native") or name


def in_one_place(languages: Sequence[str]) -> list[str]:
    """Return those texts that the original has one and the same place for, or none."""
    places = [_slot(name) for name in languages]
    return [name for name, place in zip(languages, places, strict=True) if places.count(place) > 1]


def _back(sources: Mapping[str, str]) -> dict[str, str]:
    """Map our prefixes to the original's."""
    return {ours: theirs for theirs, ours in _rules(sources).items()}


def _their_name(key: str, rules: Mapping[str, str], form: KeyForm) -> str | None:
    if (name := _rename(key, rules)) is None:
        return None
    for ours, theirs in _LAYER_PARTS[form].items() if key.startswith("body.layers.") else ():
        name = name.replace(ours, theirs)
    return name


def _rules(sources: Mapping[str, str]) -> dict[str, str]:
    """Map original prefixes to ours, for language slots that are known by the given names."""
    rules = {theirs: ours for ours, theirs in _PREFIXES.items()}
    for slot, source in sources.items():
        for ours, theirs in _LANGUAGE_PARTS[slot if slot == "genept_encoder" else "gopt_encoder"].items():
            rules[f"{slot}.{theirs}."] = f"genes.languages.{source}.{ours}."
    return rules


def _rename(key: str, rules: Mapping[str, str]) -> str | None:
    for old, new in rules.items():
        if key.startswith(old):
            name = new + key.removeprefix(old)
            for parts in _LAYER_PARTS.values() if new == "body.layers." else ():
                for ours, theirs in parts.items():
                    name = name.replace(theirs, ours)
            return name
    return None


def _slot(source: str) -> str:
    """Return the attribute of the original network that holds a language source."""
    name = source.removesuffix("_avg")
    return _SOURCE_SLOTS.get(name, "genept_encoder")


def _unused_head(d_model: int) -> dict[str, Tensor]:
    head: dict[str, Tensor] = {}
    for linear, norm in ((0, 2), (3, 5)):
        head[f"cls_decoder._decoder.{linear}.weight"] = torch.zeros(d_model, d_model)
        head[f"cls_decoder._decoder.{linear}.bias"] = torch.zeros(d_model)
        head[f"cls_decoder._decoder.{norm}.weight"] = torch.ones(d_model)
        head[f"cls_decoder._decoder.{norm}.bias"] = torch.zeros(d_model)
    head["cls_decoder.out_layer.weight"] = torch.zeros(1, d_model)
    head["cls_decoder.out_layer.bias"] = torch.zeros(1)
    return head
