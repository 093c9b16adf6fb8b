"""pp.pair_controls: one control cell for each perturbed cell, out of the same experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import _keys
from .._errors import DataError, listing
from .._logging import logger
from .._random import generator_of
from .._version import VERSION
from ..data.checks import check_writable
from ..data.columns import require_free_columns
from ..data.contexts import context_codes
from ..data.control_cells import draw_controls
from ..data.records import check_records_writable, read_record, write_record
from ..data.select import control_mask
from ..data.setup import read_setup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from .._types import RNGLike


def pair_controls(
    adata: AnnData,
    *,
    by: str | Sequence[str] | None = None,
    rng: RNGLike = 0,
    overwrite: bool = False,
    copy: bool = False,
) -> AnnData | None:
    """Choose a control cell for each perturbed cell, within its batch, cell line or context.

    A model learns to turn a control cell into a perturbed one. Where the two come from different batches, it learns the
    difference between batches as well; ``by`` prevents that. Each control cell is as likely as any other of its group,
    and may serve several perturbed cells. What is stored is a name, so it survives subsetting and files.

    Parameters
    ----------
    adata
        Cells x genes, set up by :func:`scgenept.pp.setup_perturbations`. May be backed by a file.
    by
        Column of ``obs``, or columns, within which to pair. By default all control cells serve all cells.
    rng
        Seed or generator.
    overwrite
        Replace an ``obs["control_cell"]`` that holds something else.
    copy
        Return a copy, in memory, instead of writing into ``adata``.

    Returns
    -------
    ``None``, or with ``copy=True`` the copy. Written are:

    ``obs["control_cell"]``
        Name (in ``obs_names``) of the control cell; missing for control cells themselves; categorical.
    ``uns["scgenept"]["pairs"]``
        ``by`` (column names joined by ``|``), ``seed`` (``"generator"`` where one was passed), ``n_pairs``,
        ``n_controls`` (control cells that serve at least once) and ``version``.

    Raises
    ------
    DataError
        If there is no setup; if it is not known of each cell whether it is a control; if there is no control cell or
        no perturbed cell, in all or in a group; if ``by`` is no column, has missing values or a ``|`` in its name; if
        ``obs_names`` are not unique. ``adata`` is then as it was.
    KeyTakenError
        If ``obs["control_cell"]`` holds something else.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    >>> adata.obs["batch"] = ["one", "two"] * 30
    >>> sgp.pp.pair_controls(adata, by="batch")
    >>> paired = adata.obs[~adata.obs["is_control"]]
    >>> bool((adata.obs.loc[paired["control_cell"].tolist(), "batch"].to_numpy() == paired["batch"]).all())
    True
    """
    generator = generator_of(rng)
    if not copy:
        check_writable(adata, backed_ok=True)
    check_records_writable(adata)
    setup = read_setup(adata)
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()].unique()
        msg = f"{len(twice):,} obs_names are not unique: {listing(twice)}. Run adata.obs_names_make_unique() first."
        raise DataError(msg)
    is_control = control_mask(adata, setup)
    codes, names = context_codes(adata, by)
    columns = [by] if isinstance(by, str) else list(by or ())
    if odd := [name for name in columns if "|" in str(name)]:
        msg = f"by= names obs[{odd[0]!r}], and '|' separates names in the record of the pairs: rename the column."
        raise DataError(msg)
    positions = draw_controls(is_control, codes, names, by=columns, rng=generator)
    used, number = np.unique(positions[~is_control], return_inverse=True)
    of_cell = np.full(adata.n_obs, -1, dtype=np.int64)
    of_cell[~is_control] = number
    # Of dtype object on every pandas: older anndata cannot write the string type of pandas 3.
    categories = pd.Index(adata.obs_names[used].astype(str), dtype=object)
    column = {_keys.CONTROL_CELL: pd.Categorical.from_codes(of_cell, categories=categories)}
    owned = {_keys.CONTROL_CELL} if read_record(adata, _keys.PAIRS) is not None else set()
    require_free_columns(adata, column, owned, overwrite=overwrite, remedy="Rename it")
    written = (adata.to_memory() if adata.isbacked else adata.copy()) if copy else adata
    written.obs[_keys.CONTROL_CELL] = column[_keys.CONTROL_CELL]
    record = {
        "by": "|".join(columns),
        "seed": "generator" if isinstance(rng, np.random.Generator) else str(rng),
        "n_pairs": len(number),
        "n_controls": len(used),
        "version": VERSION,
    }
    write_record(written, _keys.PAIRS, record)
    logger.info(
        "%d perturbed cells paired with %d of %d control cells, in %d groups.",
        len(number),
        len(used),
        int(is_control.sum()),
        len(names),
    )
    return written if copy else None
