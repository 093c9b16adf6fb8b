"""The public functions as one reads them: sorted, documented, the data first, the rest by keyword."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import scgenept as sgp
from scgenept.nn import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable

DOORS = ("datasets", "get", "knowledge", "metrics", "models", "models.baselines", "pl", "pp", "tl")
ROOT = Path(__file__).parents[1]

# A model or a score is named in full at the call; these take what they compare, or an origin, by position.
THREE = (
    "correct_direction", "de_auprc", "de_recall_at_k", "direction_agreement", "fold_change_gap", "interval_coverage",
    "lfc_nmae", "mean_sigma", "non_additive_auprc", "non_additivity_correlation", "opposite_direction", "pds_cosine",
    "pearson_delta", "pearson_delta_ref_mean", "top_k_overlap", "weighted_r2_delta", "within_range", "wmse",
)  # fmt: skip
POSITIONALS = dict.fromkeys((*THREE, "explain"), 3)
# These write down an experiment, what is predicted from what, and where results go; split has lists and folds.
MANY_PARAMETERS = {
    "delta_scatter", "embedding_shift", "evaluate", "evaluation", "explain", "finetune", "knowledge_map",
    "predict_perturbation", "response_heatmap", "setup_perturbations", "split", "top_genes",
}  # fmt: skip
# What becomes of a model: it comes first, as the AnnData does elsewhere.
OF_A_MODEL = {"tl.calibrate", "tl.explain"}
# An example would need a download, or somebody's checkpoint.
NO_EXAMPLE = {"adamson", "from_checkpoint", "from_gears", "load_default", "load_pretrained", "norman", "norman_subset"}


def public() -> dict[str, Any]:
    doors = {door: importlib.import_module(f"scgenept.{door}") for door in DOORS}
    return {f"{door}.{name}": getattr(module, name) for door, module in doors.items() for name in module.__all__}


PUBLIC = public()
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {
    name: value for name, value in {**PUBLIC, "Perturbation": sgp.Perturbation}.items() if inspect.isclass(value)
}


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def section(function: object, title: str) -> str | None:
    """The text of a section of a numpy docstring, or None."""
    text = inspect.getdoc(function) or ""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return found[1] if found else None


@pytest.mark.parametrize("door", ["", *DOORS])
def test_all_is_sorted_and_whole(door: str) -> None:
    module = importlib.import_module(f"scgenept.{door}".rstrip("."))
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_dir_is_all() -> None:
    assert dir(sgp) == sorted(sgp.__all__)
    with pytest.raises(AttributeError, match="no attribute 'pq'"):
        sgp.pq  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature(name: str) -> None:
    function, taken = FUNCTIONS[name], parameters(FUNCTIONS[name])
    names = [parameter.name for parameter in taken]
    positional = [p.name for p in taken if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    assert len(positional) <= POSITIONALS.get(function.__name__, 2), f"only by keyword, please: {positional[2:]}"
    assert "adata" not in names or names[0] == "adata" or name in OF_A_MODEL
    assert "model" not in positional[1:], "a model is passed by keyword"
    assert len(taken) <= 8 or function.__name__ in MANY_PARAMETERS
    assert not any(p.kind is p.VAR_KEYWORD for p in taken) or name.startswith(("pl.", "models.baselines."))
    booleans = [p.name for p in taken if isinstance(p.default, bool) and p.name in positional]
    assert not booleans, f"a bare True at the call says nothing: {booleans}"
    assert all(p.annotation is not p.empty for p in taken)
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize(
    "name", [name for name, function in FUNCTIONS.items() if "rng" in inspect.signature(function).parameters]
)
def test_rng_defaults_to_zero(name: str) -> None:
    assert inspect.signature(FUNCTIONS[name]).parameters["rng"].default == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring(name: str) -> None:
    function = FUNCTIONS[name]
    first = (inspect.getdoc(function) or "").split("\n\n")[0]
    assert first.endswith("."), "the docstring starts with a full sentence"
    described = section(function, "Parameters") or ""
    for parameter in parameters(function):
        assert re.search(rf"^[\w, *]*\b{parameter.name}\b[\w, ]*$", described, flags=re.MULTILINE), parameter.name
    assert " : " not in "".join(re.findall(r"^\w.*$", described, flags=re.MULTILINE)), "types stand in the signature"
    if inspect.signature(function).return_annotation != "None":
        assert section(function, "Returns")
    assert section(function, "Examples") or function.__name__ in NO_EXAMPLE, "show it on the toy data"


@pytest.mark.parametrize("name", CLASSES)
def test_class_docstring(name: str) -> None:
    assert (inspect.getdoc(CLASSES[name]) or "").split("\n\n")[0].endswith(".")
    for member, value in vars(CLASSES[name]).items():
        if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod)):
            assert inspect.getdoc(value), f"{name}.{member} has no docstring"


@pytest.mark.parametrize("name", VARIANTS)
def test_names_page_has_every_variant(name: str) -> None:
    text = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    assert f"`{name.removesuffix('_no_attention')}`" in text


def test_lower_bounds_are_what_is_tested() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("dependencies = [")[2].partition("\n]")[0]
    bounds = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', project))
    pins = dict(
        re.findall(r"^([\w-]+)==([\d.]+)", (ROOT / "constraints" / "oldest.txt").read_text(), flags=re.MULTILINE)
    )
    assert bounds.pop("torch") == "2.6"  # the oldest torch that every test machine can have is newer
    short = {
        name: (bound, pins.get(name))
        for name, bound in bounds.items()
        if not f"{pins.get(name)}.".startswith(f"{bound}.")
    }
    assert short == {}
