"""Model inputs that can be made again anywhere: a recipe (plain data) in, an array out.

Recipes are dictionaries of `kind` and its fields:
`random` (seed, shape, dtype, low, high), `npy` and `csv` (file below the data folder, shape,
dtype; a float file for an integer input is quantized with scale and zero_point), `strings`
(values, shape). Random numbers come from `np.random.RandomState`, whose stream NumPy has frozen.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

TOKENS = 100  # integer inputs are indices or tokens: small enough for every table in the data
DATA = Path(__file__).parents[3] / "shared" / "data"


def make_input(recipe: dict[str, Any], data: Path = DATA) -> np.ndarray:
    """The array a recipe describes: shape and dtype as the recipe says.

    Raises:
        ValueError: an unknown kind.
    """
    shape = tuple(recipe["shape"])
    match recipe["kind"]:
        case "random":
            return _random(recipe, shape)
        case "npy":
            return _stored(np.load(data / recipe["file"]), recipe, shape)
        case "csv":
            text = (data / recipe["file"]).read_text().replace("\n", ",").strip(", ")
            return np.array(
                [int(v) for v in text.split(",") if v.strip()], recipe["dtype"]
            ).reshape(shape)
        case "strings":
            values = [v.encode() for v in recipe["values"]]
            return np.resize(np.array(values, np.object_), shape)
        case other:
            raise ValueError(f"unknown input recipe kind {other!r}")


def digest(array: np.ndarray) -> str:
    """SHA-256 of an array's values, to notice an input that was not made again exactly."""
    values = b"\0".join(array.ravel()) if array.dtype == np.object_ else array.tobytes()
    return hashlib.sha256(values).hexdigest()


def random_recipe(seed: int, shape: list[int], dtype: str) -> dict[str, Any]:
    """A recipe over the range that makes sense for the type: all of a quantized one."""
    low, high = -1.0, 1.0
    if dtype in ("int8", "uint8", "int16"):
        limits = np.iinfo(dtype)
        low, high = int(limits.min), int(limits.max)
    elif dtype == "bool":
        low, high = 0, 1
    elif not dtype.startswith("float"):
        low, high = 0, TOKENS - 1
    return {
        "kind": "random",
        "seed": seed,
        "shape": shape,
        "dtype": dtype,
        "low": low,
        "high": high,
    }


def _random(recipe: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(recipe["dtype"])
    state = np.random.RandomState(recipe["seed"])
    if dtype.kind == "f":
        return state.uniform(recipe["low"], recipe["high"], shape).astype(dtype)
    return np.asarray(state.randint(recipe["low"], recipe["high"] + 1, shape)).astype(dtype)


def _stored(array: np.ndarray, recipe: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(recipe["dtype"])
    if array.dtype.kind == "f" and dtype.kind in "iu" and recipe.get("scale"):
        limits = np.iinfo(dtype)
        steps = np.rint(array.astype(np.float64) / recipe["scale"]) + recipe["zero_point"]
        array = np.clip(steps, limits.min, limits.max)
    return array.astype(dtype).reshape(shape)
