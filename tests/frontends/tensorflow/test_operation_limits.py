"""Operations whose attributes or constants name sizes that would fill memory or take for ever."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, LimitError
from edgewise.frontends.tensorflow.lower import lower
from tests.frontends.tensorflow.programs import argument, constant, function, node, program

IMAGE, ROW, HUGE = argument("x", (1, 4, 4, 1)), argument("x", (4,)), 1 << 30
WIDE = argument("x", (1 << 16, 1 << 16))


def ints(*values):
    return constant("sizes", values, np.int32)


@pytest.mark.parametrize(
    ("given", "constants", "made", "says"),
    [
        (ROW, [], node("y", "Unpack", "x", num=HUGE, axis=0), "its results would have"),
        (IMAGE, [ints(1, HUGE)], node("y", "ResizeArea", "x", "sizes"), "the matrix of an axis"),
        (IMAGE, [ints(1, HUGE)], node("y", "ResizeBicubic", "x", "sizes"), "the matrix of an axis"),
        (WIDE, [ints(1)], node("y", "MatrixBandPart", "x", "sizes", "sizes"), "a matrix would"),
        (
            ROW,
            [ints(HUGE, 1, 2, 3)],
            node("y", "DynamicStitch", "sizes", "x"),
            "the result would have 1073741825 elements; at most 67108864",
        ),
        (
            argument("x", (HUGE,), DType.INT32),
            [],
            node("y", "InvertPermutation", "x"),
            "a permutation would",
        ),
    ],
    ids=lambda part: part.op if hasattr(part, "op") else "",
)
def test_sizes_have_bounds(given, constants, made, says):
    start = time.process_time()
    with pytest.raises(LimitError, match=says):
        lower(program(function("main", [given], [*constants, made], ["y"])))
    assert time.process_time() - start < 5


def test_operands_that_are_missing_are_damage():
    """No handler trusts the number of its operands."""
    for op in ("Conv2D", "ConcatV2", "StridedSlice", "Einsum", "Pack", "AddN", "DynamicStitch"):
        with pytest.raises(EdgewiseError):
            lower(program(function("main", [ROW], [node("y", op)], ["y"])))
