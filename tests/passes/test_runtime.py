"""The pipeline before planning (passes/runtime.py), and what it remembers of the nodes."""

import time

import numpy as np
import pytest

from edgewise.format import load
from edgewise.ir import Builder, Graph
from edgewise.ir.evaluate import evaluate
from edgewise.ops.norm import BatchNorm
from edgewise.passes.lineage import Lineage
from edgewise.passes.runtime import to_runtime
from tests.passes.example import check, expression, graph_of, normal, same_numbers


def dynamic_batch(b):
    """A reshape as converters write it for a batch that was unknown."""
    x = b.input("x", (2, 3, 4))
    shape = b.shape(x)
    zero, one = b.constant(np.array([0], np.int32)), b.constant(np.array([1], np.int32))
    batch = b.strided_slice(shape, zero, one, one, shrink_axis_mask=1)
    rest = b.constant(np.array(12, np.int32))
    return b.relu(b.reshape(b.relu6(x), b.pack(batch, rest, values_count=2, axis=0)))


def half_weights(b):
    half = b.constant(normal(4, 6).astype(np.float16))
    return b.fully_connected(b.input("x", (2, 6)), b.dequantize(half), None)


def normed(b):
    x = b.input("x", (1, 4, 4, 3))
    parameters = [b.constant(np.abs(normal(3)) + 1) for _ in range(4)]
    y = b.conv_2d(x, b.constant(normal(3, 1, 1, 3)))
    return b.relu(b.node(BatchNorm(), y, *parameters).output)


@pytest.mark.parametrize(
    ("build", "after"),
    [
        (dynamic_batch, "relu(reshape(relu6(x), {2, 12}))"),
        (half_weights, "fully_connected(x, [4,6])"),
        (normed, "add(mul(conv_2d(x, [3,1,1,3]), [3]), [3], RELU)"),
    ],
)
def test_what_the_planner_gets(build, after):
    graph = graph_of(build)
    changed = graph.copy()
    to_runtime(changed)
    check(changed)
    assert expression(changed) == after
    same_numbers(graph, changed, 1e-6)


def test_the_fate_of_every_node_is_known():
    graph = graph_of(dynamic_batch)
    names = [node.op.name for node in graph.nodes]
    lineage = to_runtime(graph)
    fates = [lineage.fate(node) for node in lineage.originals]
    assert names == ["shape", "strided_slice", "relu6", "pack", "reshape", "relu"]
    assert [rules for rules, _ in fates] == [
        ["fold shape"],
        ["fold strided_slice"],
        [],
        ["fold pack"],
        [],
        [],
    ]
    assert [None if heir is None else heir.op.name for _, heir in fates] == [
        None,
        None,
        "relu6",
        None,
        "reshape",
        "relu",
    ]


def test_numbers_grow_along_the_rewritten_graph(shared_data):
    for name in ("tiny_vww/f16", "mobilenet_v2/f16", "transformer/dr"):
        graph = load(shared_data / "bench" / f"{name}.tflite").main
        lineage = to_runtime(graph)
        numbers = [lineage.numbers[node] for node in graph.nodes]
        assert numbers == sorted(numbers)


def chain(length: int) -> Graph:
    """Operators that some rule looks at, and that none changes."""
    b = Builder()
    x = b.input("x", (1, 6, 6, 4))
    for _ in range(length // 3):
        x = b.mul(b.logistic(b.conv_2d(x, b.constant(normal(4, 1, 1, 4)))), x)
    return b.finish(x)


@pytest.mark.ci
def test_the_cost_is_linear():
    """10 ms per 100 operators is the bar; half of that was measured. Here: that it is linear."""
    times = []
    for length in (600, 6000):
        graph = chain(length)
        start = time.process_time()
        to_runtime(graph)
        times.append(time.process_time() - start)
    assert times[1] < 30 * times[0]


@pytest.mark.parametrize("name", ["tiny_resnet8/int8", "tiny_vww/int8", "tiny_dscnn/int8"])
def test_networks_keep_their_integers(name, shared_data):
    graph = load(shared_data / "bench" / f"{name}.tflite").main
    changed = graph.copy()
    assert isinstance(to_runtime(changed), Lineage)
    x = np.random.default_rng(1).integers(-128, 128, graph.inputs[0].shape).astype(np.int8)
    for a, b in zip(evaluate(graph, [x]), evaluate(changed, [x]), strict=True):
        np.testing.assert_array_equal(a, b)
