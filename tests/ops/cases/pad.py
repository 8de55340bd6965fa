"""Cases of ops/pad.py."""

import numpy as np

from edgewise.ir.enums import MirrorPadMode
from edgewise.ops.pad import MirrorPad, Pad, PadV2
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def paddings(*pairs):
    return const(np.array(pairs, np.int32).reshape(-1, 2))


def pad(x, *pairs, dtype="float32", quantize=(), label="", error=""):
    return Case(
        Pad(), (arg(x, dtype), paddings(*pairs)), quantize=quantize, label=label, error=error
    )


def mirror(x, *pairs, mode=MirrorPadMode.REFLECT, quantize=(), label="", error=""):
    return Case(
        MirrorPad(mode=mode),
        (arg(x), paddings(*pairs)),
        quantize=quantize,
        label=label,
        error=error,
    )


SYMMETRIC = MirrorPadMode.SYMMETRIC

CASES = [
    pad((1, 4, 5, 3), (0, 0), (0, 1), (2, 3), (0, 0), quantize=ALL),
    pad((2, 3), (1, 1), (0, 0), quantize=("int8",), label="rows"),
    pad((3,), (2, 1), label="vector"),
    pad((2, 1, 3, 1, 2), (1, 0), (0, 0), (0, 2), (1, 1), (0, 0), label="rank5"),
    pad((0, 3), (1, 1), (0, 1), label="empty"),
    pad((2, 37, 31, 5), (0, 0), (1, 2), (3, 0), (0, 0), quantize=ALL, label="tiles"),
    pad((5, 3), (1, 0), (2, 3), dtype="int64", label="int64"),
    pad((2, 3), (0, 0), (0, 0), label="nothing"),
    pad((2, 3), (1, 0), (0, 1), dtype="int32", label="int32"),
    pad((2, 3), (1, 0), (0, -1), error="paddings must not be negative; got [1, 0, 0, -1]"),
    pad((2, 3), (1, 0), error="paddings must be [2, 2]; got [1, 2]"),
    Case(
        PadV2(),
        (arg((2, 4, 3)), paddings((0, 1), (2, 0), (1, 1)), const(1.5)),
        quantize=ALL,
    ),
    Case(PadV2(), (arg((2, 3)), paddings((1, 0), (0, 1)), const([-np.inf])), label="infinite"),
    Case(
        PadV2(),
        (arg((2, 3)), paddings((1, 0), (0, 1)), const([1.0, 2.0])),
        error="the padding value must be a scalar; got [2]",
    ),
    Case(
        PadV2(),
        (arg((2, 3)), paddings((1, 0), (0, 1)), const([1], "int32")),
        error="x and value must have one dtype; got float32 and int32",
    ),
    mirror((3, 4), (2, 1), (0, 3), quantize=ALL),
    mirror((3, 4), (3, 1), (0, 4), mode=SYMMETRIC, quantize=ALL, label="symmetric"),
    mirror((1, 5, 4, 2), (0, 0), (1, 2), (2, 1), (0, 0), label="image"),
    mirror((2, 5, 4, 3), (1, 0), (0, 0), (2, 1), (1, 2), quantize=ALL, label="mixed"),
    mirror((3, 4), (3, 0), (0, 0), error="REFLECT can mirror 2 of 3 elements; got a border of 3"),
    mirror((3, 4), (0, 4), (0, 0), mode=SYMMETRIC, error="SYMMETRIC can mirror 3 of 3"),
]
