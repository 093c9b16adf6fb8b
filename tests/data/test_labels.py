"""Labels of real data sets, and what must not be guessed."""

from __future__ import annotations

from typing import Any

import pytest

from scgenept._errors import DataError
from scgenept.data.labels import is_canonical, looks_like_control, parse_labels


def names(labels: list[str], **options: Any) -> dict[str, str]:
    return {label: str(perturbation) for label, perturbation in parse_labels(labels, **options).perturbations.items()}


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        ({"ctrl": "ctrl", "A+ctrl": "A", "ctrl+A": "A", "B+A": "A+B"}, {}),  # GEARS
        ({"control": "ctrl", "A": "A", "B+A": "A+B"}, {}),  # PerturBench
        ({"control": "ctrl", "A": "A", "A_B": "A+B", "A_control": "A"}, {"separators": "_"}),  # scPerturb
        ({"non-targeting": "ctrl", "A": "A"}, {}),  # Replogle
        ({"Non_Targeting": "ctrl", "A": "A"}, {}),
        ({"NT": "ctrl", "HLA-A": "HLA-A"}, {}),
        ({" ctrl ": "ctrl", " B + A\t": "A+B"}, {}),  # stray blanks
        ({"control": "ctrl", "JUN_1": "JUN", "JUN_2": "JUN"}, {"guide_suffix": r"_\d+"}),
        ({"control_1": "ctrl", "JUN_1+FOS_12": "FOS+JUN", "JUN_1 + FOS": "FOS+JUN"}, {"guide_suffix": r"_\d+"}),
        ({"ctrl": "ctrl", "JUN_1_FOS_2": "FOS+JUN"}, {"guide_suffix": r"_\d+", "separators": ("+", "_")}),
        ({"ctrl": "ctrl", "sgJUN-2": "sgJUN"}, {"guide_suffix": r"-\d"}),
        ({"non_targeting": "ctrl", "A_x": "A"}, {"guide_suffix": r"_\w+"}),
        ({"neg_0": "ctrl", "A_0": "A"}, {"guide_suffix": r"_\d+", "control": "neg_0"}),
        ({"safe": "ctrl", "intergenic": "ctrl", "A+safe": "A"}, {"control": ["safe", "intergenic"]}),
        ({"control": "ctrl", "ctrl": "ctrl", "A": "A"}, {"control": ["control", "ctrl"]}),
        ({"ctrl": "ctrl", "A+control": "A"}, {}),
        ({"ctrl": "ctrl", "Y_RNA": "Y_RNA", "A+B": "A+B"}, {"separators": "+"}),
        ({"ctrl": "ctrl", "KLF1|SET": "KLF1+SET"}, {"separators": ("+", "|")}),
        ({"ctrl": "ctrl", "A/B": "A+B"}, {"separators": ("+", "/")}),
        ({"ctrl": "ctrl", "A+nan": "A", "B+None": "B"}, {"control": ["ctrl", "nan", "None"]}),
        ({"ctrl": "ctrl", "CTRL": "CTRL"}, {}),  # chymotrypsin-like protease
    ],
)
def test_labels_of_the_field(labels: dict[str, str], options: dict[str, Any]) -> None:
    assert names(list(labels), **options) == labels


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["A", "B"], {}, "No label is known to mean control cells.*Labels seen: A, B"),
        (["A", "NT-3", "ctrl_1"], {}, r"Of the labels 2 may, by the name: NT-3, ctrl_1.*control=\['NT-3', 'ctrl_1'\]"),
        (["A", *(f"NTC_{i:03d}" for i in range(20))], {}, r"and 15 more\. .* if label\.startswith\('NTC_'\)\]"),
        (["CTRL", "NT5E", "A_ctrl"], {}, "Name it with control=. Labels seen: CTRL, NT5E, A_ctrl"),
        (["CTRL", "A"], {}, "Name it with control="),
        (["A", "B"], {"control": "C"}, "control='C' is the label of no cell.*Labels seen: A, B"),
        (["control", "A"], {"control": "contrl"}, "Nearest known names: control"),
        (["A+control", "A"], {"control": "control"}, "There are no control cells"),
        (["A", "B"], {"control": []}, "There are no control cells"),
        (
            ["control", "non-targeting", "A"],
            {},
            r"2 labels may mean control cells.*control=\['control', 'non-targeting'\]",
        ),
        (["control", "non-targeting"], {"control": "control"}, "look like control cells but are not named"),
        (
            ["ctrl", "A_B"],
            {},
            r"read in more than one way.*separators=\('\+', '_'\) where A_B is a pair, or separators='\+'.*'A_B'",
        ),
        (["ctrl", "JUN_1"], {}, r"read in more than one way.*, guide_suffix=r'_\\d\+' where A_1 is guide 1 of A"),
        (["ctrl", "KLF1|SET"], {}, r"separators=\('\+', '\|'\) where A\|B is a pair, or separators='\+'.*'KLF1\|SET'"),
        (["ctrl", "A|B", "JUN_1"], {}, r"separators=\('\+', '\|', '_'\) where A\|B or A_B is a pair, guide_suffix="),
        (["ctrl", "A B"], {}, "read in more than one way"),
        (["ctrl", "JUN_1", "FOS"], {"separators": "_"}, r"1 of 3 labels hold a gene name that is a number.*'JUN_1'"),
        (["ctrl", "JUN_a"], {"guide_suffix": r"_\d+"}, "read in more than one way"),
        (
            ["ctrl", "A++B", "A/B", "+C"],
            {},
            r"3 of 4 labels cannot be read: 'A\+\+B', 'A/B', '\+C'\. .*empty gene name",
        ),
        (["ctrl", ""], {}, "cannot be read: ''"),
        (["ctrl", "_1"], {"guide_suffix": r"_\d+"}, "cannot be read: '_1'"),
        (["ctrl", "A/B"], {}, r"separators=\('\+', '/'\); where it belongs to a name, adata\.obs\[key\] = .*replace"),
        (["ctrl", "A+nan", "B+None"], {}, r"2 of 3 labels .* control=\['ctrl', 'nan', 'None'\]; .*'A\+nan', 'B\+None'"),
        (["ctrl", "A"], {"guide_suffix": "("}, "not a regular expression"),
    ],
)
def test_nothing_is_guessed(labels: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        names(labels, **options)


def test_control_labels_are_told() -> None:
    assert parse_labels([" Control", "A"]).controls == ("Control",)
    assert parse_labels(["x", "y", "A"], control=("x", "y")).controls == ("x", "y")
    assert looks_like_control("Non-Targeting")
    assert not looks_like_control("CTRL")


def test_is_canonical() -> None:
    assert all(map(is_canonical, ["A", "A+B", "ctrl"]))
    assert not any(map(is_canonical, ["B+A", "A+ctrl", " A", "", "A++B"]))
