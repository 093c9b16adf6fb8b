"""How large the parts of a split are, under the names that GEARS gives to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from ..._errors import DataError


@dataclass(frozen=True)
class SplitOptions:
    """Sizes of the parts of a split, and genes that must be tested; the defaults are those of GEARS.

    Attributes
    ----------
    train_gene_set_size
        Schemes ``simulation`` and ``simulation_single``: share of the target genes that training may see.
    combo_seen2_train_frac
        Scheme ``simulation``: share of the pairs of two such genes that is trained on.
    combo_single_split_test_set_fraction
        Schemes ``single`` and ``combo_seen0`` to ``combo_seen2``: size of the test part, as a share of the single
        perturbations (of the pairs, for ``combo_seen2``).
    val_fraction
        What validation takes of the part that is left for training. GEARS fixes it at 0.1.
    test_genes
        Schemes ``simulation`` and ``simulation_single``: genes that training may not see (``test_perts`` in GEARS).
    only_test_genes
        Training may see every gene but these (``only_test_set_perts`` in GEARS).
    keep_together
        Where labels of one perturbation, such as ``A+B`` and ``B+A``, would fall into different parts, move all of
        them into the strictest: test before validation before training.

    Raises
    ------
    DataError
        If a share is out of range, or ``only_test_genes`` comes without ``test_genes``.
    """

    train_gene_set_size: float = 0.75
    combo_seen2_train_frac: float = 0.75
    combo_single_split_test_set_fraction: float = 0.1
    val_fraction: float = 0.1
    test_genes: tuple[str, ...] = ()
    only_test_genes: bool = False
    keep_together: bool = False

    def __post_init__(self) -> None:
        given = cast("object", self.test_genes)
        if isinstance(given, str):
            msg = f"test_genes={given!r} should be a collection of gene names."
            raise DataError(msg)
        object.__setattr__(self, "test_genes", tuple(self.test_genes))
        for name, low_ok, high_ok in (
            ("train_gene_set_size", False, False),
            ("combo_seen2_train_frac", True, True),
            ("combo_single_split_test_set_fraction", False, False),
            ("val_fraction", True, False),
        ):
            value = getattr(self, name)
            if not (0 < value < 1 or (low_ok and value == 0) or (high_ok and value == 1)):
                bounds = f"{'[' if low_ok else '('}0, 1{']' if high_ok else ')'}"
                msg = f"{name}={value} is no share in {bounds}."
                raise DataError(msg)
        if self.only_test_genes and not self.test_genes:
            msg = "only_test_genes=True goes with test_genes=: name the genes that are tested."
            raise DataError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they stand in ``uns``."""
        return {**vars(self), "test_genes": "+".join(self.test_genes)}
