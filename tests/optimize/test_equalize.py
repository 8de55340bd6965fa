"""optimize/channels.py, equalize.py: units of channels change, what a network computes does not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Model
from edgewise.ops.conv import Conv2D
from edgewise.optimize.channels import Group, groups
from edgewise.optimize.equalize import activations, apply, cross_layer

RELU, RELU6, SAME = Activation.RELU, Activation.RELU6, Padding.SAME
C = 8
Net = Callable[[Builder, Value], Value]


class Numbers:
    """Random weights, always the same."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)

    def __call__(self, *shape: int) -> np.ndarray:
        return self.rng.normal(0, 1, shape).astype(np.float32)


def conv(b: Builder, x: Value, o: int = C, k: int = 1, act: Activation = RELU, groups: int = 1):
    n, c = Numbers(), x.shape[-1]
    assert isinstance(c, int)
    w = b.constant(n(o, k, k, c // groups))
    return b.conv_2d(x, w, b.constant(n(o)), fused_activation_function=act)


def depthwise(b: Builder, x: Value, multiplier: int = 1, act: Activation = RELU) -> Value:
    n, c = Numbers(), x.shape[-1]
    assert isinstance(c, int)
    w = b.constant(n(1, 3, 3, c * multiplier))
    return b.depthwise_conv_2d(
        x,
        w,
        b.constant(n(c * multiplier)),
        fused_activation_function=act,
        depth_multiplier=multiplier,
    )


def model(net: Net, shape: tuple[int, ...] = (1, 6, 6, 3)) -> Model:
    b = Builder("main")
    found = Model()
    found.add(b.finish(net(b, b.input("x", shape))))
    return found


def pair(b: Builder, x: Value) -> Value:
    return conv(b, conv(b, x), 4, 3)


def grouped(b: Builder, x: Value) -> Value:
    return conv(b, conv(b, x), 4, 3, groups=4)


def separable(b: Builder, x: Value) -> Value:
    return conv(b, depthwise(b, conv(b, x), 2), 4)


def residual(b: Builder, x: Value) -> Value:
    a = conv(b, x, act=Activation.NONE)
    y = conv(b, conv(b, a), act=Activation.NONE)
    return conv(
        b,
        b.max_pool_2d(
            b.add(a, y), filter_width=2, filter_height=2, stride_w=1, stride_h=1, padding=SAME
        ),
        4,
    )


def offset(b: Builder, x: Value) -> Value:
    y = b.add(conv(b, x), b.constant(Numbers()(C)), fused_activation_function=RELU)
    return conv(b, y, 4)


def gated(b: Builder, x: Value) -> Value:
    y = conv(b, x)
    gate = b.logistic(conv(b, b.mean(y, b.constant([1, 2]), keep_dims=True)))
    return conv(b, b.mul(y, gate), 4)


def by_vector(b: Builder, x: Value) -> Value:
    return conv(b, b.mul(conv(b, x), b.constant(Numbers()(C))), 4)


def norm(b: Builder, x: Value) -> Value:
    n = Numbers()
    y = b.layer_norm(x, b.constant(n(3)), b.constant(n(3)))
    return conv(b, y, 4)


def transposed(b: Builder, x: Value) -> Value:
    w = b.constant(Numbers()(4, 3, 3, C))
    shape = b.constant(np.array([1, 12, 12, 4], np.int32))
    return b.transpose_conv(shape, w, conv(b, x), stride_w=2, stride_h=2, padding=SAME)


def dense(b: Builder, x: Value) -> Value:
    n = Numbers()
    y = b.mean(conv(b, x), b.constant([1, 2]), keep_dims=False)
    return b.fully_connected(y, b.constant(n(5, C)), b.constant(n(5)))


# net: how many groups it has
SCALABLE = {
    pair: 1,
    grouped: 1,
    separable: 2,
    residual: 2,
    offset: 1,
    gated: 1,
    by_vector: 2,
    norm: 1,
    transposed: 1,
    dense: 1,
}


def inputs(m: Model) -> np.ndarray:
    return Numbers()(*[d for d in m.main.inputs[0].shape if isinstance(d, int)])


def run(m: Model) -> np.ndarray:
    return np.asarray(evaluate(m.main, [inputs(m)])[0])


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() <= 1e-4 * np.ptp(b))


@pytest.mark.parametrize("net", SCALABLE, ids=lambda net: net.__name__)
def test_any_scales_leave_the_result(net: Net) -> None:
    m = model(net)
    before = run(m)
    found = groups(m.main)
    assert len(found) == SCALABLE[net]
    rng = np.random.default_rng(1)
    apply(m.main, {g: np.exp(rng.normal(0, 1, g.channels)) for g in found})
    assert close(run(m), before)


def fixed(b: Builder, x: Value) -> Value:
    y = conv(b, x)
    return b.add(conv(b, b.gelu(y)), y)


def flattened(b: Builder, x: Value) -> Value:
    y = b.reshape(conv(b, x), b.constant([1, 36 * C]))
    return b.fully_connected(y, b.constant(Numbers()(5, 36 * C)))


def is_output(b: Builder, x: Value) -> Value:
    return conv(b, x)


def mixed(b: Builder, x: Value) -> Value:
    return conv(b, b.softmax(conv(b, x)), 4)


def transposes(b: Builder, x: Value) -> Value:
    return conv(b, b.transpose(conv(b, x, 6), b.constant([0, 3, 1, 2])), 4)


@pytest.mark.parametrize("net", [fixed, flattened, is_output, mixed, transposes])
def test_values_that_something_else_reads_are_not_scaled(net: Net) -> None:
    assert groups(model(net).main) == []


def test_integers_are_not_scaled() -> None:
    def net(b: Builder, x: Value) -> Value:
        w = b.constant(np.ones((C, 1, 1, 3), np.int8), quant=None)
        return conv(b, b.conv_2d(x, w), 4)

    with_integers = model(net)
    assert DType.INT8 in {v.dtype for v in with_integers.main.values()}
    assert groups(with_integers.main) == []


def ranges(graph: Graph) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of neighbouring CONV_2D: ranges of the outputs of the first, of the inputs of the second."""
    w = [n.operand(1).data for n in graph.nodes if isinstance(n.op, Conv2D)]
    return [
        (np.abs(a).max((1, 2, 3)), np.abs(b).max((0, 1, 2)))
        for a, b in pairwise(w)
        if a is not None and b is not None
    ]


def test_weights_become_alike_on_both_sides() -> None:
    m = model(pair)
    apply(m.main, {g: np.exp(np.random.default_rng(2).normal(0, 2, C)) for g in groups(m.main)})
    (out, into), *_ = ranges(m.main)
    assert np.abs(np.log(out / into)).max() > 2
    equalized = cross_layer(m)
    (out, into), *_ = ranges(equalized.model.main)
    np.testing.assert_allclose(out, into, rtol=1e-3)
    assert close(run(equalized.model), run(m))
    (out, into), *_ = ranges(m.main)
    assert np.abs(np.log(out / into)).max() > 2, "the model given is not changed"


def test_a_chain_comes_to_rest() -> None:
    def chain(b: Builder, x: Value) -> Value:
        for _ in range(4):
            x = conv(b, x)
        return conv(b, x, 4)

    m = model(chain)
    rng = np.random.default_rng(3)
    apply(m.main, {g: np.exp(rng.normal(0, 2, C)) for g in groups(m.main)})
    for out, into in ranges(cross_layer(m).model.main):
        np.testing.assert_allclose(out, into, rtol=5e-3)


def maxima(m: Model) -> dict[str, np.ndarray]:
    """The largest |element| of each channel of every float value, by its name."""
    kept: dict[str, np.ndarray] = {}
    by_value = [v for v in m.main.values() if not v.is_constant and v.dtype.is_float]
    graph = m.main
    outputs = graph.outputs
    graph.set_outputs(by_value)
    for value, y in zip(by_value, evaluate(graph, [inputs(m)]), strict=True):
        kept[value.name] = np.abs(y).max(tuple(range(y.ndim - 1)))
    graph.set_outputs(outputs)
    return kept


def test_activations_become_alike_before_a_depthwise_convolution() -> None:
    m = model(separable)
    apply(
        m.main,
        {g: np.exp(np.random.default_rng(4).normal(0, 2, g.channels)) for g in groups(m.main)},
    )
    first = groups(m.main)[0].values[0].name
    before = maxima(m)
    assert before[first].max() > 20 * before[first][before[first] > 0].min()
    equalized = activations(m, before)
    after = maxima(equalized.model)[first]
    np.testing.assert_allclose(after[after > 0], after.max(), rtol=1e-4)
    assert close(run(equalized.model), run(m))
    assert equalized.scales[0][0][0] == first


def test_alpha_shares_between_activations_and_weights() -> None:
    m = model(pair)
    measured = maxima(m)
    name = groups(m.main)[0].values[0].name
    live = measured[name] > 0
    w = ranges(m.main)[0][1]
    scales = activations(m, measured, alpha=0.5).scales[0][1]
    expected = np.sqrt(measured[name][live] / w[live])
    np.testing.assert_allclose(scales[live] / scales[live][0], expected / expected[0], rtol=1e-5)


def capped(b: Builder, x: Value) -> Value:
    return conv(b, depthwise(b, conv(b, x, act=RELU6), act=RELU6), 4)


def test_a_cap_cuts_off_what_it_did() -> None:
    m = model(capped)
    measured = maxima(m)
    found = groups(m.main)
    assert [cap for g in found for _, cap in g.caps] == [6.0, 6.0]
    equalized = activations(m, measured)
    assert close(run(equalized.model), run(m))
    for group, (_, scales) in zip(found, equalized.scales, strict=True):
        largest = measured[group.values[0].name]
        assert (scales[largest >= 6] == 1).all()
        assert (largest / scales <= 6 + 1e-6).all()
    assert any((s != 1).any() for _, s in equalized.scales)


def test_groups_of_values_that_were_not_measured_stay() -> None:
    m = model(capped)
    assert activations(m, {}).scales == ()
    names = {g.values[0].name: g for g in groups(m.main)}
    assert names
    assert cross_layer(m).scales == (), "weights alone do not tell what reaches a cap"


def test_dead_channels_keep_their_units() -> None:
    def net(b: Builder, x: Value) -> Value:
        n = Numbers()
        w = n(C, 1, 1, 3)
        w[2] = 0
        return conv(b, b.conv_2d(x, b.constant(w), b.constant(np.zeros(C, np.float32))), 4)

    m = model(net)
    for done in (cross_layer(m), activations(m, maxima(m))):
        assert done.scales[0][1][2] == 1
        assert close(run(done.model), run(m))


def test_a_group_is_a_value() -> None:
    (group,) = groups(model(pair).main)
    assert isinstance(group, Group)
    assert (group.channels, len(group.values), len(group.writers), len(group.readers)) == (
        C,
        1,
        1,
        1,
    )
