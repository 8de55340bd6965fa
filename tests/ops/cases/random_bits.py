"""Cases of ops/random_bits.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import RngAlgorithm
from edgewise.ops.random_bits import StablehloRngBitGenerator
from tests.ops.case import Case, arg

STATE = np.array([0x123456789ABCDEF0, 0xFFFFFFFFFFFFFFFE, 77], np.uint64)


def bits(algorithm, shape, dtype, size=2, *, label="", error=""):
    op = StablehloRngBitGenerator(algorithm=algorithm, shape=shape, dtype=DType.of(dtype))
    state = arg((size,), "uint64", values=STATE[:size])
    return Case(op, (state,), label=label or f"{algorithm.name}-{dtype}".lower(), error=error)


CASES = [
    *[
        bits(algorithm, (3, 5), dtype)
        for algorithm in RngAlgorithm
        for dtype in ("int32", "uint32", "int64", "uint64")
    ],
    bits(RngAlgorithm.PHILOX, (7,), "uint32", 3, label="state3"),
    bits(RngAlgorithm.DEFAULT, (2, 3), "int64", 3, label="state3"),
    bits(RngAlgorithm.THREEFRY, (1,), "int32", label="one"),
    bits(RngAlgorithm.THREEFRY, (7,), "uint32", 3, error="state must be [2]; got [3]"),
    bits(RngAlgorithm.PHILOX, (7,), "float32", error="dtype must be one of"),
    bits(RngAlgorithm.PHILOX, (-1,), "int32", error="shape must not be negative"),
]
