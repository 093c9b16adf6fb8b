"""Write src/scgenept/genes/data/aliases.tsv.gz, the packaged table of gene symbols, aliases and Ensembl ids.

The source is Bioconductor's org.Hs.eg.db 3.16 (Entrez Gene of 2022-09-12, Ensembl of 2022-06-28), as an SQLite file
inside the Debian package of that name:

    apt-get download r-bioc-org.hs.eg.db
    dpkg -x r-bioc-org.hs.eg.db_3.16.0-1_all.deb org
    python scripts/build_gene_aliases.py org/usr/lib/R/site-library/org.Hs.eg.db/extdata/org.Hs.eg.sqlite

The same SQLite file gives the same table, and with the same zlib the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "scgenept" / "genes" / "data" / "aliases.tsv.gz"

SUPPLEMENT = {"KIAA1804": "MAP3K21"}
"""Names that public screens use and the source lacks: previous symbol (HGNC) -> symbol.

The Norman subset of PerturBench carries this one both ways, in ``perturbation_raw`` and ``perturbation``.
"""


def read(database: Path) -> tuple[dict[str, str], dict[str, set[str]], dict[str, set[str]]]:
    """Return the source's versions, symbol -> aliases and symbol -> Ensembl gene ids."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        versions = dict(connection.execute("SELECT name, value FROM metadata"))
        symbols = dict(connection.execute("SELECT _id, symbol FROM gene_info"))
        aliases: dict[str, set[str]] = defaultdict(set)
        for gene, alias in connection.execute("SELECT _id, alias_symbol FROM alias"):
            aliases[symbols[gene]].add(alias)
        owners = {table: _owners(connection, table, symbols) for table in ("ensembl", "ensembl2ncbi", "ncbi2ensembl")}
    for symbol in symbols.values():
        aliases[symbol].discard(symbol)
    for alias, symbol in SUPPLEMENT.items():
        aliases[symbol].add(alias)
    return versions, aliases, _by_symbol(owners)


def _owners(connection: sqlite3.Connection, table: str, symbols: dict[int, str]) -> dict[str, set[str]]:
    """Return Ensembl gene id -> symbols, as one of the source's tables has them."""
    owners: dict[str, set[str]] = defaultdict(set)
    for gene, identifier in connection.execute(f"SELECT _id, ensembl_id FROM {table}"):
        owners[identifier].add(symbols[gene])
    return owners


def _by_symbol(owners: dict[str, dict[str, set[str]]]) -> dict[str, set[str]]:
    """Return symbol -> Ensembl gene ids.

    350 ids belong to several symbols, mostly to a gene and a neighbour that overlaps it. Where NCBI and Ensembl agree
    on one of them (``ENSG00000108379`` is WNT3, not LOC101929777), it alone keeps the id; the others stay ambiguous.
    """
    ensembl: dict[str, set[str]] = defaultdict(set)
    for identifier, names in owners["ensembl"].items():
        agreed = owners["ensembl2ncbi"].get(identifier, set()) & owners["ncbi2ensembl"].get(identifier, set())
        for symbol in agreed if len(agreed) == 1 else names:
            ensembl[symbol].add(identifier)
    return ensembl


def rows(aliases: dict[str, set[str]], ensembl: dict[str, set[str]]) -> list[str]:
    """Return the lines of the table: symbol, aliases and Ensembl ids, the latter two joined by ``|``.

    A symbol with neither tells nothing, unless it is an alias of another gene: then it must keep that name.
    """
    used = {alias for names in aliases.values() for alias in names}
    lines = []
    for symbol in sorted(aliases):
        names, identifiers = sorted(aliases[symbol]), sorted(ensembl.get(symbol, ()))
        if any(sign in name for name in (symbol, *names) for sign in "\t|\n"):
            msg = f"{symbol} or one of its aliases holds a tab, a bar or a line end."
            raise ValueError(msg)
        if names or identifiers or symbol in used:
            lines.append(f"{symbol}\t{'|'.join(names)}\t{'|'.join(identifiers)}")
    return lines


def main() -> None:
    """Build the table from the SQLite file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path, help="org.Hs.eg.sqlite of org.Hs.eg.db 3.16")
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    versions, aliases, ensembl = read(arguments.database)
    lines = [
        f"# org.Hs.eg.db 3.16: Entrez Gene {versions['EGSOURCEDATE']}, Ensembl {versions['ENSOURCEDATE']}",
        "symbol\taliases\tensembl",
        *rows(aliases, ensembl),
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("wb") as stream, gzip.GzipFile("", "wb", 9, stream, mtime=0) as packed:
        packed.write("\n".join([*lines, ""]).encode())
    print(f"{arguments.out}: {len(lines) - 2:,} symbols, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
