"""Int8 between products, stored as uint8 where a target multiplies that: the same bits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Quant, TensorType, Value
from edgewise.ir.enums import Padding
from edgewise.ir.evaluate import evaluate
from edgewise.ops.arithmetic import Add
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.pool import AveragePool2D, MaxPool2D
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.threads import Threads
from edgewise.runtime.unsigned import invert_signs
from tests.isas import BUILT, ISAS


class Layers:
    """Convolutions with random weights, each result with a zero point of its own."""

    def __init__(self, *shape: int) -> None:
        self.rng = np.random.default_rng(11)
        self.b = Builder("main")
        self.x = self.b.input("x", shape, DType.INT8, Quant(0.02, 5))

    def result(self, scale: float = 0.05) -> TensorType:
        return TensorType(None, DType.INT8, Quant(scale, int(self.rng.integers(-40, 40))))

    def conv(self, x: Value, o: int, kernel: int = 1, groups: int = 1, stride: int = 1) -> Value:
        shape = (o, kernel, kernel, int(x.shape[3]) // groups)
        op = Conv2D(padding=Padding.SAME, stride_h=stride, stride_w=stride)
        return self._product(op, x, shape, axis=0)

    def depthwise(
        self, x: Value, kernel: int = 3, stride: int = 1, padding: Padding = Padding.SAME
    ) -> Value:
        shape = (1, kernel, kernel, int(x.shape[3]))
        op = DepthwiseConv2D(padding=padding, stride_h=stride, stride_w=stride)
        return self._product(op, x, shape, axis=3)

    def _product(
        self, op: Conv2D | DepthwiseConv2D, x: Value, w: tuple[int, ...], axis: int
    ) -> Value:
        o = w[axis]
        scales = self.rng.uniform(0.004, 0.01, o).astype(np.float32)
        array = self.rng.integers(-127, 128, w, np.int8)
        weights = Value(TensorType(w, DType.INT8, Quant(scales, 0, axis)), "w", array)
        added = self.rng.integers(-999, 999, o, np.int32)
        bias = Value(TensorType((o,), DType.INT32, Quant(scales * 0.02, 0, 0)), "b", added)
        return self.b.node(op, x, weights, bias, results=(self.result(),)).output

    def sum(self, a: Value, b: Value) -> Value:
        return self.b.node(Add(), a, b, results=(self.result(0.08),)).output


def residual(height: int, width: int, channels: int, groups: int) -> Graph:
    """Every kind of product and what may stand between them."""
    layers = Layers(2, height, width, channels)
    y = layers.conv(layers.x, 2 * channels, kernel=3)
    z = layers.conv(layers.depthwise(y), 2 * channels, groups=groups)
    z = layers.conv(layers.sum(y, z), 33, stride=2)
    pool = MaxPool2D(padding=Padding.SAME, filter_height=2, filter_width=2)
    z = layers.b.node(pool, z, results=(TensorType(None, DType.INT8, z.quant),)).output
    return layers.b.finish(layers.conv(layers.depthwise(z, kernel=5), 7))


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("size", "channels", "groups"),
    [((1, 1), 4, 1), ((7, 5), 12, 2), ((9, 30), 32, 1), ((5, 3), 3, 1), ((14, 14), 48, 4)],
)
def test_the_same_bits_as_the_reference(
    size: tuple[int, int], channels: int, groups: int, threads: int, isa: Isa
) -> None:
    graph = residual(*size, channels, groups)
    x = np.random.default_rng(7).integers(-128, 128, (2, *size, channels), np.int8)
    run = Executor(plan(graph, Target(isa, threads)), threads=Threads(threads))
    [wanted] = evaluate(graph, [x])
    assert np.unique(wanted).size > 3
    np.testing.assert_array_equal(run.run([x], {})[0], wanted)


@pytest.mark.parametrize("isa", BUILT, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("channels", [8, 16, 24, 32, 40, 96])
def test_depthwise_of_any_size(channels: int, kernel: int, isa: Isa) -> None:
    """Widths around the pixels and lines that are computed at once, of int8 and then uint8."""
    for height, width in ((1, 1), (2, 3), (4, 4), (5, 7), (7, 10), (8, 13)):
        for stride, padding in product((1, 2), (Padding.SAME, Padding.VALID)):
            if padding is Padding.VALID and min(height, width) < kernel:
                continue
            layers = Layers(2, height, width, channels)
            y = layers.depthwise(layers.x)
            y = layers.depthwise(layers.conv(y, channels), kernel, stride, padding)
            graph = layers.b.finish(layers.conv(y, 9))
            x = np.random.default_rng(3).integers(-128, 128, (2, height, width, channels), np.int8)
            run = Executor(plan(graph, Target(isa)))
            np.testing.assert_array_equal(run.run([x], {})[0], evaluate(graph, [x])[0])


@pytest.mark.parametrize("isa", BUILT, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("o", [1, 5, 8, 9])
def test_few_channels(o: int, channels: int, isa: Isa) -> None:
    """Pixels that lie as close together as those of pictures."""
    for width, kernel, stride in product((15, 16, 37), (1, 3), (1, 2)):
        layers = Layers(2, 5, width, channels)
        y = layers.conv(layers.x, o, kernel, stride=stride)
        graph = layers.b.finish(layers.conv(layers.conv(y, 6), 16))
        x = np.random.default_rng(5).integers(-128, 128, (2, 5, width, channels), np.int8)
        run = Executor(plan(graph, Target(isa)))
        np.testing.assert_array_equal(run.run([x], {})[0], evaluate(graph, [x])[0])


def test_what_lies_between_products_has_its_sign_inverted() -> None:
    graph = residual(8, 8, 16, 1)
    before = [v.type for node in graph.nodes for v in node.outputs]
    invert_signs(graph)
    *between, last = [v.type for node in graph.nodes for v in node.outputs]
    assert {t.dtype for t in between} == {DType.UINT8}
    for old, new in zip(before, between, strict=False):
        assert old.quant is not None
        assert new.quant is not None
        assert new.quant.zero_point == old.quant.zero_point + 128
    assert (last, graph.inputs[0].dtype) == (before[-1], DType.INT8)


def test_what_others_read_stays_as_it_is() -> None:
    """An average has a rounding of its own for uint8; a sum of it has one type throughout."""
    layers = Layers(1, 8, 8, 16)
    a, b = layers.conv(layers.x, 16), layers.conv(layers.x, 16)
    pool = AveragePool2D(padding=Padding.SAME, filter_height=2, filter_width=2)
    mean = layers.b.node(pool, a, results=(TensorType(None, DType.INT8, a.quant),)).output
    y = layers.conv(layers.sum(b, mean), 8)
    graph = layers.b.finish(layers.conv(y, 8))
    invert_signs(graph)
    assert [v.dtype for v in (a, b, mean, y)] == [DType.INT8, DType.INT8, DType.INT8, DType.UINT8]
