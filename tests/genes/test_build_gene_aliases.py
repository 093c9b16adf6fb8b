"""The script that makes the packaged table, on a source of a few genes."""

from __future__ import annotations

import gzip
import importlib.util
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_gene_aliases.py"
TABLES = {
    "metadata": [("EGSOURCEDATE", "2022-Sep12"), ("ENSOURCEDATE", "2022-Jun28")],
    "gene_info": [(1, "MAP3K21"), (2, "WNT3"), (3, "NEAR1"), (4, "LONELY"), (5, "OLD1"), (6, "TWO1"), (7, "TWO2")],
    "alias": [(1, "MLK4"), (1, "MAP3K21"), (3, "OLD1"), (4, "LONELY"), (6, "BOTH"), (7, "BOTH")],
    "ensembl": [(1, "ENSG01"), (2, "ENSG02"), (3, "ENSG02"), (6, "ENSG03"), (7, "ENSG03")],
    "ensembl2ncbi": [(2, "ENSG02"), (3, "ENSG02")],
    "ncbi2ensembl": [(2, "ENSG02")],
}
COLUMNS = {"metadata": "name, value", "gene_info": "_id, symbol", "alias": "_id, alias_symbol"}


@pytest.fixture
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("build_gene_aliases", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "org.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, rows in TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({COLUMNS.get(table, '_id, ensembl_id')})")
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
    return path


def test_rows(script: Any, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "aliases.tsv.gz"
    monkeypatch.setattr("sys.argv", ["build", str(database), "--out", str(out)])
    script.main()
    first = out.read_bytes()
    assert gzip.decompress(first).decode().splitlines() == [
        "# org.Hs.eg.db 3.16: Entrez Gene 2022-Sep12, Ensembl 2022-Jun28",
        "symbol\taliases\tensembl",
        "MAP3K21\tKIAA1804|MLK4\tENSG01",
        "NEAR1\tOLD1\t",  # its id is WNT3's, as both sides say
        "OLD1\t\t",  # a gene of its own, so the alias is not NEAR1's
        "TWO1\tBOTH\tENSG03",
        "TWO2\tBOTH\tENSG03",
        "WNT3\t\tENSG02",
    ]
    script.main()
    assert out.read_bytes() == first
