"""Rules of passes/affine.py and prescale.py: scales, offsets, batch norms into linear operators."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.ir.enums import Activation, Padding
from edgewise.passes.affine import AFFINE
from edgewise.passes.prescale import PRESCALE
from edgewise.passes.rewrite import rewrite
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    graph_of,
    ints,
    normal,
    quantized,
    shows,
)

RULES = [*AFFINE, *PRESCALE]
X = (2, 5, 6, 4)
VALID = Padding.VALID
RELU = Activation.RELU
CLOSE = 1e-5


def numbers(*shape):
    """Random numbers; one alone is 0.5."""
    return normal(*shape) if np.prod(shape) > 1 else np.full(shape, 0.5, np.float32)


def conv(b, x, bias=True, w=(6, 3, 3, 4), **attributes):
    return b.conv_2d(
        x, b.constant(normal(*w)), b.constant(normal(w[0])) if bias else None, **attributes
    )


def depthwise(b, x, bias=True, channels=8, **attributes):
    return b.depthwise_conv_2d(
        x,
        b.constant(normal(1, 3, 3, channels)),
        b.constant(normal(channels)) if bias else None,
        **attributes,
    )


def dense(b, x, bias=True, **attributes):
    bias_value = b.constant(normal(6)) if bias else None
    return b.fully_connected(x, b.constant(normal(6, 4)), bias_value, **attributes)


def transposed(b, x, **attributes):
    shape = b.constant(ints(2, 10, 12, 6))
    strides = {"stride_h": 2, "stride_w": 2}
    return b.transpose_conv(shape, b.constant(normal(6, 3, 3, 4)), x, **strides, **attributes)


def conv_3d(b, x, **attributes):
    return b.conv_3d(x, b.constant(normal(2, 2, 2, 4, 6)), b.constant(normal(6)), **attributes)


LINEAR = {
    "conv_2d": (conv, X, 6),
    "depthwise_conv_2d": (depthwise, X, 8),
    "fully_connected": (dense, (3, 4), 6),
    "transpose_conv": (transposed, X, 6),
    "conv_3d": (conv_3d, (1, 3, 4, 5, 4), 6),
}


def norm(b, x, channels, **attributes):
    p = [b.constant(normal(channels)) for _ in range(3)]
    return b.batch_norm(x, *p, b.constant(np.abs(normal(channels)) + 0.1), **attributes)


def behind(linear, op, *shape, first=False, **attributes):
    """A linear operator, then `op` with a constant of this shape."""
    build, x, _ = LINEAR[linear]

    def graph(b):
        y = build(b, b.input("x", x))
        operands = (b.constant(numbers(*shape)), y)
        return getattr(b, op)(*(operands if first else operands[::-1]), **attributes)

    return graph


def normed(linear, **attributes):
    build, x, channels = LINEAR[linear]
    return lambda b: norm(b, build(b, b.input("x", x)), channels, **attributes)


def ahead(linear, *ops, padding=None, shape=(4,), **attributes):
    """`op`s with constants, a pad if wanted, then a linear operator."""
    build, x, _ = LINEAR[linear]

    def graph(b):
        y = b.input("x", x)
        for op in ops:
            y = (
                norm(b, y, 4)
                if op == "batch_norm"
                else getattr(b, op)(y, b.constant(numbers(*shape)))
            )
        if padding is not None:
            y = b.pad(y, b.constant(np.array(padding, np.int32)))
        return build(b, y, **attributes)

    return graph


def gate(shape=(), **attributes):
    def graph(b):
        x, g = b.input("x", X), b.input("g", (2, 1, 1, 4))
        return conv(b, b.mul(x, b.mul(g, b.constant(numbers(*shape)))), **attributes)

    return graph


def einsum(*constant, op="add", heads=(2, 3), first=3):
    def graph(b):
        y = dense(b, b.input("x", (first, 4)))
        y = b.reshape(y, b.constant(ints(first, *heads)))
        return getattr(b, op)(y, b.constant(numbers(*constant)))

    return graph


def turned(*constant):
    def graph(b):
        y = b.transpose(dense(b, b.input("x", (3, 4))), b.constant(ints(1, 0)))
        return b.mul(y, b.constant(numbers(*constant)))

    return graph


CONV = "conv_2d(x, [6,3,3,4], [6]"
NORM = ("batch norm into the operator before",)
SCALE = ("scale into the operator before",)
OFFSET = ("offset into the bias",)
BEFORE = ("scale into the operator after",)
BIAS = ("offset into the bias of the operator after",)
OPERATORS = {
    "conv_2d": "conv_2d(x, [6,3,3,4], [6])",
    "depthwise_conv_2d": "depthwise_conv_2d(x, [1,3,3,8], [8])",
    "fully_connected": "fully_connected(x, [6,4], [6])",
    "conv_3d": "conv_3d(x, [2,2,2,4,6], [6])",
}
TRANSPOSED = "transpose_conv({2, 10, 12, 6}, [6,3,3,4], x"
STRIDES = "stride_w=2, stride_h=2)"
QUERY = "reshape(fully_connected(y, [3,3]), {2, 4, 3})"
SCALED = QUERY
PRODUCT = ("scale before the matrix product",)


def scores(scale, dense=True, right=False):
    """Scaled products of queries and keys [2, 4, 3]; one of the two from a dense layer."""

    def build(b):
        x, y = b.input("x", (2, 4, 3)), b.input("y", (2, 4, 3))
        if dense:
            w = b.constant(normal(3, 3))
            y = b.reshape(b.fully_connected(y, w), b.constant(ints(2, 4, 3)))
        pair = (x, y) if right else (y, x)
        return b.mul(b.batch_matmul(*pair, adj_y=True), b.constant(scale))

    return build


def negated(*steps, act=Activation.NONE):
    """A convolution, reshapes and transposes, NEG."""

    def build(b):
        y = conv(b, b.input("x", X), fused_activation_function=act)
        for op, constant in steps:
            y = getattr(b, op)(y, b.constant(constant))
        return b.neg(y)

    return build


NEGATED = "negation into the operator before"
INTO = "scale into the operator before"
EXAMPLES = [
    Example(
        negated(),
        "neg(conv_2d(x, [6,3,3,4], [6]))",
        "conv_2d(x, [6,3,3,4], [6])",
        (NEGATED, INTO),
        CLOSE,
    ),
    Example(
        negated(("reshape", ints(2, 30, 6))),
        "neg(reshape(conv_2d(x, [6,3,3,4], [6]), {2, 30, 6}))",
        "reshape(conv_2d(x, [6,3,3,4], [6]), {2, 30, 6})",
        (NEGATED, "scale before the reshape", INTO),
        CLOSE,
    ),
    *[
        Example(
            scores(0.5, right=right),
            f"mul(batch_matmul({', '.join((QUERY, 'x')[:: -1 if right else 1])}, adj_y=True), 0.5)",
            f"batch_matmul({', '.join((SCALED, 'x')[:: -1 if right else 1])}, adj_y=True)",
            (*PRODUCT, "scale before the reshape", *SCALE),
            1e-5,
        )
        for right in (False, True)
    ],
    *(
        Example(normed(op), f"batch_norm({text}, {p}, {p}, {p}, {p})", text, NORM, CLOSE)
        for (op, text), p in zip(OPERATORS.items(), ("[6]", "[8]", "[6]", "[6]"), strict=True)
    ),
    Example(
        normed("transpose_conv"),
        f"batch_norm({TRANSPOSED}, {STRIDES}, [6], [6], [6], [6])",
        f"{TRANSPOSED}, [6], {STRIDES}",
        NORM,
        CLOSE,
    ),
    Example(
        behind("conv_2d", "mul", 1, 1, 6, fused_activation_function=RELU),
        f"mul({CONV}), [1,1,6], RELU)",
        f"{CONV}, RELU)",
        SCALE,
        CLOSE,
    ),
    Example(behind("conv_2d", "mul"), f"mul({CONV}), 0.5)", f"{CONV})", SCALE, CLOSE),
    Example(
        behind("depthwise_conv_2d", "add", 8),
        "add(depthwise_conv_2d(x, [1,3,3,8], [8]), [8])",
        "depthwise_conv_2d(x, [1,3,3,8], [8])",
        OFFSET,
        CLOSE,
    ),
    # no bias yet
    Example(
        lambda b: b.add(dense(b, b.input("x", (3, 4)), bias=False), b.constant(normal(6))),
        "add(fully_connected(x, [6,4]), [6])",
        "fully_connected(x, [6,4], [6])",
        OFFSET,
        CLOSE,
    ),
    Example(
        behind("conv_2d", "sub", 6, first=True),
        f"sub([6], {CONV}))",
        f"{CONV})",
        ("subtraction into the operator before",),
        CLOSE,
    ),
    Example(
        einsum(2, 3),
        "add(reshape(fully_connected(x, [6,4], [6]), {3, 2, 3}), [2,3])",
        "reshape(fully_connected(x, [6,4], [6]), {3, 2, 3})",
        ("offset before the reshape", *OFFSET),
        CLOSE,
    ),
    Example(
        einsum(1, op="mul"),
        "mul(reshape(fully_connected(x, [6,4], [6]), {3, 2, 3}), 0.5)",
        "reshape(fully_connected(x, [6,4], [6]), {3, 2, 3})",
        ("scale before the reshape", *SCALE),
        CLOSE,
    ),
    *(
        Example(ahead(op, "mul"), text.replace("x", "mul(x, [4])", 1), text, BEFORE, CLOSE)
        for op, text in OPERATORS.items()
    ),
    Example(
        ahead("conv_2d", "mul", w=(6, 3, 3, 2)),
        "conv_2d(mul(x, [4]), [6,3,3,2], [6])",
        "conv_2d(x, [6,3,3,2], [6])",
        BEFORE,
        CLOSE,
    ),
    Example(
        ahead("fully_connected", "add", bias=False),
        "fully_connected(add(x, [4]), [6,4])",
        "fully_connected(x, [6,4], [6])",
        BIAS,
        CLOSE,
    ),
    Example(
        lambda b: depthwise(
            b, b.add(b.input("x", X), b.constant(normal(4))), bias=False, padding=VALID
        ),
        "depthwise_conv_2d(add(x, [4]), [1,3,3,8], padding=VALID)",
        "depthwise_conv_2d(x, [1,3,3,8], [8], padding=VALID)",
        BIAS,
        CLOSE,
    ),
    Example(
        lambda b: conv(
            b, b.add(b.input("x", X), b.constant(normal(4))), w=(6, 2, 2, 2), padding=VALID
        ),
        "conv_2d(add(x, [4]), [6,2,2,2], [6], padding=VALID)",
        "conv_2d(x, [6,2,2,2], [6], padding=VALID)",
        BIAS,
        CLOSE,
    ),
    # SAME with a kernel of one pads nothing
    Example(
        ahead("conv_2d", "batch_norm", w=(6, 1, 1, 4)),
        "conv_2d(batch_norm(x, [4], [4], [4], [4]), [6,1,1,4], [6])",
        "conv_2d(x, [6,1,1,4], [6])",
        ("batch norm into the operator after",),
        CLOSE,
    ),
    Example(
        ahead("conv_2d", "mul", padding=[[0, 0], [1, 1], [0, 2], [0, 0]]),
        "conv_2d(pad(mul(x, [4]), {0, 0, 1, 1, 0, 2, 0, 0}), [6,3,3,4], [6])",
        "conv_2d(pad(x, {0, 0, 1, 1, 0, 2, 0, 0}), [6,3,3,4], [6])",
        ("scale through the pad into the operator after",),
        CLOSE,
    ),
    Example(
        turned(),
        "mul(transpose(fully_connected(x, [6,4], [6]), {1, 0}), 0.5)",
        "transpose(fully_connected(x, [6,4], [6]), {1, 0})",
        ("scale before the transpose", *SCALE),
        CLOSE,
    ),
    Example(
        gate(),
        "conv_2d(mul(x, mul(g, 0.5)), [6,3,3,4], [6])",
        "conv_2d(mul(x, g), [6,3,3,4], [6])",
        ("scale of a gate into the operator after",),
        CLOSE,
    ),
]


def integer_conv(b):
    x = b.input("x", X, INT8, quantized())
    w = b.constant(np.ones((6, 3, 3, 4), np.int8), quant=Quant([0.1] * 6, axis=0))
    y = b.conv_2d(x, w, quant=quantized(0.2))
    return b.add(y, b.constant(np.ones(6, np.int8), quant=quantized()), quant=quantized(0.2))


def hybrid_dense(b):
    w = b.constant(np.ones((6, 4), np.int8), quant=Quant(0.1))
    return b.mul(b.fully_connected(b.input("x", (3, 4)), w), b.constant(normal(6)))


def computed_weights(b):
    y = b.conv_2d(b.input("x", X), b.input("w", (6, 3, 3, 4)))
    return norm(b, y, 6)


def computed_bias(b):
    x, bias = b.input("x", (3, 4)), b.input("bias", (6,))
    return b.mul(b.fully_connected(x, b.constant(normal(6, 4)), bias), b.constant(normal(6)))


def shared(b):
    y = conv(b, b.input("x", X))
    return norm(b, y, 6), b.neg(y)


def float16_weights(b):
    half = b.constant(normal(6, 3, 3, 4).astype(np.float16))
    return norm(b, b.conv_2d(b.input("x", X), b.dequantize(half, dtype=DType.FLOAT32)), 6)


TWINS = [
    Twin(negated(act=RELU), NEGATED, "is not computed by an operator before"),
    Twin(lambda b: b.neg(b.input("x", X)), NEGATED, "is not computed by an operator before"),
    Twin(computed_weights, NORM[0], "the weights 'w' of conv_2d 'conv_2d' are no constant"),
    Twin(float16_weights, NORM[0], "are no constant"),
    Twin(shared, NORM[0], "is also read by neg"),
    Twin(lambda b: norm(b, conv(b, b.input("x", X)), 6, axis=2), NORM[0], "normalises axis 2"),
    Twin(behind("conv_2d", "mul", 5, 6, 1), SCALE[0], "is not one number per channel"),
    Twin(hybrid_dense, SCALE[0], "is quantized; the rule is for floats"),
    Twin(computed_bias, SCALE[0], "the bias 'bias'"),
    Twin(behind("conv_2d", "add", 6, 1), OFFSET[0], "varies along another axis"),
    Twin(behind("conv_2d", "add", 1, 2, 5, 6, 6), OFFSET[0], "is not one number per channel"),
    Twin(integer_conv, OFFSET[0], "is quantized; the rule is for floats"),
    Twin(
        behind("conv_2d", "sub", 5, 6, 1, first=True),
        "subtraction into the operator before",
        "is not one number per channel",
    ),
    Twin(einsum(3), "offset before the reshape", "is not one number per channel before"),
    Twin(einsum(4, 3, 2, 3), "offset before the reshape", "broadcasts the result"),
    Twin(einsum(3, op="mul"), "scale before the reshape", "is not one number per channel"),
    Twin(ahead("conv_2d", "mul", shape=(5, 6, 1)), BEFORE[0], "is not one number per channel"),
    Twin(ahead("conv_2d", "add"), BIAS[0], "pads with zeros, which the offset does not reach"),
    Twin(ahead("conv_3d", "add"), BIAS[0], "may pad with zeros"),
    Twin(ahead("conv_2d", "batch_norm"), "batch norm into the operator after", "pads with zeros"),
    Twin(
        ahead("conv_2d", "mul", shape=(6, 4), padding=[[0, 0], [1, 1], [1, 1], [0, 0]]),
        "scale through the pad into the operator after",
        "is not one number per channel",
    ),
    Twin(scores(0.5, dense=False), PRODUCT[0], "neither operand of the product comes from"),
    Twin(scores(np.ones((4, 4), np.float32)), PRODUCT[0], "only a scalar moves freely"),
    Twin(scores(np.full((1, 1, 1, 1), 0.5, np.float32)), PRODUCT[0], "raises the rank"),
    Twin(turned(3), "scale before the transpose", "only a scalar moves freely"),
    Twin(turned(1, 1, 1), "scale before the transpose", "the constant raises the rank"),
    Twin(gate((4,)), "scale of a gate into the operator after", "only a scalar moves freely"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.before}-{e.applied[0]}")
def test_rewrites(example):
    shows(example, RULES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, RULES)


def test_folded_weights_are_rounded_once():
    """Constants combine in float64: a scale of 1/3 three times is not three roundings."""
    graph = graph_of(
        lambda b: b.batch_norm(
            b.fully_connected(b.input("x", (1, 1)), b.constant(np.float32([[0.1]]))),
            b.constant(np.float32([0.7])),
            None,
            b.constant(np.float32([0.0])),
            b.constant(np.float32([0.3])),
            epsilon=0.0,
        )
    )
    rewrite(graph, RULES)
    w = next(iter(graph.nodes)).operand(1).data
    wanted = np.float64(np.float32(0.1)) * np.float32(0.7) / np.sqrt(np.float64(np.float32(0.3)))
    assert w.item() == np.float32(wanted)
