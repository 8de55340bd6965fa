"""Rules of passes/recompose.py, gelu.py and last_axis.py: what frameworks write activations as."""

import math

import numpy as np
import pytest

from edgewise.passes.last_axis import OTHER_AXES
from edgewise.passes.recompose import RECOMPOSE
from edgewise.passes.rewrite import rewrite
from tests.passes.example import (
    Example,
    Twin,
    declines,
    expression,
    graph_of,
    ints,
    normal,
    says,
    shows,
    spelled,
)

RULES = [*RECOMPOSE, *OTHER_AXES]
X = (3, 5)
R, T, C, S = math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715, 1 / 6


def gelu(text, *, approximate=False, **numbers):
    after = "gelu(x, approximate=True)" if approximate else "gelu(x)"
    return spelled(text, after, "gelu", **numbers)


ERF, ERFC = "erf(mul(x, R))", "sub(1.0, erf(mul(x, M)))"
CUBES = ("pow(x, 3.0)", "mul(x, square(x))", "mul(mul(x, x), x)", "mul(x, pow(x, 2.0))")
TANHS = (
    *[f"tanh(mul(add(x, mul({cube}, C)), T))" for cube in CUBES],
    "tanh(mul(mul(x, T), add(mul(square(x), C), 1.0)))",
    "tanh(mul(T, mul(x, add(1.0, mul(C, mul(x, x))))))",
)
GATES = ("add({}, 1.0)", "add(1.0, {})")
PRODUCTS = ("mul(mul(x, {}), 0.5)", "mul(x, mul({}, 0.5))", "mul(mul(0.5, x), {})")
HALVED = ("mul(x, add(mul({}, 0.5), 0.5))", "add(mul(x, 0.5), mul(mul(x, 0.5), {}))")
SIX = "relu6(add(x, 3.0))"
LOGISTIC = "add(exp({}), 1.0)"


def all_spellings():
    """(text, approximate) of every gelu."""
    for product in PRODUCTS:
        yield product.format(GATES[0].format(ERF)), False
        yield product.format(ERFC), False
    yield PRODUCTS[1].format(GATES[1].format(ERF)), False
    yield from ((half.format(ERF), False) for half in HALVED)
    for tanh in TANHS:
        yield PRODUCTS[1].format(GATES[0].format(tanh)), True
    for product in PRODUCTS:
        yield product.format(GATES[1].format(TANHS[0])), True
    yield from ((half.format(TANHS[1]), True) for half in HALVED)


def softmax(*axes, other=None, keep=True):
    def build(b):
        x = b.input("x", X)
        e = b.exp(b.sub(x, b.reduce_max(x, b.constant(ints(*axes)), keep_dims=True)))
        return b.div(e, b.sum(e, b.constant(ints(*(other or axes))), keep_dims=keep))

    return build


def unit(*axes, epsilon=1e-12):
    def build(b):
        x = b.input("x", X)
        total = b.sum(b.square(x), b.constant(ints(*axes)), keep_dims=True)
        return b.mul(x, b.rsqrt(b.maximum(total, b.constant(epsilon))))

    return build


def slopes(form):
    """PRELU as Keras-on-TensorFlow writes it, and as a choice."""

    def build(b):
        x, slope = b.input("x", X), b.constant(normal(5))
        if form == "chosen":
            return b.select_v2(b.greater(x, b.constant(0.0)), x, b.mul(x, slope))
        below = b.mul(slope, b.relu(b.neg(x)))
        return b.add(b.relu(x), below) if form == "sum" else b.sub(b.relu(x), below)

    return build


TOP = "reduce_max(x, -1, keep_dims=True)"
TOTAL = "sum(exp({}), -1, keep_dims=True)"
SQUARES = "sum({}, -1, keep_dims=True)"
CHOSEN = "select_v2(greater(x, 0.0), x, {})"
EXAMPLES = [
    *[gelu(t, approximate=a, R=R, M=-R, T=T, C=C) for t, a in all_spellings()],
    *[
        spelled(text, "hard_swish(x)", "hard_swish", S=S)
        for text in (
            f"mul(mul(x, {SIX}), S)",
            f"div(mul({SIX}, x), 6.0)",
            f"mul(x, mul({SIX}, S))",
            f"mul(x, div({SIX}, 6.0))",
            f"mul(mul(x, S), {SIX})",
            "mul(x, mul(add(x, 3.0, RELU6), S))",
            "mul(x, relu_0_to_1(add(mul(x, S), 0.5)))",
        )
    ],
    spelled(f"div(exp(sub(x, {TOP})), {TOTAL.format(f'sub(x, {TOP})')})", "softmax(x)", "softmax"),
    spelled(f"div(exp(x), {TOTAL.format('x')})", "softmax(x)", "softmax"),
    *[
        spelled(text, "log_softmax(x)", "log_softmax from exponentials")
        for text in (
            f"sub(sub(x, {TOP}), log({TOTAL.format(f'sub(x, {TOP})')}))",
            f"sub(x, log({TOTAL.format('x')}))",
            f"sub(x, add({TOP}, log({TOTAL.format(f'sub(x, {TOP})')})))",
        )
    ],
    *[
        spelled(
            text.replace("-1", "0"),
            f"transpose({op}(transpose(x, {{1, 0}})), {{1, 0}})",
            f"{op} along another axis",
        )
        for op, text in (
            ("softmax", f"div(exp(sub(x, {TOP})), {TOTAL.format(f'sub(x, {TOP})')})"),
            ("softmax", f"div(exp(x), {TOTAL.format('x')})"),
            ("log_softmax", f"sub(x, log({TOTAL.format('x')}))"),
        )
    ],
    # Keras 3 divides by max(|x|, 1e-7)
    *[
        spelled(
            text.format(SQUARES.format("mul(x, x)")),
            f"l2_normalization(mul(x, {shown}))",
            "l2_normalization with another epsilon",
            E=number,
        )
        for text, number, shown in (
            ("mul(x, minimum(rsqrt({}), E))", 1e7, "10"),
            ("mul(x, rsqrt(maximum({}, E)))", 1e-8, "0.01"),
            ("div(x, maximum(sqrt({}), E))", 1e-5, "0.1"),
            ("div(x, sqrt(maximum({}, E)))", 1e-10, "0.1"),
        )
    ],
    spelled("log(softmax(x))", "log_softmax(x)", "log_softmax", tolerance=1e-5),
    # keras.layers.UnitNormalization, then others
    *[
        spelled(text, "l2_normalization(x)", "l2_normalization", E=1e-12, L=1e-6)
        for text in (
            f"mul(x, rsqrt(maximum({SQUARES.format('square(x)')}, E)))",
            f"mul(x, rsqrt(maximum({SQUARES.format('mul(x, x)')}, E)))",
            f"div(x, sqrt(maximum({SQUARES.format('pow(x, 2.0)')}, E)))",
            f"div(x, maximum(sqrt({SQUARES.format('square(x)')}), L))",
        )
    ],
    *[
        spelled(text, "logistic(x)", "logistic")
        for text in (
            f"div(1.0, {LOGISTIC.format('neg(x)')})",
            f"div(1.0, {LOGISTIC.format('mul(x, -1.0)')})",
            "mul(add(tanh(mul(x, 0.5)), 1.0), 0.5)",
            "add(mul(tanh(mul(x, 0.5)), 0.5), 0.5)",
        )
    ],
    spelled(f"div(x, {LOGISTIC.format('neg(x)')})", "mul(x, logistic(x))", "swish"),
    spelled(CHOSEN.format("mul(x, 0.25)"), "leaky_relu(x, alpha=0.25)", "leaky relu"),
    spelled("sub(relu(x), mul(relu(neg(x)), 0.25))", "leaky_relu(x, alpha=0.25)", "leaky relu"),
    spelled("maximum(x, mul(x, 0.25))", "leaky_relu(x, alpha=0.25)", "leaky relu from maximum"),
    *[
        spelled(CHOSEN.format(below), "elu(x)", "elu")
        for below in (
            "sub(exp(minimum(x, 0.0)), 1.0)",
            "add(exp(minimum(x, 0.0)), -1.0)",
            "sub(exp(select_v2(greater(x, 0.0), 0.0, x)), 1.0)",
        )
    ],
    Example(
        slopes("chosen"),
        "select_v2(greater(x, 0), x, mul(x, [5]))",
        "prelu(x, [5])",
        ("leaky relu",),
        1e-6,
    ),
    Example(
        slopes("sum"),
        "add(relu(x), mul([5], relu(neg(x))))",
        "prelu(x, [5])",
        ("leaky relu",),
        1e-6,
    ),
    Example(
        slopes("difference"),
        "sub(relu(x), mul([5], relu(neg(x))))",
        "prelu(x, [5])",
        ("leaky relu",),
        1e-6,
    ),
]


def twice(b):
    y = b.softmax(b.input("x", X))
    return b.log(y), y


def wide(op, *numbers):
    """x times something of it, that broadcasts x."""

    def build(b):
        x = b.input("x", X)
        return b.mul(x, b.add(getattr(b, op)(x, *map(b.constant, numbers)), tall(b)))

    return build


def tall(b, number=1.0):
    return b.constant(np.full((2, 1, 1), number, np.float32))


def gelu_broadcast(b):
    x = b.input("x", X)
    return b.mul(b.mul(x, b.add(b.erf(b.mul(x, b.constant(R))), tall(b))), b.constant(0.5))


def hard_swish_broadcast(b):
    x = b.input("x", X)
    return b.mul(b.mul(x, b.relu6(b.add(x, tall(b, 3.0)))), b.constant(S))


def sigmoid_broadcast(b):
    return b.div(tall(b), b.add(b.exp(b.neg(b.input("x", X))), b.constant(1.0)))


def swish_broadcast(b):
    x = b.input("x", X)
    return b.div(x, b.add(b.exp(b.neg(x)), tall(b)))


def leaky_broadcast(b):
    x = b.input("x", X)
    return b.select_v2(b.greater(x, tall(b, 0.0)), x, b.mul(x, b.constant(0.1)))


def elu_broadcast(b):
    x = b.input("x", X)
    return b.select_v2(b.greater(x, tall(b, 0.0)), x, b.sub(b.exp(x), b.constant(1.0)))


FLOORED = "l2_normalization with another epsilon"
TWINS = [
    Twin(unit(-1, epsilon=0.5), FLOORED, "the shortest unit, 0.707, is not one number near 1e-06"),
    Twin(unit(0, epsilon=1e-8), FLOORED, "it reduces axes [0] of 2"),
    Twin(softmax(-1), "softmax along another axis", "it works along the last axis"),
    Twin(softmax(0, other=(0, 1)), "softmax along another axis", "not the same one"),
    Twin(
        says(f"sub(x, log({TOTAL.format('x')}))"),
        "log_softmax along another axis",
        "it works along the last axis",
    ),
    Twin(gelu_broadcast, "gelu", "the shape changes"),
    Twin(hard_swish_broadcast, "hard_swish", "the shape changes"),
    Twin(softmax(0), "softmax", "it reduces axes [0] of 2"),
    Twin(softmax(-1, other=(0,)), "softmax", "it reduces axes [0] of 2"),
    Twin(
        says(f"sub(x, log({TOTAL.format('x').replace('-1', '0')}))"),
        "log_softmax from exponentials",
        "it reduces axes [0] of 2",
    ),
    Twin(twice, "log_softmax", "is also read by the graph's outputs"),
    Twin(unit(0), "l2_normalization", "it reduces axes [0] of 2"),
    Twin(unit(0, 1), "l2_normalization", "it reduces axes [0, 1] of 2"),
    Twin(sigmoid_broadcast, "logistic", "the shape changes"),
    Twin(swish_broadcast, "swish", "the shape changes"),
    Twin(leaky_broadcast, "leaky relu", "the shape changes"),
    Twin(says("maximum(x, mul(x, 1.5))"), "leaky relu from maximum", "is not one number in [0, 1]"),
    Twin(elu_broadcast, "elu", "the shape changes"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, RULES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, RULES)


OTHER_NUMBERS = [
    unit(-1, epsilon=0.5),
    says("mul(x, mul(add(erf(mul(x, 0.7)), 1.0), 0.5))"),
    says(PRODUCTS[1].format(GATES[0].format(TANHS[0])), T=T, C=0.0447),
    says("mul(x, mul(relu6(add(x, 2.5)), S))", S=S),
    says("mul(add(tanh(mul(x, 0.25)), 1.0), 0.5)"),
]


@pytest.mark.parametrize("build", OTHER_NUMBERS)
def test_other_numbers_are_other_functions(build):
    graph = graph_of(build)
    before = expression(graph)
    rewrite(graph, RULES)
    assert expression(graph) == before
