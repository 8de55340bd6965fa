"""Stored answers of LiteRT: what it said about every model in the data, without having it.

`answers/index.json` tells, for each file, the input recipes, LiteRT's details, its refusals and
which operators were sampled; `answers/*.npz` holds the arrays. `tools/oracle/store.py` makes both.
Outputs above `WHOLE` elements are stored as `SAMPLE` values at positions drawn with a fixed seed,
together with shape and sum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .inputs import DATA, digest, make_input
from .litert import OperatorAnswer

FOLDER = Path(__file__).with_name("answers")
WHOLE = 12_000
SAMPLE = 4_000


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One output: `values` whole (in its shape) or, for big ones, at `positions(size)` (flat)."""

    shape: tuple[int, ...]
    total: float
    values: np.ndarray

    def pick(self, ours: np.ndarray) -> np.ndarray:
        """The elements of our array that correspond to `values`.

        Raises:
            ValueError: another shape.
        """
        if ours.shape != self.shape:
            raise ValueError(f"LiteRT's output has shape {self.shape}; got {ours.shape}")
        whole = int(np.prod(self.shape)) <= WHOLE
        return ours if whole else ours.ravel()[positions(ours.size)]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """LiteRT's answers for one model file.

    `file`: below the data folder. `details`: inputs, outputs and signatures as LiteRT reports
    them (JSON; {} where it cannot open the file). `errors`: by resolver, None where it ran.
    `oracle`: `litert`, `micro` where only TensorFlow Lite Micro ran the file, `none`.
    """

    file: str
    sha256: str
    oracle: str
    details: dict[str, Any]
    errors: dict[str, str | None]
    entry: dict[str, Any]

    @property
    def steps(self) -> int:
        """How many inferences in a row were stored."""
        return len(self.entry["inputs"])

    def inputs(self, step: int = 0, data: Path = DATA) -> list[np.ndarray]:
        """The inputs of one inference, made again from their recipes.

        Raises:
            ValueError: an input is not what it was when the answers were stored.
        """
        arrays = [make_input(recipe, data) for recipe in self.entry["inputs"][step]]
        for recipe, array in zip(self.entry["inputs"][step], arrays, strict=True):
            if digest(array) != recipe["sha256"]:
                raise ValueError(f"{self.file}: input {recipe} has changed; run store.py again")
        return arrays

    def outputs(self, resolver: str, step: int = 0) -> list[StoredArray]:
        """LiteRT's outputs of one inference, in the model's order; [] where it refused."""
        metas = self.entry["outputs"].get(resolver, [])
        return [
            StoredArray(tuple(meta["shape"]), meta["total"], self._array(f"{resolver}.{step}.{i}"))
            for i, meta in enumerate(metas[step] if metas else [])
        ]

    def operators(self) -> list[OperatorAnswer]:
        """The sampled integer operators, each with what LiteRT fed it and what it gave."""
        return [self._operator(found) for found in self.entry["operators"]]

    def _operator(self, found: dict[str, Any]) -> OperatorAnswer:
        reference = {t: self._array(f"t{t}") for t in found["outputs"]}
        default = None
        if found["error"] is None:
            default = {t: self._patched(t, reference[t]) for t in found["outputs"]}
        inputs = {t: self._array(f"t{t}") for t in found["inputs"]}
        return OperatorAnswer(
            found["index"], found["code"], inputs, reference, default, found["error"]
        )

    def _patched(self, tensor: int, reference: np.ndarray) -> np.ndarray:
        """The delegate's tensor: the reference's, with the values in which it differs."""
        result = reference.copy()
        result.ravel()[self._array(f"d{tensor}.at")] = self._array(f"d{tensor}.values")
        return result

    def _array(self, key: str) -> np.ndarray:
        found: np.ndarray = _archive(self.entry["archive"])[f"{self.entry['key']}.{key}"]
        return found


def positions(size: int) -> np.ndarray:
    """The flat positions at which a big output of `size` elements is sampled."""
    state = np.random.RandomState(size % 2**31)
    return np.sort(state.randint(0, size, SAMPLE))


@cache
def load() -> dict[str, StoredAnswer]:
    """Every stored answer by file name below the data folder."""
    index = json.loads((FOLDER / "index.json").read_text())
    return {
        entry["file"]: StoredAnswer(
            entry["file"],
            entry["sha256"],
            entry["oracle"],
            entry["details"],
            entry["errors"],
            entry,
        )
        for entry in index["models"]
    }


def versions() -> dict[str, dict[str, str]]:
    """Versions of the oracles that gave the stored answers."""
    found: dict[str, dict[str, str]] = json.loads((FOLDER / "index.json").read_text())["versions"]
    return found


@cache
def _archive(name: str) -> Any:
    return np.load(FOLDER / name)
