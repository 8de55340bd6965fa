"""Rules of passes/broadcasts.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Sym
from edgewise.ir.evaluate import evaluate
from edgewise.passes.broadcasts import BROADCASTS
from edgewise.passes.rewrite import rewrite
from tests.passes.example import (
    Example,
    Twin,
    declines,
    expression,
    graph_of,
    ints,
    shows,
)

X = (3, 5)
SPREAD, RESIZE, FILL, ONE = (
    "broadcast before an elementwise operator",
    "resize of one pixel before an elementwise operator",
    "fill before an elementwise operator",
    "constant of one number",
)


def spread(op, small, how="broadcast_to", to=X, other=X, swap=False):
    """op(spread x, y)."""

    def build(b):
        x = b.input("x", small)
        vector = to if how == "broadcast_to" else [n // m for n, m in zip(to, small, strict=True)]
        pair = getattr(b, how)(x, b.constant(ints(*vector))), b.input("y", other)
        return getattr(b, op)(*(pair[::-1] if swap else pair))

    return build


def resized(how, x, to, other, **attributes):
    """A gate of the whole image, as of segmentation's pooled branch."""

    def build(b):
        gate = getattr(b, how)(b.input("x", x), b.constant(ints(*to)), **attributes)
        return b.mul(b.input("y", other), gate)

    return build


def chosen(b):
    c, x, y = b.input("c", X, DType.BOOL), b.input("x", (1, 5)), b.input("y", (3, 1))
    return b.select_v2(c, b.broadcast_to(x, b.constant(ints(*X))), b.tile(y, b.constant([1, 5])))


def filled(dims=X, other=X):
    def build(b):
        return b.mul(b.fill(b.constant(ints(*dims)), b.input("v", ())), b.input("y", other))

    return build


def repeated(number, shape=X, other=X, op="add", dtype=np.float32):
    def build(b):
        y = b.input("y", other, DType.of(np.dtype(dtype)))
        return getattr(b, op)(y, b.constant(np.full(shape, number, dtype)))

    return build


EXAMPLES = [
    Example(spread("add", (1, 5)), "add(broadcast_to(x, {3, 5}), y)", "add(x, y)", (SPREAD,)),
    Example(
        spread("sub", (5,), swap=True),
        "sub(y, broadcast_to(x, {3, 5}))",
        "sub(y, x)",
        (SPREAD,),
    ),
    Example(
        spread("greater", (3, 1), "tile"), "greater(tile(x, {1, 5}), y)", "greater(x, y)", (SPREAD,)
    ),
    Example(
        chosen,
        "select_v2(c, broadcast_to(x, {3, 5}), tile(y, {1, 5}))",
        "select_v2(c, x, y)",
        (SPREAD,),
    ),
    Example(
        resized("resize_bilinear", (2, 1, 1, 3), (5, 7), (2, 5, 7, 3)),
        "mul(y, resize_bilinear(x, {5, 7}))",
        "mul(y, x)",
        (RESIZE,),
        1e-6,
    ),
    Example(
        resized("resize_nearest_neighbor", (2, 1, 7, 3), (5, 7), (2, 5, 7, 3)),
        "mul(y, resize_nearest_neighbor(x, {5, 7}))",
        "mul(y, x)",
        (RESIZE,),
    ),
    Example(filled(), "mul(fill({3, 5}, v), y)", "mul(v, y)", (FILL,)),
    Example(repeated(2.5), "add(y, [3,5])", "add(y, 2.5)", (ONE,)),
    Example(
        repeated(7, op="maximum", dtype=np.int32), "maximum(y, [3,5])", "maximum(y, 7)", (ONE,)
    ),
]


def alone(b):
    """Both are spread: without one of them the other still gives the shape."""
    x, y = b.input("x", (1, 5)), b.input("y", (1, 5))
    to = b.constant(ints(*X))
    return b.add(b.broadcast_to(x, to), b.broadcast_to(y, to))


RANK_5 = (2, 1, 3, 2, 4)
TWINS = [
    Twin(spread("add", (1, 5), other=(1, 5)), SPREAD, "without it the result has another shape"),
    Twin(spread("add", (1, 5), "tile", (1, 10), (3, 10)), SPREAD, "not single elements"),
    Twin(spread("add", (1, 1, 1, 1, 4), to=RANK_5, other=RANK_5), SPREAD, "more than 4 dimensions"),
    Twin(
        resized("resize_bilinear", (2, 1, 2, 3), (5, 7), (2, 5, 7, 3)),
        RESIZE,
        "not single elements",
    ),
    Twin(
        resized("resize_bilinear", (2, 1, 1, 3), (5, 7), (1, 1, 1, 3)),
        RESIZE,
        "without it the result has another shape",
    ),
    Twin(filled(other=(1, 5)), FILL, "without it the result has another shape"),
    Twin(repeated(2.5, other=(1, 5)), ONE, "without it the result has another shape"),
    Twin(repeated(2.5, shape=()), ONE, "no plain array of several numbers"),
    Twin(
        lambda b: b.add(b.input("y", X), b.constant(np.arange(15, dtype=np.float32).reshape(X))),
        ONE,
        "has different elements",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, BROADCASTS)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, BROADCASTS)


def test_one_of_two_broadcasts_goes():
    graph = graph_of(alone)
    rewrite(graph, BROADCASTS)
    assert expression(graph).count("broadcast_to") == 1
    x = np.arange(5, dtype=np.float32)[None]
    np.testing.assert_array_equal(evaluate(graph, [x, 10 * x])[0], np.repeat(11 * x, 3, 0))


def test_a_dimension_that_is_unknown():
    def build(b):
        n = Sym("n", 1)
        y = b.input("y", (n, 5))
        to = b.pack(b.strided_slice(b.shape(y), *map(b.constant, ([0], [1], [1]))), b.constant([5]))
        return b.add(b.broadcast_to(b.input("x", (1, 5)), b.reshape(to, b.constant([-1]))), y)

    graph = graph_of(build)
    rewrite(graph, BROADCASTS)
    assert expression(graph) == "add(x, y)"
