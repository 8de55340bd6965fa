"""Cases of ops/reverse.py."""

import numpy as np

from edgewise.ops.reverse import ReverseSequence, ReverseV2
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def reverse(x, axes, *, dtype="float32", quantize=(), label="", error=""):
    return Case(
        ReverseV2(),
        (arg(x, dtype), const(np.array(axes, np.int32))),
        quantize=quantize,
        label=label,
        error=error,
    )


def sequence(x, lengths, seq, batch, *, quantize=(), label="", error=""):
    return Case(
        ReverseSequence(seq_dim=seq, batch_dim=batch),
        (arg(x), const(np.array(lengths, np.int32))),
        quantize=quantize,
        label=label,
        error=error,
    )


CASES = [
    reverse((3, 4), (1,), quantize=ALL),
    reverse((2, 3, 4), (0, 1), label="two"),
    reverse((2, 3), (-1,), dtype="int32", label="negative"),
    reverse((0, 3), (0,), label="empty"),
    reverse((3, 37, 5), (0, 1), quantize=ALL, label="runs"),
    reverse((3, 71), (0, 1), dtype="int64", label="wide"),
    reverse((2, 3), (2,), error="axes must be in [-2, 1]; got 2"),
    reverse((2, 3), (0, 0), error="axes must differ"),
    sequence((3, 5, 2), (5, 0, 3), 1, 0, quantize=("int8", "uint8")),
    sequence((5, 3), (2, 5, 1), 0, 1, label="transposed"),
    sequence((2, 3, 4, 2), (1, 2, 3, 4), 1, 2, error="lengths must be in [0, 3]"),
    sequence((3, 5), (1, 2), 1, 0, error="lengths must be [3]"),
    sequence((3, 5), (1, 2, 3), 0, 0, error="must differ"),
]
