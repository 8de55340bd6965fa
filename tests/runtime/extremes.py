"""Operators with attributes and shapes that no real model has: what a hostile file may say.

A kernel and the reference agree on each, no kernel takes it, or building the model fails with an
error of ours. The operator matrix (`matrix.py`) runs them with every byte outside forbidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.ir.enums import Padding
from edgewise.ops.arithmetic import Add
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.fill import BroadcastTo, Tile
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.gather import Gather
from edgewise.ops.join import Concatenation
from edgewise.ops.pad import MirrorPad, Pad
from edgewise.ops.pool import AveragePool2D, MaxPool2D
from edgewise.ops.reduce import Mean
from edgewise.ops.resize import ResizeBilinear, ResizeNearestNeighbor
from edgewise.ops.slice import Slice, StridedSlice
from edgewise.ops.softmax import Softmax
from edgewise.ops.transpose_conv import TransposeConv
from tests.ops.case import Case, arg, const, model_of, quantized, weights

MOST = 2**31 - 1
FAR = 1 << 13  # padding and windows end at eight times as much (ops/window.py)
BYTES = ("int8", "uint8")


def extreme_cases() -> Iterator[Case]:
    """Those that a model can be built of, in all their dtypes. What else is raised goes on."""
    for case in all_extremes():
        if is_model(case):
            yield replace(case, quantize=())
            # the mean of padding alone is NaN, which has no scale
            with suppress(ValueError):
                yield from [quantized(case, DType.of(dtype)) for dtype in case.quantize]


def is_model(case: Case) -> bool:
    """False where building the model is refused."""
    try:
        model_of(case)
    except EdgewiseError:
        return False
    return True


def all_extremes() -> Iterator[Case]:
    """The refused ones, too."""
    for x in _MAPS:
        for steps in (*_STEPS, *_DILATIONS):
            yield from _convolutions(x, (3, 3), steps)
        yield from _convolutions(x, (1, 1), {"dilation_h_factor": MOST, "stride_h": MOST})
        for steps in _STEPS:
            yield from _pools(x, (2, 3), steps)
        for padding in Padding.SAME, Padding.VALID:
            # far larger than the map
            for kernel in ((300, 1), (1, 300)):
                yield from _convolutions(x, kernel, {"padding": padding})
            for kernel in ((FAR, 1), (1, FAR), (MOST, MOST), (0, 1)):
                yield from _pools(x, kernel, {"padding": padding})
    for shape in ((1, 2, 3, 2), (1, 0, 3, 2)):
        for steps in ({"stride_h": MOST}, {"stride_h": 2000, "stride_w": 1}, {"stride_w": 0}):
            yield _transposed(shape, (3, 3), steps)
    yield from _movers()


# stride, dilation, padding of the axes h and w; refused where a window spans more than 2**16
_STEPS: tuple[dict[str, object], ...] = (
    {"stride_h": MOST},
    {"stride_w": MOST, "padding": Padding.VALID},
    {"stride_h": MOST, "stride_w": MOST, "padding": ((3, 3), (2, 5))},
    {"stride_h": 0},
    {"stride_w": -1},
    {"padding": ((1 << 16, 1 << 16), (0, 0)), "stride_h": 1 << 13},
    {"padding": ((0, 0), (FAR, 0)), "stride_w": FAR // 2},
    {"padding": ((FAR, FAR), (1, 1)), "stride_h": FAR, "stride_w": FAR},
    {"padding": ((MOST, MOST), (MOST, MOST))},
    {"padding": ((-1, 0), (0, 0))},
)
_DILATIONS: tuple[dict[str, object], ...] = (
    {"dilation_h_factor": MOST},
    {"dilation_w_factor": MOST, "dilation_h_factor": MOST},
    {"dilation_h_factor": FAR - 1},
    {"dilation_w_factor": FAR - 1},
    {"dilation_w_factor": FAR - 1, "stride_w": MOST},
    {"dilation_h_factor": 0},
    {"dilation_w_factor": -1},
)
_MAPS = ((1, 3, 9), (2, 1, 1), (2, 0, 3))


def _convolutions(
    x: tuple[int, int, int], kernel: tuple[int, int], steps: dict[str, object]
) -> Iterator[Case]:
    for c, o in ((2, 3), (17, 9)):
        args = (arg((*x, c)), weights((o, *kernel, c), low=-1), weights((o,)))
        yield Case(Conv2D(**steps), args, label="extreme", quantize=BYTES)
    for c, times in ((33, 1), (4, 1), (3, 2)):
        depthwise = DepthwiseConv2D(depth_multiplier=times, **steps)
        o = c * times
        args = (arg((*x, c)), weights((1, *kernel, o), low=-1), weights((o,)))
        yield Case(depthwise, args, label="extreme", quantize=BYTES)


def _pools(
    x: tuple[int, int, int], kernel: tuple[int, int], steps: dict[str, object]
) -> Iterator[Case]:
    for pool in (AveragePool2D, MaxPool2D):
        op = pool(filter_height=kernel[0], filter_width=kernel[1], **steps)
        yield Case(op, (arg((*x, 19)),), label="extreme", quantize=BYTES)


def _transposed(
    x: tuple[int, int, int, int], kernel: tuple[int, int], steps: dict[str, object]
) -> Case:
    op = TransposeConv(padding=Padding.SAME, **steps)  # type: ignore[arg-type]
    shape = const([x[0], 2000 * x[1], x[2], 4])
    return Case(op, (shape, weights((4, *kernel, x[3])), arg(x)), label="extreme", quantize=BYTES)


def _movers() -> Iterator[Case]:
    empty = arg((2, 0, 3))
    numbers = ([0, 0, 0], [MOST, 0, 0], [0, MOST, 0], [0, 0, -1], [-MOST - 1, 0, MOST])
    ints = [const(list(row)) for row in numbers]
    for x in (empty, arg((2, 3, 4))):
        for a in ints:
            yield Case(Tile(), (x, a))
            yield Case(BroadcastTo(), (x, a))
            pairs = np.stack([a.values, a.values[::-1]], 1)  # type: ignore[index,list-item]
            yield Case(Pad(), (x, const(pairs)))
            yield Case(MirrorPad(), (x, const(pairs)))
            for b in ints:
                yield Case(Slice(), (x, a, b))
                yield Case(StridedSlice(), (x, a, b, const([1, 1, 1])))
                yield Case(StridedSlice(), (x, ints[0], a, b))
        for axis in (0, 1, 2, MOST, -MOST - 1):
            yield Case(Mean(), (x, const([axis])), quantize=BYTES)
            yield Case(Concatenation(axis=axis), (x, x), quantize=BYTES)
            for place in (0, 1, MOST, -1):
                yield Case(Gather(axis=axis), (x, const([place])))
        yield Case(Softmax(), (x,), quantize=BYTES)
        yield Case(Add(), (x, arg((1, 1))), quantize=BYTES)
    for size in ([0, 0], [-1, 4], [4000, 0], [0, 4000], [1, 4000]):
        for shape in ((1, 2, 3, 2), (1, 0, 3, 2), (0, 2, 3, 2)):
            yield Case(ResizeBilinear(), (arg(shape), const(size)), quantize=BYTES)
            yield Case(ResizeNearestNeighbor(), (arg(shape), const(size)), quantize=BYTES)
    for m, k, o in ((0, 3, 4), (2, 0, 4), (2, 3, 0), (1, 70000, 1)):
        layer = (arg((m, k)), weights((o, k)), weights((o,)))
        yield Case(FullyConnected(), layer, quantize=BYTES)
