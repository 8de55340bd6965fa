"""Cases of ops/sparse.py."""

import numpy as np

from edgewise.ops.sparse import Densify, SparseToDense
from tests.ops.case import Case, arg, const, weights

EXPANDED = "the reader of a file expands a sparse constant, so no file has this DENSIFY"


def dense(indices, shape, values, *, validate=False, dtype="float32", label="", error=""):
    return Case(
        SparseToDense(validate_indices=validate),
        (
            const(np.array(indices, np.int32)),
            const(np.array(shape, np.int32)),
            arg(values, dtype),
            const(np.array(-1), dtype),
        ),
        label=label,
        error=error,
    )


CASES = [
    dense([[0, 1], [2, 3]], (3, 4), (2,)),
    dense([1, 3], (5,), (2,), dtype="int32", label="vector"),
    dense(2, (5,), (), label="scalar"),
    dense([[0, 1], [2, 3]], (3, 4), (), validate=True, label="one-value"),
    dense([[0, 1, 2]], (3, 4), (1,), error="indices must be [N, 2]"),
    dense([1, 3], (5,), (3,), error="values [N]; got [2] and [3]"),
    dense([1, 3], (-5,), (2,), error="shape must not be negative; got [-5]"),
    Case(Densify(), (weights((3, 4)),), no_litert=EXPANDED),
]
