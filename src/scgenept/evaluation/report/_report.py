"""Report: what tl.evaluate returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ... import _keys
from ..._arguments import require_path
from ..._errors import DataError
from ..._io import atomic_folder, require_writable
from ...data.checks import check_writable
from ...data.records import check_records_writable, read_record, write_record
from ._html import as_html
from ._text import as_text

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

TABLES: Final = ("per_perturbation", "summary", "comparisons")


@dataclass(frozen=True, eq=False)
class Report:
    """Scores of predictors beside baselines, a replicate and each other; :func:`scgenept.tl.evaluate` makes it.

    Print it, or end a notebook cell with it, for the short view. The frames hold everything; none has a MultiIndex.
    NaN is a score that is undefined, and is counted, never replaced.

    Attributes
    ----------
    per_perturbation
        One row per perturbation, predictor and score: ``perturbation``, its strata (``kind``, ``effect_size``,
        ``effect_size_tertile``, ``n_cells``, ``n_cells_tertile``), ``predictor``, ``metric``, ``value`` (against all
        cells) and ``value_on_halves`` (against one half of the cells, averaged over halvings). The predictor
        ``"replicate"`` is the other half, with a ``value_on_halves`` only.
    summary
        One row per score, stratum and predictor: ``metric``, ``stratum_of``, ``stratum``, ``predictor``,
        ``is_baseline``, ``higher_is_better``; ``value`` (mean over the perturbations in which it is defined),
        ``ci_low`` and ``ci_high`` (95 %, bootstrap over perturbations), ``n`` perturbations, ``n_nan`` of them
        undefined; and, all against halves, ``value_on_halves`` *u*, ``negative_control`` *b* (the mean baseline) and
        ``positive_control`` *r* (the replicate), all three over the perturbations in which all three are defined,
        ``n_nan_on_halves`` the number of the others, ``dynamic_range`` ``|r - b|``, ``calibrated``
        ``(u - b) / (r - b)`` with its interval ``calibrated_low`` and ``calibrated_high``, unclipped (0 is no better
        than the mean, 1 as good as a replicate), and ``can_rank``, whether ``r`` is clearly better than ``b``, which
        fewer than six perturbations cannot tell. The two figures of spread
        (``collapse_ratio``, ``mean_correlation_between_predictions``) are of all perturbations together and stand in
        the stratum ``"panel"``.
    comparisons
        One row per score, stratum and pair of predictors: ``predictor``, ``rival``, ``difference`` of their means over
        the ``n`` perturbations with both, ``ci_low``, ``ci_high``, ``p_value`` (the larger one of paired
        bootstrap and sign-flip test), ``p_holm`` (corrected over the rivals) and ``better``, the winner's name where
        ``p_holm`` is below 0.05, else empty.
    notes
        What to know before believing a number, one sentence or two each.
    about
        What was evaluated: numbers of test and training perturbations, cells and genes, modality, cell type, names of
        the predictors, number of halvings and bootstrap draws.
    """

    per_perturbation: pd.DataFrame
    summary: pd.DataFrame
    comparisons: pd.DataFrame
    notes: tuple[str, ...]
    about: Mapping[str, Any]

    def to_csv(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write ``per_perturbation.csv``, ``summary.csv``, ``comparisons.csv``, ``notes.txt`` and ``report.txt``.

        Parameters
        ----------
        folder
            The folder to make, and those above it. It appears complete or not at all.
        overwrite
            Replace a folder that such a report was written to; anything else there is never replaced.

        Returns
        -------
        The folder.

        Raises
        ------
        DataError
            The folder exists.
        WriteError
            It cannot be written to.
        """
        target = require_report_folder(folder, overwrite=overwrite)
        with atomic_folder(target) as work:
            for name in TABLES:
                getattr(self, name).to_csv(work / f"{name}.csv", index=False)
            (work / "notes.txt").write_text("".join(f"{note}\n" for note in self.notes), encoding="utf-8")
            (work / "report.txt").write_text(f"{self.to_text(scores='all')}\n", encoding="utf-8")
        return target

    def to_uns(self, adata: AnnData) -> None:
        """Write the report to ``uns["scgenept"]["report"]``; :func:`scgenept.get.report` reads it back.

        Parameters
        ----------
        adata
            Any AnnData that is no view.
        """
        check_writable(adata, backed_ok=True)
        check_records_writable(adata)
        # anndata stores an index of strings and no other
        tables = {name: (table := getattr(self, name)).set_axis(table.index.astype(str), axis=0) for name in TABLES}
        write_record(adata, _keys.REPORT, {**tables, "notes": "\n".join(self.notes), "about": dict(self.about)})

    @classmethod
    def from_uns(cls, adata: AnnData) -> Report:
        """Read what :meth:`to_uns` wrote.

        Parameters
        ----------
        adata
            With a report.

        Raises
        ------
        DataError
            There is none.
        """
        record = read_record(adata, _keys.REPORT)
        if record is None:
            msg = "There is no report in this AnnData. Write one with sgp.tl.evaluate(...).to_uns(adata)."
            raise DataError(msg)
        tables = {name: record[name].reset_index(drop=True) for name in TABLES}
        about = {name: value.item() if hasattr(value, "item") else value for name, value in record["about"].items()}
        notes = tuple(note for note in str(record["notes"]).split("\n") if note)
        return cls(**tables, notes=notes, about=about)

    def to_text(self, *, scores: Literal["short", "all"] = "short") -> str:
        """Return the report as plain text of at most 100 columns; ``print(report)`` shows the short form.

        Parameters
        ----------
        scores
            ``"short"`` leaves out the less common scores where there are more than eight.

        Returns
        -------
        Two tables per predictor (scores on all cells beside the mean and the best baseline; on halves of the cells
        beside a replicate), one by kind of perturbation, and the notes.

        Raises
        ------
        DataError
            ``scores`` is something else.
        """
        if scores not in {"short", "all"}:
            msg = f"scores={scores!r} should be 'short' or 'all'."
            raise DataError(msg)
        return as_text(self, scores)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<Report of {self.about['predictors']} on {self.about['n_test']} test perturbations; print it>"

    def _repr_html_(self) -> str:
        return as_html(self)


def require_report_folder(folder: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Refuse a folder that :meth:`Report.to_csv` would not write to, before there is a report to write.

    Raises
    ------
    DataError
        It exists, and is no report or not to be replaced.
    WriteError
        It cannot be written to.
    """
    require_path("folder", folder, what="the folder to write to")
    target = require_writable(folder)
    ours = {"notes.txt", "report.txt", *(f"{name}.csv" for name in TABLES)}
    if target.exists():
        found = {path.name for path in target.iterdir()} if target.is_dir() else {target.name}
        if found and not (overwrite and found <= ours):
            remedy = "Pass overwrite=True, or choose" if found <= ours else "It is no report: choose"
            msg = f"{target} exists. {remedy} another folder."
            raise DataError(msg)
    return target
