"""Commands of ``scgenept``; each is a thin call of the Python door of the same name."""

from __future__ import annotations

import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .._errors import ScGenePTError
from .registry import app as registry_app

app = typer.Typer(
    help="Predict how cells respond to genetic perturbation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(registry_app, name="registry")


class DemoData(StrEnum):
    """Where the demo's cells come from."""

    k562_mini = "k562_mini"
    norman_subset = "norman_subset"


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("scgenept_demo"),
    data: Annotated[DemoData, typer.Option(help="Embedded figures, or the real cells (3 MB download).")] = (
        DemoData.k562_mini
    ),
) -> None:
    """Predict two real double perturbations and show them beside what was observed. Needs no network."""
    from .demo import run_demo

    with _readable():
        typer.echo(run_demo(out, data=data.value))


@app.command()
def predict(
    cells: Annotated[Path, typer.Argument(help="h5ad of control cells, log1p of counts per 1e4.")],
    genes: Annotated[str, typer.Option(help="Genes perturbed together, comma-separated: KLF1,MAP2K6.")],
    out: Annotated[Path, typer.Option(help="h5ad to write.")],
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "",
    layer: Annotated[str, typer.Option(help="Layer to read; X by default.")] = "",
    n_cells: Annotated[int, typer.Option(help="Draw this many cells; 0 for all.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output file.")] = False,
) -> None:
    """Predict the response of your own control cells to a perturbation."""
    from .predict import run_predict

    with _readable():
        typer.echo(
            run_predict(
                cells, genes.split(","), out, model=model or None, layer=layer or None, n_cells=n_cells, overwrite=overwrite
            )
        )


@app.command()
def info() -> None:
    """Print versions, device and cache: paste it into an issue."""
    from .info import describe_installation

    typer.echo(describe_installation())


class _readable:
    """Errors of ours as one line and exit code 1, warnings as lines, without tracebacks."""

    def __enter__(self) -> None:
        self._catch = warnings.catch_warnings()
        self._catch.__enter__()
        warnings.showwarning = lambda message, *_args, **_kwargs: typer.echo(f"Warning: {message}", err=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._catch.__exit__(None, None, None)
        if isinstance(error, (ScGenePTError, FileNotFoundError, FileExistsError)):
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error
