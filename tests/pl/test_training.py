"""The figure of a training, asserted on its artists."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import scgenept as sgp
from scgenept._errors import DataError
from tests.pl.figures import caption_of, require_room
from tests.small import small_model

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes


def losses(n: int = 12, *, worse_from: int = 6, start: float = 0.3) -> pd.DataFrame:
    """Losses that fall; the validation loss rises again from an epoch on."""
    epoch = np.arange(n)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": start * 0.85**epoch + 0.01,
            "validation_loss": start * 0.8**epoch + 0.02 + 0.01 * np.maximum(epoch - worse_from, 0),
            "learning_rate": 1e-3 * 0.9**epoch,
            "seconds": 1.0,
            "cells_per_second": 10.0,
        }
    )


def curve(ax: Axes, label: str) -> np.ndarray:
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return np.array(line.get_data(), dtype=float)


def said(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.figure.legends[0].get_texts()]


def test_curves_are_the_losses() -> None:
    table = losses()
    ax = sgp.pl.training(table.sample(frac=1, random_state=0))
    np.testing.assert_allclose(curve(ax, "training"), table[["epoch", "train_loss"]].to_numpy().T)
    np.testing.assert_allclose(curve(ax, "validation"), table[["epoch", "validation_loss"]].to_numpy().T)
    best = min(range(len(table)), key=lambda i: table["validation_loss"][i])
    assert curve(ax, "kept").ravel().tolist() == [best, table["validation_loss"][best]]
    assert said(ax) == ["training", "validation", f"kept: epoch {best} ({table['validation_loss'][best]:.3g})"]


def test_the_first_of_equals_is_best_and_the_last_without_validation() -> None:
    table = losses(4).assign(validation_loss=[0.3, 0.1, 0.1, 0.2])
    assert curve(sgp.pl.training(table), "kept")[0, 0] == 1
    ax = sgp.pl.training(table.drop(columns="validation_loss"))
    assert curve(ax, "kept").ravel().tolist() == [3, table["train_loss"][3]]
    assert "without validation the last epoch is kept" in caption_of(ax.figure)
    assert curve(sgp.pl.training(table.assign(validation_loss=np.nan)), "kept")[0, 0] == 3


def test_the_learning_rate_has_a_strip_where_it_changed() -> None:
    ax = sgp.pl.training(losses())
    rates = ax.figure.axes[1]
    (line,) = rates.lines
    np.testing.assert_allclose(line.get_ydata(), losses()["learning_rate"])
    assert rates.get_xlim() == ax.get_xlim()
    assert rates.get_xlabel() == "epoch"
    assert len(sgp.pl.training(losses().assign(learning_rate=0.1)).figure.axes) == 1
    assert len(sgp.pl.training(losses().drop(columns="learning_rate")).figure.axes) == 1


@pytest.mark.parametrize(("start", "scale"), [(0.3, "log"), (0.02, "linear")])
def test_a_wide_range_is_logarithmic(start: float, scale: str) -> None:
    table = losses(20, start=start, worse_from=20)
    values = table[["train_loss", "validation_loss"]].to_numpy()
    assert (values.max() / values.min() > 10) == (scale == "log")
    assert sgp.pl.training(table).get_yscale() == scale


def card(**more: object) -> dict[str, object]:
    history = losses().to_dict(orient="records")
    return {"history": history, "best_epoch": 2, "train": ["A", "B", "C"], "val": ["D"], "n_cells": 1234, **more}


def test_a_model_says_what_it_was_trained_on() -> None:
    ax = sgp.pl.training(small_model(training=card(interrupted=True)))
    assert curve(ax, "kept")[0, 0] == 2  # what the card says, not what would be best
    caption = caption_of(ax.figure)
    assert "small: 12 epochs; 1,234 cells, 3 perturbations for training, 1 perturbations for validation." in caption
    assert "Stopped by the user." in caption
    assert "One run, so no interval." in caption


def test_what_fit_returns_will_do() -> None:
    ax = sgp.pl.training(SimpleNamespace(history=losses(), best_epoch=5))
    assert curve(ax, "kept")[0, 0] == 5


def test_a_run_that_is_going_on_is_drawn_so_far(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    with pytest.raises(DataError, match="no epoch is finished yet"):
        sgp.pl.training(run)
    losses(3).to_csv(run / "log.csv", index=False)
    ax = sgp.pl.training(run)
    assert said(ax)[-1].startswith("best so far: epoch 2")
    assert "run: 3 epochs so far." in caption_of(ax.figure)
    (run / "model").mkdir()
    (run / "model" / "card.json").write_text(json.dumps({"name": "mine", "training": card()}))
    assert curve(sgp.pl.training(str(run)), "kept")[0, 0] == 2
    assert "mine: 12 epochs" in caption_of(sgp.pl.training(run / "model").figure)


def test_a_real_run(tmp_path: Path) -> None:
    adata = sgp.datasets.toy()
    sgp.pp.setup_perturbations(adata, key="condition", modality="CRISPRa", cell_type="K562")
    part = {"KLF1": "train", "MAP2K6": "val", "KLF1+MAP2K6": "test", "ctrl": "train"}
    adata.obs["split"] = adata.obs["perturbation"].astype(str).map(part)
    small = sgp.tl.Architecture(d_model=8, n_heads=2, d_hidden=8, n_layers=1)
    plan = sgp.tl.TrainingPlan(epochs=2, batch_size=8)
    model = sgp.tl.finetune(adata, variant="scgpt", init=None, architecture=small, plan=plan, out=tmp_path / "run")
    history = model.card.training["history"]
    for run in (model, tmp_path / "run", tmp_path / "run" / "model"):
        ax = sgp.pl.training(run)
        assert curve(ax, "training")[1].tolist() == [row["train_loss"] for row in history]
        assert curve(ax, "validation")[1].tolist() == [row["validation_loss"] for row in history]
        assert curve(ax, "kept")[0, 0] == model.card.training["best_epoch"]
    (tmp_path / "run" / "model").rename(tmp_path / "elsewhere")
    ax = sgp.pl.training(tmp_path / "run")
    np.testing.assert_allclose(curve(ax, "validation")[1], [row["validation_loss"] for row in history])
    assert curve(ax, "kept")[0, 0] == model.card.training["best_epoch"]


@pytest.mark.parametrize("width", [85, 175])
@pytest.mark.parametrize("n", [1, 300])
def test_text_never_overlaps(width: int, n: int) -> None:
    name = "scgenept_go_c_gpt_concat_finetuned_on_norman_seed_17_$x_1$"
    facts = card(history=losses(n, start=2).to_dict(orient="records"), best_epoch=0)
    model = SimpleNamespace(card=SimpleNamespace(name=name, training=facts))
    require_room(sgp.pl.training(model, figsize=(width / 25.4, None)).figure)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e5])
def test_losses_of_any_size_have_room(scale: float) -> None:
    table = losses(start=0.02)
    table[["train_loss", "validation_loss"]] *= scale
    require_room(sgp.pl.training(table).figure)


def test_on_axes_of_the_user() -> None:
    figure = Figure(figsize=(175 / 25.4, 70 / 25.4), layout="constrained")
    first, second = figure.subplots(1, 2)
    assert sgp.pl.training(losses(), ax=first) is first
    sgp.pl.training(losses(3), ax=second)
    assert figure.axes == [first, second]
    assert caption_of(first).startswith("12 epochs.")
    assert next(text.get_text() for text in first.get_legend().get_texts()) == "training"
    for ax in figure.axes:
        require_room(ax)


def test_wishes_reach_the_validation_loss() -> None:
    ax = sgp.pl.training(losses(), color="black", lw=3)
    look = {line.get_label(): (to_hex(line.get_color()), line.get_linewidth()) for line in ax.lines}
    assert look["validation"] == ("#000000", 3)
    assert look["training"][1] < 3
    alone = sgp.pl.training(losses().drop(columns="validation_loss"), color="black")
    assert to_hex(alone.lines[0].get_color()) == "#000000"


def test_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no losses: there is no such folder"):
        sgp.pl.training(tmp_path / "nowhere")
    with pytest.raises(DataError, match="it holds no run of sgp.tl.finetune"):
        sgp.pl.training(tmp_path)
    with pytest.raises(DataError, match="The card of small has no losses"):
        sgp.pl.training(small_model())
    with pytest.raises(DataError, match="The losses have no column train_loss; they have: epoch"):
        sgp.pl.training(losses()[["epoch"]])
    for table in (losses().assign(train_loss=np.nan), losses()[:0]):
        with pytest.raises(DataError, match="No epoch has a finite loss"):
            sgp.pl.training(table)
    with pytest.raises(DataError, match="got list"):
        sgp.pl.training([0.3, 0.2])


@pytest.mark.parametrize("values", [[1.23e-12, 1.22e-12, 1.21e-12], [0.100001, 0.100002, 0.100003], [-3e5, -2e5, -1e5]])
def test_numbers_differ_and_leave_the_name_of_the_scale_its_room(values: list[float]) -> None:
    ax = sgp.pl.training(pd.DataFrame({"epoch": range(3), "train_loss": values}), show=False)
    ax.figure.draw_without_rendering()
    numbers = [label.get_text() for label in ax.get_yticklabels()]
    assert len(set(numbers)) == len(numbers)
    assert "-" not in "".join(numbers), "a minus is a minus"
    assert ax.yaxis.label.get_window_extent().x0 >= 0
    assert ax.yaxis.label.get_window_extent().x1 < min(t.get_window_extent().x0 for t in ax.get_yticklabels())


def test_a_range_of_many_decades_has_numbers() -> None:
    ax = sgp.pl.training(pd.DataFrame({"epoch": range(4), "train_loss": [1e9, 0.2, 0.1, 0.01]}), show=False)
    low, high = ax.get_ylim()
    assert sum(low <= tick <= high for tick in ax.get_yticks()) >= 3
    require_room(ax.figure)
