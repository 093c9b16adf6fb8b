"""knowledge.read_gaf: the Gene Ontology from the files it is published as."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pandas as pd

from .._errors import DataError, UnknownNameError, listing
from .._logging import logger
from ..registry import fetch
from ._obo import read_ontology

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from os import PathLike

EVIDENCE: Final = {
    "experimental": ("EXP", "IDA", "IPI", "IMP", "IGI", "IEP"),
    "high-throughput": ("HTP", "HDA", "HMP", "HGI", "HEP"),
    "phylogenetic": ("IBA", "IBD", "IKR", "IRD"),
    "computational": ("ISS", "ISO", "ISA", "ISM", "IGC", "RCA"),
    "author": ("TAS", "NAS"),
    "curator": ("IC",),
    "electronic": ("IEA",),
}
"""Evidence codes by group, as the GO consortium groups them; ``ND``, no data, is in none."""
_CODES: Final = frozenset(code for codes in EVIDENCE.values() for code in codes)
_RELEASE: Final = "go/2024-03-28/"
_N_COLUMNS: Final = 15
"""GAF 1 has 15 columns, GAF 2 has 17."""


def read_gaf(
    gaf: str | PathLike[str] | None = None,
    obo: str | PathLike[str] | None = None,
    *,
    evidence: Collection[str] | None = None,
    ancestors: Collection[Literal["is_a", "part_of"]] = (),
    taxon: int | None = 9606,
) -> pd.DataFrame:
    """Read GO annotations from a GAF file, and the names of their terms from ``go-basic.obo``.

    Annotations that say NOT are dropped, and so are those to obsolete terms and those with evidence ``ND`` (nobody has
    looked). Old ids are replaced by current ones. What was dropped is logged.

    Parameters
    ----------
    gaf
        GAF 2.x file, gzipped or not; ``goa_human.gaf.gz`` of the registry's release (2024-03-28) otherwise.
    obo
        The ontology, of the same release where possible; that of the registry otherwise. It is read by obonet, which
        the extra ``go`` brings.
    evidence
        Only annotations with these codes or of these groups: ``"experimental"``, ``"high-throughput"``,
        ``"phylogenetic"``, ``"computational"``, ``"author"``, ``"curator"``, ``"electronic"``. All otherwise.
    ancestors
        Also annotate every gene to the ancestors of its terms along these relations, ``"is_a"`` and ``"part_of"``: a
        gene of the mitochondrial ribosome is then one of the ribosome. The three roots, which say nothing, are left
        out.
    taxon
        NCBI taxon of the genes; ``None`` for all.

    Returns
    -------
    DataFrame, one row per gene and term: ``symbol``, ``gene_name``, ``go_id``, ``term``, ``aspect``, ``evidence`` (of
    the annotation, comma-separated where there are several). Sorted as in the file, ancestors after direct terms.

    Raises
    ------
    MissingExtraError
        obonet is not installed.
    DataError
        The file is no GAF, or nothing is left of it.
    UnknownNameError
        There is no such evidence code, group or relation.
    DownloadError
        A file of the registry cannot be fetched.

    Examples
    --------
    >>> import scgenept as sgp
    >>> terms = sgp.knowledge.read_gaf("goa_human.gaf.gz", "go-basic.obo")  # doctest: +SKIP
    >>> texts = sgp.knowledge.go_texts(terms)  # doctest: +SKIP
    """
    codes = _codes(evidence)
    if unknown := [relation for relation in ancestors if relation not in {"is_a", "part_of"}]:
        msg = f"Unknown relations {listing(unknown)}: is_a and part_of."
        raise UnknownNameError(msg)
    ontology = read_ontology(Path(obo) if obo is not None else fetch(f"{_RELEASE}go-basic.obo"))
    path = Path(gaf) if gaf is not None else fetch(f"{_RELEASE}goa_human.gaf.gz")
    dropped: Counter[str] = Counter()
    found: dict[tuple[str, str], tuple[str, dict[str, None]]] = {}
    for symbol, qualifier, go_id, code, name, taxa in _rows(path):
        if taxon is not None and taxa.split("|")[0].removeprefix("taxon:") != str(taxon):
            dropped["of another taxon"] += 1
        elif "NOT" in qualifier.split("|"):
            dropped["that say NOT"] += 1
        elif code not in codes:
            dropped["with other evidence"] += 1
        elif (term := ontology.current(go_id)) is None:
            dropped["to obsolete or unknown terms"] += 1
        else:
            found.setdefault((symbol, term), (name, {}))[1][code] = None
    for what, number in dropped.items():
        logger.info("%s: %d annotations %s are dropped.", path.name, number, what)
    if not found:
        msg = f"Nothing is left of {path}: {listing(f'{n} {what}' for what, n in dropped.items()) or 'it has no rows'}."
        raise DataError(msg)
    if ancestors:
        for (symbol, term), (name, with_codes) in list(found.items()):
            for ancestor in ontology.ancestors(term, tuple(ancestors)):
                found.setdefault((symbol, ancestor), (name, {}))[1].update(with_codes)
    return pd.DataFrame(
        {
            "symbol": [symbol for symbol, _ in found],
            "gene_name": [name for name, _ in found.values()],
            "go_id": [term for _, term in found],
            "term": [ontology.names[term] for _, term in found],
            "aspect": [ontology.aspect(term) for _, term in found],
            "evidence": [",".join(with_codes) for _, with_codes in found.values()],
        },
        dtype=object,
    )


def _codes(evidence: Collection[str] | None) -> frozenset[str]:
    if evidence is None:
        return _CODES
    wanted = (evidence,) if isinstance(evidence, str) else tuple(evidence)
    if unknown := [item for item in wanted if item not in EVIDENCE and item not in _CODES]:
        msg = f"Unknown evidence {listing(unknown)}. Groups: {', '.join(EVIDENCE)}. Codes: {', '.join(sorted(_CODES))}."
        raise UnknownNameError(msg)
    return frozenset(code for item in wanted for code in EVIDENCE.get(item, (item,)))


def _rows(path: Path) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield symbol, qualifier, GO id, evidence code, full name, taxon of each annotation."""
    if not path.is_file():
        msg = f"There is no file {path}."
        raise DataError(msg)
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rt", encoding="utf-8") if zipped else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.startswith("!") or not line.strip():
                    continue
                cells = line.rstrip("\n").split("\t")
                if len(cells) < _N_COLUMNS:
                    msg = f"Line {number} of {path} has {len(cells)} columns; a GAF file has at least {_N_COLUMNS}."
                    raise DataError(msg)
                yield cells[2], cells[3], cells[4], cells[6], cells[9], cells[12]
    except (EOFError, OSError, UnicodeDecodeError, gzip.BadGzipFile) as error:
        msg = f"{path} is not a whole GAF file ({error})."
        raise DataError(msg) from error
