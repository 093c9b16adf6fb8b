"""After an error an AnnData is as it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData


@contextmanager
def unchanged(adata: AnnData) -> Iterator[None]:
    """Fail where the block leaves another trace in the AnnData than the error it raises."""
    before = _content(adata)
    yield
    after = _content(adata)
    assert after.keys() == before.keys()
    for name, value in before.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(after[name], value)
        else:
            np.testing.assert_equal(after[name], value, err_msg=name)


def _content(adata: AnnData) -> dict[str, Any]:
    content: dict[str, Any] = {"obs": adata.obs.copy(), "var": adata.var.copy(), "uns": repr(dict(adata.uns))}
    content |= {"view": adata.is_view, "backed": adata.isbacked}
    values = {"X": adata.X, **{f"layers {key}": adata.layers[key] for key in adata.layers if key is not None}}
    for name, stored in values.items():
        loaded = stored if stored is None or sp.issparse(stored) else stored[:]
        content[name] = loaded.toarray() if sp.issparse(loaded) else np.array(loaded)
    return content
