"""What a report says in words is what the figures say, and no more."""

from __future__ import annotations

import pytest

from scgenept.evaluation.diagnosis import collapse_notes

ONE, WEAK = "it predicts one response whatever is perturbed", "it predicts almost no difference between perturbations"


@pytest.mark.parametrize(
    ("ratio", "correlation", "said"),
    [
        (
            0.002,
            0.998,
            [f"{ONE}. Its predicted changes correlate at 0.998", "(observed 0.30), and the spread", "0.2% of"],
        ),
        (0.4, 0.995, [f"{ONE}, in different strengths.", "40.0% of what was observed"]),
        (0.007, 0.59, [WEAK, "0.7% of what was observed. ", "not one response", "correlate at 0.590", "is small."]),
        (
            0.0,
            float("nan"),
            [f"{WEAK}; the spread of its predictions over perturbations is 0.0% of what was observed."],
        ),
    ],
)
def test_collapse_is_called_what_it_is(ratio: float, correlation: float, said: list[str]) -> None:
    (note,) = collapse_notes({"mine": (ratio, correlation), "mean": (0, 1)}, ["mine"], 0.3)
    assert note.startswith("mine has collapsed: ")
    for words in said:
        assert words in note
    assert (ONE in note) != (WEAK in note)


@pytest.mark.parametrize("figures", [(0.06, 0.98), (float("nan"), float("nan")), (1.2, 0.1)])
def test_what_differs_has_not_collapsed(figures: tuple[float, float]) -> None:
    assert collapse_notes({"mine": figures}, ["mine"], 0.3) == []
