"""What a person at a terminal is told when something is wrong."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from .._errors import ScGenePTError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@contextmanager
def readable_errors(*options: str) -> Iterator[None]:
    """Show errors of ours as one line and exit with code 1, warnings as lines; no tracebacks.

    Parameters
    ----------
    options
        Arguments of the Python function that errors name, and that are options of the command: ``overwrite=True`` is
        shown as ``--overwrite``, ``n_cells=500`` as ``--n-cells 500``.
    """
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_kwargs: typer.echo(f"Warning: {message}", err=True)
        try:
            yield
        except (ScGenePTError, OSError) as error:
            typer.echo(f"Error: {_in_options(str(error), options)}", err=True)
            raise typer.Exit(1) from error


def _in_options(said: str, options: Collection[str]) -> str:
    """Write arguments as options of a command.

    Examples
    --------
    >>> _in_options("n_cells=500 of 20 control cells", ["n_cells"]), _in_options("model='scgenept-mini': a", ["model"])
    ('--n-cells 500 of 20 control cells', "--model 'scgenept-mini': a")
    """
    for name in options:
        option = f"--{name.replace('_', '-')}"
        said = re.sub(rf"(?<![\w(]){name}=True\b", option, said)
        said = re.sub(rf"(?<![\w(]){name}=('[^']*'|-?[\d.]+\b)", rf"{option} \1", said)
    return said
