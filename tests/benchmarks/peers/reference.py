"""The original itself, from a checkout of its repository whose path is in ``SCGENEPT_REFERENCE``.

Its packages have to be installed: scgpt 0.2.4, cell-gears, torch-geometric, matplotlib. torchtext, which no longer
installs beside current torch, and datasets are imported there and not used for the network: where they are missing,
empty classes stand in for them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from scgenept.weights.adapters import to_original

if TYPE_CHECKING:
    from scgenept.nn import Network

VARIABLE = "SCGENEPT_REFERENCE"
UNUSED = {"torchtext": ("torchtext", "torchtext.vocab", "torchtext._torchtext"), "datasets": ("datasets",)}


class ReferenceMissingError(RuntimeError):
    """The original cannot be timed here; the message says why."""


def load_reference(network: Network) -> Any:
    """Return the original's network of GO-C texts with the weights of ours, in evaluation mode.

    Raises
    ------
    ReferenceMissingError
        No checkout is named, or it cannot be imported.
    """
    if not (folder := os.environ.get(VARIABLE)):
        msg = f"{VARIABLE} names no checkout"
        raise ReferenceMissingError(msg)
    config = network.config
    with contextlib.redirect_stdout(io.StringIO()):
        model = _class_of(Path(folder))(
            ntoken=config.n_tokens,
            d_model=config.d_model,
            nhead=config.n_heads,
            d_hid=config.d_hidden,
            nlayers=config.n_layers,
            nlayers_cls=3,
            n_cls=1,
            vocab={"<pad>": config.pad_id},
            n_perturbagens=2,
            dropout=config.dropout,
            embs_to_include=["scGPT_counts_embs", "scGPT_token_embs", "GO_token_embs_gpt_concat"],
            go_emb_type="c",
            go_embs_to_include={"c": torch.zeros(config.n_tokens, config.languages[0].width).double().numpy()},
            go_emb_size=config.languages[0].width,
        )
    model.load_state_dict(to_original(network.state_dict(), config), strict=True)
    return model.eval()


@torch.no_grad()
def predict_one(model: Any, tokens: torch.Tensor, values: torch.Tensor, flags: torch.Tensor) -> torch.Tensor:
    """Predict cells one per forward pass, as ``pred_perturb_from_ctrl`` does."""
    mask = torch.zeros(1, len(tokens), dtype=torch.bool)
    return torch.cat(
        [model(tokens[None], cell[None], flags[None], src_key_padding_mask=mask)["mlm_output"] for cell in values]
    )


def _class_of(folder: Path) -> Any:
    if not (folder / "models" / "scGenePT.py").is_file():
        msg = f"{folder} holds no models/scGenePT.py"
        raise ReferenceMissingError(msg)
    _stand_in_for_unused()
    sys.path.insert(0, str(folder))
    try:
        from models.scGenePT import scGenePT  # type: ignore[import-not-found]
    except Exception as error:  # whatever code of another time raises is the reason
        msg = f"the original cannot be imported: {type(error).__name__}: {error}"
        raise ReferenceMissingError(msg) from error
    return scGenePT


def _stand_in_for_unused() -> None:
    """Put empty classes in the place of packages that are imported and not used here, where they are missing."""
    for package, names in UNUSED.items():
        if importlib.util.find_spec(package) is None:
            for name in names:
                module = types.ModuleType(name)
                module.__getattr__ = _empty_class  # type: ignore[method-assign]
                module.__path__ = []
                sys.modules[name] = module


def _empty_class(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})
