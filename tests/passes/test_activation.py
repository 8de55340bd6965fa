"""Rules of passes/activation.py."""

import numpy as np
import pytest

from edgewise.ir.enums import Activation
from edgewise.passes.activation import ACTIVATIONS, CLAMPS_NAMED, FUSING
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    normal,
    quantized,
    shows,
)

RULES = [*CLAMPS_NAMED, *ACTIVATIONS]
X = (1, 4, 4, 3)
FUSE = ("activation into the operator before",)


def conv(b, x, **attributes):
    return b.conv_2d(x, b.constant(normal(5, 3, 3, 3)), b.constant(normal(5)), **attributes)


def after_conv(*ops, **attributes):
    def build(b):
        y = conv(b, b.input("x", X), **attributes)
        for op in ops:
            y = getattr(b, op)(y)
        return y

    return build


def clamps(*steps):
    """max/min with constants, and activations, one after the other on x."""

    def build(b):
        y = b.input("x", X)
        for step in steps:
            op, *bound = step.split()
            y = getattr(b, op)(y, *[b.constant(float(v)) for v in bound])
        return y

    return build


def quantized_add(op, result, activation=Activation.NONE):
    def build(b):
        x = b.input("x", X, INT8, quantized(0.04, -7))
        y = b.add(x, x, quant=quantized(0.05, 3), fused_activation_function=activation)
        return getattr(b, op)(y, quant=result)

    return build


def layer_of_one_dimension(read=False):
    def build(b):
        y = b.reshape(conv(b, b.input("x", X)), b.constant([4, 4, 5]))
        return (b.relu(y), y) if read else b.relu(y)

    return build


CONV = "conv_2d(x, [5,3,3,3], [5]"
SUM = "add(x, x, pot_scale_int16=False"
EXAMPLES = [
    Example(
        layer_of_one_dimension(),
        f"relu(reshape({CONV}), {{4, 4, 5}}))",
        f"reshape({CONV}, RELU), {{4, 4, 5}})",
        ("activation before the reshape", *FUSE),
    ),
    Example(after_conv("relu"), f"relu({CONV}))", f"{CONV}, RELU)", FUSE),
    Example(after_conv("relu6"), f"relu6({CONV}))", f"{CONV}, RELU6)", FUSE),
    Example(after_conv("relu_n1_to_1"), f"relu_n1_to_1({CONV}))", f"{CONV}, RELU_N1_TO_1)", FUSE),
    # a clamp behind a fused one
    Example(
        after_conv("relu6", fused_activation_function=Activation.RELU),
        f"relu6({CONV}, RELU))",
        f"{CONV}, RELU6)",
        FUSE,
    ),
    Example(
        lambda b: b.relu(b.fully_connected(b.input("x", (2, 4)), b.constant(normal(3, 4)))),
        "relu(fully_connected(x, [3,4]))",
        "fully_connected(x, [3,4], RELU)",
        FUSE,
    ),
    Example(
        lambda b: b.relu6(b.add(b.input("x", X), b.input("y", X))),
        "relu6(add(x, y))",
        "add(x, y, RELU6)",
        FUSE,
    ),
    # the same scale: fusing keeps every bit
    Example(
        quantized_add("relu6", quantized(0.05, 3)),
        "relu6(add(x, x))",
        "add(x, x, RELU6)",
        FUSE,
    ),
    Example(clamps("maximum 0"), "maximum(x, 0)", "relu(x)", ("relu from maximum",)),
    Example(
        clamps("minimum 6", "maximum 0"),
        "maximum(minimum(x, 6), 0)",
        "relu6(x)",
        ("relu from maximum", "relu6 from relu of minimum"),
    ),
    # Keras 2's hard sigmoid ends so
    Example(
        clamps("maximum 0", "minimum 1"),
        "minimum(maximum(x, 0), 1)",
        "relu_0_to_1(x)",
        ("relu from maximum", "relu_0_to_1 from minimum of relu"),
    ),
    Example(
        clamps("minimum 1", "maximum 0"),
        "maximum(minimum(x, 1), 0)",
        "relu_0_to_1(x)",
        ("relu from maximum", "relu_0_to_1 from relu of minimum"),
    ),
    Example(
        clamps("maximum 0", "minimum 6"),
        "minimum(maximum(x, 0), 6)",
        "relu6(x)",
        ("relu from maximum", "relu6 from minimum of relu"),
    ),
    Example(
        clamps("maximum -1", "minimum 1"),
        "minimum(maximum(x, -1), 1)",
        "relu_n1_to_1(x)",
        ("relu_n1_to_1 from minimum of maximum",),
    ),
    Example(
        clamps("minimum 1", "maximum -1"),
        "maximum(minimum(x, 1), -1)",
        "relu_n1_to_1(x)",
        ("relu_n1_to_1 from maximum of minimum",),
    ),
    Example(clamps("relu6", "relu"), "relu(relu6(x))", "relu6(x)", ("clamp of what is clamped",)),
    Example(clamps("relu", "relu6"), "relu6(relu(x))", "relu6(x)", ("clamp by a wider clamp",)),
]


def read_twice(b):
    y = conv(b, b.input("x", X))
    return b.relu(y), b.neg(y)


def wide(op, bound):
    bounds = np.full((2, *X), bound, np.float32)
    return lambda b: getattr(b, op)(b.input("x", X), b.constant(bounds))


def wider(*steps):
    """As `clamps`, the last bound broadcasting."""

    def build(b):
        op, bound = steps[-1].split()
        y = clamps(*steps[:-1])(b)
        return getattr(b, op)(y, b.constant(np.full((2, *X), float(bound), np.float32)))

    return build


def minimum_broadcasts(b):
    y = b.minimum(b.input("x", X), b.constant(np.full((2, *X), 6, np.float32)))
    return b.relu(y)


def minimum_of_one(b):
    y = b.minimum(b.input("x", X), b.constant(np.ones((2, *X), np.float32)))
    return b.relu(y)


TWINS = [
    Twin(
        layer_of_one_dimension(read=True),
        "activation before the reshape",
        "is also read by the graph's outputs",
    ),
    Twin(read_twice, FUSE[0], "is also read by neg"),
    Twin(
        after_conv("relu_n1_to_1", fused_activation_function=Activation.RELU),
        FUSE[0],
        "no fused activation clamps to [0.0, 1.0]",
    ),
    Twin(quantized_add("relu", quantized(0.025, -128)), FUSE[0], "requantizes"),
    Twin(wide("maximum", 0), "relu from maximum", "broadcasts its operand"),
    Twin(wider("relu", "minimum 6"), "relu6 from minimum of relu", "broadcasts its operand"),
    Twin(wider("relu", "minimum 1"), "relu_0_to_1 from minimum of relu", "broadcasts its operand"),
    Twin(minimum_of_one, "relu_0_to_1 from relu of minimum", "broadcasts its operand"),
    Twin(minimum_broadcasts, "relu6 from relu of minimum", "broadcasts its operand"),
    Twin(
        wider("maximum -1", "minimum 1"),
        "relu_n1_to_1 from minimum of maximum",
        "broadcasts its operand",
    ),
    Twin(
        wider("minimum 1", "maximum -1"),
        "relu_n1_to_1 from maximum of minimum",
        "broadcasts its operand",
    ),
    Twin(
        clamps("relu_n1_to_1", "relu"), "clamp of what is clamped", "gives numbers in [-1.0, 1.0]"
    ),
    Twin(clamps("relu_n1_to_1", "relu"), "clamp by a wider clamp", "clamps to [-1.0, 1.0]"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, RULES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.rule)
def test_must_not_match(twin):
    declines(twin, RULES)


def test_every_fusing_operator_has_the_option():
    for cls in FUSING:
        assert "fused_activation_function" in cls.attributes()
