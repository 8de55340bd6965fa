"""Cases of ops/scan.py."""

from edgewise.ops.scan import Cumsum
from tests.ops.case import Case, arg, const


def cumsum(shape, axis, dtype="float32", *, label="", error="", **attributes):
    operands = (arg(shape, dtype), const(axis, "int32"))
    return Case(Cumsum(**attributes), operands, label=label, error=error)


CASES = [
    cumsum((2, 3, 5), 1),
    cumsum((7,), 0, exclusive=True, label="exclusive"),
    cumsum((2, 7), -1, reverse=True, label="reverse"),
    cumsum((3, 2, 5), 0, exclusive=True, reverse=True, label="both"),
    cumsum((2, 3), 1, "int32", label="integers"),
    cumsum((2, 3), 1, "int64", exclusive=True, label="integers"),
    # rows of whole vectors and a rest
    cumsum((3, 23), 1, "int32", label="row"),
    cumsum((3, 23), 1, "int32", exclusive=True, label="row-exclusive"),
    cumsum((3, 23), 1, "int32", reverse=True, label="row-reverse"),
    cumsum((3, 23), 1, "int32", exclusive=True, reverse=True, label="row-both"),
    cumsum((0, 3), 0, exclusive=True, label="empty"),
    cumsum((2, 3), 2, error="axis must be in [-2, 1]; got 2"),
    cumsum((), 0, error="axis must be in [0, -1]; got 0"),
    cumsum((2, 3), [0, 1], error="axis must be one number; got 2"),
]
