"""Cases of ops/select.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.select import Bucketize, OneHot, Unique, Where
from tests.ops.case import Case, arg, const


def one_hot(indices, depth, axis=-1, *, on=1.0, off=0.0, dtype="float32", label="", error=""):
    return Case(
        OneHot(axis=axis),
        (indices, const(depth), const(np.array(on), dtype), const(np.array(off), dtype)),
        label=label,
        error=error,
    )


CASES = [
    one_hot(const([0, 2, -1, 5, 1]), 4),
    one_hot(arg((2, 3), "int32", low=0, high=4), 5, 0, on=7, off=-2, dtype="int32", label="first"),
    one_hot(arg((2, 3), "int64", low=0, high=4), 5, 1, label="middle"),
    one_hot(const(1), 3, 0, label="scalar"),
    one_hot(const([0, 1]), 0, label="empty"),
    one_hot(const([0, 1]), -1, error="depth must not be negative; got -1"),
    one_hot(const([0, 1]), 3, 2, error="axis must be in [-2, 1]; got 2"),
    Case(Where(), (arg((3, 5), "bool"),)),
    Case(Where(), (arg((7,), "int32", low=0, high=1),), label="int32"),
    Case(Where(), (arg((2, 3), values=np.zeros((2, 3), np.float32)),), label="none"),
    Case(Where(), (const(np.array([[True, False], [True, True]])),), label="constant"),
    Case(
        Where(), (arg((), values=np.float32(3)),), label="scalar", no_litert="a scalar is refused"
    ),
    Case(Unique(), (arg((9,), "int32", low=0, high=4),)),
    Case(Unique(idx_out_type=DType.INT64), (const([3.0, 1.0, 3.0, 2.0]),), label="int64"),
    Case(Unique(), (arg((0,)),), label="empty"),
    Case(Unique(), (arg((2, 2)),), error="x must be a vector; got [2, 2]"),
    Case(
        Unique(idx_out_type=DType.FLOAT32),
        (arg((2,)),),
        error="idx_out_type must be int32 or int64; got float32",
    ),
    Case(Bucketize(boundaries=(-1.0, 0.0, 0.5)), (arg((4, 5)),)),
    Case(
        Bucketize(boundaries=(0.0, 10.0)),
        (const([-5, 0, 5, 10, 11]),),
        label="edges",
    ),
    Case(Bucketize(), (arg((3,)),), label="none"),
    Case(Bucketize(boundaries=(1.0, 0.0)), (arg((3,)),), error="boundaries must ascend"),
]
