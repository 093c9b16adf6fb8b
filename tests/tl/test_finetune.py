"""tl.finetune: what it takes, what it refuses, what it returns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

import scgenept as sgp
from scgenept._errors import DataError, UnknownGeneError, UnknownNameError
from scgenept.knowledge import KnowledgeSource
from scgenept.nn import VARIANTS, Network
from scgenept.training.fit import fit
from scgenept.weights.card import Card
from scgenept.weights.model import ScGenePT
from tests.training.interrupted import cells
from tests.unchanged import unchanged

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

SMALL = sgp.tl.Architecture(d_model=8, n_heads=2, d_hidden=8, n_layers=1)
PLAN = sgp.tl.TrainingPlan(epochs=1, batch_size=8)


def texts(name: str, genes: list[str], width: int, seed: int = 0) -> KnowledgeSource:
    return KnowledgeSource(name, genes, np.random.default_rng(seed).normal(size=(len(genes), width)))


def train(adata: AnnData | None = None, **options: Any) -> ScGenePT:
    recipe: dict[str, Any] = {"variant": "scgpt", "init": None, "architecture": SMALL, "plan": PLAN}
    return sgp.tl.finetune(cells() if adata is None else adata, **{**recipe, **options})


def test_the_card_says_what_was_done() -> None:
    adata = cells()
    with unchanged(adata):
        model = train(adata, rng=3)
    card = model.card
    assert (card.modality, card.cell_type, card.variant, card.token_mapping) == ("CRISPRa", "K562", "scgpt", "alias")
    assert card.training["train"] == ["KLF1", "KLF1+MAP2K6", "MAP2K6"]
    assert card.training["seed"] == 3
    assert sgp.tl.TrainingPlan.from_dict(card.training["plan"]) == PLAN
    assert [row["epoch"] for row in card.training["history"]] == [0]
    assert model.genes == tuple(adata.var_names)
    is_control = adata.obs["is_control"].to_numpy()
    expected = np.asarray(adata.X[is_control].mean(axis=0)).ravel()
    np.testing.assert_allclose([model.control_mean[gene] for gene in adata.var_names], expected, rtol=1e-5)


def test_it_predicts_and_is_saved_and_read_back(tmp_path: Path) -> None:
    adata = cells()
    model = train(adata)
    controls = adata[adata.obs["is_control"]].copy()
    sgp.tl.predict_perturbation(controls, "KLF1", model=model)
    model.save(tmp_path / "mine")
    again = sgp.models.load(tmp_path / "mine")
    sgp.tl.predict_perturbation(controls, "KLF1", model=again, key_added="again")
    np.testing.assert_array_equal(controls.layers["KLF1"], controls.layers["again"])
    assert again.weight_hash == model.weight_hash


def test_a_gene_that_data_labels_and_texts_name_differently_is_one_gene() -> None:
    adata, ids = cells(), {"KLF1": "ENSG00000105610", "MAP2K6": "ENSG00000108984"}
    by_id = adata.copy()
    by_id.var_names = [ids.get(name, name) for name in adata.var_names]
    assert set(ids.values()) <= set(by_id.var_names)
    source = texts("mine", list(adata.var_names), 5)
    first, second = (train(data, language=[source], variant="scgenept_go_c") for data in (adata, by_id))
    assert len(second.vocabulary) == len(first.vocabulary)
    predicted = []
    for data, model in ((adata, first), (by_id, second)):
        controls = data[data.obs["is_control"]].copy()
        sgp.tl.predict_perturbation(controls, "KLF1+MAP2K6", model=model)
        predicted.append(controls.layers["KLF1+MAP2K6"])
    np.testing.assert_allclose(predicted[0], predicted[1], rtol=1e-5)


def test_any_number_of_texts_of_any_width() -> None:
    adata = cells()
    genes = list(adata.var_names)
    both = [texts("mine", [*genes, "UNMEASURED1"], 5), texts("theirs", genes[:20], 3)]
    model = train(adata, language=both, variant="scgenept_go_c")
    assert [(source.name, source.width) for source in model.network.config.languages] == [("mine", 5), ("theirs", 3)]
    table = model.network.state_dict()["genes.languages.theirs.table.weight"]
    row = model.vocabulary.id(genes[3])
    np.testing.assert_array_equal(table[row], both[1].vectors[3])
    without = model.vocabulary.id(genes[25])
    np.testing.assert_allclose(table[without], both[1].vectors.mean(axis=0), rtol=1e-5)
    # a gene that only has a text can be asked for
    assert "UNMEASURED1" in model.vocabulary
    controls = adata[adata.obs["is_control"]].copy()
    with pytest.warns(UserWarning, match="UNMEASURED1 was never perturbed"):
        sgp.tl.predict_perturbation(controls, "UNMEASURED1", model=model)


def pretrained(adata: AnnData, *, fine_tuned: bool = False) -> ScGenePT:
    from scgenept.genes.vocabulary import Vocabulary

    vocabulary = Vocabulary(list(adata.var_names)).with_specials()
    config = VARIANTS["scgpt"].config(
        n_tokens=len(vocabulary), pad_id=vocabulary.pad_id, d_model=8, n_heads=2, d_hidden=8, n_layers=1
    )
    card = Card("scgpt", variant="scgpt", modality="CRISPRi", fine_tuned=fine_tuned)
    return ScGenePT(Network.initialised(config, 7).eval(), vocabulary, card)


@pytest.mark.parametrize(
    ("variant", "taken"),
    [("scgenept_go_c", ("genes.token", "body.value", "body.layers")), ("go_c_counts", ("body.value", "body.layers")),
     ("scgenept_go_c_no_attention", ("genes.token", "body.value"))],
)  # fmt: skip
def test_pretrained_parts_are_taken_and_the_rest_is_fresh(variant: str, taken: tuple[str, ...]) -> None:
    adata = cells()
    start = pretrained(adata)
    before = {name: tensor.clone() for name, tensor in start.network.state_dict().items()}
    plan = sgp.tl.TrainingPlan(epochs=1, batch_size=8, learning_rate=1e-30)
    text = texts("go_c", list(adata.var_names), 4)
    model = train(adata, init=start, variant=variant, architecture=None, language=[text], plan=plan)
    after = model.network.state_dict()
    same = {name for name in before if name in after and torch.allclose(before[name], after[name], atol=1e-20)}
    for name in before:
        if name.startswith(taken):
            assert name in same, name
        elif name in after and name.startswith(("body.decoder", "body.flag")) and name.endswith("weight"):
            assert name not in same, name
    assert all(torch.equal(before[name], tensor) for name, tensor in start.network.state_dict().items())


def test_a_fine_tuned_model_is_trained_further_without_being_changed() -> None:
    adata = cells()
    first = train(adata)
    before = {name: tensor.clone() for name, tensor in first.network.state_dict().items()}
    second = train(adata, init=first, variant=None, architecture=None)
    assert second.card.variant == "scgpt"
    assert second.card.name == first.card.name == "scgpt-finetuned"
    assert second.card.caveats == ("Not evaluated yet: see scgenept.tl.evaluate.",)
    assert all(torch.equal(before[name], tensor) for name, tensor in first.network.state_dict().items())
    assert any(not torch.equal(before[name], tensor) for name, tensor in second.network.state_dict().items())
    with pytest.raises(UnknownNameError, match="is a scgpt, not a scgenept_go_c"):
        train(adata, init=first, variant="scgenept_go_c")
    with pytest.raises(UnknownNameError, match="has its own texts"):
        train(adata, init=first, variant=None, language=[texts("x", list(adata.var_names), 2)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": 5}, "language= should be a list of names or sources, not int"),
        ({"loggers": 5}, "loggers= should be a list of lightning loggers, not 5"),
        ({"callbacks": ["x"]}, r"callbacks= should be a list of lightning callbacks, not \['x'\]"),
    ],
)
def test_lists_of_something_else_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        train(cells(), init=None, **{"variant": "scgpt", **options})


@pytest.mark.parametrize(
    ("n_epochs", "said"),
    [
        (0, "stopped in its first epoch."),
        (1, "stopped after 1 epoch; the model is"),
        (2, "stopped after 2 epochs; the"),
    ],
)
def test_a_stopped_training_says_how_far_it_came(n_epochs: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: Any, **options: Any) -> Any:
        run = fit(*given, **options)
        history = pd.concat([run.history] * n_epochs) if n_epochs else run.history.iloc[:0]
        return replace(run, history=history, interrupted=True)

    monkeypatch.setattr("scgenept.tl._finetune.fit", stopped)
    with pytest.warns(UserWarning, match=f"Training was {said}"):
        assert train().card.training["interrupted"]


def test_one_text_needs_no_list() -> None:
    with pytest.raises(UnknownNameError, match="There is no source 'go_cc'"):
        train(cells(), init=None, variant="scgenept_go_c", language="go_cc")


def test_modalities_are_mixed_only_when_asked() -> None:
    adata = cells()
    start = pretrained(adata, fine_tuned=True)
    with pytest.raises(DataError, match="was trained on CRISPRi and adata is CRISPRa.*mix_modalities=True"):
        train(adata, init=start, variant=None)
    model = train(adata, init=start, variant=None, mix_modalities=True)
    assert model.card.covers("CRISPRi")
    assert model.card.covers("CRISPRa")
    assert not model.card.covers("knock-out")
    assert model.card.modality == "CRISPRi, CRISPRa"
    assert train(adata, init=model, variant=None, mix_modalities=True).card.modality == "CRISPRi, CRISPRa"


def test_a_further_training_adds_to_what_the_card_knows() -> None:
    adata = cells()
    first = train(adata)
    few = adata[adata.obs["is_control"] | (adata.obs["perturbation"] == "MAP2K6")].copy()
    few.obs["split"] = "train"
    sgp.pp.setup_perturbations(few, key="condition")  # neither modality nor cell type
    second = train(few, init=first, variant=None, architecture=None)
    third = train(few, init=second, variant=None, architecture=None)
    for card in (second.card, third.card):
        assert (card.modality, card.cell_type) == ("CRISPRa", "K562")
        assert card.training["train"] == ["MAP2K6"]
        assert card.training["train_before"] == ["KLF1", "KLF1+MAP2K6", "MAP2K6"]
        assert card.perturbed_genes == {"KLF1", "MAP2K6"}
    controls = adata[adata.obs["is_control"]].copy()
    sgp.tl.predict_perturbation(controls, "KLF1", model=third)  # without a warning that it was never perturbed
    with pytest.raises(DataError, match="1 of 1 perturbations were trained on: KLF1"):
        sgp.tl.calibrate(third, adata, split=["KLF1"])
    sgp.pp.setup_perturbations(few, key="condition", cell_type="RPE1")
    assert train(few, init=first, variant=None, architecture=None).card.cell_type == "K562, RPE1"


def test_where_a_start_does_not_list_its_training_nothing_is_called_unseen() -> None:
    adata = cells()
    start = pretrained(adata, fine_tuned=True)
    model = train(adata, init=start, variant=None, mix_modalities=True)
    assert model.card.training["train_before"] is None
    assert model.card.perturbed_genes is None
    assert model.card.trained_on == {"KLF1", "KLF1+MAP2K6", "MAP2K6"}


@pytest.mark.parametrize(("decoder", "gene_offset"), [("direct", True), ("residual", True), ("residual", False)])
def test_offset_and_residual_start_from_what_is_known(decoder: Any, gene_offset: bool) -> None:
    adata = cells()
    adata.obs["line"] = np.where(np.arange(adata.n_obs) % 3 == 0, "x", "y")
    sgp.pp.pair_controls(adata, by="line")
    shape = sgp.tl.Architecture(d_model=8, n_heads=2, d_hidden=8, n_layers=1, decoder=decoder, gene_offset=gene_offset)
    plan = sgp.tl.TrainingPlan(epochs=1, batch_size=8, learning_rate=1e-30)
    model = train(adata, architecture=shape, plan=plan)
    controls = adata[adata.obs["is_control"]].copy()
    sgp.tl.predict_perturbation(controls, "KLF1", model=model)
    table = adata.to_df().assign(**adata.obs[["perturbation", "line", "is_control"]])
    genes = list(adata.var_names)
    own = table[table["is_control"]].groupby("line")[genes].mean()
    training = table[(adata.obs["split"] == "train") & ~table["is_control"]]
    means, changes = [], []
    for _, part in training.groupby("perturbation", observed=True):
        means.append(part[genes].mean())
        changes.append((part[genes] - own.loc[part["line"]].to_numpy()).mean())
    level = np.mean(means if decoder == "direct" else changes, axis=0) if gene_offset else 0
    start = controls.to_df().to_numpy() if decoder == "residual" else 0
    np.testing.assert_allclose(controls.layers["KLF1"], np.broadcast_to(start + level, controls.shape), atol=1e-5)


def test_offset_and_residual_survive_saving_and_are_not_exported(tmp_path: Path) -> None:
    shape = sgp.tl.Architecture(
        d_model=8, n_heads=2, d_hidden=8, n_layers=1, decoder="residual", gene_offset=True, dropout=0.0
    )
    model = train(architecture=shape)
    model.save(tmp_path / "mine")
    assert sgp.models.load(tmp_path / "mine").network.config == model.network.config
    with pytest.raises(ValueError, match="has a learned level per gene, which the original network has no place for"):
        model.export(tmp_path / "theirs.pt")


def test_parts_of_a_batch_change_the_masks_of_dropout_and_nothing_else() -> None:
    def trained(dropout: float, micro_batch: int | None) -> ScGenePT:
        shape = replace(SMALL, dropout=dropout)
        return train(architecture=shape, hardware=sgp.tl.Hardware(micro_batch=micro_batch))

    def weights(model: ScGenePT) -> torch.Tensor:
        return torch.cat([tensor.ravel() for tensor in model.network.state_dict().values()])

    whole, parts = trained(0.0, None), trained(0.0, 3)
    torch.testing.assert_close(weights(parts), weights(whole), rtol=0, atol=1e-5)
    assert (whole.card.training["micro_batch"], parts.card.training["micro_batch"]) == (8, 3)
    assert (weights(trained(0.2, 3)) - weights(trained(0.2, None))).abs().max() > 1e-4


def test_a_size_of_parts_from_numpy_is_saved(tmp_path: Path) -> None:
    train(hardware=sgp.tl.Hardware(micro_batch=np.int64(3)), out=tmp_path / "run")  # type: ignore[arg-type]
    assert sgp.models.load(tmp_path / "run").card.training["micro_batch"] == 3


def test_texts_need_names_of_their_own() -> None:
    genes = list(cells().var_names)
    for names in (["go.c"], ["same", "same"]):
        with pytest.raises(DataError, match="Each text needs a name of its own, without a dot"):
            train(language=[texts(name, genes, 2) for name in names])


def without_setup(adata: AnnData) -> None:
    del adata.uns["scgenept"]


def without_split(adata: AnnData) -> None:
    del adata.obs["split"]


def nobody_in_training(adata: AnnData) -> None:
    adata.obs["split"] = "test"


def controls_only(adata: AnnData) -> None:
    adata.obs["is_control"] = True


def no_controls(adata: AnnData) -> None:
    adata.obs["is_control"] = False


def counts(adata: AnnData) -> None:
    adata.X = adata.layers["counts"].copy()


def one_nan(adata: AnnData) -> None:
    adata.X = np.asarray(adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X)
    adata.X[3, 4] = np.nan


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_setup, "not set up"),
        (without_split, r"run scgenept.pp.split\(adata\) first"),
        (nobody_in_training, "names no cell 'train'; it holds: test"),
        (controls_only, "Training needs control cells and perturbed cells; found 60 and 0"),
        (no_controls, "found 0 and"),
        (counts, r"Run scgenept.pp.prepare\(adata\) first"),
        (one_nan, "1 NaN"),
    ],
)
def test_data_that_cannot_be_trained_on(spoil: Any, message: str) -> None:
    adata = cells()
    spoil(adata)
    with unchanged(adata), pytest.raises(DataError, match=message):
        train(adata)


def test_unknown_targets_are_refused_together() -> None:
    adata = cells()
    start = pretrained(adata)
    names = {"KLF1": "QQQ1", "MAP2K6": "QQQ2"}
    for column in ("condition", "perturbation"):
        adata.obs[column] = adata.obs[column].astype(str).replace(names)
    with pytest.raises(UnknownGeneError, match=r"no token for 2 of 4 perturbed genes \(QQQ1, QQQ2\), so \d+ cells"):
        train(adata, init=start, architecture=None)


def test_two_names_of_one_gene_are_learned_from() -> None:
    adata = cells()
    start = pretrained(adata)
    start = ScGenePT(start.network, start.vocabulary, replace(start.card, token_mapping="alias"))
    assert "MAP2K6" in start.vocabulary
    labels = adata.obs["perturbation"].astype(str)
    is_old = (labels == "MAP2K6") & (np.arange(adata.n_obs) % 2 == 0)
    others = start.gene_set(["MAP2K6", "PRKMK6"]).matches
    assert others.matched == ("MAP2K6", None)
    adata.obs["perturbation"] = labels.where(~is_old, "PRKMK6")
    model = train(adata, init=start, architecture=None)
    assert {"MAP2K6", "PRKMK6"} <= set(model.card.training["train"])


def test_cells_of_one_perturbation_in_training_and_test() -> None:
    adata = cells()
    rows = np.flatnonzero(adata.obs["perturbation"] == "KLF1")
    adata.obs.loc[adata.obs_names[rows[::3]], "split"] = "test"
    with pytest.warns(UserWarning, match=r"1 perturb.* in 'train' and in 'test' of obs\['split'\] \(KLF1\)"):
        train(adata)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"variant": "scgenept_go_x"}, UnknownNameError, "Nearest known names: scgenept_go"),
        ({"plan": sgp.tl.TrainingPlan(batch_size=64)}, DataError, "do not fill one batch of 64"),
        ({"hardware": sgp.tl.Hardware(device="cuda:9")}, ValueError, "does not exist on this machine"),
    ],
)
def test_options_that_cannot_be(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train(**options)


def test_sizes_that_the_weights_do_not_have() -> None:
    adata = cells()
    shape = sgp.tl.Architecture(d_model=16, n_heads=2)
    with pytest.raises(DataError, match=r"scgpt has other sizes than asked for: d_model=16 \(8\)"):
        train(adata, init=pretrained(adata), architecture=shape)


def test_a_backed_file_is_refused_with_its_size(tmp_path: Path) -> None:
    import anndata as ad

    cells().write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(DataError, match=r"load it with adata.to_memory\(\)"):
        train(backed)


def test_v1_trains_texts_and_maps_tokens_as_the_original() -> None:
    adata = cells()
    text = texts("go_c", list(adata.var_names)[:30], 4)
    plan = sgp.tl.TrainingPlan(epochs=1, batch_size=8, reproduce="v1")
    model = train(adata, plan=plan, language=[text], variant="scgenept_go_c")
    assert model.card.token_mapping == "v1"
    table = model.network.state_dict()["genes.languages.go_c.table.weight"]
    assert not np.array_equal(table[:30], text.vectors)
    assert model.card.training["n_cells"] == int(
        (adata.obs["split"] == "train").sum() + (adata.obs["is_control"] & (adata.obs["split"] != "train")).sum()
    )


def test_the_flag_alone_is_a_control() -> None:
    adata = cells()
    plan = sgp.tl.TrainingPlan(epochs=3, batch_size=8, learning_rate=1e-2)
    model = train(adata, variant="flag_only", architecture=replace(SMALL, gene_offset=True), plan=plan)
    assert model.network.genes.token_table is None
    assert model.network.body.value_encoder is None
    controls = adata[adata.obs["is_control"]].copy()
    sgp.tl.predict_perturbation(controls, "KLF1", model=model)
    change = controls.layers["KLF1"] - model.gene_set(list(adata.var_names)).offset.numpy()
    others = np.asarray(adata.var_names != "KLF1")
    assert np.ptp(change[:, others]) < 1e-5, "without genes and cells all positions look alike"
    assert np.abs(change[:, ~others] - change[0, others][0]).max() > 1e-4
