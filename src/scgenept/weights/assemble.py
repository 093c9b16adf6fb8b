"""From named tensors to a network, with every tensor accounted for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .._errors import CheckpointError, listing
from ..nn import LanguageSource, Network, NetworkConfig
from ..nn.unfilled import unfilled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

_LAYER = re.compile(r"body\.layers\.(\d+)\.")
_TABLE = re.compile(r"genes\.languages\.(.+)\.table\.weight")


def infer_config(
    tensors: Mapping[str, Tensor],
    *,
    n_tokens: int,
    pad_id: int,
    n_heads: int,
    source: object,
    named: Callable[[str], str] = str,
) -> NetworkConfig:
    """Read everything but the number of heads off the shapes of the tensors.

    Parameters
    ----------
    tensors
        By our names.
    n_tokens, pad_id
        Size of the vocabulary and its padding row.
    n_heads
        Number of attention heads, which no shape tells.
    source, named
        Where the tensors come from, and what they are called there, for error messages.
    """
    layers = [int(found[1]) for key in tensors if (found := _LAYER.match(key))]
    norm = tensors.get("body.layers.0.norm1.weight")
    hidden = tensors.get("body.layers.0.linear1.weight")
    if norm is None or hidden is None:
        msg = (
            f"{source} holds no transformer layer: it is not a scGPT or scGenePT checkpoint. "
            f"Its tensors: {listing(map(named, tensors)) or 'none'}."
        )
        raise CheckpointError(msg)
    languages = tuple(
        LanguageSource(found[1], tensor.shape[-1]) for key, tensor in tensors.items() if (found := _TABLE.match(key))
    )
    d_model = norm.shape[0]
    if d_model % n_heads:
        msg = f"{source} is {d_model} wide, which {n_heads} attention heads do not divide: pass the right n_heads=."
        raise CheckpointError(msg)
    return NetworkConfig(
        n_tokens=n_tokens,
        pad_id=pad_id,
        d_model=d_model,
        n_heads=n_heads,
        d_hidden=hidden.shape[0],
        n_layers=max(layers) + 1,
        tokens="genes.token_table.weight" in tensors,
        counts="body.value_encoder.linear1.weight" in tensors,
        languages=languages,
        norm_sum="body.norm.weight" in tensors,
        decoder="affine" if any(key.startswith("body.decoder.slope.") for key in tensors) else "direct",
    )


def build_network(
    config: NetworkConfig,
    tensors: Mapping[str, Tensor],
    *,
    source: object,
    fresh: Iterable[str] = (),
    left_over: Iterable[str] = (),
    named: Callable[[str], str] = str,
    seed: int = 0,
) -> Network:
    """Put tensors into a new network without copying the large ones.

    Parameters
    ----------
    config
        What to build.
    tensors
        By our names. Gene tables keep their type and their memory map; the rest becomes float32.
    source, named
        Where the tensors come from, and what they are called there, for error messages.
    fresh
        Prefixes of our names that may be missing and then start with seeded random weights.
    left_over
        Names in the source that nothing was made of; any is an error.
    seed
        For what is fresh.

    Raises
    ------
    CheckpointError
        A tensor is missing, misshapen or has no place; all are counted and five are named.
    """
    with unfilled():
        network = Network(config)
    expected = network.state_dict()
    started = dict(tensors)
    missing = [name for name in expected if name not in tensors]
    may_be_fresh = tuple(fresh)
    if absent := [name for name in missing if name.startswith(may_be_fresh)] if may_be_fresh else []:
        random = Network.initialised(_without_tables(config), seed).state_dict()
        started |= {name: random[name] for name in absent}
    problems = {
        "missing": [named(name) for name in expected if name not in started],
        "of the wrong shape": [
            f"{named(name)} {tuple(started[name].shape)}, expected {tuple(tensor.shape)}"
            for name, tensor in expected.items()
            if name in started and started[name].shape != tensor.shape
        ],
        "without a place": [*left_over, *(named(name) for name in tensors if name not in expected)],
    }
    if any(problems.values()):
        found = "; ".join(f"{len(names)} {what}: {listing(names)}" for what, names in problems.items() if names)
        msg = f"{source} does not fit a {describe(config)}. Tensors {found}."
        raise CheckpointError(msg)
    network.load_state_dict({name: _as_float32(name, started[name]) for name in expected}, assign=True)
    return network.eval()


def describe(config: NetworkConfig) -> str:
    """Say in a few words what a network is made of."""
    inputs = [*(["tokens"] if config.tokens else []), *(["counts"] if config.counts else [])]
    inputs += [f"{source.name} text ({source.width} wide)" for source in config.languages]
    return (
        f"network of {config.n_layers} layers, {config.d_model} wide, {config.n_tokens:,} genes, "
        f"fed with {' + '.join(inputs) or 'perturbation flags only'}, {config.decoder} decoder"
    )


def _as_float32(name: str, tensor: Tensor) -> Tensor:
    is_table = name.endswith("table.weight")
    return tensor if is_table and tensor.dtype.is_floating_point else tensor.float()


def _without_tables(config: NetworkConfig) -> NetworkConfig:
    from dataclasses import replace

    return replace(config, n_tokens=1, pad_id=0, languages=())
