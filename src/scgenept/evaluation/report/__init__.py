"""The result of an evaluation: tidy tables, notes in words, and how they are shown and stored."""

from __future__ import annotations

from ._report import Report, require_report_folder

__all__ = ["Report", "require_report_folder"]
