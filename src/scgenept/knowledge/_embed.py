"""knowledge.embed: from texts about genes to a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .._arguments import require_whole
from .._errors import DataError, listing
from .._logging import logger
from .._progress import bar
from .._version import VERSION
from ._cache import VectorCache
from ._source import KnowledgeSource
from .embedders import by_name, identity_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .embedders import Embedder

_BATCH: Final = 64


def embed(
    texts: Mapping[str, str | Sequence[str]],
    embedder: str | Embedder = "minilm",
    *,
    name: str | None = None,
    batch_size: int = _BATCH,
    cache: bool = True,
    provenance: Mapping[str, Any] | None = None,
) -> KnowledgeSource:
    """Turn texts about genes into a knowledge source.

    Every different text is embedded once, the longest first. After each batch its vectors are kept on disk, so a run
    that was killed goes on where it stopped and loses at most one batch, and a gene added later costs one text. Where a
    gene has several texts (:func:`scgenept.knowledge.go_term_texts`) its vector is their mean, as in the original's
    ``avg`` files.

    Parameters
    ----------
    texts
        Gene -> text, or several texts.
    embedder
        ``"minilm"``, ``"hashing"``, ``"openai:text-embedding-3-small"``, ``"sentence-transformers:NAME"``; or any
        function from n texts to an array (n, width), such as :class:`.OpenAIEmbedder` with an ``url`` of your own.
    name
        Of the source; that of the embedder otherwise.
    batch_size
        Texts per call of the embedder.
    cache
        Keep vectors in ``settings.cache_dir``, where the embedder has an ``id``.
    provenance
        What to remember about the texts; the embedder, its width, the number of texts and how many were cut are added.

    Returns
    -------
    The source, with its texts. ``provenance["n_cut"]`` counts the texts that are longer than what the embedder reads,
    where it can tell; a share of them above zero is logged.

    Raises
    ------
    DataError
        A text is empty or no text, or the embedder returns too few vectors, NaN, or vectors of several widths.
    UnknownNameError
        There is no embedder of that name.
    MissingExtraError
        The embedder needs an extra that is not installed.
    DownloadError
        An endpoint refuses or keeps failing.

    Examples
    --------
    >>> import scgenept as sgp
    >>> texts = {"HBZ": "oxygen transport", "HBG1": "oxygen transport", "JUN": "transcription"}
    >>> source = sgp.knowledge.embed(texts, "hashing", name="words", cache=False)
    >>> source
    KnowledgeSource('words', 3 genes x 512)
    >>> source.provenance["n_texts"], source.provenance["n_cut"]
    (2, 0)
    """
    by_gene = _checked(texts)
    use: Embedder = by_name(embedder) if isinstance(embedder, str) else embedder
    identity = identity_of(use)
    unique = sorted({text for several in by_gene.values() for text in several}, key=lambda text: (-len(text), text))
    row_of = {text: row for row, text in enumerate(unique)}
    table, n_cut = _embed_unique(unique, use, VectorCache(identity if cache else None), batch_size)
    single = all(len(several) == 1 for several in by_gene.values())
    vectors = np.stack([table[[row_of[text] for text in several]].mean(axis=0) for several in by_gene.values()])
    if n_cut:
        logger.info("%d of %d texts are longer than what the embedder reads; their ends were cut.", n_cut, len(unique))
    facts = {
        "embedder": identity or getattr(use, "__qualname__", type(use).__qualname__),
        "width": int(table.shape[1]),
        "n_texts": len(unique),
        "n_cut": n_cut,
        "joined": "one text per gene" if single else "mean over the texts of a gene",
        "scgenept_version": VERSION,
    }
    kept: dict[str, str | tuple[str, ...]] = {
        gene: several[0] if isinstance(texts[gene], str) else several for gene, several in by_gene.items()
    }
    return KnowledgeSource(name or str(facts["embedder"]), by_gene, vectors, kept, {**(provenance or {}), **facts})


def _checked(texts: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return gene -> texts, each with words in it."""
    if not hasattr(texts, "items"):
        msg = f"texts should map genes to texts; this is a {type(texts).__name__}. knowledge.read_texts reads tables."
        raise DataError(msg)
    by_gene = {str(gene): (text,) if isinstance(text, str) else _several(text) for gene, text in texts.items()}
    if not by_gene:
        msg = "There is no text to embed: texts is empty. Did an earlier filter leave no gene?"
        raise DataError(msg)
    if wrong := [gene for gene, several in by_gene.items() if not several or not all(text.strip() for text in several)]:
        msg = (
            f"{len(wrong)} genes have an empty text, or something else than text: {listing(wrong)}. Leave them out: "
            "a gene without text is filled in where the source is used, and counted there."
        )
        raise DataError(msg)
    return by_gene


def _several(texts: object) -> tuple[str, ...]:
    """Return different texts; nothing where something among them is no text."""
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        return ()
    return tuple(dict.fromkeys(texts))


def _embed_unique(
    texts: list[str], embedder: Embedder, cache: VectorCache, batch_size: int
) -> tuple[NDArray[np.float32], int | None]:
    """Embed different texts, those that the cache does not have; return (n, width) and how many were cut."""
    require_whole("batch_size", batch_size)
    kept = cache.get(texts)
    row_of = {text: row for row, text in enumerate(texts)}
    cut: list[bool | None] = [None] * len(texts)
    table: NDArray[np.float32] | None = None
    for text, (vector, was_cut) in kept.items():
        table = _place(table, [row_of[text]], vector[None], len(texts))
        cut[row_of[text]] = was_cut
    left = [text for text in texts if text not in kept]
    is_cut = getattr(embedder, "is_cut", None)
    with bar(len(left), "embedding", unit="text", silent=not left) as shown:
        for start in range(0, len(left), batch_size):
            batch = left[start : start + batch_size]
            vectors = _called(embedder, batch)
            flags = list(is_cut(batch)) if is_cut is not None else None
            cache.put(batch, vectors, flags)
            rows = [row_of[text] for text in batch]
            table = _place(table, rows, vectors, len(texts))
            for row, flag in zip(rows, flags or [None] * len(rows), strict=True):
                cut[row] = flag
            shown.update(len(batch))
    if table is None:  # there is at least one text, and each has a row by now
        msg = "There is no text to embed."
        raise DataError(msg)
    return table, None if None in cut else sum(map(bool, cut))


def _called(embedder: Embedder, batch: list[str]) -> NDArray[np.float32]:
    """Call the embedder and require one finite row per text."""
    answer = embedder(batch)
    try:
        vectors = np.asarray(answer, dtype=np.float32)
    except (TypeError, ValueError) as error:
        msg = f"The embedder did not return numbers of one width for {len(batch)} texts: {error}."
        raise DataError(msg) from error
    if vectors.ndim != 2 or len(vectors) != len(batch) or not vectors.shape[1]:
        msg = f"The embedder returned the shape {vectors.shape} for {len(batch)} texts; expected ({len(batch)}, width)."
        raise DataError(msg)
    bad = [text[:60] for text, vector in zip(batch, vectors, strict=True) if not np.isfinite(vector).all()]
    if bad:
        msg = f"The embedder returned NaN or infinity for {len(bad)} texts: {listing(bad)}. Leave these genes out."
        raise DataError(msg)
    return vectors


def _place(
    table: NDArray[np.float32] | None, rows: list[int], vectors: NDArray[np.float32], n: int
) -> NDArray[np.float32]:
    """Write rows into the table, which is made when the width is first seen."""
    if table is None:
        table = np.zeros((n, vectors.shape[1]), dtype=np.float32)
    if vectors.shape[1] != table.shape[1]:
        widths = f"{vectors.shape[1]} and of {table.shape[1]}"
        msg = f"The embedder returned vectors of {widths} numbers; one may be of an earlier run. Is its id out of date?"
        raise DataError(msg)
    table[rows] = vectors
    return table
