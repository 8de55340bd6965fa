"""Cases of ops/fourier.py."""

import numpy as np

from edgewise.ops.fourier import ComplexAbs, Imag, Real, Rfft2d
from tests.ops.case import Case, arg, const

COMPLEX = np.array([[1 + 2j, -3 - 4j, 0.5j], [0, -2, 1e-3 + 1e3j]], np.complex64)


def transform(shape, lengths, *, label="", error=""):
    return Case(Rfft2d(), (arg(shape), const(lengths, "int32")), label=label, error=error)


CASES = [
    transform((4, 8), [4, 8]),
    transform((2, 3, 1, 16), [1, 16], label="rows"),
    transform((2, 8, 2), [8, 2], label="columns"),
    transform((1, 2), [1, 2], label="small"),
    transform((4, 12), [4, 12], error="lengths must be powers of two; got [4, 12]"),
    transform((4,), [4, 4], error="x must have rank 2 or more; got 1"),
    transform((4, 4), [4], error="lengths must be [2]; got [1]"),
    *(Case(op(), (arg((2, 3), "complex64", values=COMPLEX),)) for op in (Real, Imag, ComplexAbs)),
]
