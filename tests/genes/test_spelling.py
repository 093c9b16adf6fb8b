"""What is written as other packages write it is told in our spelling, and nothing else is."""

from __future__ import annotations

import pytest

from scgenept import Perturbation
from scgenept.genes.spelling import respell

KNOWN = ["KLF1", "SET", "HLA-A", "C1orf112", "G3"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("SET_KLF1", "KLF1+SET"),
        ("SET, KLF1", "KLF1+SET"),
        ("KLF1 SET", "KLF1+SET"),
        ("klf1-set", "KLF1+SET"),
        ("klf1+set", "KLF1+SET"),
        ("KLF1_1", "KLF1"),
        ("KLF1_sg2", "KLF1"),
        ("hla-a_klf1", None),  # which hyphen is a gene's own is not guessed
        ("hla-a", "HLA-A"),
        ("c1ORF112+KLF1", "C1orf112+KLF1"),
        ("KLF1_G3", "G3+KLF1"),  # a gene, though it looks like a guide
        ("KLF1_JUN", None),
        ("_KLF1", None),
        ("12", None),
    ],
)
def test_respelled(written: str, meant: str | None) -> None:
    found = respell(Perturbation.parse(written), KNOWN)
    assert (None if found is None else str(found)) == meant
