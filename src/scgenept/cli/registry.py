"""scgenept registry."""

from __future__ import annotations

import typer

app = typer.Typer(help="Files that scgenept fetches.", no_args_is_help=True)
