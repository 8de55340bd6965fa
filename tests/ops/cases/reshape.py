"""Cases of ops/reshape.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.reshape import ExpandDims, Rank, Reshape, ShapeOf, Squeeze, Transpose
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")
INTS = {"low": -100, "high": 100}


def reshape(x, shape=None, new_shape=(), *, dtype="float32", label="", error="", quantize=()):
    operands = (arg(x, dtype),) + (() if shape is None else (shape,))
    return Case(Reshape(new_shape=new_shape), operands, label=label, error=error, quantize=quantize)


def transpose(x, perm, *, dtype="float32", quantize=(), label="", error="", **kwargs):
    return Case(
        Transpose(),
        (arg(x, dtype, **kwargs), const(np.array(perm, np.int32))),
        quantize=quantize,
        label=label,
        error=error,
    )


def squeeze(x, axes=(), *, quantize=(), label="", error=""):
    return Case(Squeeze(squeeze_dims=axes), (arg(x),), quantize=quantize, label=label, error=error)


def expand(x, axis, *, quantize=(), label="", error=""):
    return Case(ExpandDims(), (arg(x), const(axis)), quantize=quantize, label=label, error=error)


CASES = [
    reshape((2, 7, 7, 3), const([2, 147]), quantize=ALL),
    reshape((2, 7, 7, 3), const([-1, 147]), label="rest"),
    reshape((2, 3, 5), new_shape=(5, 6), label="attribute"),
    reshape((2, 3, 5), const([3, 10]), (5, 6), label="operand-wins"),
    reshape((1, 1), const(np.zeros(0, np.int32)), label="scalar"),
    reshape((1,), new_shape=(0,), label="old-scalar"),
    reshape((0, 4), const([2, 0, 3]), label="empty"),
    reshape((6,), arg((2,), "int32", values=np.array([2, 3], np.int32)), label="at-run-time"),
    reshape((2, 3), const([3, 2]), dtype="bool", label="bool"),
    reshape((2, 3), const([4, 2]), error="must keep the number of elements; got [4, 2] for 6"),
    reshape((2, 3), const([-1, 4]), error="must divide 6 elements; got [-1, 4]"),
    reshape((2, 3), const([-1, -1]), error="at most one -1"),
    reshape((2, 3), const([-2, -3]), error="no other negative"),
    squeeze((1, 3, 1, 2), quantize=ALL),
    squeeze((1, 3, 1, 2), (2,), label="one"),
    squeeze((1, 3, 1, 2), (-2, 0), label="negative"),
    squeeze((1, 1, 1), label="scalar"),
    squeeze((1, 3), (1,), error="must be 1; dimension 1 of [1, 3]"),
    squeeze((1, 3), (2,), error="squeeze_dims must be in [-2, 1]; got 2"),
    expand((2, 3), 0, quantize=ALL),
    expand((2, 3), 2, label="last"),
    expand((2, 3), -1, label="negative"),
    expand((), 0, label="scalar"),
    expand((0, 3), 1, label="empty"),
    expand((2, 3), 3, error="axis must be in [-3, 2]; got 3"),
    Case(ShapeOf(), (arg((2, 1, 5)),)),
    Case(ShapeOf(out_type=DType.INT64), (arg((0, 7), "int8", **INTS),), label="int64"),
    Case(ShapeOf(), (arg(()),), label="scalar"),
    Case(ShapeOf(out_type=DType.FLOAT32), (arg((2,)),), error="out_type must be int32 or int64"),
    Case(Rank(), (arg((2, 1, 5)),)),
    Case(Rank(), (arg((), "int32", **INTS),), label="scalar"),
    transpose((2, 3, 5), (2, 0, 1), quantize=ALL),
    transpose((1, 7, 5, 3), (0, 3, 1, 2), quantize=("int8",), label="nchw"),
    transpose((2, 1, 3, 5, 2), (4, 0, 3, 1, 2), label="rank5"),
    transpose((2, 1, 3, 1, 2, 3), (5, 0, 3, 1, 2, 4), label="rank6"),
    transpose((4,), (0,), label="vector"),
    transpose((3, 4), (1, 0), dtype="int64", label="int64", **INTS),
    transpose((67, 131), (1, 0), quantize=ALL, label="blocks"),
    transpose((37, 18), (1, 0), dtype="int64", label="blocks", **INTS),
    transpose((2, 19, 23, 5), (0, 3, 1, 2), quantize=ALL, label="planes"),
    transpose((3, 17, 4, 16), (0, 2, 3, 1), quantize=ALL, label="heads"),
    transpose((3, 4, 2, 5), (2, 1, 0, 3), quantize=("int8",), label="runs"),
    transpose((0, 4), (1, 0), label="empty"),
    transpose((2, 3), (0, 0), error="perm must differ"),
    transpose((2, 3), (0,), error="perm must be [2]"),
    transpose((2, 3), (0, 2), error="perm must be in [-2, 1]; got 2"),
]
