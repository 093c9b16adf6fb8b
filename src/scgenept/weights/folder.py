"""Our own checkpoint: a folder of four files, none of them pickled."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .._arguments import require_path
from .._errors import CheckpointError, UnknownNameError, listing
from .._io import atomic_file, atomic_folder, require_writable
from ..genes.vocabulary import Vocabulary
from ..nn import NetworkConfig
from .adapters import KeyForm, in_one_place, to_original
from .assemble import build_network
from .calibration import read_calibration, write_calibration
from .card import Card
from .digest import require_sha256, tensors_sha256
from .json_file import read_json
from .model import ScGenePT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .calibration import Calibration

TENSORS: Final = "model.safetensors"
CONFIG: Final = "config.json"
GENES: Final = "genes.tsv"
CARD: Final = "card.json"
CALIBRATION: Final = "calibration.safetensors"
"""There only where the model is calibrated."""
FILES: Final = (TENSORS, CONFIG, GENES, CARD)
GENE_COLUMNS: Final = ("gene", "token", "position", "control_mean")
FORMAT: Final = 1
RUN_MODEL: Final = "model"
"""Where in its own folder a run of training puts its model."""
CHECKED_BYTES: Final = 256_000_000
"""Tensors up to this size are hashed when they are loaded, larger ones when their hash is first used."""


def is_folder(path: Path) -> bool:
    """Whether a folder holds, or began to hold, one of our models."""
    return path.is_dir() and any((path / name).exists() for name in FILES)


def save_folder(model: ScGenePT, path: str | Path, *, half: bool = False, overwrite: bool = False) -> Path:
    """Write a model folder; see :meth:`ScGenePT.save`."""
    require_path("path", path, what="the folder to make")
    folder = require_writable(path)
    if folder.exists():
        _require_replaceable(folder, overwrite=overwrite)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.network.state_dict().items()}
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    card = replace(model.card, weights_sha256=tensors_sha256(tensors))
    calibration = model.calibration
    if calibration is not None and calibration.weights_sha256 == model.weight_hash:
        # what half precision rounds is far less than what is calibrated
        calibration = replace(calibration, weights_sha256=card.weights_sha256)
    config = {"format": FORMAT, "network": model.network.config.to_dict()}
    with atomic_folder(folder) as work:
        save_file(tensors, work / TENSORS, metadata={"format": "pt"})
        (work / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
        (work / CARD).write_text(_card_text(card))
        if calibration is not None:
            write_calibration(calibration, work / CALIBRATION)
        _write_genes(model, work / GENES)
    return folder


def load_folder(path: str | Path) -> ScGenePT:
    """Read a model folder; gene tables stay memory-mapped."""
    folder = Path(path)
    if absent := [name for name in FILES if not (folder / name).is_file()]:
        msg = (
            f"{folder} is not a whole model folder: {listing(absent)} missing. "
            "Was the copy interrupted? Copy or save the model again."
        )
        raise CheckpointError(msg)
    config = read_json(folder / CONFIG)
    if config.get("format") != FORMAT:
        msg = f"{folder / CONFIG} is of format {config.get('format')}, this version reads {FORMAT}: update scgenept."
        raise CheckpointError(msg)
    try:
        network_config = NetworkConfig.from_dict(config["network"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{folder / CONFIG} describes no network of this version. Update scgenept, or copy the model again."
        raise CheckpointError(msg) from error
    try:
        tensors = load_file(folder / TENSORS)
    except SafetensorError as error:
        msg = f"{folder / TENSORS} cannot be read ({error}). Was the copy interrupted? Copy or save the model again."
        raise CheckpointError(msg) from error
    card = Card.from_dict(read_json(folder / CARD), source=folder / CARD)
    vocabulary, genes, control_mean = _read_genes(folder / GENES, network_config)
    network = build_network(network_config, tensors, source=folder)
    size = sum(tensor.nbytes for tensor in tensors.values())
    if card.weights_sha256 and size <= CHECKED_BYTES:
        require_sha256(tensors, card.weights_sha256, folder / TENSORS)
    stored = folder / CALIBRATION
    calibration = read_calibration(stored) if stored.is_file() else None
    model = ScGenePT(network, vocabulary, card, genes=genes, control_mean=control_mean, calibration=calibration)
    if size > CHECKED_BYTES:
        model._check_later(tensors)
    return model


def add_calibration(folder: Path, calibration: Calibration, card: Card) -> None:
    """Put a calibration, and the card that tells of it, into a model folder; the weights stay as they are."""
    with atomic_file(folder / CARD) as new_card, atomic_file(folder / CALIBRATION) as work:
        write_calibration(calibration, work)
        new_card.write_text(_card_text(card))


def export_original(model: ScGenePT, path: str | Path, *, form: KeyForm = "native", overwrite: bool = False) -> Path:
    """Write the original's checkpoint; see :meth:`ScGenePT.export`."""
    require_path("path", path, what="the file to write")
    target = require_writable(path)
    if target.exists() and not overwrite:
        msg = f"{target} exists: choose another path, or pass overwrite=True to replace it."
        raise CheckpointError(msg)
    if form not in get_args(KeyForm):
        msg = f"form={form!r} does not exist: {', '.join(get_args(KeyForm))}."
        raise UnknownNameError(msg)
    config = model.network.config
    if same := in_one_place([source.name for source in config.languages]):
        msg = (
            f"{model.name} has the texts {listing(same)}, for which the original network has one place. Save it with "
            "model.save(path)."
        )
        raise CheckpointError(msg)
    if config.gene_offset or config.decoder == "residual":
        msg = (
            f"{model.name} has {'a learned level per gene' if config.gene_offset else 'a residual decoder'}, which the "
            "original network has no place for. Save it with model.save(path)."
        )
        raise CheckpointError(msg)
    state = to_original(model.network.state_dict(), config, form)
    with atomic_file(target) as work, work.open("wb") as stream:
        torch.save(state, stream)
    return target


def _require_replaceable(folder: Path, *, overwrite: bool) -> None:
    """Refuse to replace anything but a model folder that holds nothing else."""
    if absent := [name for name in FILES if not (folder / name).is_file()]:
        msg = f"{folder} exists and is not a model folder, having no {listing(absent)}: choose another path."
    elif others := sorted({entry.name for entry in folder.iterdir()} - {*FILES, CALIBRATION}):
        msg = (
            f"{folder} holds more than a model, and replacing it would delete the rest ({listing(others)}): move that "
            "elsewhere, or choose another path."
        )
    elif not overwrite:
        msg = f"{folder} exists: pass overwrite=True to replace the model in it."
    else:
        return
    raise CheckpointError(msg)


def _card_text(card: Card) -> str:
    return json.dumps(card.to_dict(), indent=1, allow_nan=True) + "\n"


def _write_genes(model: ScGenePT, path: Path) -> None:
    rows = [GENE_COLUMNS, *_gene_rows(model)]
    # Python before 3.13 leaves a bare "\r" unquoted, and no reader takes that
    bare = any("\r" in str(name) for name, *_ in rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(
            stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL
        ).writerows(rows)


def _gene_rows(model: ScGenePT) -> Iterator[tuple[object, ...]]:
    """One row per token in the order of their ids, then the trained genes that have no token."""
    position = {gene: i for i, gene in enumerate(model.genes or ())}
    mean = model.control_mean
    for token, gene in enumerate(model.vocabulary.tokens):
        yield gene, token, position.get(gene, ""), repr(mean[gene]) if gene in mean else ""
    for gene, i in position.items():
        if gene not in model.vocabulary:
            yield gene, "", i, repr(mean[gene]) if gene in mean else ""


def _read_genes(path: Path, config: NetworkConfig) -> tuple[Vocabulary, list[str] | None, dict[str, float]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        columns, rows = reader.fieldnames or (), list(reader)
    if absent := [name for name in GENE_COLUMNS if name not in columns]:
        msg = f"{path} has no column {listing(absent)}: the file is damaged. Copy or save the model again."
        raise CheckpointError(msg)
    tokens = [row["gene"] for row in rows if row["token"]]
    if len(tokens) != config.n_tokens or any(row["token"] != str(i) for i, row in enumerate(rows[: len(tokens)])):
        msg = (
            f"{path} names {len(tokens):,} tokens in order, the network has {config.n_tokens:,}: the file is damaged. "
            "Copy or save the model again."
        )
        raise CheckpointError(msg)
    trained = sorted((int(row["position"]), row["gene"]) for row in rows if row["position"])
    control_mean = {row["gene"]: float(row["control_mean"]) for row in rows if row["control_mean"]}
    return Vocabulary(tokens), [gene for _, gene in trained] or None, control_mean
