"""A knowledge source: one vector per gene, the text behind it where known, and where it all comes from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .._errors import DataError, UnknownGeneError, listing, near_names
from ..genes import check_unique_genes
from ._fill import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from .._types import RNGLike
    from ..genes import GeneMatches, Rule

Missing: TypeAlias = Literal["mean", "zero", "random", "error"]
"""What stands in for a gene of which nothing is known."""


@dataclass(frozen=True, repr=False, eq=False)
class KnowledgeSource:
    """What is known about genes, as one vector per gene; it cannot be changed.

    Attributes
    ----------
    name
        What to call it in models, tables and figures.
    names
        Gene names, each once.
    vectors
        Genes x width, float32, finite, read-only; row i belongs to ``names[i]``.
    texts
        Gene -> the text that was embedded (or texts, where one vector is the mean of several), where known.
    provenance
        Where it comes from: embedder, files and their hashes, licence, what was done to it. Plain values, as JSON has.

    Raises
    ------
    DataError
        There is no gene, a name appears twice, or the vectors are not one finite row per name.

    Examples
    --------
    >>> import scgenept as sgp
    >>> source = sgp.knowledge.KnowledgeSource("toy", ["KLF1", "GATA1"], [[1.0, 0.0], [0.8, 0.6]])
    >>> source
    KnowledgeSource('toy', 2 genes x 2)
    >>> source["GATA1"]
    array([0.8, 0.6], dtype=float32)
    """

    name: str
    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    texts: Mapping[str, str | tuple[str, ...]] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    _rows: dict[str, int] = field(init=False)

    def __init__(
        self,
        name: str,
        names: Iterable[str],
        vectors: ArrayLike,
        texts: Mapping[str, str | tuple[str, ...]] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        genes = tuple(str(gene) for gene in names)
        check_unique_genes(genes)
        table = _checked(vectors, genes, name)
        known = None if texts is None else {gene: texts[gene] for gene in genes if gene in texts}
        set_field = object.__setattr__
        set_field(self, "name", name)
        set_field(self, "names", genes)
        set_field(self, "vectors", table)
        set_field(self, "texts", None if known is None else MappingProxyType(known))
        set_field(self, "provenance", MappingProxyType(dict(provenance or {})))
        set_field(self, "_rows", {gene: row for row, gene in enumerate(genes)})

    @property
    def width(self) -> int:
        """Numbers per gene."""
        return int(self.vectors.shape[1])

    @property
    def sha256(self) -> str:
        """Hash of names and vectors. Two sources with the same one are the same to a model."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        digest.update(f"\n{self.vectors.shape}\n".encode())
        digest.update(np.ascontiguousarray(self.vectors, dtype="<f4").tobytes())
        return digest.hexdigest()

    def for_genes(
        self,
        names: Iterable[str],
        *,
        missing: Missing = "mean",
        rule: Rule = "alias",
        rng: RNGLike = 0,
    ) -> tuple[NDArray[np.float32], GeneMatches]:
        """Return one row per gene asked for, and who matched how.

        Parameters
        ----------
        names
            Gene names of the data, each once: symbols, aliases or Ensembl ids.
        missing
            The row of a gene without text: ``"mean"`` of all genes of the source, ``"zero"``, ``"random"`` (uniform
            between -0.1 and 0.1, as the original draws it), or ``"error"``.
        rule
            ``"alias"`` looks for the symbol, then an alias, then the Ensembl id; ``"v1"`` takes the exact name only,
            as the original does.
        rng
            Seed or generator, for ``missing="random"``.

        Returns
        -------
        Table, genes x width, float32, in the order of ``names``; and the matches: ``summary()`` says in a sentence how
        many matched how, ``where("unmatched")`` lists who has no text, ``to_frame()`` has one row per gene.

        Raises
        ------
        DataError
            A name appears twice.
        UnknownGeneError
            With ``missing="error"``, genes have no text.

        Examples
        --------
        >>> source = KnowledgeSource("toy", ["MAP3K21", "KLF1"], [[0.0, 2.0], [4.0, 0.0]])
        >>> table, matches = source.for_genes(["KLF1", "KIAA1804", "IER5L"])
        >>> table
        array([[4., 0.],
               [0., 2.],
               [2., 1.]], dtype=float32)
        >>> matches.summary()
        '2 of 3 genes matched: 1 by symbol, 1 by alias, 0 by Ensembl id; 1 unmatched (IER5L).'
        """
        return fill(self, names, missing=missing, rule=rule, rng=rng)

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write ``<path>.safetensors`` and, beside it, a ``.json`` with names, texts and provenance.

        Nothing is pickled; both files appear whole or neither does, and the second names the hash of the first, so
        that a pair that does not belong together is noticed when it is read.

        Parameters
        ----------
        path
            With or without the suffix.
        overwrite
            Replace a source that was saved there; any other file is never replaced.

        Returns
        -------
        The ``.safetensors`` file, which :func:`scgenept.knowledge.load` reads.

        Raises
        ------
        DataError
            One of the two files exists and is not to be replaced.
        """
        from ._formats import write_pair

        return write_pair(self, path, overwrite=overwrite)

    def row(self, gene: str) -> int:
        """Return the row of a gene by its exact name.

        Raises
        ------
        UnknownGeneError
            The source does not have it.
        """
        if gene not in self._rows:
            msg = f"{self.name} knows nothing of {gene!r} ({len(self):,} genes).{near_names(gene, self.names)}"
            raise UnknownGeneError(msg)
        return self._rows[gene]

    def __getitem__(self, gene: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.vectors[self.row(gene)]
        return vector

    def __contains__(self, gene: object) -> bool:
        return gene in self._rows

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"KnowledgeSource({self.name!r}, {len(self):,} genes x {self.width:,})"


def _checked(vectors: ArrayLike, genes: tuple[str, ...], name: str) -> NDArray[np.float32]:
    """Return the vectors as a read-only table of one finite row per gene."""
    if not genes:
        msg = f"The knowledge source {name!r} has no gene."
        raise DataError(msg)
    try:
        table = np.array(vectors, dtype=np.float32, order="C")
    except ValueError as error:
        msg = f"The vectors of {name!r} are not numbers of one width per gene: {error}."
        raise DataError(msg) from error
    if table.ndim != 2 or len(table) != len(genes) or not table.shape[1]:
        msg = (
            f"{name!r} names {len(genes):,} genes, but its vectors have the shape {table.shape}, not one row per gene."
        )
        raise DataError(msg)
    if not np.isfinite(table).all():
        bad = [genes[row] for row in np.unique(np.nonzero(~np.isfinite(table))[0])]
        msg = f"{name!r} holds NaN or infinity for {len(bad)} genes: {listing(bad)}. Drop them, or embed them again."
        raise DataError(msg)
    table.flags.writeable = False
    return table
