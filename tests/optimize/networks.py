"""Small networks with everything that quantization has to decide, and samples for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

import edgewise.ops  # noqa: F401  (defines what the builder calls)
from edgewise.api import Model  # which can save itself
from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Value
from edgewise.ir.enums import Activation, Padding
from edgewise.ops.control import If, While
from edgewise.optimize import Ranges, calibrate

RELU6 = Activation.RELU6
SAMPLES = 12


class _Network:
    """A builder with random weights, the same in every run."""

    def __init__(self, name: str = "main", seed: int = 11) -> None:
        self.b, self.rng = Builder(name), np.random.default_rng(seed)

    def weights(self, *shape: int, label: str) -> Value:
        fan = np.prod(shape[1:]) if len(shape) > 1 else 8
        data = self.rng.normal(size=shape, scale=fan**-0.5).astype(np.float32)
        return self.b.constant(data, name=label)

    def conv(self, x: Value, o: int, k: int, label: str, act: Activation = RELU6) -> Value:
        c = x.shape[3]
        assert isinstance(c, int)
        w = self.weights(o, k, k, c, label=f"{label}/w")
        bias = self.weights(o, label=f"{label}/b")
        return self.b.conv_2d(x, w, bias, fused_activation_function=act, label=label)

    def depthwise(self, x: Value, label: str) -> Value:
        c = x.shape[3]
        assert isinstance(c, int)
        data = self.rng.normal(size=(1, 3, 3, c), scale=1 / 3).astype(np.float32)
        w, bias = self.b.constant(data, name=f"{label}/w"), self.weights(c, label=f"{label}/b")
        return self.b.depthwise_conv_2d(x, w, bias, fused_activation_function=RELU6, label=label)

    def ints(self, *values: int) -> Value:
        return self.b.constant(np.array(values, np.int32))

    def finish(self, *outputs: Value, others: Sequence[Graph] = ()) -> Model:
        model = Model()
        for graph in (self.b.finish(*outputs), *others):
            model.add(graph)
        return model


def residual() -> Model:
    """A block with a shortcut, a concatenation of branches, a mean, a softmax."""
    n = _Network()
    x = n.conv(n.b.input("image", (1, 12, 12, 3)), 16, 3, "stem")
    y = n.depthwise(n.conv(x, 24, 1, "expand"), "depthwise")
    y = n.conv(y, 16, 1, "project", Activation.NONE)
    x = n.b.add(x, y, label="shortcut")
    pooled = n.b.max_pool_2d(
        x, filter_width=2, filter_height=2, stride_w=1, stride_h=1, padding=Padding.SAME
    )
    x = n.b.concatenation(n.conv(x, 8, 1, "branch"), pooled, axis=3, label="joined")
    x = n.b.mean(x, n.ints(1, 2), label="mean")
    w = n.weights(10, 24, label="dense/w")
    x = n.b.fully_connected(x, w, n.weights(10, label="dense/b"), label="dense")
    return n.finish(n.b.softmax(x, label="probabilities"))


def interrupted() -> Model:
    """An operator without a quantized form between two convolutions, moves on both its sides, and
    a value that floats and integers read."""
    n = _Network()
    x = n.conv(n.b.input("image", (1, 6, 6, 4)), 8, 3, "first", Activation.NONE)
    y = n.b.reshape(x, n.ints(1, 36, 8), new_shape=(1, 36, 8), label="flat")
    y = n.b.sin(y, label="sine")
    y = n.b.reshape(y, n.ints(1, 6, 6, 8), new_shape=(1, 6, 6, 8), label="whole")
    y = n.conv(y, 8, 1, "second", Activation.NONE)
    z = n.b.add(x, y, label="sum")
    return n.finish(n.b.logistic(z, label="sigmoid"), n.b.cos(x, label="cosine"))


def scaled() -> Model:
    """A softmax joined with what does not fit into its scale, and what does."""
    n = _Network()
    x = n.b.input("x", (2, 8))
    p = n.b.softmax(x, label="p")
    wide = n.b.concatenation(p, n.b.mul(x, x, label="square"), axis=1, label="wide")
    narrow = n.b.concatenation(p, n.b.softmax(n.b.neg(x, label="neg"), label="q"), axis=1)
    return n.finish(wide, narrow)


def looped() -> Model:
    """A block that runs three times, each time with one of two branches in it, and once more in a
    loop of its own."""
    shape, kinds = (1, 6, 6, 8), [((), DType.INT32), ((1, 6, 6, 8), DType.FLOAT32)]
    even, odd = _Network("even", 1), _Network("odd", 4)
    y = even.depthwise(even.b.input("x", shape), "even")
    other = odd.conv(odd.b.input("x", shape), 8, 1, "odd", Activation.NONE)
    branches = even.b.finish(y), odd.b.finish(odd.b.tanh(other))
    step, until = _Network("step", 3), _Network("until")
    count, x = (step.b.input(f"carried{i}", *kind) for i, kind in enumerate(kinds))
    is_even = step.b.less(step.b.floor_mod(count, step.ints(2)), step.ints(1))
    chosen = step.b.node(If(then=branches[0], otherwise=branches[1]), is_even, x).outputs[0]
    y = step.b.add(x, step.conv(chosen, 8, 3, "inside", Activation.NONE), label="sum")
    one = step.b.constant(np.int32(1))
    body = step.b.finish(step.b.add(count, one), y)
    count, _ = (until.b.input(f"carried{i}", *kind) for i, kind in enumerate(kinds))
    cond = until.b.finish(until.b.less(count, until.b.constant(np.int32(3))))
    n = _Network()
    x = n.conv(n.b.input("image", (1, 6, 6, 3)), 8, 3, "stem")
    loop = While(cond=cond, body=body)
    x = n.b.node(loop, n.b.constant(np.int32(0)), x).outputs[1]
    x = n.conv(x, 8, 1, "between")
    x = n.b.node(loop, n.b.constant(np.int32(2)), x).outputs[1]
    result = n.conv(x, 4, 1, "head", Activation.NONE)
    return n.finish(result, others=[cond, body, *branches])


NETWORKS = {
    "residual": residual,
    "interrupted": interrupted,
    "scaled": scaled,
    "looped": looped,
}


def samples(model: Model) -> list[list[np.ndarray]]:
    """Arrays for the model's inputs, the same in every run."""
    rng = np.random.default_rng(17)
    shapes = [v.shape for v in model.main.inputs]
    return [
        [rng.uniform(-2, 2, shape).astype(np.float32) for shape in shapes] for _ in range(SAMPLES)
    ]


@cache
def measured(name: str) -> tuple[Model, Ranges]:
    """A network and its ranges."""
    model = NETWORKS[name]()
    return model, calibrate(model, samples(model))
