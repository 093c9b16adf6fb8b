"""Vectors of genes, from a table, a knowledge source or the training data, and their sums over the genes perturbed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd
from scipy import sparse

from ..._errors import DataError, UnknownNameError, listing, near_names
from ..._random import generator_of
from ...genes.matching import measured_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from ..._types import RNGLike
    from ...perturbation import Perturbation
    from ._training import FloatArray, Training


@runtime_checkable
class GeneVectors(Protocol):
    """Anything with one vector per gene, such as a knowledge source.

    Attributes
    ----------
    names
        Genes.
    vectors
        Genes x width.
    """

    names: Sequence[str]
    vectors: npt.NDArray[np.floating[Any]]


EmbeddingLike: TypeAlias = "str | pd.DataFrame | GeneVectors"
"""A table genes x width, an object with ``names`` and ``vectors``, ``"training_pca"`` or ``"mini_text"``."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Vectors of genes around their mean.

    Attributes
    ----------
    position
        Row of each gene.
    vectors
        Genes x width, float64, mean over genes subtracted.
    """

    position: dict[str, int]
    vectors: FloatArray

    def rows(self, perturbations: Iterable[Perturbation]) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Sum the vectors of the genes of each perturbation.

        Returns
        -------
        Perturbations x width, and how many genes of each had no vector and therefore the mean, which is zero.
        """
        wanted = list(perturbations)
        position = self.find(gene for p in wanted for gene in p.genes)
        summed = np.zeros((len(wanted), self.vectors.shape[1]))
        missing = np.zeros(len(wanted), dtype=np.int64)
        for row, p in enumerate(wanted):
            known = [position[gene] for gene in p.genes if gene in position]
            summed[row] = self.vectors[known].sum(axis=0)
            missing[row] = len(p) - len(known)
        return summed, missing

    def find(self, genes: Iterable[str]) -> dict[str, int]:
        """Return the rows of those genes that have a vector, by whatever name."""
        return {gene: self.position[name] for gene, name in measured_as(genes, self.position).items()}


def read_embedding(source: EmbeddingLike, training: Training, *, scaled: bool = True) -> Embedding:
    """Read vectors of genes, subtract their mean, and bring them to a root mean square length of 1.

    Parameters
    ----------
    source
        Table, knowledge source or name.
    training
        What ``"training_pca"`` is computed from.
    scaled
        Divide by the root mean square length over genes, so that one set of penalties and length scales fits all.

    Raises
    ------
    UnknownNameError
        No source has that name.
    DataError
        Genes occur twice, or a vector holds NaN.
    """
    table = _table(source, training)
    if repeated := sorted(set(map(str, table.index[table.index.duplicated()]))):
        msg = f"{len(repeated)} genes have several embeddings: {listing(repeated)}. Keep one row per gene."
        raise DataError(msg)
    vectors = table.to_numpy(dtype=np.float64)
    if table.empty or not (finite := np.isfinite(vectors).all(axis=1)).all():
        what = "is empty" if table.empty else f"holds NaN for {listing(table.index[~finite])}: drop these genes"
        msg = f"The table of embeddings, {len(table)} genes x {table.shape[1]}, {what}."
        raise DataError(msg)
    vectors = vectors - vectors.mean(axis=0)
    length = np.sqrt((vectors**2).sum(axis=1).mean())
    if scaled and length > 0:
        vectors = vectors / length
    return Embedding({str(gene): i for i, gene in enumerate(table.index)}, vectors)


def gene_pca(training: Training, n_components: int = 10) -> pd.DataFrame:
    """Compute principal component scores of the genes in the training pseudobulks.

    Genes are observations and pseudobulks, control included, are variables, each centred over genes; this is ``G`` of
    Ahlmann-Eltze et al. (Nat Methods 2025). Signs are such that the largest loading is positive.

    Returns
    -------
    Genes x ``n_components``, or fewer where there are fewer pseudobulks; the mean over genes is zero.
    """
    if n_components < 1:
        msg = f"n_components must be at least 1; got {n_components}."
        raise DataError(msg)
    table = np.vstack([training.profiles, training.control]).T
    scores, values, loadings = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    kept = min(n_components, int((values > values[0] * 1e-10).sum())) or 1
    signs = _signs(loadings[:kept])
    return pd.DataFrame(scores[:, :kept] * (values[:kept] * signs), index=training.genes)


def go_pca(terms: pd.DataFrame, *, n_components: int = 50, rng: RNGLike = 0) -> pd.DataFrame:
    """Compute vectors of genes from which GO terms they share: ``embedding=go_pca(read_go_terms(path))``.

    Truncated SVD of the genes x terms matrix of zeros and ones, each term weighed by its inverse document frequency
    ``log(n / n_t)``, so that terms of nearly all genes say nothing.

    Parameters
    ----------
    terms
        One row per gene and term, columns ``symbol`` and ``term``, as :func:`scgenept.knowledge.read_go_terms` reads.
    n_components
        Width; less than the number of terms.
    rng
        Seed or generator of the solver.

    Returns
    -------
    Genes x ``n_components``, sorted by gene.

    Raises
    ------
    DataError
        A column is missing, or there are too few terms.
    """
    from sklearn.decomposition import TruncatedSVD

    generator = generator_of(rng)
    if missing := [column for column in ("symbol", "term") if column not in terms]:
        msg = (
            f"The GO table lacks the columns {listing(missing)}; it has {listing(terms.columns)}. "
            "scgenept.knowledge.read_go_terms and read_gaf return such a table."
        )
        raise DataError(msg)
    (row, genes), (column, names) = (pd.factorize(terms[key], sort=True) for key in ("symbol", "term"))
    if min(len(genes), len(names)) <= n_components:
        msg = f"{len(genes)} genes x {len(names)} terms are too few for n_components={n_components}: ask for fewer."
        raise DataError(msg)
    matrix = sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(genes), len(names)))
    matrix.data[:] = 1.0
    weight = np.log(len(genes) / np.asarray(matrix.sum(axis=0)).ravel())
    seed = int(generator.integers(2**31))
    scores = TruncatedSVD(n_components, random_state=seed).fit_transform(matrix @ sparse.diags(weight))
    return pd.DataFrame(scores, index=pd.Index(genes))


def mini_text() -> pd.DataFrame:
    """Read the language table of the embedded scgenept-mini: MiniLM embeddings of GO texts.

    Returns
    -------
    Genes x 384, float16 as stored: 475 genes, those of its 530 that have a text.
    """
    from safetensors.numpy import load_file

    folder = Path(str(files("scgenept") / "models" / "data" / "scgenept_mini"))
    vectors = load_file(folder / "model.safetensors")["genes.languages.go.table.weight"]
    genes = pd.read_csv(folder / "genes.tsv", sep="\t", keep_default_na=False)
    genes = genes[~genes["gene"].str.startswith("<")]
    table = pd.DataFrame(vectors[genes["token"].to_numpy(dtype=np.int64)], index=pd.Index(genes["gene"]))
    # A gene without text has a row of zeros there.
    return table[table.any(axis=1)]


SOURCES: Final[dict[str, Callable[[Training], pd.DataFrame]]] = {
    "training_pca": gene_pca,
    "mini_text": lambda training: mini_text(),
}
"""Embeddings that have a name."""


def _table(source: object, training: Training) -> pd.DataFrame:
    if isinstance(source, str):
        if source not in SOURCES:
            msg = (
                f"There is no embedding {source!r}.{near_names(source, SOURCES)} Known: {listing(SOURCES)}; or a table."
            )
            raise UnknownNameError(msg)
        return SOURCES[source](training)
    if isinstance(source, pd.DataFrame):
        return source
    if not isinstance(source, GeneVectors):
        msg = f"An embedding is a DataFrame, an object with names and vectors, or a name; got {type(source).__name__}."
        raise DataError(msg)
    return pd.DataFrame(np.asarray(source.vectors), index=pd.Index(list(source.names)))


def _signs(rows: FloatArray) -> FloatArray:
    """Return the sign of the largest entry of each row, which makes the direction of a component reproducible."""
    signs: FloatArray = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])
    return np.where(signs == 0, 1.0, signs)
