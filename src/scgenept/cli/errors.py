"""What a person at a terminal is told when something is wrong."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from .._errors import ScGenePTError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def require_file(path: Path) -> None:
    """Refuse a path that is no file, and say where it was looked for."""
    if not path.is_file():
        what = " but a folder" if path.is_dir() else ""
        msg = f"{path.absolute()} is not a file{what}. Give the path of an h5ad file."
        raise FileNotFoundError(msg)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Show errors of ours as one line and exit with code 1, warnings as lines; no tracebacks."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_kwargs: typer.echo(f"Warning: {message}", err=True)
        try:
            yield
        except (ScGenePTError, OSError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error
