"""Rules of passes/recompose.py but hard_swish (test_arithmetic.py): gelu, softmax, unit vectors."""

import math

import numpy as np
import pytest

from edgewise.passes.recompose import RECOMPOSE
from edgewise.passes.rewrite import rewrite
from tests.passes.example import Example, Twin, declines, expression, graph_of, ints, shows

RULES = RECOMPOSE
X = (3, 5)
GELU, SOFTMAX = ("gelu",), ("softmax",)
LOG, UNIT = ("log_softmax",), ("l2_normalization",)
ROOT = math.sqrt(2 / math.pi)


def number(b, value):
    return b.constant(np.float32(value))


def gelu(cube="pow", order="last", cubic=0.044715, shape=()):
    """x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x**3))), the products in some order."""

    def build(b):
        x = b.input("x", X)
        if cube == "pow":
            third = b.pow(x, number(b, 3))
        else:
            third = b.mul(b.square(x) if cube == "square" else b.mul(x, x), x)
        inner = b.mul(b.add(x, b.mul(third, number(b, cubic))), number(b, ROOT))
        gate = b.add(b.tanh(inner), b.constant(np.ones(shape, np.float32)))
        half = number(b, 0.5)
        if order == "last":
            return b.mul(b.mul(x, gate), half)
        return b.mul(x, b.mul(gate, half)) if order == "gate" else b.mul(b.mul(half, x), gate)

    return build


def softmax(*axes, other=None, keep=True):
    def build(b):
        x = b.input("x", X)
        e = b.exp(b.sub(x, b.reduce_max(x, b.constant(ints(*axes)), keep_dims=True)))
        return b.div(e, b.sum(e, b.constant(ints(*(other or axes))), keep_dims=keep))

    return build


def unit(*axes, square=True, epsilon=1e-12):
    def build(b):
        x = b.input("x", X)
        total = b.sum(
            b.square(x) if square else b.mul(x, x), b.constant(ints(*axes)), keep_dims=True
        )
        return b.mul(x, b.rsqrt(b.maximum(total, number(b, epsilon))))

    return build


def tanh_of(cube):
    return f"add(tanh(mul(add(x, mul({cube}, 0.04471)), 0.7979)), 1)"


EXPONENTIALS = "exp(sub(x, reduce_max(x, {}, keep_dims=True)))"
EXAMPLES = [
    Example(
        gelu(), f"mul(mul(x, {tanh_of('pow(x, 3)')}), 0.5)", "gelu(x, approximate=True)", GELU, 1e-6
    ),
    Example(
        gelu("square", "gate"),
        f"mul(x, mul({tanh_of('mul(square(x), x)')}, 0.5))",
        "gelu(x, approximate=True)",
        GELU,
        1e-6,
    ),
    Example(
        gelu("mul", "first"),
        f"mul(mul(0.5, x), {tanh_of('mul(mul(x, x), x)')})",
        "gelu(x, approximate=True)",
        GELU,
        1e-6,
    ),
    Example(
        softmax(-1),
        f"div({EXPONENTIALS.format(-1)}, sum({EXPONENTIALS.format(-1)}, -1, keep_dims=True))",
        "softmax(x)",
        SOFTMAX,
        1e-6,
    ),
    Example(
        lambda b: b.log(b.softmax(b.input("x", X))),
        "log(softmax(x))",
        "log_softmax(x)",
        LOG,
        1e-5,
    ),
    # keras.layers.UnitNormalization
    Example(
        unit(1),
        "mul(x, rsqrt(maximum(sum(square(x), 1, keep_dims=True), 1e-12)))",
        "l2_normalization(x)",
        UNIT,
        1e-6,
    ),
    Example(
        unit(-1, square=False),
        "mul(x, rsqrt(maximum(sum(mul(x, x), -1, keep_dims=True), 1e-12)))",
        "l2_normalization(x)",
        UNIT,
        1e-6,
    ),
]


def twice(b):
    y = b.softmax(b.input("x", X))
    return b.log(y), y


TWINS = [
    Twin(gelu(shape=(2, 1, 1)), GELU[0], "the shape changes"),
    Twin(softmax(0), SOFTMAX[0], "it reduces axes [0] of 2"),
    Twin(softmax(-1, other=(0,)), SOFTMAX[0], "it reduces axes [0] of 2"),
    Twin(twice, LOG[0], "is also read by the graph's outputs"),
    Twin(unit(0), UNIT[0], "it reduces axes [0] of 2"),
    Twin(unit(0, 1), UNIT[0], "it reduces axes [0, 1] of 2"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, RULES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, RULES)


@pytest.mark.parametrize("build", [gelu(cubic=0.0447), unit(-1, epsilon=1e-7)])
def test_other_numbers_are_other_functions(build):
    graph = graph_of(build)
    before = expression(graph)
    rewrite(graph, RULES)
    assert expression(graph) == before
