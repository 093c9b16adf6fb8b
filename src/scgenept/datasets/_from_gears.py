"""datasets.from_gears: a data set of GEARS as an AnnData, without GEARS."""

from __future__ import annotations

import os
import tempfile
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _keys
from .._errors import DataError, DownloadError, listing
from ..registry.archive import extract_member
from ._gears_file import CONDITION, PROCESSED, PUBLIC, correct, read_processed
from ._gears_pairs import graphs_of, write_pairs
from ._gears_splits import split_of_folder, split_of_object, write_split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from .._types import Modality
    from ._gears_splits import GearsSplit

GRAPHS = Path("data_pyg") / "cell_graphs.pkl"


def from_gears(
    source: str | os.PathLike[str] | Any,
    *,
    split: str | None = "auto",
    modality: Modality | None = None,
    cell_type: str | None = None,
    key_added: str | None = None,
) -> AnnData:
    """Turn a data set of GEARS into an AnnData that is set up, with its split and its control pairs where readable.

    Folders and zips are read without GEARS: cells from ``perturb_processed.h5ad``, splits from ``splits/*.pkl``, of
    which nothing but names is unpickled. The pairs of a folder are in a pickle of torch_geometric graphs, which would
    run code to be read, so they are drawn anew with :func:`scgenept.pp.pair_controls`; or hand over the ``PertData``
    object (extra ``[gears]``), and each cell's control is found in it.

    Parameters
    ----------
    source
        Folder of one data set (``<data>/<name>``), its ``perturb_processed.h5ad``, a zip of either, or a
        ``gears.PertData`` with data loaded. The object is not changed.
    split
        ``"auto"``: the one that there is. A file name in ``splits`` without ``.pkl``, or a part of it that only one
        has, such as ``"simulation_1"``. ``None``: none. Of an object, the split that was prepared.
    modality
        How perturbations act; known of Norman and Adamson, else ``"unknown"``.
    cell_type
        The cells perturbed; by default what ``obs["cell_type"]`` says where it says one thing.
    key_added
        Column of ``obs`` to write instead of ``perturbation``.

    Returns
    -------
    Cells x genes, log1p of counts per 1e4 as GEARS has them, set up by :func:`scgenept.pp.setup_perturbations`, with:

    ``obs["condition"]``
        The labels of GEARS, as they came.
    ``obs["split"]``, ``obs["split_subgroup"]``, ``uns["scgenept"]["split"]``
        ``train``, ``val``, ``test``; ``unseen_single``, ``combo_seen0``, ``combo_seen1``, ``combo_seen2`` of validation
        and test; missing where a condition is in no part. Only where there is a split.
    ``obs["control_cell"]``, ``uns["scgenept"]["pairs"]``
        Name of the control cell that each perturbed cell is paired with. Only of an object.
    ``uns["scgenept"]["corrections"]``
        What was known to be wrong and put right, as :func:`norman` documents it.

    Raises
    ------
    DataError
        There are no such cells, or labels; several splits; a split of other cells; a zip that is damaged.
    UnknownNameError
        There is no split of that name.
    UnsafePickleError
        A split asks for more than names; nothing of it ran.
    CheckpointError
        A split is damaged.
    KeyTakenError
        ``obs`` has a ``perturbation`` of its own: choose ``key_added``.

    Warns
    -----
    UserWarning
        The folder has graphs, which are not read.

    Examples
    --------
    >>> import scgenept as sgp
    >>> adata = sgp.datasets.from_gears("data/norman", split="simulation_1")  # doctest: +SKIP
    >>> sgp.pp.pair_controls(adata)  # doctest: +SKIP
    """
    from ..pp import setup_perturbations

    graphs: dict[str, list[Any]] = {}
    if isinstance(source, str | os.PathLike):
        adata, chosen, name = _from_path(Path(source), split)
    else:
        adata, name = _cells_of(source)
        chosen = None if split is None else split_of_object(source)
        graphs = graphs_of(source)
    if CONDITION not in adata.obs:
        msg = f"obs has no column {CONDITION!r}, in which GEARS keeps labels; columns: {listing(adata.obs.columns)}."
        raise DataError(msg)
    if graphs:  # before names of genes change, and with the labels that the graphs have
        write_pairs(adata, graphs, condition=CONDITION, control=_keys.CONTROL)
    correct(adata, name)
    if cell_type is None and "cell_type" in adata.obs and adata.obs["cell_type"].nunique() == 1:
        cell_type = str(adata.obs["cell_type"].iloc[0])
    setup_perturbations(
        adata,
        key=CONDITION,
        control=_keys.CONTROL,
        modality=modality or PUBLIC.get(name, "unknown"),
        cell_type=cell_type,
        key_added=key_added,
    )
    if chosen is not None:
        write_split(adata, chosen, condition=CONDITION)
    return adata


def _cells_of(data: Any) -> tuple[AnnData, str]:
    """Return a copy of the cells of a PertData, and the name of the data set."""
    from anndata import AnnData

    cells = getattr(data, "adata", None)
    if not isinstance(cells, AnnData) or not hasattr(data, "data_path"):
        what = "a PertData without data: call its load() first" if hasattr(data, "data_path") else type(data).__name__
        msg = f"Expected a folder or zip of GEARS, or a gears.PertData with data loaded; got {what}."
        raise DataError(msg)
    adata = cells.copy()
    if getattr(data, "set2conditions", None) is not None and _keys.SPLIT in adata.obs:
        del adata.obs[_keys.SPLIT]  # GEARS wrote it; it is written again from its lists
    return adata, str(getattr(data, "dataset_name", "")).lower()


def _from_path(path: Path, split: str | None) -> tuple[AnnData, GearsSplit | None, str]:
    """Read cells and split of a folder, file or zip, and the name of the data set."""
    if not path.exists():
        msg = f"{path} does not exist. Name the folder that holds {PROCESSED}."
        raise DataError(msg)
    if path.suffix == ".zip":
        with _unzipped(path) as folder:
            return (*_from_folder(folder, split, shown=path), path.stem.lower())
    folder = path.parent if path.is_file() else path
    name = folder.resolve().name.lower()
    file = path if path.is_file() else folder / PROCESSED
    return (*_from_folder(folder, split, shown=path, file=file), name)


def _from_folder(
    folder: Path, split: str | None, *, shown: Path, file: Path | None = None
) -> tuple[AnnData, GearsSplit | None]:
    file = file or folder / PROCESSED
    if not file.is_file():
        below = sorted(str(found.parent) for found in folder.glob(f"*/{PROCESSED}"))
        hint = f" Data sets below it: {listing(below)}." if below else " GEARS writes it in new_data_process()."
        msg = f"{shown} holds no {PROCESSED}.{hint}"
        raise DataError(msg)
    chosen = split_of_folder(folder, split)
    try:
        adata = read_processed(file)
    except (OSError, KeyError, ValueError) as error:
        msg = f"{file} is not a whole h5ad file ({error})."
        raise DataError(msg) from error
    if (folder / GRAPHS).is_file():
        msg = (
            f"{shown / GRAPHS} was not read: it is a pickle of torch_geometric.data.Data objects, which runs code. The "
            "control pairs in it are lost unless you hand over the PertData object that loads it; "
            "scgenept.pp.pair_controls(adata) draws new ones."
        )
        warnings.warn(msg, UserWarning, stacklevel=4)
    return adata, chosen


@contextmanager
def _unzipped(path: Path) -> Iterator[Path]:
    """Yield a temporary folder with the cells and splits of a zip, and nothing else of it."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        try:
            extract_member(path, PROCESSED, folder / PROCESSED)
            with zipfile.ZipFile(path) as archive:
                inside = [Path(name) for name in archive.namelist()]
            for member in inside:
                if member.suffix == ".pkl" and member.parent.name == "splits":
                    extract_member(path, member.name, folder / "splits" / member.name)
            if any(member.parts[-2:] == GRAPHS.parts for member in inside):
                (folder / GRAPHS).parent.mkdir()
                (folder / GRAPHS).touch()
        except DownloadError as error:
            msg = str(error).replace(": delete it to download it again", "")
            raise DataError(msg) from error
        yield folder
