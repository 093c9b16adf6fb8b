"""Commands of ``scgenept``; each is a thin call of the Python door of the same name."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .errors import readable_errors
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
    data: Annotated[DemoData, typer.Option(help="Embedded figures, or the real cells (fetched once).")] = (
        DemoData.k562_mini
    ),
) -> None:
    """Predict two real double perturbations and show them beside what was observed. Needs no network."""
    from .demo import run_demo

    with readable_errors():
        typer.echo(run_demo(out, data=data.value))


@app.command()
def predict(
    cells: Annotated[Path, typer.Argument(help="h5ad of control cells, log1p of counts per 1e4.")],
    genes: Annotated[str, typer.Option(help="Genes perturbed together, comma-separated: KLF1,MAP2K6.")],
    out: Annotated[Path, typer.Option(help="h5ad to write.")],
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "",
    layer: Annotated[str, typer.Option(help="Layer to read; X by default.")] = "",
    n_cells: Annotated[int, typer.Option(min=0, help="Draw this many cells; 0 for all.")] = 0,
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output file.")] = False,
) -> None:
    """Predict the response of your own control cells to a perturbation."""
    from .predict import run_predict

    with readable_errors("model", "layer", "n_cells"):
        typer.echo(
            run_predict(
                cells,
                re.split(r"[,+]", genes),
                out,
                model=model or None,
                layer=layer or None,
                n_cells=n_cells,
                overwrite=overwrite,
            )
        )


@app.command()
def evaluate(
    data: Annotated[Path, typer.Argument(help="h5ad of real cells, set up and split, log1p of counts per 1e4.")],
    predictions: Annotated[Path | None, typer.Argument(help="h5ad of predictions to judge.")] = None,
    model: Annotated[str, typer.Option(help="Name or path of a model to judge, or name of a baseline.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder to write the tables to.")] = None,
    split: Annotated[str, typer.Option(help="Part of the split to score.")] = "test",
    n_control_cells: Annotated[int, typer.Option(min=0, help="Control cells a model predicts from; 0 for all.")] = 300,
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the tables in the folder.")] = False,
) -> None:
    """Judge predictions beside baselines and a replicate: rows are perturbations, or cells with labels in obs."""
    from .evaluate import run_evaluate

    with readable_errors("overwrite", "split", "n_control_cells"):
        typer.echo(
            run_evaluate(
                data,
                predictions,
                model=model or None,
                out=out,
                split=split,
                n_control_cells=n_control_cells,
                overwrite=overwrite,
            )
        )


@app.command()
def finetune(  # noqa: PLR0913, PLR0917
    cells: Annotated[Path, typer.Argument(help="h5ad: counts, or log1p of counts per 1e4, with perturbation labels.")],
    out: Annotated[Path, typer.Option(help="Folder to keep the run and the model in.")],
    key: Annotated[str, typer.Option(help="Column of obs with the labels, where the data are not set up.")] = "",
    modality: Annotated[str, typer.Option(help="CRISPRa, CRISPRi or knock-out.")] = "unknown",
    cell_type: Annotated[str, typer.Option(help="The cells perturbed, such as K562.")] = "",
    variant: Annotated[str, typer.Option(help="What the network sees, such as scgenept_go_c or scgpt.")] = "",
    init: Annotated[str, typer.Option(help="scgpt, none, or the name or path of a model.")] = "scgpt",
    split: Annotated[str, typer.Option(help="Scheme of pp.split; '' keeps the split in the file.")] = "simulation",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of split and training.")] = 1,
    epochs: Annotated[int, typer.Option(help="Passes over the perturbed cells, at most.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Pairs of cells per step.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, at the start.")] = 1e-4,
    reproduce: Annotated[str, typer.Option(help="v1: the choices of the original.")] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; by default the best there is.")] = "",
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
) -> None:
    """Train a model on your own Perturb-seq data."""
    from .finetune import Request, run_finetune

    with readable_errors("resume"):
        request = Request(
            cells=cells, out=out, key=key or None, modality=modality, cell_type=cell_type or None,
            variant=variant or None, init=None if init == "none" else init, split=split or None, seed=seed,
            device=device or None, resume=resume,
        )  # fmt: skip
        recipe = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
        typer.echo(run_finetune(request, recipe | {"reproduce": reproduce or None}))


@app.command()
def info() -> None:
    """Print versions, device and cache: paste it into an issue."""
    from .info import describe_installation

    with readable_errors():
        typer.echo(describe_installation())
