"""Perturbation: labels in any spelling are one value, and what is printed is read back."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgenept import Perturbation
from scgenept._errors import DataError

names = st.text(min_size=1, max_size=12).filter(
    lambda name: name == name.strip() and name.isprintable() and not set("+/") & set(name) and name != "ctrl"
)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("FOSB", "FOSB"),
        ("FOSB+CEBPB", "CEBPB+FOSB"),
        (" FOSB +\tCEBPB\n", "CEBPB+FOSB"),
        ("FOSB+ctrl", "FOSB"),
        ("ctrl+FOSB", "FOSB"),
        ("FOSB+FOSB", "FOSB"),
        ("C+B+A", "A+B+C"),
        ("ctrl", "ctrl"),
        ("ctrl+ctrl", "ctrl"),
        (["FOSB", "CEBPB"], "CEBPB+FOSB"),
        (("FOSB", "ctrl"), "FOSB"),
        ({"FOSB"}, "FOSB"),
        (["ctrl"], "ctrl"),
        ((name for name in (" B", "A ")), "A+B"),
        (Perturbation(("B", "A")), "A+B"),
        ("HLA-A+NKX2-1", "HLA-A+NKX2-1"),
        ("Y_RNA", "Y_RNA"),
    ],
)
def test_many_spellings_are_one_name(value: Any, canonical: str) -> None:
    perturbation = Perturbation.parse(value)
    assert str(perturbation) == canonical
    assert perturbation == Perturbation.parse(canonical)
    assert perturbation.is_control == (canonical == "ctrl")


@pytest.mark.parametrize(
    "value", ["", "  ", "+", "A++B", "+A", "A+", "A+ +B", "A/B", "A\x00", [], [""], ["A", " "], ["A+B"]]
)
def test_unreadable_labels_are_refused(value: Any) -> None:
    with pytest.raises(DataError):
        Perturbation.parse(value)


@pytest.mark.parametrize("value", [None, 3, float("nan"), b"KLF1", ["A", None], [["A"]], [Perturbation(("A",))]])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        Perturbation.parse(value)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(DataError, match=r"'A\+\+B' has an empty gene name\. Write genes as 'A' or 'A\+B'"):
        Perturbation.parse("A++B")
    with pytest.raises(DataError, match=r"one by one: \['A', 'B'\]"):
        Perturbation.parse(["A+B", "C"])
    with pytest.raises(DataError, match=r"Rename the gene; genes perturbed together are written 'A\+B'"):
        Perturbation(("A/B",))
    with pytest.raises(TypeError, match=r"Perturbation\.parse\('FOSB'\)"):
        Perturbation("FOSB")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="cannot be a gene"):
        Perturbation(("ctrl",))


def test_other_controls_and_separators() -> None:
    assert str(Perturbation.parse("A_B", separators="_")) == "A+B"
    assert str(Perturbation.parse("A|B+C", separators=("|", "+"))) == "A+B+C"
    assert str(Perturbation.parse("A--B-C", separators=("-", "--"))) == "A+B+C"
    assert Perturbation.parse("non-targeting", control="non-targeting").is_control
    assert str(Perturbation.parse("A_neg_ctrl", control="neg", separators="_")) == "A"
    assert Perturbation.parse("neg_ctrl_0", control="neg_ctrl_0", separators="_").is_control


def test_it_is_a_value() -> None:
    pair = Perturbation(("B", " A", "B"))
    assert pair.genes == ("A", "B")
    assert (len(pair), list(pair)) == (2, ["A", "B"])
    assert {pair: 1}[Perturbation.parse("A+B")] == 1
    assert sorted([Perturbation(("B",)), pair, Perturbation()]) == [Perturbation(), pair, Perturbation(("B",))]
    with pytest.raises(dataclasses.FrozenInstanceError):
        pair.genes = ()  # type: ignore[misc]


@given(st.lists(names, max_size=4))
def test_what_is_printed_is_read_back(genes: list[str]) -> None:
    perturbation = Perturbation(tuple(genes))
    assert Perturbation.parse(str(perturbation)) == perturbation
    assert list(perturbation) == sorted(set(genes))


@given(st.permutations(["A", "B", "C", "ctrl"]), st.lists(st.sampled_from(["", " ", "\t"]), min_size=4, max_size=4))
def test_order_and_blanks_do_not_matter(genes: list[str], blanks: list[str]) -> None:
    label = "+".join(blank + gene + blank for gene, blank in zip(genes, blanks, strict=True))
    assert str(Perturbation.parse(label)) == "A+B+C"


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(label: str) -> None:
    try:
        perturbation = Perturbation.parse(label)
    except DataError:
        return
    assert Perturbation.parse(str(perturbation)) == perturbation
    assert "/" not in str(perturbation)
