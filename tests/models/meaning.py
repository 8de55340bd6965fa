"""The meaning of hybrid models: float arithmetic with dequantized weights, as LiteRT computes it.

A hybrid model is written as its float twin (weights dequantized) and run by LiteRT. Its outputs
are what both we and LiteRT's own hybrid kernels are measured against (docs/numerics.md).
`tools/oracle/store_meaning.py` stores them in `answers/meaning.npz`, sampled as in
`tests/oracle/answers.py`.

The error of one inference is chance, most of all where a model has few results: which of two
implementations of one formula comes closer changes from input to input. So errors are compared over
many inputs, drawn with fixed seeds from the range of the stored ones; LiteRT's is stored in
`answers/errors.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from edgewise.ir import Model, Node, TensorType, Value
from edgewise.ir.op import Role
from tests.oracle.answers import WHOLE, StoredAnswer, StoredArray, positions
from tests.oracle.inputs import DATA, make_input, random_recipe

FILE = Path(__file__).with_name("answers") / "meaning.npz"
ERRORS = FILE.with_name("errors.json")
DRAWN, BIG, DRAWN_BIG = 96, 1 << 18, 4  # inputs of a model; of one that takes so many elements


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


def drawn(answer: StoredAnswer, data: Path = DATA) -> list[list[np.ndarray]]:
    """The inputs over which errors are compared."""
    first = answer.inputs(0, data)
    count = DRAWN_BIG if sum(x.size for x in first) >= BIG else DRAWN
    return [
        [_drawn(x, seed * len(first) + place) for place, x in enumerate(first)]
        for seed in range(count)
    ]


def error(found: Sequence[Sequence[np.ndarray]], meant: Sequence[Sequence[np.ndarray]]) -> float:
    """Root mean square of the differences of float outputs, each over the range of what is meant;
    of several outputs, the worst."""
    places = [i for i, y in enumerate(meant[0]) if y.dtype.kind == "f"]
    return max(
        float(np.sqrt(np.mean([_squared(a[i], b[i]) for a, b in zip(found, meant, strict=True)])))
        for i in places
    )


def stored_errors() -> dict[str, float]:
    """LiteRT's `error` of every hybrid model, by file."""
    errors: dict[str, float] = json.loads(ERRORS.read_text())
    return errors


def _drawn(x: np.ndarray, seed: int) -> np.ndarray:
    """Noise, of floats in patches of one to eight pixels and in a part of the range: inputs of pure
    noise look alike to a network, and so do their errors."""
    recipe = random_recipe(seed, list(x.shape), x.dtype.name) | {"low": x.min(), "high": x.max()}
    if x.dtype.kind != "f":
        return make_input(recipe)
    size = 1 << seed % 4
    low, high = np.sort(np.random.RandomState(seed).uniform(x.min(), x.max(), 2))
    sizes = [1 if axis in (0, x.ndim - 1) else size for axis in range(x.ndim)]
    shape = [-(-n // by) for n, by in zip(x.shape, sizes, strict=True)]
    found = make_input(recipe | {"shape": shape, "low": low, "high": high})
    for axis, by in enumerate(sizes):
        found = np.repeat(found, by, axis)
    return found[tuple(slice(n) for n in x.shape)]


def _squared(found: np.ndarray, meant: np.ndarray) -> float:
    spread = max(float(np.ptp(meant)), float(np.abs(meant).max()), 1e-30)
    return float(np.mean(np.square((found.astype(np.float64) - meant) / spread)))


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
