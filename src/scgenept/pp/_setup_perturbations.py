"""pp.setup_perturbations: say which cells are perturbed where, once, in words that every other call reads."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError, KeyTakenError, UnknownNameError, listing, near_names
from .._logging import logger
from .._types import Modality
from ..data.cell_lines import contradictions
from ..data.checks import check_shape, check_writable
from ..data.columns import same_values, taken_columns
from ..data.labels import is_canonical, named_controls, parse_labels, says_nothing
from ..data.records import check_records_writable, read_record, write_record
from ..data.setup import Setup
from ..perturbation import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from ..perturbation import Perturbation


def setup_perturbations(  # noqa: PLR0913
    adata: AnnData,
    *,
    key: str,
    control: str | Sequence[str] | None = None,
    modality: Modality = "unknown",
    cell_type: str | None = None,
    separators: str | Sequence[str] | None = None,
    guide_suffix: str | None = None,
    key_added: str | None = None,
    overwrite: bool = False,
    copy: bool = False,
) -> AnnData | None:
    r"""Read the perturbation labels of a data set and write them in canonical form.

    Labels are stripped, split at ``+``, freed of control partners and sorted: ``A+ctrl``, ``ctrl+A`` and ``A`` are one
    perturbation, and so are ``B + A`` and ``A+B``. What can be read in more than one way is refused, never guessed:
    ``A_B`` may be a pair and ``JUN_1`` the first guide of JUN, so ``_`` needs ``separators`` or ``guide_suffix``.

    Parameters
    ----------
    adata
        Cells x genes. May be backed by a file: values are neither read nor written.
    key
        Column of ``obs`` with one label per cell.
    control
        Label, or labels, of unperturbed cells. By default the usual one that occurs: ``ctrl``, ``control``,
        ``non-targeting``, ``NT`` and the like, in any case, except ``CTRL``, which is a gene. Where two of them occur,
        say which are meant.
    modality
        How the perturbation acts on its target.
    cell_type
        The cells perturbed, in your words, such as ``"K562"``.
    separators
        What stands between the genes of a label. By default ``"+"``, and labels that hold ``_`` or another sign that
        no usual gene name has are an error. Given explicitly, anything else belongs to the gene name.
    guide_suffix
        Regular expression of what follows a gene name in a guide label and is dropped: ``r"_\d+"`` for ``JUN_1``.
    key_added
        Column of ``obs`` to write instead of ``perturbation``.
    overwrite
        Replace columns of these names that hold something else. Labels that are replaced by their own canonical form
        (``key`` is the column to write) are kept in a column of the same name with ``_original`` behind.
    copy
        Return a copy, in memory, instead of writing into ``adata``.

    Returns
    -------
    ``None``, or with ``copy=True`` the copy. Written are:

    ``obs["perturbation"]`` (or ``key_added``)
        Canonical name of the perturbation, such as ``CEBPB+FOSB`` or ``ctrl``; categorical.
    ``obs["is_control"]``
        Whether the cell is a control; bool.
    ``obs[key + "_original"]``
        The labels as they came, only where ``key`` itself was overwritten.
    ``uns["scgenept"]["setup"]``
        These names, control label, modality and cell type; read it with :func:`scgenept.get.setup`. The last call is
        the one that counts.

    Raises
    ------
    DataError
        If ``key`` is missing; if cells have no label, or one that says so, such as ``nan``, ``None`` or ``unassigned``;
        if labels are ambiguous or empty; if the control label is unknown;
        if ``adata`` is empty or a view. ``adata`` is then as it was.
    KeyTakenError
        If a column to write holds something else.
    UnknownNameError
        If ``modality`` does not exist.

    Warns
    -----
    UserWarning
        If a column of ``obs`` such as ``cell_line``, ``cell_type`` or ``tissue`` names another cell line than
        ``cell_type`` does.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    >>> adata.obs[["condition", "perturbation", "is_control"]].drop_duplicates().reset_index(drop=True)
         condition perturbation  is_control
    0         ctrl         ctrl        True
    1    KLF1+ctrl         KLF1       False
    2  ctrl+MAP2K6       MAP2K6       False
    3  KLF1+MAP2K6  KLF1+MAP2K6       False
    """
    if not copy:
        check_writable(adata, backed_ok=True)
    _check_modality(modality)
    check_shape(adata.n_obs, adata.n_vars, min_genes=1)
    check_records_writable(adata)
    target = _target(key_added)
    labels = _read_labels(adata, key, named_controls(control) or ())
    ours = read_record(adata, _keys.SETUP)
    ours = ours if isinstance(ours, Mapping) else {}
    # An earlier call wrote these labels: they are canonical, whatever the original ones were.
    own = key == ours.get("perturbation_key") and all(map(is_canonical, labels.names))
    if own:
        control, separators = _for_canonical(labels.names, control, separators)
    parsed = parse_labels(labels.names, control=control, separators=separators, guide_suffix=guide_suffix)
    perturbations = [parsed.perturbations[name] for name in labels.names]

    columns: dict[str, Any] = {
        target: _categorical(perturbations, labels.codes),
        _keys.IS_CONTROL: np.array([perturbation.is_control for perturbation in perturbations])[labels.codes],
    }
    owned = {ours.get("perturbation_key"), ours.get("is_control_key")}
    source, control_label = key, ", ".join(parsed.controls)
    if own:
        source, control_label = ours.get("source_key", key), ours.get("control_label", control_label)
    elif key == target:
        owned.discard(target)
        if not same_values(adata.obs[key], columns[target]):
            source = _keys.original_labels(target)
            columns = {source: adata.obs[key].copy(), **columns}
    _check_free(adata, columns, owned, kept=source if source in columns else None, overwrite=overwrite)

    for contradiction in contradictions(adata.obs, cell_type or ""):
        warnings.warn(contradiction, UserWarning, stacklevel=2)
    written = (adata.to_memory() if adata.isbacked else adata.copy()) if copy else adata
    for name, values in columns.items():
        written.obs[name] = values
    setup = Setup(target, _keys.IS_CONTROL, source, control_label, modality, cell_type or "")
    write_record(written, _keys.SETUP, setup.to_dict())
    _report(labels, perturbations, columns[_keys.IS_CONTROL])
    return written if copy else None


@dataclass(frozen=True, eq=False)
class _Labels:
    """Distinct labels and, per cell, which one it has."""

    names: list[str]
    codes: NDArray[np.intp]


def _check_modality(modality: str) -> None:
    known = get_args(Modality)
    if modality not in known:
        msg = f"modality={modality!r} does not exist: {', '.join(known)}.{near_names(str(modality), known)}"
        raise UnknownNameError(msg)


def _target(key_added: str | None) -> str:
    target = _keys.PERTURBATION if key_added is None else key_added
    if not target or "/" in target or target == _keys.IS_CONTROL:
        msg = f"key_added={target!r} cannot hold labels: it is empty, has '/', or is the column of the controls."
        raise DataError(msg)
    return target


def _read_labels(adata: AnnData, key: str, controls: Sequence[str]) -> _Labels:
    if key not in adata.obs:
        msg = (
            f"obs has no column {key!r}.{near_names(key, map(str, adata.obs.columns))} "
            f"Columns: {listing(adata.obs.columns) or 'none'}."
        )
        raise DataError(msg)
    codes, found = pd.factorize(adata.obs[key])
    _refuse_missing(key, codes, found, controls)
    names = list(found)
    if wrong := [name for name in names if not isinstance(name, str)]:
        msg = f"obs[{key!r}] holds labels that are not strings: {listing(map(repr, wrong))}. Convert it: .astype(str)."
        raise DataError(msg)
    # numpy strings would be shown in messages as np.str_('A_1')
    return _Labels([str(name) for name in names], codes)


def _refuse_missing(key: str, codes: NDArray[np.intp], found: Iterable[object], controls: Sequence[str]) -> None:
    """Refuse cells of which nobody says what was perturbed: no value, or a word that stands for none."""
    counts = {
        str(name): int((codes == code).sum())
        for code, name in enumerate(found)
        if isinstance(name, str) and says_nothing(name) and name.strip() not in controls
    }
    seen, kept = [f"{name!r} ({n:,})" for name, n in counts.items()], []
    if no_value := int((codes < 0).sum()):
        seen.append(f"no value ({no_value:,})")
        kept.append(f"adata.obs[{key!r}].notna()")
    if counts:
        kept.append(f"~adata.obs[{key!r}].isin({[*counts]!r})")
    if not seen:
        return
    words = list(dict.fromkeys(name.strip() for name in counts))
    meant = f" If such a word means control cells here, say so: control={words!r}."
    msg = (
        f"{no_value + sum(counts.values()):,} of {len(codes):,} cells have no label in obs[{key!r}]: {listing(seen)}. "
        f"Label them, or keep the others: adata = adata[{' & '.join(kept)}].copy().{meant if words else ''}"
    )
    raise DataError(msg)


def _for_canonical(
    names: Sequence[str], control: str | Sequence[str] | None, separators: str | Sequence[str] | None
) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """Return options that read canonical labels too: ``ctrl`` and ``+`` stand beside whatever was asked for."""
    if control is not None:
        asked = {control} if isinstance(control, str) else set(control)
        control = [_keys.CONTROL, *(name for name in names if name in asked - {_keys.CONTROL})]
    if separators is not None:
        separators = [SEPARATOR, *([separators] if isinstance(separators, str) else separators)]
    return control, separators


def _categorical(perturbations: Sequence[Perturbation], codes: NDArray[np.intp]) -> pd.Categorical:
    """Return one canonical name per cell, control first."""
    distinct = sorted(set(perturbations))
    # Of dtype object on every pandas: older anndata cannot write the string type of pandas 3.
    categories = pd.Index([str(perturbation) for perturbation in distinct], dtype=object)
    position = {perturbation: code for code, perturbation in enumerate(distinct)}
    renumbered = np.array([position[perturbation] for perturbation in perturbations])
    return pd.Categorical.from_codes(renumbered[codes], categories=categories)


def _check_free(
    adata: AnnData, columns: Mapping[str, Any], owned: set[str | None], *, kept: str | None, overwrite: bool
) -> None:
    """Refuse to replace what scgenept did not write; a column that holds the very values is not in the way.

    ``kept`` is the column for the labels that canonical ones replace; it never replaces anything itself.
    """
    taken = taken_columns(adata, columns, owned)
    if kept in taken:
        msg = f"obs[{kept!r}] exists and is where the labels as they came would be kept: rename or delete it."
        raise KeyTakenError(msg)
    if taken and not overwrite:
        keep = f"; its labels are then kept in obs[{kept!r}]" if kept else ""
        msg = (
            f"obs column {listing(map(repr, taken))} holds something that scgenept did not write. Choose another "
            f"column with key_added=, or replace it with overwrite=True{keep}."
        )
        raise KeyTakenError(msg)


def _report(labels: _Labels, perturbations: Sequence[Perturbation], is_control: NDArray[np.bool_]) -> None:
    distinct = {perturbation for perturbation in perturbations if not perturbation.is_control}
    changed = sum(name != str(perturbation) for name, perturbation in zip(labels.names, perturbations, strict=True))
    logger.info(
        "%d perturbations (%d of several genes) in %d cells, %d control cells; %d of %d labels rewritten.",
        len(distinct),
        sum(len(perturbation) > 1 for perturbation in distinct),
        int((~is_control).sum()),
        int(is_control.sum()),
        changed,
        len(labels.names),
    )
