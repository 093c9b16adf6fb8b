"""Rows as a Markdown table, which is readable as plain text too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Row = dict[str, str]


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Return a table of all columns that occur, in the order in which they do, padded to equal widths."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def seconds(value: float) -> str:
    """Return a time with three digits, in the unit that suits it; a dash for NaN."""
    if math.isnan(value):
        return "-"
    sizes = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "h": 3600.0, "d": 86_400.0}
    limits = (1e-3, 1.0, 1000.0, 100 * 3600.0, math.inf)
    unit = next(unit for unit, limit in zip(sizes, limits, strict=True) if value < 0.9995 * limit)
    return f"{value / sizes[unit]:.3g} {unit}"


def megabytes(value: float) -> str:
    """Return an amount of memory; a dash for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f} MB" if value < 10_000 else f"{value / 1000:,.1f} GB"


def rate(flop_per_second: float) -> str:
    """Return operations per second."""
    tera = flop_per_second >= 1e12
    return f"{flop_per_second / (1e12 if tera else 1e9):,.1f} {'T' if tera else 'G'}FLOP/s"
