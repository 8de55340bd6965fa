"""Inference with unknown dimensions: what a dynamic batch becomes, operator by operator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.dtypes import DType
from edgewise.ir import Builder, Quant, Sym, TensorType, Value
from edgewise.ir.dim import Dim, substitute
from edgewise.ir.evaluate import evaluate
from edgewise.ir.infer import infer_graph, result_types
from edgewise.ops.fill import Range
from edgewise.ops.gather import Gather
from edgewise.ops.join import Concatenation, Pack, Split
from edgewise.ops.pad import Pad
from edgewise.ops.reshape import ExpandDims, Reshape, ShapeOf, Squeeze, Transpose
from edgewise.ops.slice import Slice, StridedSlice

N = Sym("N", 1)


def shape_of(b: Builder, op, *operands) -> tuple[Dim, ...]:
    return b.node(op, *operands).output.shape


def test_reshape_of_a_dynamic_batch() -> None:
    b = Builder()
    x = b.input("x", (N, 7, 7, 3))
    assert shape_of(b, Reshape(), x, b.constant([-1, 147])) == (N, 147)
    assert shape_of(b, Reshape(new_shape=(-1, 49, 3)), x) == (N, 49, 3)
    assert shape_of(b, Reshape(), x, b.constant([-1])) == (N * 147,)
    assert shape_of(b, Reshape(), x, b.constant([-1, 2])) == (N * 147 // 2, 2)


def test_a_shape_computed_from_the_input() -> None:
    """SHAPE, STRIDED_SLICE, PACK, RESHAPE: how converters write Flatten with a dynamic batch."""
    b = Builder()
    x = b.input("x", (N, 7, 7, 3))
    one, zero = b.constant([1]), b.constant([0])
    shape = b.node(ShapeOf(), x).output
    batch = b.node(StridedSlice(shrink_axis_mask=1), shape, zero, one, one).output
    packed = b.node(Pack(values_count=2), batch, b.constant(147)).output
    y = b.node(Reshape(), x, packed).output
    assert y.shape == (N, 147)
    rest = b.node(Pack(values_count=2), batch, b.constant(-1)).output
    assert shape_of(b, Reshape(), x, rest) == (N, 147)
    gathered = b.node(Gather(), shape, b.constant([0, 3])).output
    joined = b.node(Concatenation(), gathered, b.constant([49])).output
    assert shape_of(b, Reshape(), x, joined) == (N, 3, 49)
    graph = b.finish(y)
    data = np.zeros((5, 7, 7, 3), np.float32)
    assert evaluate(graph, [data])[0].shape == (5, 147)


def test_a_long_chain_of_shape_arithmetic_is_bounded() -> None:
    """Doubling a shape operand 60 times neither hangs nor fails; it is just unknown."""
    b = Builder()
    x = b.input("x", (N, 2))
    shape = b.node(ShapeOf(), x).output
    for _ in range(60):
        shape = b.node(Concatenation(), shape, shape).output
        shape = b.node(Slice(), shape, b.constant([0]), b.constant([2])).output
    dims = shape_of(b, Reshape(), x, shape)
    assert len(dims) == 2


def test_moving_operators_keep_unknown_dimensions() -> None:
    b = Builder()
    x = b.input("x", (N, 6, Sym("C")))
    c = x.shape[2]
    assert shape_of(b, Transpose(), x, b.constant([2, 0, 1])) == (c, N, 6)
    assert shape_of(b, ExpandDims(), x, b.constant(0)) == (1, N, 6, c)
    assert shape_of(b, Concatenation(axis=0), x, x) == (N * 2, 6, c)
    assert shape_of(b, Pad(), x, b.constant([[0, 0], [1, 2], [3, 0]])) == (N, 9, c + 3)
    assert shape_of(b, Split(num_splits=3), b.constant(1), x) == (N, 2, c)
    assert shape_of(b, Split(num_splits=2), b.constant(0), x) == (N // 2, 6, c)
    assert shape_of(b, Squeeze(squeeze_dims=(0,)), x) == (6, c)


def test_squeeze_without_axes_does_not_know_the_rank() -> None:
    b = Builder()
    x = b.input("x", (N, 1, 6))
    assert b.node(Squeeze(), x).output.type.shape is None
    wide = b.input("w", (Sym("M", 2), 1, 6))
    assert shape_of(b, Squeeze(), wide) == (Sym("M", 2), 6)


def test_range_of_a_shape() -> None:
    b = Builder()
    x = b.input("x", (N, 3))
    first = b.node(
        StridedSlice(shrink_axis_mask=1),
        b.node(ShapeOf(), x).output,
        b.constant([0]),
        b.constant([1]),
        b.constant([1]),
    ).output
    assert shape_of(b, Range(), b.constant(0), first, b.constant(1)) == (N,)
    assert shape_of(b, Range(), b.constant(0), first, b.constant(2)) == ((N + 1) // 2,)


BOUNDS = st.none() | st.integers(-12, 12)


@given(
    st.integers(0, 9),
    BOUNDS,
    BOUNDS,
    st.integers(-4, 4).filter(bool),
    st.booleans(),
    st.integers(0, 3),
)
def test_strided_slice_of_an_unknown_dimension(
    size: int, begin: int | None, end: int | None, step: int, offset: bool, low: int
) -> None:
    """The inferred dimension, with N replaced, is the length of the slice; NumPy agrees."""
    n = Sym("N", min(low, size))
    op = StridedSlice(begin_mask=int(begin is None), end_mask=int(end is None), offset=offset)
    b = Builder()
    bounds = [b.constant([v]) for v in (begin or 0, end or 0, step)]
    dim = b.node(op, b.input("x", (n,)), *bounds).output.shape[0]
    x = np.arange(size)
    y = op.reference(x, *[v.data for v in bounds])
    assert substitute(dim, {n: size}) == len(y)
    fixed = b.node(op, b.input("z", (size,)), *bounds).output.shape[0]
    assert fixed == len(y)
    if not offset:
        assert np.array_equal(y, x[begin:end:step])


def test_unknown_rank_passes_through() -> None:
    b = Builder()
    x = Value(TensorType(None, DType.FLOAT32), "x")
    b.graph.inputs.append(x)
    assert b.node(Transpose(), x, b.constant([0, 1])).output.type.shape is None
    parts = b.node(Split(num_splits=3), b.constant(0), x).outputs
    assert [p.type.shape for p in parts] == [None, None, None]


def test_infer_graph_follows_a_changed_input() -> None:
    b = Builder()
    x = b.input("x", (2, 3), DType.INT8, Quant(0.5, 1))
    y = b.node(Reshape(new_shape=(-1,)), x).output
    graph = b.finish(b.node(Concatenation(axis=0), y, y).output)
    x.type = x.type.with_shape((N, 3))
    infer_graph(graph)
    assert graph.outputs[0].shape == (N * 6,)
    assert graph.outputs[0].quant == Quant(0.5, 1)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_declared_quantization_wins(dtype: DType) -> None:
    b = Builder()
    x = b.input("x", (2,), dtype, Quant(0.5, 1) if dtype is DType.INT8 else None)
    known = TensorType((4,), dtype, Quant(0.25, 0))
    assert result_types(Concatenation(), [x, x], [known])[0].quant == Quant(0.25, 0)


def test_per_channel_scales_do_not_follow_through_a_transpose() -> None:
    """The axis moves; who makes the node declares the new one."""
    b = Builder()
    w = b.constant(np.ones((2, 3), np.int8), quant=Quant(np.array([0.5, 0.25], np.float32), axis=0))
    order = b.constant(np.array([1, 0], np.int32))
    assert b.transpose(w, order).quant is None
    declared = Quant(np.array([0.5, 0.25], np.float32), axis=1)
    assert b.transpose(w, order, quant=declared).quant == declared
