"""What LiteRT says about quantized networks: which there are, and the stored answers.

`tools/oracle/store_quantized.py` writes `answers.npz`: for each network and recipe the digest of
the file and LiteRT's outputs on two samples. An answer to another file is never used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from edgewise.optimize import quantize

from .networks import NETWORKS, measured, samples

FILE = Path(__file__).with_name("answers.npz")
SCRIPT = "python tools/oracle/store_quantized.py --oracle-python PATH"
RECIPES = (
    "float16",
    "weight_only_wi8_afp32",
    "weight_only_wi4_afp32",
    "dynamic_wi8_afp32",
    "static_wi8_ai8",
    "static_wi8_au8",
    "static_wi8_ai16",
    "static_wi4_ai8",
)
CASES = [(name, recipe) for name in NETWORKS for recipe in RECIPES]
COUNT = 2  # samples


def written(name: str, recipe: str) -> bytes | None:
    """The quantized file; None where the network has nothing for the recipe."""
    model, ranges = measured(name)
    if name == "scaled" and not recipe.startswith("static"):
        return None  # it has no weights
    return quantize(model, recipe, ranges).to_bytes(target="litert-2.3")


def inputs(name: str) -> list[list[np.ndarray]]:
    """What the network runs on."""
    return samples(measured(name)[0])[:COUNT]


def digest(data: bytes) -> str:
    """Of a file."""
    return hashlib.sha256(data).hexdigest()[:16]
