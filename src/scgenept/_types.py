"""Types that several rooms share."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

Modality: TypeAlias = Literal["CRISPRa", "CRISPRi", "knock-out", "unknown"]
"""How the perturbation acts on its target gene."""

RNGLike: TypeAlias = int | np.random.Generator
"""Seed or generator; ``0`` by default everywhere."""

DeviceName: TypeAlias = str
"""``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``."""
