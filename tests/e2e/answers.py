"""What TensorFlow and LiteRT said about every Keras file in the data, for machines without them.

`answers/keras.json` tells, for each file, the operators and the bytes of TensorFlow's two
conversions (`static`: batch 1; `dynamic`: any batch; absent where TensorFlow refuses), the input's
recipe, and the structure of our file as LiteRT ran it; `answers/keras.npz` holds LiteRT's outputs
for theirs and for ours. `tools/oracle/store_keras.py` makes both.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgewise import Model
from edgewise.ir import Value
from tests.oracle.inputs import DATA, make_input

FOLDER = Path(__file__).with_name("answers")
SUFFIXES = (".keras", ".h5", ".hdf5")
CUSTOM = {"bench/transformer/m.keras"}  # holds a layer of the author's own


@dataclass(frozen=True, slots=True)
class Conversion:
    """TensorFlow's: operators with their number (all subgraphs), bytes of the file."""

    operators: Counter[str]
    size: int

    @property
    def count(self) -> int:
        """How many operators."""
        return self.operators.total()


@dataclass(frozen=True, slots=True)
class Stored:
    """The answers for one file. Outputs are LiteRT's, in the order of the model's outputs."""

    file: str
    recipe: dict[str, Any]
    conversions: dict[str, Conversion]
    structure: str

    def input(self) -> np.ndarray:
        """The input of the stored inference."""
        return make_input(self.recipe)

    def outputs(self, whose: str) -> list[np.ndarray]:
        """LiteRT's outputs for `ours`, `static` or `dynamic`."""
        arrays = _arrays()
        prefix = f"{self.file}:{whose}:"
        return [arrays[key] for key in sorted(arrays.files) if key.startswith(prefix)]


@cache
def load() -> dict[str, Stored]:
    """The answers by file, below the data folder."""
    entries = json.loads((FOLDER / "keras.json").read_text())["files"]
    return {
        entry["file"]: Stored(
            entry["file"],
            entry["input"],
            {
                name: Conversion(Counter(found["operators"]), found["size"])
                for name, found in entry["conversions"].items()
            },
            entry["structure"],
        )
        for entry in entries
    }


def keras_files(data: Path = DATA) -> list[str]:
    """Every Keras model below the data folder that needs no code of its author, sorted."""
    found = [
        path.relative_to(data).as_posix()
        for folder in (data / "keras", data / "bench")
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES
    ]
    return sorted(set(found) - CUSTOM)


def saved_files(data: Path = DATA) -> list[str]:
    """SavedModel folders and frozen graphs below the data folder, sorted."""
    saved = [path.parent for path in (data / "savedmodel").rglob("saved_model.pb")]
    return sorted(p.relative_to(data).as_posix() for p in [*saved, *(data / "frozen").glob("*")])


def operators(model: Model) -> Counter[str]:
    """Operators of all graphs, by their .tflite names."""
    return Counter(
        node.op.builtin or node.op.name for graph in model.graphs.values() for node in graph.nodes
    )


def structure(model: Model) -> str:
    """SHA-256 of a model without its numbers: operators, attributes, wiring, tensor types. Unknown
    dimensions have no names here."""
    lines = []
    for graph in model.graphs.values():
        index = {value: i for i, value in enumerate(graph.values())}
        for node in graph.nodes:
            operands = [None if v is None else (index[v], _type(v)) for v in node.inputs]
            results = [(index[v], _type(v)) for v in node.outputs]
            lines.append(f"{node.op!r} {operands} {results}")
        lines.append(f"{[index[v] for v in graph.outputs]}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _type(value: Value) -> str:
    dims = [d if isinstance(d, int) else "?" for d in value.shape]
    return f"{value.dtype.text}{dims}"


def distance(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """The largest difference, relative to the range of the output it is in; inf: other shapes."""
    if [y.shape for y in ours] != [y.shape for y in theirs]:
        return float("inf")
    return max(
        float(np.abs(a.astype(np.float64) - b).max() / max(float(np.ptp(b)), 1e-12))
        for a, b in zip(ours, theirs, strict=True)
    )


@cache
def _arrays() -> Any:
    return np.load(FOLDER / "keras.npz")
