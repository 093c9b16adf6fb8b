"""A report in a notebook: the same short view as in a terminal."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ._view import by_kind, judged, legend, on_all_cells, on_halves, shown, title

if TYPE_CHECKING:
    import pandas as pd

    from ._report import Report


def as_html(report: Report) -> str:
    """Return tables, legend and notes as HTML without styles of its own."""
    parts = [f"<p><strong>{escape(title(report))}</strong></p>"]
    names, chosen = judged(report), shown(report, "short")
    for name in names:
        if len(names) > 1:
            parts.append(f"<p>{escape(name)}</p>")
        parts.extend(
            _table(table)
            for table in (on_all_cells(report, name, chosen), on_halves(report, name, chosen))
            if len(table)
        )
        if len(kinds := by_kind(report, name)):
            parts.append(f"<details><summary>by kind of perturbation</summary>{_table(kinds)}</details>")
    parts.append(f"<p><small>{escape(legend(report, chosen))}</small></p>")
    if report.notes:
        parts.append(f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in report.notes)}</ul>")
    return "".join(parts)


def _table(table: pd.DataFrame) -> str:
    html: str = table.to_html(index=False, border=0)
    return html
