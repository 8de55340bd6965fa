"""Rules of passes/slices.py and passes/slice_axes.py. A slice is written as NumPy's index of x."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.ir import Sym
from edgewise.ir.evaluate import evaluate
from edgewise.passes.rewrite import rewrite
from edgewise.passes.slice_axes import SLICE_AXES
from edgewise.passes.slices import SLICES as OF_SLICES
from tests.passes.example import Example, Twin, declines, expression, graph_of, ints, normal, shows

SLICES = [*OF_SLICES, *SLICE_AXES]
X = (4, 6, 5)
A, B, C = slice(None), slice(1, 4), slice(1, 6, 2)


def strided(b, x, index):
    """x[index] as STRIDED_SLICE."""
    masks, rows = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}, []
    for i, part in enumerate(index):
        if isinstance(part, int):
            masks["shrink_axis_mask"] |= 1 << i
            rows.append((part, part + 1, 1))
            continue
        masks["begin_mask"] |= (part.start is None) << i
        masks["end_mask"] |= (part.stop is None) << i
        rows.append((part.start or 0, part.stop or 0, part.step or 1))
    vectors = (b.constant(ints(*column)) for column in zip(*rows, strict=True))
    return b.strided_slice(x, *vectors, **masks)


def plain(b, x, index):
    """x[index] as SLICE."""
    begin = [part.start or 0 for part in index]
    size = [-1 if p.stop is None else p.stop - n for p, n in zip(index, begin, strict=True)]
    return b.slice(x, b.constant(ints(*begin)), b.constant(ints(*size)))


def twice(inner, outer, kinds=(strided, strided), shape=X):
    def build(b):
        return kinds[1](b, kinds[0](b, b.input("x", shape), inner), outer)

    return build


def of_pad(index, kind=plain, shape=(4, 6)):
    def build(b):
        x = b.input("x", shape)
        return kind(b, b.pad(x, b.constant(np.array([[0, 0], [2, 3]], np.int32))), index)

    return build


def of_join(index, kind=plain, axis=1):
    def build(b):
        x, y = b.input("x", (2, 4)), b.input("y", (2, 3))
        return kind(b, b.concatenation(x, y, axis=axis), index)

    return build


def single(index, shape):
    return lambda b: strided(b, b.input("x", shape), index)


def reshaped(index, shape, of=X):
    def build(b):
        return b.reshape(strided(b, b.input("x", of), index), b.constant(ints(*shape)))

    return build


SLICE, PAD, JOIN, RESHAPE, AXES = (
    "slice of slice",
    "slice of pad",
    "slice of joined parts",
    "slice as reshape",
    "axes of a slice",
)
EXAMPLES = [
    Example(
        twice((B, A, A), (slice(1, 3), slice(0, 2), A), (plain, plain)),
        "slice(slice(x, {1, 0, 0}, {3, -1, -1}), {1, 0, 0}, {2, 2, -1})",
        "slice(x, {2, 0, 0}, {2, 2, -1})",
        (SLICE,),
    ),
    Example(
        twice((B, C, A), (A, slice(0, 3, 2), 2)),
        "strided_slice(strided_slice(x, {1, 1, 0}, {4, 6, 0}, {1, 2, 1}, begin_mask=4, end_mask=4),"
        " {0, 0, 2}, {0, 3, 3}, {1, 2, 1}, begin_mask=1, end_mask=1, shrink_axis_mask=4)",
        "strided_slice(x, {1, 1, 2}, {4, 9, 3}, {1, 4, 1}, shrink_axis_mask=4)",
        (SLICE,),
    ),
    # a number first, then a slice of what is left
    Example(
        twice((2, A, A), (B, A)),
        "strided_slice(strided_slice(x, {2, 0, 0}, {3, 0, 0}, {1, 1, 1}, begin_mask=6, end_mask=6,"
        " shrink_axis_mask=1), {1, 0}, {4, 0}, {1, 1}, begin_mask=2, end_mask=2)",
        "strided_slice(x, {2, 1, 0}, {3, 4, 0}, {1, 1, 1}, begin_mask=4, end_mask=4,"
        " shrink_axis_mask=1)",
        (SLICE,),
    ),
    Example(
        of_pad((A, slice(3, 6))),
        "slice(pad(x, [2,2]), {0, 3}, {-1, 3})".replace("[2,2]", "{0, 0, 2, 3}"),
        "slice(x, {0, 1}, {-1, 3})",
        (PAD,),
    ),
    # what was padded is taken off again
    Example(of_pad((A, slice(2, 8))), "slice(pad(x, {0, 0, 2, 3}), {0, 2}, {-1, 6})", "x", (PAD,)),
    Example(
        of_join((A, slice(5, 7))),
        *("slice(concatenation(x, y, axis=1), {0, 5}, {-1, 2})", "slice(y, {0, 1}, {-1, 2})"),
        (JOIN,),
    ),
    Example(
        of_join((A, slice(0, 4))),
        "slice(concatenation(x, y, axis=1), {0, 0}, {-1, 4})",
        "x",
        (JOIN,),
    ),
    Example(
        of_join((A, 4), strided),
        "strided_slice(concatenation(x, y, axis=1), {0, 4}, {0, 5}, {1, 1}, begin_mask=1,"
        " end_mask=1, shrink_axis_mask=2)",
        "strided_slice(y, {0, 0}, {0, 1}, {1, 1}, begin_mask=1, end_mask=1, shrink_axis_mask=2)",
        (JOIN,),
    ),
    Example(
        single((A, 0, A), (4, 1, 5)),
        "strided_slice(x, {0, 0, 0}, {0, 1, 0}, {1, 1, 1}, begin_mask=5, end_mask=5,"
        " shrink_axis_mask=2)",
        "reshape(x, {4, 5})",
        (RESHAPE,),
    ),
    # an axis that is dropped, and added again
    Example(
        reshaped((A, 1, 2), (-1, 1), of=(Sym("n", 0), 6, 5)),
        "reshape(strided_slice(x, {0, 1, 2}, {0, 2, 3}, {1, 1, 1}, begin_mask=1, end_mask=1,"
        " shrink_axis_mask=6), {-1, 1})",
        "strided_slice(x, {0, 1, 2}, {0, 2, 3}, {1, 1, 1}, begin_mask=1, end_mask=1,"
        " shrink_axis_mask=4)",
        (AXES,),
    ),
    # an axis of one element that is dropped behind the slice
    Example(
        reshaped((A, slice(2, 3), B), (4, 3)),
        "reshape(strided_slice(x, {0, 2, 1}, {0, 3, 4}, {1, 1, 1}, begin_mask=1, end_mask=1),"
        " {4, 3})",
        "strided_slice(x, {0, 2, 1}, {0, 3, 4}, {1, 1, 1}, begin_mask=1, end_mask=1,"
        " shrink_axis_mask=2)",
        (AXES,),
    ),
]


def dynamic(b):
    x = b.input("x", (Sym("n", 4), 6, 5))
    return strided(b, strided(b, x, (slice(0, 3), A, A)), (A, B, A))


def backwards(b):
    return strided(b, strided(b, b.input("x", X), (A, A, slice(None, None, -1))), (B, A, A))


TWINS = [
    Twin(dynamic, SLICE, "a dimension of unknown size n is not taken whole"),
    Twin(backwards, SLICE, "it goes backwards"),
    Twin(of_pad((A, slice(1, 4))), PAD, "it takes of the border (2, 3)"),
    Twin(of_pad((A, slice(7, 9))), PAD, "it takes of the border (2, 3)"),
    Twin(of_join((A, slice(3, 5))), JOIN, "it takes of several parts"),
    Twin(of_join((slice(0, 1), A)), JOIN, "it takes of all parts"),
    Twin(single((A, 0, A), (4, 2, 5)), RESHAPE, "it takes a part of float32[4,2,5]"),
    Twin(reshaped((A, 1, B), (2, 6)), AXES, "it does more than add and drop axes"),
    Twin(reshaped((A, 1, B), (1, 4, 3)), AXES, "it does more than add and drop axes"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, SLICES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, SLICES)


def test_a_batch_that_is_unknown_is_taken_whole():
    def build(b):
        x = b.input("x", (Sym("n", 0), 6, 5))
        return strided(b, plain(b, x, (A, B, A)), (A, A, slice(0, 5, 2)))

    graph = graph_of(build)
    rewrite(graph, SLICES)
    assert expression(graph).count("slice") == 1
    x = normal(2, 6, 5)
    np.testing.assert_array_equal(evaluate(graph, [x])[0], x[:, 1:4, ::2])


@st.composite
def indices(draw, size):
    """A slice of a dimension, or one number of it."""
    if draw(st.booleans()):
        return draw(st.integers(0, size - 1))
    start = draw(st.integers(0, size - 1))
    return slice(start, draw(st.integers(start + 1, size)), draw(st.integers(1, 3)))


@pytest.mark.ci
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_two_slices(data):
    shape = (4, 6)
    inner = tuple(data.draw(indices(size)) for size in shape)
    between = np.zeros(shape)[inner].shape
    outer = tuple(data.draw(indices(size)) for size in between)
    if not outer:
        return
    graph = graph_of(twice(inner, outer, shape=shape))
    rewrite(graph, SLICES)
    x = normal(*shape)
    np.testing.assert_array_equal(evaluate(graph, [x])[0], x[inner][outer])
    assert expression(graph).count("slice") <= 1
