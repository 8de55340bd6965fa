"""Stored answers of TensorFlow to the cases of one operation.

`answers/operations.npz` holds few arrays, because a thousand small ones would be mostly headers:
`index` (JSON as bytes: where everything lies), `graphs`, and one flat array per element type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("answers") / "operations.npz"
SCRIPT = "ORACLE-PYTHON tools/oracle/store_tensorflow.py"


@dataclass(frozen=True, slots=True)
class Answer:
    """A graph with the names of its inputs and results, arrays for both, and how many operators
    the file of TensorFlow's converter has (-1: it fails)."""

    graph: bytes
    input_names: list[str]
    output_names: list[str]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    operators: int


def store(answers: Mapping[str, Answer], versions: Mapping[str, str]) -> None:
    """Write the answers, by the cases' names."""
    graphs = bytearray()
    pools: dict[str, list[np.ndarray]] = {}
    sizes: dict[str, int] = {}

    def put(array: np.ndarray) -> list[Any]:
        kind = array.dtype.name
        start = sizes.get(kind, 0)
        pools.setdefault(kind, []).append(array.reshape(-1))
        sizes[kind] = start + array.size
        return [kind, start, list(array.shape)]

    index: dict[str, Any] = {}
    for name, answer in answers.items():
        index[name] = {
            "graph": [len(graphs), len(answer.graph)],
            "names": [answer.input_names, answer.output_names],
            "inputs": [put(a) for a in answer.inputs],
            "outputs": [put(a) for a in answer.outputs],
            "operators": answer.operators,
        }
        graphs += answer.graph
    text = json.dumps({"versions": dict(versions), "cases": index}).encode()
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        FILE,
        allow_pickle=False,
        index=np.frombuffer(text, np.uint8),
        graphs=np.frombuffer(bytes(graphs), np.uint8),
        **{f"of_{kind}": np.concatenate(parts) for kind, parts in pools.items()},
    )


@cache
def load() -> dict[str, Answer]:
    """All answers by the cases' names. Raises FileNotFoundError."""
    with np.load(FILE) as archive:
        arrays = {key: archive[key] for key in archive.files}
    graphs = arrays["graphs"].tobytes()

    def get(kind: str, start: int, shape: list[int]) -> np.ndarray:
        count = int(np.prod(shape, dtype=int))
        return arrays[f"of_{kind}"][start : start + count].reshape(shape)

    return {
        name: Answer(
            graphs[entry["graph"][0] : sum(entry["graph"])],
            *entry["names"],
            [get(*place) for place in entry["inputs"]],
            [get(*place) for place in entry["outputs"]],
            entry["operators"],
        )
        for name, entry in json.loads(arrays["index"].tobytes())["cases"].items()
    }
