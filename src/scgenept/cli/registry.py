"""scgenept registry: the files that can be fetched, and the hashes that a maintainer records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import readable_errors

if TYPE_CHECKING:
    from ..registry import Entry

app = typer.Typer(help="Files that scgenept fetches.", no_args_is_help=True)


@app.command("list")
def list_files() -> None:
    """List every file: what it is, its size, whether its hash is known and whether it is in the cache."""
    from ..registry import registry_table

    typer.echo(registry_table().to_string(index=False))


@app.command("fetch")
def fetch_files(
    names: Annotated[list[str], typer.Argument(help="Of files, as `scgenept registry list` shows.")],
) -> None:
    """Bring files into the cache, for use without a network."""
    from ..registry import fetch, find

    with readable_errors():
        for name in [find(name).name for name in names]:  # all looked up first
            typer.echo(fetch(name))


@app.command()
def pin(
    names: Annotated[list[str] | None, typer.Argument(help="Of files, as `scgenept registry list` shows.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every file without a hash: about 15 GB.")] = False,
    table: Annotated[Path | None, typer.Option(help="Which registry.yaml to rewrite.")] = None,
) -> None:
    """Fetch files and record their hashes and sizes in registry.yaml. For maintainers."""
    from ..registry import entries
    from ..registry.pin import REGISTRY, pin_files

    chosen = [*(names or []), *(entry.name for entry in entries() if everything and _unhashed(entry))]
    if not chosen:
        unhashed = sum(map(_unhashed, entries()))
        msg = f"Name the files to fetch and hash, or pass --all. {unhashed} files have no hash yet."
        raise typer.BadParameter(msg)
    with readable_errors():
        for name, sha256 in pin_files(dict.fromkeys(chosen), table=table or REGISTRY).items():
            typer.echo(f"{sha256}  {name}")


def _unhashed(entry: Entry) -> bool:
    return entry.sha256 is None and not entry.recipe
