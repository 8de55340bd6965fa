"""Sliding windows: the padding arithmetic of convolutions and pools, and views of the windows.

Source: TensorFlow Lite's padding.h (SAME puts the odd element of padding after).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgewise.ir.dim import Dim, dim_max
from edgewise.ir.enums import Padding
from edgewise.ir.op import require

# Elements of padding ((top, bottom), (left, right)), where neither SAME nor VALID says them. Only
# graphs on their way to the runtime have it: `.tflite` files cannot express it.
Pads = tuple[tuple[int, int], tuple[int, int]]

# Bounds the padding that a corrupt file can ask for; real windows span a few thousand at most.
MAX_EXTENT = 1 << 16


class Axis(NamedTuple):
    """One spatial axis of a window: kernel elements, stride, dilation."""

    kernel: int
    stride: int = 1
    dilation: int = 1

    @property
    def extent(self) -> int:
        """Input elements from the first to the last tap, inclusive."""
        return (self.kernel - 1) * self.dilation + 1

    def output(self, size: Dim, padding: Padding | tuple[int, int]) -> Dim:
        """Output size: ceil(size / stride) for SAME, whole windows only for the others."""
        if padding is Padding.SAME:
            return (size + (self.stride - 1)) // self.stride
        if isinstance(padding, tuple):
            size = size + sum(padding)
        return dim_max((size - self.extent + self.stride) // self.stride, 0)

    def pads(self, size: int, padding: Padding | tuple[int, int]) -> tuple[int, int]:
        """Elements of padding (before, after) an axis of this size."""
        if isinstance(padding, tuple):
            return padding
        if padding is not Padding.SAME:
            return 0, 0
        out = -(-size // self.stride)
        total = max((out - 1) * self.stride + self.extent - size, 0)
        return total // 2, total - total // 2


def along(padding: Padding | Pads, axis: int) -> Padding | tuple[int, int]:
    """What a window operator's padding says of one axis: 0 height, 1 width."""
    return padding[axis] if isinstance(padding, tuple) else padding


def check_axis(axis: Axis, name: str) -> None:
    """Raise ShapeError for a kernel, stride or dilation below 1, or a window beyond MAX_EXTENT."""
    for what, number in zip(("kernel", "stride", "dilation"), axis, strict=True):
        require(number >= 1, f"{what}_{name} must be at least 1; got {number}")
    require(
        axis.extent <= MAX_EXTENT,
        f"a window must span at most {MAX_EXTENT} elements; along {name} it spans {axis.extent}",
    )


def check_padding(padding: Padding | Pads) -> None:
    """Raise ShapeError for explicit padding below 0 or beyond MAX_EXTENT."""
    if isinstance(padding, tuple):
        fits = all(0 <= n <= MAX_EXTENT for pair in padding for n in pair)
        require(fits, f"padding must be in [0, {MAX_EXTENT}]; got {padding}")


def touching(axis: Axis, size: int, pads: tuple[int, int]) -> tuple[Axis, tuple[int, int]]:
    """The window without the first and last taps that lie in the padding wherever it is, and the
    padding that is left: a file may ask for 2**16 taps."""
    before, after = pads
    first = min(max(before - (_count(axis, size, pads) - 1) * axis.stride, 0), axis.kernel - 1)
    last = max(min(before + size, axis.kernel), first + 1)
    left = before - first, after - (axis.kernel - last)
    return axis._replace(kernel=last - first), left


def _count(axis: Axis, size: int, pads: tuple[int, int]) -> int:
    return max((size + sum(pads) - axis.extent + axis.stride) // axis.stride, 0)


def windows(
    x: np.ndarray, h: Axis, w: Axis, padding: Padding | Pads, fill: float = 0
) -> np.ndarray:
    """View of the windows of `x` [N, H, W, C] as [N, OH, OW, KH, KW, C], padded with `fill`."""
    n, height, width, channels = x.shape
    h, oh, top, bottom = _placed(h, height, h.pads(height, along(padding, 0)))
    w, ow, left, right = _placed(w, width, w.pads(width, along(padding, 1)))
    if top or bottom or left or right:
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    sn, sh, sw, sc = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (n, oh, ow, h.kernel, w.kernel, channels),
        (sn, sh * h.stride, sw * w.stride, sh * h.dilation, sw * w.dilation, sc),
        writeable=False,
    )


def _placed(axis: Axis, size: int, pads: tuple[int, int]) -> tuple[Axis, int, int, int]:
    """The window, how many there are, and the padding that they read before and after.

    Tap p of the first window is at element p * dilation - before; the last one is `moved` further.
    Where no two taps can be inside the axis, those outside are as near as they may be: a file may
    ask for a dilation of 2**16."""
    out, before = _count(axis, size, pads), pads[0]
    if out == 0:
        return axis, 0, 0, 0
    moved = (out - 1) * axis.stride
    apart = size + moved + 1
    if axis.kernel > 1 and apart < axis.dilation:
        inside = min(max(-((moved - before) // axis.dilation), 0), axis.kernel - 1)
        place = min(max(inside * axis.dilation - before, -moved - 1), size)
        axis, before = axis._replace(dilation=apart), inside * apart - place
    return axis, out, before, max(moved + axis.extent - before - size, 0)
