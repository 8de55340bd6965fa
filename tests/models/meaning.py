"""The meaning of hybrid models: float arithmetic with dequantized weights, as LiteRT computes it.

A hybrid model is written as its float twin (weights dequantized) and run by LiteRT. Its outputs
are what both we and LiteRT's own hybrid kernels are measured against (docs/numerics.md).
`tools/oracle/store_meaning.py` stores them in `answers/meaning.npz`, sampled as in
`tests/oracle/answers.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from edgewise.ir import Model, Node, TensorType, Value
from edgewise.ir.op import Role
from tests.oracle.answers import WHOLE, StoredArray, positions

FILE = Path(__file__).with_name("answers") / "meaning.npz"


def is_hybrid(node: Node) -> bool:
    """Float results from quantized weights."""
    return any(v.dtype.is_float for v in node.outputs) and bool(_weights(node))


def float_twin(model: Model) -> Model:
    """The same model with the quantized weights of hybrid operators dequantized."""
    twin = model.copy()
    for node in [n for graph in twin.graphs.values() for n in graph.nodes]:
        if not is_hybrid(node) or node.graph is None:
            continue
        for index in _weights(node):
            value = node.operand(index)
            assert value.data is not None
            assert value.quant is not None
            data = value.quant.dequantize(value.data)
            node.graph.set_input(node, index, Value(TensorType.of(data), value.name, data))
    return twin


def sample(output: np.ndarray) -> np.ndarray:
    """What is stored of an output."""
    return output if output.size <= WHOLE else output.ravel()[positions(output.size)]


def stored(file: str, shapes: list[tuple[int, ...]]) -> list[StoredArray]:
    """The meaning of all outputs, inference after inference. Raises KeyError: not stored."""
    arrays = _archive()
    return [StoredArray(s, 0.0, arrays[f"{file}:{i}"]) for i, s in enumerate(shapes)]


def _weights(node: Node) -> list[int]:
    return [
        index
        for index, value in enumerate(node.inputs)
        if value is not None
        and node.op.declared(index).role is Role.WEIGHT
        and value.type.is_quantized
        and value.data is not None
    ]


@cache
def _archive() -> dict[str, np.ndarray]:
    with np.load(FILE) as archive:
        return {key: archive[key] for key in archive.files}
