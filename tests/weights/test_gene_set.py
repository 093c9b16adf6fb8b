"""Which compiled gene sets a model keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scgenept.weights import gene_set

if TYPE_CHECKING:
    import pytest

    from scgenept.weights.model import ScGenePT


def test_targets_of_many_perturbations_do_not_drop_the_measured_genes(model: ScGenePT) -> None:
    measured = list(model.vocabulary.tokens[:40])
    compiled = model.gene_set(measured)
    for gene in model.vocabulary.tokens[:50]:
        model.gene_set([gene])
    assert model.gene_set(measured) is compiled


def test_the_set_used_longest_ago_goes_first(model: ScGenePT, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(model.vocabulary.tokens)
    one, two, three = names[:20], names[5:25], names[10:30]
    monkeypatch.setattr(gene_set, "MAX_GENES", 60)
    first, second = model.gene_set(one), model.gene_set(two)
    assert model.gene_set(one) is first
    model.gene_set(three)
    assert model.gene_set(one) is first
    assert model.gene_set(two) is not second
    assert len(model.gene_set(names)) == len(names)  # larger than all that is kept, and still given
    assert model.gene_set(names) is model.gene_set(names)
