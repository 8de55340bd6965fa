"""Rules of passes/transposing.py."""

import numpy as np
import pytest

from edgewise.passes.reshaping import RESHAPES
from edgewise.passes.rewrite import rewrite
from edgewise.passes.transposing import TRANSPOSES
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
    same_numbers,
    shows,
)

X, PERM, BACK = (2, 3, 4), (2, 0, 1), (1, 2, 0)


def turned(b, x, perm=PERM):
    return b.transpose(x, b.constant(ints(*perm)))


def of_constant(*shape, op="add", first=False):
    def build(b):
        pair = turned(b, b.input("x", X)), b.constant(normal(*shape))
        return getattr(b, op)(*(pair[::-1] if first else pair))

    return build


def of_two(other=PERM, shape=X):
    def build(b):
        return b.mul(turned(b, b.input("x", X)), turned(b, b.input("y", shape), other))

    return build


def padded(op, *border, read=False):
    def build(b):
        x = turned(b, b.input("x", X))
        pads = b.constant(np.arange(6, dtype=np.int32).reshape(3, 2))
        y = getattr(b, op)(x, pads, *map(b.constant, border))
        return (y, x) if read else y

    return build


def reduced(*axes, op="mean", keep_dims=False):
    def build(b):
        x = turned(b, b.input("x", X))
        return getattr(b, op)(x, b.constant(ints(*axes)), keep_dims=keep_dims)

    return build


def stored(b):
    return b.relu6(turned(b, b.input("x", X, INT8, quantized())), quant=quantized())


ONE, TWO, CONSTANT, REDUCED = (
    "transpose behind a function",
    "transpose behind both operands",
    "transpose behind a constant",
    "transpose before a reduction",
)
T = "transpose({}, {{2, 0, 1}})"
EXAMPLES = [
    Example(
        lambda b: b.tanh(turned(b, b.input("x", X))),
        f"tanh({T.format('x')})",
        T.format("tanh(x)"),
        (ONE,),
    ),
    Example(stored, f"relu6({T.format('x')})", T.format("relu6(x)"), (ONE,)),
    Example(of_two(), f"mul({T.format('x')}, {T.format('y')})", T.format("mul(x, y)"), (TWO,)),
    Example(
        of_two(shape=(2, 1, 4)),
        f"mul({T.format('x')}, {T.format('y')})",
        T.format("mul(x, y)"),
        (TWO,),
    ),
    Example(of_constant(3), f"add({T.format('x')}, [3])", T.format("add(x, [1,3,1])"), (CONSTANT,)),
    Example(
        of_constant(4, 2, 3, op="sub", first=True),
        f"sub([4,2,3], {T.format('x')})",
        T.format("sub([2,3,4], x)"),
        (CONSTANT,),
    ),
    Example(
        lambda b: b.reverse_v2(turned(b, b.input("x", X)), b.constant(ints(0))),
        f"reverse_v2({T.format('x')}, 0)",
        T.format("reverse_v2(x, 2)"),
        ("transpose behind a reversal",),
    ),
    Example(
        padded("pad"),
        f"pad({T.format('x')}, {{0, 1, 2, 3, 4, 5}})",
        T.format("pad(x, {2, 3, 4, 5, 0, 1})"),
        ("transpose behind a pad",),
    ),
    Example(
        padded("padv2", 7.0),
        f"padv2({T.format('x')}, {{0, 1, 2, 3, 4, 5}}, 7)",
        T.format("padv2(x, {2, 3, 4, 5, 0, 1}, 7)"),
        ("transpose behind a pad",),
    ),
    # the mean over places 1, 2 of NCHW is one over 1, 2 of NHWC
    Example(reduced(1, 2), f"mean({T.format('x')}, {{1, 2}})", "mean(x, {0, 1})", (REDUCED,), 1e-6),
    Example(
        reduced(0, op="reduce_max"),
        f"reduce_max({T.format('x')}, 0)",
        "reduce_max(x, 2)",
        (REDUCED,),
    ),
]


def read_twice(b):
    x = turned(b, b.input("x", X))
    return b.tanh(x), x


def reversal_of_shared(b):
    x = turned(b, b.input("x", X))
    return b.reverse_v2(x, b.constant(ints(0))), x


TWINS = [
    Twin(padded("pad", read=True), "transpose behind a pad", "is also read by the graph's outputs"),
    Twin(reversal_of_shared, "transpose behind a reversal", "is also read by the graph's outputs"),
    Twin(read_twice, ONE, "is also read by the graph's outputs"),
    Twin(of_two(BACK, (3, 4, 2)), TWO, "and otherwise"),
    Twin(of_constant(2, 1, 1, 1), CONSTANT, "raises the rank"),
    Twin(reduced(1), REDUCED, "the transpose also permutes what is left, [2, 1]"),
    Twin(reduced(1, 2, keep_dims=True), REDUCED, "it keeps the reduced dimensions"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, TRANSPOSES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, TRANSPOSES)


def test_pairs_meet_through_what_stands_between():
    def build(b):
        y = b.relu(b.add(turned(b, b.input("x", X)), b.constant(normal(3))))
        return turned(b, b.mul(y, turned(b, b.input("y", X))), BACK)

    graph = graph_of(build)
    changed = graph.copy()
    rewrite(changed, [*TRANSPOSES, *RESHAPES])
    assert expression(changed) == "mul(relu(add(x, [1,3,1])), y)"
    same_numbers(graph, changed, 0)
