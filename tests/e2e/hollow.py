"""Files of models without their weights: what is left is small enough to store.

Weights that come from recipes need not be stored. `hollow` cuts them out of a file wherever they
lie as they are in memory (HDF5 without compression, archives that store, checkpoints); `filled`
puts them back: the same bytes as before. Recipes are those of `tests/oracle/inputs.py`, and
`levels`: 256 steps from `low` to `high`, of which `values` (base 64) tells one for each number.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.oracle.inputs import make_input

LEAST = 64  # bytes: shorter ones are left in; the same may lie there by chance
Places = list[tuple[int, int]]  # where in the whole file, and the number of the weight


def levels_recipe(values: np.ndarray) -> dict[str, Any]:
    """A recipe for numbers near these, of any shape, none outside of their range."""
    low, high = float(values.min()), float(values.max())
    steps = np.rint((values - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    return {
        "kind": "levels",
        "shape": list(values.shape),
        "low": low,
        "high": high,
        "values": base64.b64encode(steps.tobytes()).decode(),
    }


def weight(recipe: dict[str, Any]) -> np.ndarray:
    """The array that a recipe describes."""
    if recipe["kind"] != "levels":
        return make_input(recipe)
    steps = np.frombuffer(base64.b64decode(recipe["values"]), np.uint8).reshape(recipe["shape"])
    found: np.ndarray = recipe["low"] + (recipe["high"] - recipe["low"]) * (steps / 255)
    return found.astype(np.float32)


def hollow(data: bytes, weights: Sequence[np.ndarray]) -> tuple[bytes, Places]:
    """The file without the weights, and where each was (more than once, where it is repeated)."""
    places: Places = []
    for number, array in enumerate(weights):
        values = array.tobytes()
        at = data.find(values) if len(values) >= LEAST else -1
        while at >= 0:
            places.append((at, number))
            at = data.find(values, at + len(values))
    rest, kept, end = [], [], 0
    for at, number in sorted(places):
        if at >= end:  # weights of one repeated number may be found in each other
            rest.append(data[end:at])
            kept.append((at, number))
            end = at + weights[number].nbytes
    return b"".join([*rest, data[end:]]), kept


def filled(rest: bytes, places: Places, weights: Sequence[np.ndarray]) -> bytes:
    """What `hollow` was given."""
    whole, taken, end = [], 0, 0
    for at, number in places:
        whole += [rest[taken : taken + at - end], weights[number].tobytes()]
        taken += at - end
        end = at + weights[number].nbytes
    return b"".join([*whole, rest[taken:]])
