"""Cases of ops/windows.py."""

import numpy as np

from edgewise.ir import Builder
from edgewise.ops.stablehlo import (
    StablehloAdd,
    StablehloMaximum,
    StablehloMinimum,
    StablehloMultiply,
)
from edgewise.ops.windows import StablehloGather, StablehloScatter
from tests.ops.case import Case, arg


def number(values, dtype="int32"):
    array = np.array(values, dtype)
    return arg(array.shape, dtype, values=array)


def gathered(x, indices, *, label="", error="", **attributes):
    return Case(StablehloGather(**attributes), (x, indices), label=label, error=error)


ROWS = {
    "offset_dims": (1,),
    "collapsed_slice_dims": (0,),
    "start_index_map": (0,),
    "index_vector_dim": 1,
    "slice_sizes": (1, 4),
}
BOXES = {
    "offset_dims": (2, 3),
    "collapsed_slice_dims": (0,),
    "start_index_map": (1, 0),
    "index_vector_dim": 2,
    "slice_sizes": (1, 2, 2),
}
PLACES = [[[0, 0], [1, 0], [2, 1]], [[0, 1], [1, 1], [0, 9]]]


def combine(op, dtype, is_old=False):
    """A graph of one operator on two scalars; without one, it gives one of them."""
    b = Builder("update")
    x = [b.input(name, (), dtype) for name in ("old", "new")]
    return b.finish(x[not is_old] if op is None else b.node(op, *x).output)


def scattered(op, x, indices, updates, *, label="", error="", is_old=False, **attributes):
    made = StablehloScatter(update=combine(op, x.dtype, is_old), **attributes)
    return Case(made, (x, indices, updates), label=label, error=error)


SPREAD = {
    "update_window_dims": (1,),
    "inserted_window_dims": (0,),
    "scatter_dims_to_operand_dims": (0,),
    "index_vector_dim": 1,
}
AT = number([[1], [3], [1], [9], [-1]])
FUNCTIONS = (StablehloAdd, StablehloMultiply, StablehloMaximum, StablehloMinimum)
X = arg((5, 4))


def whole(dtype):
    return arg((5, 4), dtype, low=0, high=9)


CASES = [
    gathered(X, number([[3], [0], [9]]), **ROWS),
    *[
        gathered(whole(d), number([[3], [0], [-2]], "int64"), **ROWS)
        for d in ("int8", "uint8", "int16", "int32", "int64", "bool", "float16")
    ],
    gathered(arg((3, 4, 2)), number(PLACES), label="boxes", **BOXES),
    gathered(arg((3, 4, 2)), number(PLACES), label="front", **{**BOXES, "offset_dims": (0, 2)}),
    gathered(X, number([[3, 1]]), label="vector-first", **{**ROWS, "index_vector_dim": 0}),
    gathered(X, number([[3, 1]]), error="must have 1 numbers", **ROWS),
    gathered(X, AT, error="windows inside", **{**ROWS, "slice_sizes": (1, 5)}),
    gathered(X, AT, error="slice_sizes of 1", **{**ROWS, "slice_sizes": (2, 4)}),
    gathered(X, AT, error="offset_dims must be 1 axes", **{**ROWS, "offset_dims": ()}),
    gathered(X, AT, error="index_vector_dim", **{**ROWS, "index_vector_dim": 3}),
    scattered(None, X, AT, X, label="replaced", **SPREAD),
    *[scattered(op(), X, AT, X, label=op.__name__, **SPREAD) for op in FUNCTIONS],
    *[
        scattered(StablehloAdd(), whole(d), AT, whole(d), **SPREAD)
        for d in ("int8", "uint8", "int16", "int32", "int64", "float16")
    ],
    scattered(
        StablehloAdd(),
        arg((3, 4, 2)),
        number(PLACES, "int64"),
        arg((2, 3, 2, 2)),
        label="boxes",
        update_window_dims=(2, 3),
        inserted_window_dims=(0,),
        scatter_dims_to_operand_dims=(1, 0),
        index_vector_dim=2,
    ),
    scattered(None, X, AT, arg((4, 4)), error="updates must have [5]", **SPREAD),
    scattered(None, X, AT, whole("int32"), error="must have one dtype", **SPREAD),
    scattered(None, X, AT, X, is_old=True, error="give the second", **SPREAD),
]
