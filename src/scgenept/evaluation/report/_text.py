"""A report in a terminal: at most 100 columns of plain text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, Literal

from ._view import BEST, by_kind, judged, legend, on_all_cells, on_halves, shown, title

if TYPE_CHECKING:
    import pandas as pd

    from ._report import Report

WIDTH: Final = 100


def as_text(report: Report, scores: Literal["short", "all"] = "short") -> str:
    """Return tables, legend and notes, lines of at most 100 columns as far as names allow."""
    blocks = [textwrap.fill(title(report), WIDTH)]
    names, chosen = judged(report), shown(report, scores)
    for name in names:
        if len(names) > 1:
            blocks.append(f"{name}:")
        tables = (on_all_cells(report, name, chosen), on_halves(report, name, chosen), by_kind(report, name))
        blocks.extend(columns(table) for table in tables if len(table))
    blocks.append(textwrap.fill(legend(report, chosen), WIDTH))
    if report.notes:
        blocks.append(
            "\n".join(textwrap.fill(note, WIDTH, initial_indent="- ", subsequent_indent="  ") for note in report.notes)
        )
    return "\n\n".join(blocks)


def columns(table: pd.DataFrame) -> str:
    """Write a table of text: the first column and names to the left, numbers to the right."""
    cells = [list(table.columns), *table.to_numpy().tolist()]
    widths = [max(len(row[i].rstrip()) for row in cells) for i in range(len(cells[0]))]
    left = {0, *(i for i, name in enumerate(cells[0]) if name == BEST)}
    return "\n".join(
        "  ".join(
            cell.rstrip().ljust(width) if i in left else cell.rstrip().rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
