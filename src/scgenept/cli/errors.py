"""What a person at a terminal is told when something is wrong."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from .._errors import ScGenePTError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def readable_errors(*switches: str) -> Iterator[None]:
    """Show errors of ours as one line and exit with code 1, warnings as lines; no tracebacks.

    Parameters
    ----------
    switches
        Options of the command that the Python function takes as ``name=True``.
    """
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_kwargs: typer.echo(f"Warning: {message}", err=True)
        try:
            yield
        except (ScGenePTError, OSError) as error:
            said = str(error)
            for name in switches:
                said = said.replace(f"{name}=True", f"--{name}")
            typer.echo(f"Error: {said}", err=True)
            raise typer.Exit(1) from error
