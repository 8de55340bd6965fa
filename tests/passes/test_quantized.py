"""Rules of passes/quantized.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.ir.evaluate import evaluate
from edgewise.passes.quantized import QUANTIZED, STEPS
from edgewise.passes.rewrite import rewrite
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    expression,
    graph_of,
    ints,
    quantized,
    shows,
)

SWISH, MOVED, TWICE, GRID, GRID_MOVED, CLAMP = (
    "hard_swish of integers",
    "move of dequantized integers",
    "requantization in two steps",
    "fake_quant of what is on the grid",
    "fake_quant of what was moved on the grid",
    "clamp of what is on a grid",
)
X = (2, 3)
INPUT = Quant(12 / 255, -43)  # [-4, 8]
OUTPUT = Quant(8.4 / 255, -117)  # [-0.4, 8]


def hard_swish(order="last", three=3.0, sixth=1 / 6, fused=True, dtype=INT8, out=OUTPUT):
    """x * relu6(x + 3) / 6 as a quantizer leaves it that does not know the function."""
    move = 128 if dtype is DType.UINT8 else 0

    def q(low, high):
        scale = (high - low) / 255
        return Quant(scale, round(-128 - low / scale) + move)

    def moved(quant):
        return Quant(quant.scale, quant.zero_point + move)

    def build(b):
        x = b.input("x", (1, 4, 4, 8), dtype, moved(INPUT))

        def number(value):
            top = dtype.range[1]
            stored = np.array([top], dtype.numpy)
            return b.constant(stored, quant=Quant(value / (top - move), move))

        def scaled(y, low, high):
            return b.mul(y, number(sixth), quant=q(low, high))

        act = Activation.RELU6 if fused else Activation.NONE
        gate = b.add(
            x, number(three), quant=q(0, 6) if fused else q(-1, 11), fused_activation_function=act
        )
        gate = gate if fused else b.relu6(gate, quant=q(0, 6))
        if order == "last":
            return b.mul(b.mul(x, gate, quant=q(-2.4, 48)), number(sixth), quant=moved(out))
        if order == "gate":
            return b.mul(x, scaled(gate, 0, 1), quant=moved(out))
        return b.mul(scaled(x, -4 / 6, 8 / 6), gate, quant=moved(out))

    return build


def through(op, *operands, scale=0.05):
    """quantize(op(dequantize(x)))"""

    def build(b):
        x = b.input("x", X, INT8, quantized())
        y = getattr(b, op)(b.dequantize(x), *(b.constant(c) for c in operands))
        return b.quantize(y, dtype=INT8, quant=quantized(scale))

    return build


def twice(out, dtype=INT8):
    def build(b):
        x = b.input("x", X, INT8, quantized())
        return b.quantize(b.dequantize(x), dtype=dtype, quant=out)

    return build


def faked(*steps):
    """FAKE_QUANT in [0, 6], and the steps behind it."""

    def build(b):
        y = b.fake_quant(b.input("x", X), min=0.0, max=6.0, num_bits=8)
        for op, *operands, attributes in steps:
            y = getattr(b, op)(y, *(b.constant(c) for c in operands), **attributes)
        return y

    return build


SIX, FOUR = ({"min": 0.0, "max": top, "num_bits": 8} for top in (6.0, 4.0))
FAKED = "fake_quant(x, max=6.0, num_bits=8)"
EXAMPLES = [
    Example(
        through("reshape", ints(3, 2)),
        "quantize(reshape(dequantize(x), {3, 2}))",
        "reshape(x, {3, 2})",
        (MOVED,),
    ),
    Example(
        through("transpose", ints(1, 0)),
        "quantize(transpose(dequantize(x), {1, 0}))",
        "transpose(x, {1, 0})",
        (MOVED,),
    ),
    Example(
        twice(Quant(0.031, 5)),
        "quantize(dequantize(x))",
        "quantize(x)",
        (TWICE,),
    ),
    Example(
        faked(("fake_quant", SIX)),
        "fake_quant(fake_quant(x, max=6.0, num_bits=8), max=6.0, num_bits=8)",
        FAKED,
        (GRID,),
    ),
    Example(
        faked(("reshape", ints(6), {}), ("fake_quant", SIX)),
        f"fake_quant(reshape({FAKED}, 6), max=6.0, num_bits=8)",
        f"reshape({FAKED}, 6)",
        (GRID_MOVED,),
    ),
    Example(faked(("relu", {})), f"relu({FAKED})", FAKED, (CLAMP,)),
]
TWINS = [
    Twin(hard_swish(three=2.0), SWISH, "it differs from a hard swish by up to"),
    Twin(hard_swish(sixth=0.5), SWISH, "it differs from a hard swish by up to"),
    Twin(through("reshape", ints(3, 2), scale=0.1), MOVED, "0.1"),
    # half of all quotients are ties, which two roundings of the scales send either way
    Twin(twice(Quant(0.1, 5)), TWICE, "64 integers would become others"),
    Twin(twice(Quant(0.1, 5), DType.INT16), TWICE, "not 8 bits with one scale"),
    Twin(faked(("fake_quant", FOUR)), GRID, "the grids differ"),
    Twin(faked(("reshape", ints(6), {}), ("fake_quant", FOUR)), GRID_MOVED, "the grids differ"),
    Twin(faked(("relu_n1_to_1", {})), CLAMP, "numbers in [0, 6] may lie outside [-1, 1]"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, QUANTIZED)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, QUANTIZED)


@pytest.mark.parametrize("dtype", [INT8, DType.UINT8], ids=str)
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("order", ["last", "gate", "first"])
def test_a_hard_swish_in_pieces_is_one_within_two_steps(order, fused, dtype):
    graph = graph_of(hard_swish(order, fused=fused, dtype=dtype))
    changed = graph.copy()
    assert rewrite(changed, QUANTIZED).counts == {SWISH: 1}
    assert expression(changed) == "hard_swish(x)"
    low, high = dtype.range
    for half in np.arange(low, high + 1).astype(dtype.numpy).reshape(2, 1, 4, 4, 8):
        before, after = (evaluate(g, [half])[0].astype(int) for g in (graph, changed))
        assert np.abs(before - after).max() <= STEPS
        assert np.ptp(before) > 0
