"""Stride hoisting (passes/stride.py): where strides go, and that no number changes."""

import numpy as np
import pytest

from edgewise.ir import Quant
from edgewise.ir.enums import Activation, Padding
from edgewise.passes.stride import hoist_strides
from tests.passes.example import (
    INT8,
    check,
    expression,
    graph_of,
    normal,
    quantized,
    same_numbers,
)


def conv(b, x, kernel=3, stride=1, channels=4, op="conv_2d", padding=Padding.SAME):
    """A convolution of the type of x."""
    shape = (1, kernel, kernel, channels)
    w = (channels, kernel, kernel, x.shape[3]) if op == "conv_2d" else shape
    act = Activation.NONE
    strides = {"stride_h": stride, "stride_w": stride, "padding": padding}
    if x.quant is None:
        return getattr(b, op)(x, b.constant(normal(*w)), fused_activation_function=act, **strides)
    stored = np.random.default_rng(3).integers(-90, 90, w).astype(np.int8)
    weights = b.constant(stored, quant=Quant([0.01] * channels, axis=0 if op == "conv_2d" else 3))
    return getattr(b, op)(x, weights, quant=quantized(0.2, -9), **strides)


def source(b, size=9, is_quantized=False):
    """An input of 4 channels."""
    if is_quantized:
        return b.input("x", (2, size, size - 1, 4), INT8, quantized())
    return b.input("x", (2, size, size - 1, 4))


def simple(b, size=9, **options):
    return conv(b, conv(b, source(b, size), **options), 1, 2)


def residual(b, is_quantized=False):
    """Two blocks of a residual network: the second begins with stride 2 on both paths."""
    q = {"quant": quantized(0.3, 4)} if is_quantized else {}
    x = conv(b, source(b, 8, is_quantized), 3)
    y = b.add(x, conv(b, conv(b, x, 3), 1), **q)
    y = b.relu(y, **q)
    return b.add(conv(b, y, 1, 2), conv(b, conv(b, y, 1, 2), 3), **q)


@pytest.mark.parametrize("size", [6, 7, 8, 9])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("op", ["conv_2d", "depthwise_conv_2d"])
@pytest.mark.parametrize("padding", Padding)
@pytest.mark.parametrize("stride", [1, 2])
def test_the_producer_takes_the_stride_over(size, kernel, op, padding, stride):
    def build(b):
        return simple(b, size, kernel=kernel, op=op, padding=padding, stride=stride)

    graph = graph_of(build)
    changed = graph.copy()
    outcome = hoist_strides(changed)
    assert sum(outcome.counts.values()) == 2
    check(changed)
    nodes = list(changed.nodes)
    assert [node.op.stride_h for node in nodes] == [2 * stride, 1]
    same_numbers(graph, changed, 1e-6)


def test_the_text_of_a_hoisted_stride():
    graph = graph_of(lambda b: simple(b, 8))
    hoist_strides(graph)
    assert expression(graph) == (
        "conv_2d(conv_2d(x, [4,3,3,4], padding=((1, 0), (1, 1)), stride_w=2, stride_h=2), "
        "[4,1,1,4])"
    )


@pytest.mark.parametrize("is_quantized", [False, True])
def test_strides_pass_through_residual_blocks(is_quantized):
    graph = graph_of(lambda b: residual(b, is_quantized))
    changed = graph.copy()
    hoist_strides(changed)
    check(changed)
    names = [node.op.name for node in changed.nodes]
    assert names.count("max_pool_2d") == 1  # of the shortcut, whose other reader needs it whole
    assert [n.op.stride_h for n in changed.nodes if n.op.name == "conv_2d"] == [1, 2, 1, 1, 1, 1]
    same_numbers(graph, changed, 0 if is_quantized else 1e-6)


def _two_strides(b):
    y = conv(b, source(b))
    return conv(b, y, 1, 2), conv(b, y, 1, 3)


def _also_whole(b):
    y = conv(b, source(b))
    return conv(b, y, 1, 2), conv(b, y, 3, 1)


def _is_output(b):
    y = conv(b, source(b))
    return conv(b, y, 1, 2), y


def _no_convolution_before(b):
    return conv(b, b.relu(source(b)), 1, 2)


def _broadcast_rows(b):
    y = b.add(conv(b, source(b)), b.constant(normal(1, 9, 1, 4)))
    return conv(b, y, 1, 2)


def _wider_windows(b):
    return conv(b, conv(b, source(b)), 3, 2)


STAYS = [_two_strides, _also_whole, _is_output, _no_convolution_before, _broadcast_rows]


@pytest.mark.parametrize("build", [*STAYS, _wider_windows], ids=lambda f: f.__name__)
def test_strides_stay_where_pixels_are_needed(build):
    graph = graph_of(build)
    before = expression(graph)
    assert not hoist_strides(graph).counts
    assert expression(graph) == before
