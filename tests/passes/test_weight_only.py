"""Dense layers that read stored integers as floats."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Quant, TensorType, Value
from edgewise.ir.evaluate import evaluate
from edgewise.ops.convert import Dequantize
from edgewise.ops.fully_connected import FullyConnected
from edgewise.passes.runtime import to_runtime
from edgewise.passes.weight_only import MOST_ROWS
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.threads import Threads
from tests.isas import ISAS

SCALES = {
    "one": Quant(0.02),
    "outputs": Quant(np.linspace(0.01, 0.03, 100), axis=0),
    "blocks": Quant(np.linspace(0.01, 0.03, 300).reshape(100, 3), axis=1, block_size=32),
}


def layers(rows: int, dtype: DType, quant: Quant, k: int = 96) -> Graph:
    """A dense layer whose weights [100, K] are dequantized, with a bias and ReLU."""
    rng = np.random.default_rng(11)
    most = 1 << (dtype.bits - 1)
    w = rng.integers(-most, most, (100, k)).astype(np.int8).astype(dtype.numpy)
    b = Builder("main")
    stored = Value(TensorType(w.shape, dtype, quant), "w", w)
    floats = b.node(Dequantize(), stored, results=[TensorType(w.shape, DType.FLOAT32)]).output
    bias = b.constant(rng.standard_normal(100).astype(np.float32))
    x = b.input("x", (rows, k))
    return b.finish(b.relu(b.node(FullyConnected(), x, floats, bias).output))


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT4, DType.INT2], ids=lambda d: d.text)
def test_a_layer_is_one_operator(dtype: DType, scales: str) -> None:
    graph = layers(3, dtype, SCALES[scales])
    x = np.random.default_rng(1).standard_normal((3, 96)).astype(np.float32)
    (wanted,) = evaluate(graph, [x])
    to_runtime(graph)
    assert [node.op.name for node in graph.nodes] == ["dense_by_integers"]
    (got,) = evaluate(graph, [x])
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "quant", "k"),
    [
        (MOST_ROWS + 1, SCALES["one"], 96),
        (1, Quant(0.02, 3), 96),
        (1, Quant(np.linspace(0.01, 0.03, 96), axis=1), 96),
        (1, Quant(np.linspace(0.01, 0.03, 2400).reshape(100, 24), axis=1, block_size=4), 96),
        (1, SCALES["one"], 12),
    ],
    ids=["many rows", "zero point", "scales of inputs", "short blocks", "few weights"],
)
def test_other_weights_become_floats(rows: int, quant: Quant, k: int) -> None:
    graph = layers(rows, DType.INT8, quant, k)
    to_runtime(graph)
    (node,) = graph.nodes
    assert node.op.name == "fully_connected"
    assert node.operand(1).dtype is DType.FLOAT32


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
def test_kernels_keep_the_bits_of_weights(isa: Isa) -> None:
    """Constants are as small as the file's, results those of floats, whatever the threads."""
    x = np.random.default_rng(2).standard_normal((2, 96)).astype(np.float32)
    sizes = {}
    for dtype in (DType.INT8, DType.INT4):
        graph = layers(2, dtype, SCALES["outputs"])
        (wanted,) = evaluate(graph, [x])
        found = []
        for threads in (1, 3):
            made = plan(graph, Target(isa, threads))
            details = " | ".join(p.detail for p in made.placement)
            assert f"dense_w ({dtype.bits}-bit weights)" in details
            found += Executor(made, threads=Threads(threads)).run([x], {})
            sizes[dtype] = made.constants.nbytes
        np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(*found)
    assert sizes[DType.INT8] < 1.6 * 100 * 96
    assert sizes[DType.INT4] < sizes[DType.INT8] - 0.4 * 100 * 96
