"""Cases of ops/random.py: with seeds, so that every run draws the same."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import TensorType
from edgewise.ops.random import Multinomial, RandomStandardNormal, RandomUniform
from tests.ops.case import Case, arg, const

LOGITS = np.array([[0.1, 2.0, -1.0, 0.5], [5.0, -3.0, 0.0, 0.0]], np.float32)


def drawn(op, shape, seed=3, seed2=5, *, label="", error=""):
    return Case(op(seed=seed, seed2=seed2), (const(shape, "int32"),), label=label, error=error)


def classes(count, dtype, shape=(2, 4), *, label="", error=""):
    logits = arg(shape, values=LOGITS) if shape == (2, 4) else arg(shape)
    return Case(
        Multinomial(seed=3, seed2=5),
        (logits, const(count, "int32")),
        label=label,
        results=(TensorType(None, DType.of(dtype)),),
        error=error,
    )


CASES = [
    drawn(RandomUniform, [3, 5]),
    drawn(RandomUniform, [], label="scalar"),
    drawn(RandomUniform, [2, 0], label="empty"),
    drawn(RandomUniform, [7], -1, 1 << 40, label="seeds"),
    drawn(RandomUniform, [-1], error="shape must not be negative; got [-1]"),
    drawn(RandomUniform, 3, error="shape must be a vector; got []"),
    drawn(RandomStandardNormal, [3, 5]),
    drawn(RandomStandardNormal, [1001], label="many"),
    classes(9, "int64"),
    classes(9, "int32", label="int32"),
    classes(9, "int64", (4,), error="logits must be [B, N]; got [4]"),
    classes([9], "int64", error="count must be a scalar; got [1]"),
]
