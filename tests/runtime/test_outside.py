"""Kernels that write or pick where computed indices say, and those that divide: what lies outside,
or a divisor of 0, stops the run."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import InputError, ShapeError
from edgewise.ir import Builder
from edgewise.ir.evaluate import evaluate
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan


def reverse_sequence(b, lengths):
    return b.reverse_sequence(b.input("x", (2, 3, 4)), lengths, seq_dim=1, batch_dim=0)


def segments(b, numbers):
    return b.unsorted_segment_max(b.input("x", (2, 3)), numbers, b.constant(np.int32(4)))


def scatter(b, indices):
    places = b.reshape(indices, b.constant(np.array([2, 1], np.int32)))
    return b.scatter_nd(places, b.input("x", (2, 3)), b.constant(np.array([4, 3], np.int32)))


def sparse(b, indices, *, validate_indices=True):
    shape, zero = b.constant(np.array([4], np.int32)), b.constant(np.float32(0))
    x = b.input("x", (2,))
    return b.sparse_to_dense(indices, shape, x, zero, validate_indices=validate_indices)


def lookup(b, ids):
    indices = b.constant(np.array([[0, 0], [1, 0]], np.int32))
    shape, table = b.constant(np.array([2, 1], np.int32)), b.constant(np.eye(4, dtype=np.float32))
    return b.embedding_lookup_sparse(ids, indices, shape, b.input("x", (2,)), table)


def rows_of_nothing(b, indices):
    return b.gather(b.input("x", (4, 0)), indices)


def places_in_nothing(b, indices):
    return b.gather(b.input("x", (0, 3)), indices, axis=1)


OUTSIDE = [
    (rows_of_nothing, [3, 4]),
    (places_in_nothing, [-1, 0]),
    (reverse_sequence, [3, 4]),
    (reverse_sequence, [-1, 0]),
    (segments, [4, 0]),
    (scatter, [0, 4]),
    (scatter, [-1, 0]),
    (sparse, [1, 4]),
    (sparse, [2, 1]),
    (sparse, [2, 2]),
    (lookup, [1, 4]),
    (lookup, [-1, 1]),
]


def made(build, numbers):
    b = Builder()
    graph = b.finish(build(b, b.input("i", (2,), DType.INT32)))
    x = [np.ones([int(d) for d in v.shape], np.float32) for v in graph.inputs[1:]]
    return graph, [np.array(numbers, np.int32), *x]


@pytest.mark.parametrize(("build", "numbers"), OUTSIDE)
def test_an_index_outside_is_an_error(build, numbers):
    graph, inputs = made(build, numbers)
    native = plan(graph, Target(host_isa()))
    assert not any(p.where == "host" for p in native.placement)
    with pytest.raises(ShapeError):
        evaluate(graph, inputs)
    with pytest.raises(ShapeError):
        Executor(native).run(inputs, {}, None)
    graph, inputs = made(build, [0, 1])
    for got, wanted in zip(
        Executor(native).run(inputs, {}, None), evaluate(graph, inputs), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.INT32, DType.INT64])
@pytest.mark.parametrize(
    ("operator", "refused"),
    [("floor_div", 0), ("floor_mod", 0), ("div", 0), ("pow", -1)],
)
def test_a_number_that_cannot_be_computed_with_is_an_error(operator, refused, dtype):
    if dtype.bits < 32 and operator in ("div", "pow"):
        pytest.skip("LiteRT and we have it from 32 bits on")
    b = Builder()
    graph = b.finish(getattr(b, operator)(b.input("a", (3, 5), dtype), b.input("b", (5,), dtype)))
    native = plan(graph, Target(host_isa()))
    assert not any(p.where == "host" for p in native.placement)
    a = np.arange(-7, 8, dtype=dtype.numpy).reshape(3, 5)
    divisors = np.array([1, 2, 3, refused, 5], dtype.numpy)
    for run in (lambda x: evaluate(graph, x), lambda x: Executor(native).run(x, {}, None)):
        with pytest.raises(InputError, match="must not be"):
            run([a, divisors])
    divisors[3] = 4 if operator == "pow" else -1
    [found] = Executor(native).run([a, divisors], {}, None)
    np.testing.assert_array_equal(found, evaluate(graph, [a, divisors])[0])


def test_an_exponent_of_0_is_a_number():
    b = Builder()
    graph = b.finish(b.pow(b.input("a", (2,), DType.INT32), b.input("b", (2,), DType.INT32)))
    inputs = [np.array([0, -3], np.int32), np.zeros(2, np.int32)]
    [found] = Executor(plan(graph, Target(host_isa()))).run(inputs, {}, None)
    np.testing.assert_array_equal(found, 1)
