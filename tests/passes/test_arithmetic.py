"""Rules of passes/arithmetic.py and passes/recompose.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.passes.arithmetic import CONSTANTS, IDENTITIES
from edgewise.passes.recompose import RECOMPOSE
from edgewise.passes.rewrite import rewrite
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    expression,
    graph_of,
    ints,
    normal,
    quantized,
    shows,
)

X = (2, 3, 4)
RELU = Activation.RELU


def unary(op, *constants, shape=X, **attributes):
    """A graph of one operator on x and constants."""
    return lambda b: getattr(b, op)(
        b.input("x", shape), *[b.constant(c) for c in constants], **attributes
    )


def hard_swish(order, fused=False, three=3.0, six=6.0):
    def build(b):
        x = b.input("x", X)
        act = Activation.RELU6 if fused else Activation.NONE
        gate = b.add(x, b.constant(three), fused_activation_function=act)
        gate = gate if fused else b.relu6(gate)
        sixth = b.constant(1 / six)
        if order == "last":
            return b.mul(b.mul(x, gate), sixth)
        if order == "gate":
            return b.mul(x, b.mul(gate, sixth))
        return b.mul(b.mul(x, sixth), gate)

    return build


def cast_and_back(dtype, wide):
    return lambda b: b.cast(b.cast(b.input("x", X, dtype), dtype=wide), dtype=dtype)


def update(shape):
    return lambda b: b.dynamic_update_slice(
        b.input("y", (2, 3)), b.input("x", shape), b.constant(ints(1, 0))
    )


ADD3, EACH = "add(x, 3)", ("hard_swish",)
EXAMPLES = [
    Example(unary("minimum", np.inf), "minimum(x, inf)", "x", ("minimum with infinity",)),
    Example(unary("maximum", -np.inf), "maximum(x, -inf)", "x", ("maximum with infinity",)),
    Example(unary("mul", 1.0), "mul(x, 1)", "x", ("multiply by one",)),
    Example(unary("div", 1.0), "div(x, 1)", "x", ("divide by one",)),
    Example(unary("add", 0.0), "add(x, 0)", "x", ("add zero",)),
    Example(unary("sub", np.zeros(4, np.float32)), "sub(x, [4])", "x", ("subtract zero",)),
    Example(unary("pow", 1.0), "pow(x, 1)", "x", ("power of one",)),
    Example(lambda b: b.neg(b.neg(b.input("x", X))), "neg(neg(x))", "x", ("negate twice",)),
    Example(
        unary("cast", in_data_type=DType.FLOAT32, out_data_type=DType.FLOAT32),
        "cast(x)",
        "x",
        ("cast to the same type",),
    ),
    Example(
        lambda b: b.quantize(b.input("x", X, INT8, quantized()), quant=quantized()),
        "quantize(x)",
        "x",
        ("quantize to the same type",),
    ),
    Example(
        unary("concatenation", axis=1),
        "concatenation(x, axis=1)",
        "x",
        ("concatenation of one",),
    ),
    Example(unary("add_n"), "add_n(x)", "x", ("sum of one",)),
    Example(
        unary("resize_bilinear", ints(3, 4), shape=(1, 3, 4, 2), half_pixel_centers=True),
        "resize_bilinear(x, {3, 4}, half_pixel_centers=True)",
        "x",
        ("resize to the same size",),
    ),
    Example(
        unary("resize_nearest_neighbor", ints(3, 4), shape=(1, 3, 4, 2)),
        "resize_nearest_neighbor(x, {3, 4})",
        "x",
        ("resize to the same size",),
    ),
    Example(update((2, 3)), "dynamic_update_slice(y, x, {1, 0})", "x", ("update of everything",)),
    Example(
        cast_and_back(DType.INT32, DType.INT64), "cast(cast(x))", "x", ("cast there and back",)
    ),
    Example(
        lambda b: b.quantize(
            b.dequantize(b.input("x", X, INT8, quantized())), quant=quantized(), dtype=INT8
        ),
        "quantize(dequantize(x))",
        "x",
        ("quantize what was dequantized",),
    ),
    Example(
        unary("pad", np.zeros((3, 2), np.int32)),
        "pad(x, {0, 0, 0, 0, 0, 0})",
        "x",
        ("pad by nothing",),
    ),
    Example(
        unary("broadcast_to", ints(*X)),
        "broadcast_to(x, {2, 3, 4})",
        "x",
        ("broadcast to the same shape",),
    ),
    Example(
        unary("slice", ints(0, 0, 0), ints(-1, 3, 4)),
        "slice(x, {0, 0, 0}, {-1, 3, 4})",
        "x",
        ("slice of everything",),
    ),
    Example(
        unary("strided_slice", ints(0, 0, 0), ints(*X), ints(1, 1, 1)),
        "strided_slice(x, {0, 0, 0}, {2, 3, 4}, {1, 1, 1})",
        "x",
        ("strided slice of everything",),
    ),
    Example(unary("tile", ints(1, 1, 1)), "tile(x, {1, 1, 1})", "x", ("tile once",)),
    Example(
        unary("sub", 2.5, fused_activation_function=RELU),
        "sub(x, 2.5, RELU)",
        "add(x, -2.5, RELU)",
        ("subtract as add",),
    ),
    Example(unary("div", 8.0), "div(x, 8)", "mul(x, 0.125)", ("divide as multiply",)),
    Example(
        unary("div", 3.0), "div(x, 3)", "mul(x, 0.3333)", ("divide as multiply",), tolerance=1e-6
    ),
    Example(
        lambda b: b.mul(b.mul(b.input("x", X), b.constant(normal(4))), b.constant(2.0)),
        "mul(mul(x, [4]), 2)",
        "mul(x, [4])",
        ("combine scales",),
        tolerance=1e-6,
    ),
    Example(
        lambda b: b.add(b.add(b.input("x", X), b.constant(1.0)), b.constant(normal(4))),
        "add(add(x, 1), [4])",
        "add(x, [4])",
        ("combine offsets",),
        tolerance=1e-6,
    ),
    # Rescaling, then Normalization: the four operators become two
    Example(
        lambda b: b.div(
            b.sub(
                b.add(b.mul(b.input("x", X), b.constant(0.5)), b.constant(-1.0)), b.constant(3.0)
            ),
            b.constant(4.0),
        ),
        "div(sub(add(mul(x, 0.5), -1), 3), 4)",
        "add(mul(x, 0.125), -1)",
        (
            "subtract as add",
            "divide as multiply",
            "combine offsets",
            "scale before offset",
            "combine scales",
        ),
        tolerance=1e-6,
    ),
    Example(
        hard_swish("last"),
        "mul(mul(x, relu6(add(x, 3))), 0.1667)",
        "hard_swish(x)",
        EACH,
        tolerance=1e-6,
    ),
    Example(
        hard_swish("gate"),
        "mul(x, mul(relu6(add(x, 3)), 0.1667))",
        "hard_swish(x)",
        EACH,
        tolerance=1e-6,
    ),
    Example(
        hard_swish("first", fused=True),
        "mul(mul(x, 0.1667), add(x, 3, RELU6))",
        "hard_swish(x)",
        EACH,
        tolerance=1e-6,
    ),
]
RULES = [*IDENTITIES, *CONSTANTS, *RECOMPOSE]


def twice_read(b):
    first = b.add(b.input("x", X), b.constant(1.0))
    return b.add(first, b.constant(2.0)), first


def requantized(b):
    real = b.dequantize(b.input("x", X, INT8, quantized()))
    return b.quantize(real, quant=quantized(0.1), dtype=INT8)


TWINS = [
    *[
        Twin(
            unary(op, np.full((2, 2, 3, 4), bound, np.float32)),
            f"{op} with infinity",
            "the shape changes",
        )
        for op, bound in (("minimum", np.inf), ("maximum", -np.inf))
    ],
    Twin(
        unary("resize_bilinear", ints(6, 4), shape=(1, 3, 4, 2)),
        "resize to the same size",
        "the shape changes",
    ),
    Twin(
        cast_and_back(DType.INT32, DType.FLOAT32),
        "cast there and back",
        "float32 does not hold every int32",
    ),
    Twin(update((1, 3)), "update of everything", "the shape changes"),
    Twin(requantized, "quantize what was dequantized", "the quantization changes"),
    Twin(unary("mul", np.ones((5, 1, 1, 1), np.float32)), "multiply by one", "the shape changes"),
    Twin(unary("div", np.ones((2, 2, 3, 4), np.float32)), "divide by one", "the shape changes"),
    Twin(unary("add", np.zeros((2, 2, 3, 4), np.float32)), "add zero", "the shape changes"),
    Twin(unary("sub", np.zeros((2, 2, 3, 4), np.float32)), "subtract zero", "the shape changes"),
    Twin(unary("pow", np.ones((2, 2, 3, 4), np.float32)), "power of one", "the shape changes"),
    Twin(
        lambda b: b.neg(
            b.neg(b.input("x", X, INT8, quantized()), quant=quantized(0.1)), quant=quantized()
        ),
        "negate twice",
        "quantized",
    ),
    Twin(
        unary("cast", in_data_type=DType.FLOAT32, out_data_type=DType.INT32),
        "cast to the same type",
        "the dtype changes from float32 to int32",
    ),
    Twin(
        lambda b: b.quantize(b.input("x", X, INT8, quantized()), quant=quantized(0.1)),
        "quantize to the same type",
        "the quantization changes",
    ),
    # refused where it is computed, as by LiteRT
    Twin(
        lambda b: b.quantize(b.input("x", X), dtype=DType.FLOAT32),
        "quantize to the same type",
        "has no scale to be quantized to",
    ),
    Twin(unary("pad", ints(*[0, 1] * 3).reshape(3, 2)), "pad by nothing", "it pads by [[0, 1]"),
    Twin(unary("broadcast_to", ints(2, *X)), "broadcast to the same shape", "the shape changes"),
    Twin(unary("slice", ints(0, 1, 0), ints(2, 2, 4)), "slice of everything", "the shape changes"),
    Twin(
        unary("strided_slice", ints(0, 0, 0), ints(1, 3, 4), ints(1, 1, 1)),
        "strided slice of everything",
        "the shape changes",
    ),
    Twin(unary("tile", ints(1, 2, 1)), "tile once", "the shape changes"),
    Twin(
        lambda b: b.sub(b.input("x", X, DType.INT32), b.constant(3)),
        "subtract as add",
        "is int32; the rule is for floats",
    ),
    Twin(unary("div", 0.0), "divide as multiply", "no reciprocal"),
    Twin(
        lambda b: b.mul(b.mul(b.input("x", X), b.constant(normal(4))), b.constant(normal(2, 1, 1))),
        "combine scales",
        "combine to [2, 1, 4]",
    ),
    Twin(twice_read, "combine offsets", "is also read by the graph's outputs"),
    Twin(
        lambda b: b.relu(b.mul(b.add(b.input("x", X), b.constant(2.0)), b.constant(3.0))),
        "scale before offset",
        "neither a scale before nor an offset after",
    ),
    Twin(
        lambda b: b.mul(
            b.mul(b.input("x", (4,)), b.relu6(b.add(b.graph.inputs[0], b.constant(3.0)))),
            b.constant(np.full((2, 4), 1 / 6, np.float32)),
        ),
        "hard_swish",
        "the shape changes",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, RULES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.rule)
def test_must_not_match(twin):
    declines(twin, RULES)


@pytest.mark.parametrize("three", [2.9, 3.1])
def test_hard_swish_needs_its_numbers(three):
    graph = graph_of(hard_swish("last", three=three))
    before = expression(graph)
    rewrite(graph, RECOMPOSE)
    assert expression(graph) == before
