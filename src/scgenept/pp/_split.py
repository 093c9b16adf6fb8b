"""pp.split: which perturbations are learnt from, which choose the epoch, and which are the test."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from .. import _keys
from .._arguments import require_kind
from .._errors import listing
from .._logging import logger
from .._version import VERSION
from ..data.checks import check_writable
from ..data.columns import require_free_columns, require_usable_key
from ..data.records import check_records_writable, read_record, write_record
from ..data.setup import read_setup
from ..data.splits.conditions import read_conditions, require_several_cells
from ..data.splits.options import SplitOptions
from ..data.splits.parts import PARTS, TEST, TRAIN
from ..data.splits.schemes import Request, make_parts, never_seen
from ..data.splits.table import cell_values, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData

    from ..data.splits.conditions import Conditions
    from ..data.splits.parts import Parts
    from ..data.splits.schemes import Scheme
    from ..perturbation import PerturbationLike


def split(  # noqa: PLR0913
    adata: AnnData,
    *,
    scheme: Scheme = "simulation",
    seed: int = 1,
    options: SplitOptions | None = None,
    n_folds: int = 5,
    fold: int = 0,
    column: str | None = None,
    train: Iterable[PerturbationLike] | None = None,
    val: Iterable[PerturbationLike] | None = None,
    test: Iterable[PerturbationLike] | None = None,
    reproduce: Literal["v1"] | None = None,
    key_added: str | None = None,
    overwrite: bool = False,
    copy: bool = False,
) -> AnnData | None:
    """Split the perturbations into training, validation and test.

    All cells of a perturbation are in one part, for it is the perturbation that a model is to predict. Control cells
    belong to training. The schemes are:

    ``simulation``
        The published one: test holds genes that training never sees, alone and in pairs, and pairs of seen genes.
        Equal to cell-gears 0.0.2 and 0.1.2 for the same seed and labels, whatever their order. It splits the labels as
        they came: of Norman's data, ``A+ctrl`` and ``ctrl+A`` always end in the same part, but where a data set writes
        a pair both as ``A+B`` and as ``B+A`` the two may part, as with GEARS. That is a warning, and
        ``options=SplitOptions(keep_together=True)`` prevents it.
    ``simulation_single``
        The same for single perturbations; cells of several genes are in no part. (It does not work in GEARS.)
    ``single``
        Test: single perturbations of a tenth of the genes. Pairs with these genes are in no part.
    ``combo_seen0``, ``combo_seen1``, ``combo_seen2``
        Test: pairs of which no gene, at most one, or both are seen; for the first two also the unseen genes alone.
        With ``combo_seen0`` pairs of a seen and an unseen gene are in no part. With ``combo_seen2`` only pairs are
        tested whose genes were each perturbed alone, too.
    ``no_test``
        Validation is drawn among all perturbations, the rest is training. With ``val_fraction=0`` all is training.
    ``no_split``
        Every cell is test, control cells too: for data that are only predicted.
    ``kfold``
        Test: fold ``fold`` of ``n_folds``, over perturbations; singles and pairs are spread evenly.
    ``from_column``
        What ``obs[column]`` says: ``train``, ``val`` (or ``valid``, ``validation``) or ``test``; missing: in no part.
    ``custom``
        ``test=``, ``val=`` and ``train=`` list perturbations; without ``train=`` what is not listed is training.

    ``single``, ``combo_seen0`` to ``combo_seen2`` and ``no_test`` draw *without* replacement and do not depend on the
    order of the cells. The original draws with replacement, so it may test fewer than asked for, and depends on the
    order; ``reproduce="v1"`` does exactly that, equal to cell-gears 0.0.2.

    Parameters
    ----------
    adata
        Cells x genes, set up by :func:`scgenept.pp.setup_perturbations`. May be backed by a file.
    scheme
        See above.
    seed
        Decides every draw; the stream is the same with every version of numpy.
    options
        Sizes of the parts, under the names they have in GEARS: :class:`SplitOptions`.
    n_folds, fold
        Of ``kfold``; folds count from 0.
    column
        Of ``from_column``.
    train, val, test
        Of ``custom``: perturbations, as labels or as collections of genes.
    reproduce
        ``"v1"`` draws as the original does, see above.
    key_added
        Column of ``obs`` to write instead of ``split``; that of the subgroup has ``_subgroup`` behind.
    overwrite
        Replace columns of these names that hold something else.
    copy
        Return a copy, in memory, instead of writing into ``adata``.

    Returns
    -------
    ``None``, or with ``copy=True`` the copy. Written are:

    ``obs["split"]`` (or ``key_added``)
        ``train``, ``val`` or ``test``; missing where a cell is in no part; categorical.
    ``obs["split_subgroup"]``
        Of validation and test: ``unseen_single``, ``combo_seen0``, ``combo_seen1``, ``combo_seen2`` as in GEARS, by how
        many targets are seen in training; ``seen_single`` where the gene is seen with others; missing elsewhere.
    ``uns["scgenept"]["split"]``
        The scheme, seed and options, how many perturbations are in each part, and the version.

    Read them with :func:`scgenept.get.split_table`.

    Raises
    ------
    DataError
        If no perturbation would be tested, or none trained on; a perturbation has one cell; no cell is perturbed; a
        listed perturbation is not in the data, or in two lists; cells of one perturbation have different values in
        ``column``; a scheme that tests pairs finds none that serve. ``adata`` is then as it was.
    UnknownNameError
        If there is no such scheme.
    KeyTakenError
        If a column to write holds something else.

    Warns
    -----
    UserWarning
        Labels of one perturbation are in two parts, which leaks; or a list or column tests targets that training never
        sees, where all models predict poorly.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.toy()
    >>> sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa")
    >>> sgp.pp.split(adata, seed=1, options=sgp.pp.SplitOptions(val_fraction=0))
    >>> adata.obs[["perturbation", "split", "split_subgroup"]].drop_duplicates().reset_index(drop=True)
      perturbation  split split_subgroup
    0         ctrl  train            NaN
    1         KLF1  train            NaN
    2       MAP2K6   test  unseen_single
    3  KLF1+MAP2K6   test    combo_seen1
    """
    if options is not None:
        require_kind("options", options, SplitOptions, "scgenept.pp.SplitOptions(val_fraction=0)")
    request = Request(
        scheme,
        seed,
        options or SplitOptions(),
        reproduce,
        n_folds,
        fold,
        column,
        {TRAIN: train, "val": val, TEST: test},
    )
    if not copy:
        check_writable(adata, backed_ok=True)
    check_records_writable(adata)
    setup = read_setup(adata)
    written_to = columns_of(key_added)
    require_usable_key(written_to.split)
    conditions = read_conditions(adata, setup)
    require_several_cells(conditions, setup.perturbation_key)
    parts, torn = make_parts(adata, conditions, request)
    of_cells, subgroups = cell_values(conditions, parts, controls=TEST if scheme == "no_split" else TRAIN)
    columns = {written_to.split: of_cells, written_to.subgroup: subgroups}
    require_free_columns(
        adata, columns, _owned(adata), overwrite=overwrite, remedy="Choose another column with key_added="
    )
    written = (adata.to_memory() if adata.isbacked else adata.copy()) if copy else adata
    for name, values in columns.items():
        written.obs[name] = values
    counts = _counts(conditions, parts)
    record = {"key": written_to.split, **request.record(), **counts, "torn": ", ".join(torn), "version": VERSION}
    write_record(written, _keys.SPLIT, record)
    logger.info("Perturbations: %s.", ", ".join(f"{n} {name.removeprefix('n_')}" for name, n in counts.items()))
    _warn(request, conditions, parts, torn)
    return written if copy else None


def _owned(adata: AnnData) -> set[str | None]:
    """Return the columns that an earlier split wrote."""
    record = read_record(adata, _keys.SPLIT)
    if not isinstance(record, Mapping) or "key" not in record:
        return set()
    earlier = columns_of(str(record["key"]))
    return {earlier.split, earlier.subgroup}


def _counts(conditions: Conditions, parts: Parts) -> dict[str, int]:
    """Return how many perturbations are in each part, and how many in none."""
    n = {f"n_{part}": len({conditions.names[condition] for condition in parts.of(part)}) for part in PARTS}
    placed = {conditions.names[condition] for condition in parts.part}
    return {**n, "n_held_out": len(conditions.perturbations) - len(placed)}


def _warn(request: Request, conditions: Conditions, parts: Parts, torn: list[str]) -> None:
    if torn:
        msg = (
            f"{len(torn)} perturbations are in two parts, because their labels are ({listing(torn)}): training or "
            "validation sees what is tested, as with GEARS. Move each into one part with "
            "options=SplitOptions(keep_together=True)."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
    unseen = never_seen(conditions, parts) if request.scheme in {"custom", "from_column"} else {}
    if unseen:
        n_test = len({conditions.names[condition] for condition in parts.of(TEST)})
        msg = (
            f"{len(unseen)} of {n_test} test perturbations have targets that no training perturbation has "
            f"({listing(sorted({gene for genes in unseen.values() for gene in genes}))}). Models predict those poorly: "
            "look at each subgroup apart."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
