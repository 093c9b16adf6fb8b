"""The record of how the perturbations of an AnnData are set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal, cast, overload

from .. import _keys
from .._errors import DataError, listing
from .records import read_record

if TYPE_CHECKING:
    from anndata import AnnData

    from .._types import Modality


@dataclass(frozen=True)
class Setup:
    """What :func:`scgenept.pp.setup_perturbations` wrote, and what it was told.

    Attributes
    ----------
    perturbation_key
        Column of ``obs`` with the canonical perturbation of each cell.
    is_control_key
        Column of ``obs`` with one boolean per cell.
    source_key
        Column of ``obs`` with the labels as they came.
    control_label
        Label of control cells in ``source_key``; several are joined by ``", "``.
    modality
        How the perturbation acts on its target.
    cell_type
        The cells perturbed; empty where not told.
    """

    perturbation_key: str
    is_control_key: str
    source_key: str
    control_label: str
    modality: Modality
    cell_type: str

    def to_dict(self) -> dict[str, str]:
        """Return the record as it stands in ``uns``."""
        return asdict(self)


@overload
def read_setup(adata: AnnData, *, missing_ok: Literal[False] = False) -> Setup: ...
@overload
def read_setup(adata: AnnData, *, missing_ok: bool) -> Setup | None: ...


def read_setup(adata: AnnData, *, missing_ok: bool = False) -> Setup | None:
    """Read the setup, as :func:`scgenept.get.setup` documents it."""
    record = read_record(adata, _keys.SETUP)
    if record is None:
        if missing_ok:
            return None
        once = (
            f" obs[{_keys.IS_CONTROL!r}] says that they were: ad.concat drops uns, unless uns_merge='same' is passed."
        )
        msg = (
            f"The perturbations of this AnnData are not set up.{once if _keys.IS_CONTROL in adata.obs else ''} Run "
            "scgenept.pp.setup_perturbations(adata, key=...) with the obs column that names them; columns: "
            f"{listing(adata.obs.columns) or 'none'}."
        )
        raise DataError(msg)
    names = [field.name for field in fields(Setup)]
    if lost := [name for name in names if not isinstance(record, Mapping) or name not in record]:
        msg = f"uns[{_keys.UNS!r}][{_keys.SETUP!r}] lacks {listing(lost)}. Run scgenept.pp.setup_perturbations again."
        raise DataError(msg)
    values = {name: str(record[name]) for name in names}
    modality = cast("Modality", values.pop("modality"))
    found = Setup(**values, modality=modality)
    if gone := [key for key in (found.perturbation_key, found.is_control_key) if key not in adata.obs]:
        msg = (
            f"The setup names obs columns that are gone: {listing(gone)}. Columns: {listing(adata.obs.columns)}. "
            "Run scgenept.pp.setup_perturbations again."
        )
        raise DataError(msg)
    return found
