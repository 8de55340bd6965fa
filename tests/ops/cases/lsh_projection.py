"""Cases of ops/lsh_projection.py: elements of every length class of the hash."""

import numpy as np

from edgewise.ir.enums import LSHProjectionType
from edgewise.ops.lsh_projection import LSHProjection
from tests.ops.case import Case, arg, const, weights

SPARSE, DENSE = LSHProjectionType.SPARSE, LSHProjectionType.DENSE
SEEDS = const(np.array([[0.123, 0.456], [-0.321, 1.234], [5.678, -4.321]], np.float32))


def projected(type_, x, *w, seeds=SEEDS, label="", error=""):
    return Case(LSHProjection(type=type_), (seeds, x, *w), label=label, error=error)


CASES = [
    projected(SPARSE, arg((4,), "int32", low=-99, high=99)),
    projected(DENSE, arg((4,), "int32", low=-99, high=99), label="dense"),
    projected(DENSE, arg((5,)), arg((5,)), label="weights"),
    *[
        projected(DENSE, arg((3, n), "int8", low=-99, high=99), label=f"bytes{n}")
        for n in (1, 3, 4, 5, 12, 13, 28, 29, 60, 61, 124, 125, 200)
    ],
    projected(SPARSE, arg((3, 2), "int64", low=-99, high=99)),
    projected(SPARSE, arg((3,)), seeds=weights((2, 31)), label="bits31"),
    projected(LSHProjectionType.UNKNOWN, arg((3,)), error="type must be SPARSE or DENSE"),
    projected(DENSE, arg((3,)), arg((2,)), error="weights must be [3]"),
    projected(DENSE, arg((3,)), seeds=weights((2, 33)), error="at most 32 bits"),
    projected(DENSE, arg(()), error="x must be [N, ...]"),
]
