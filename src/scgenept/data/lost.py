"""Predictions without their record, or records without their prediction: say how that came, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .. import _keys
from .._errors import DataError, listing
from .write import predictions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from anndata import AnnData

NEEDED: Final = ("perturbation", "model", "weight_hash", _keys.INPUT_LAYER)
"""Fields without which nobody knows what a prediction is."""


def lost_record(adata: AnnData, key: str | None = None) -> str:
    """Say, as the tail of a message, that a prediction is there and its record is not; nothing where that is not so.

    Without a ``key`` a layer counts as a prediction if it has an embedding, as every prediction that was written has.
    """
    records = predictions(adata)
    lost = [
        name
        for name in adata.layers
        if name is not None
        and name not in records
        and (name == key or (key is None and _keys.embedding_obsm(name) in adata.obsm))
    ]
    if not lost:
        return ""
    where = listing(f"layers[{name!r}]" for name in lost)
    return (
        f" But {where} {'is' if len(lost) == 1 else 'are'} there: what was predicted, and by which model, stood in "
        f"uns[{_keys.UNS!r}] and is lost. ad.concat drops uns; join the parts with uns_merge='same'. Or predict again "
        "with overwrite=True."
    )


def why_missing(adata: AnnData, key: str | None = None) -> str:
    """Say where a prediction went that is asked for, as the tail of a message; nothing where there never was one."""
    gone = [name for name in predictions(adata) if name not in adata.layers and key in {None, name}]
    if gone and not lost_record(adata, key):
        return (
            f" It was predicted once, but layers[{gone[0]!r}] is gone. In what scgenept.get.predicted returns it is X: "
            "pass the AnnData that was predicted."
        )
    return lost_record(adata, key)


def require_identity(key: str, record: Mapping[str, Any]) -> None:
    """Refuse a record that lost what its parts did not share.

    Raises
    ------
    DataError
        It did.
    """
    if missing := [name for name in NEEDED if name not in record]:
        msg = (
            f"The record of the prediction {key!r} has no {listing(missing)}. ad.concat keeps only what is the same in "
            "all parts, so these were predicted in different ways: read them one by one, or predict again."
        )
        raise DataError(msg)
