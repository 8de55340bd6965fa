"""Image resizing: RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.dim import Shape, unknown_dim
from edgewise.ir.op import Arithmetic, In, Op, Operand, Quantized, Role, SameScale, require
from edgewise.ir.types import TensorType
from edgewise.ops.requant import round_away

ARITHMETIC = {
    DType.INT8: Arithmetic.FIXED,
    DType.UINT8: Arithmetic.FIXED,
    DType.INT16: Arithmetic.FLOAT,
}
F32 = np.float32
WEIGHT_BITS = 11
PIECE = 1 << 16  # elements of a result that are computed at once: those of a cache


class Resize(Op, abstract=True):
    """What the resizing operators share.

    Shapes: x [N, H, W, C], size [2] = (OH, OW), y [N, OH, OW, C]. Output pixel i lies at input
    coordinate i * H / OH; with `half_pixel_centers` at (i + 0.5) * H / OH - 0.5; with
    `align_corners` at i * (H - 1) / (OH - 1), so that the corner pixels fall together.
    Quantized: x and y have one scale.
    """

    align_corners: bool = False
    half_pixel_centers: bool = False

    operands = (
        In("x", FLOATS | QUANTIZED | {DType.INT32}),
        In("size", {DType.INT32}, Role.PARAMETER),
    )
    quantization = SameScale()

    def infer(self, x: Operand, size: Operand) -> Shape:
        require(len(x.shape) == 4, f"x must be [N, H, W, C]; got rank {len(x.shape)}")
        n, h, w, c = x.shape
        require(h != 0 and w != 0, f"x must have at least one pixel; got {list(x.shape)}")
        if size.data is None:
            return n, unknown_dim(), unknown_dim(), c
        return n, *_sizes(size.data), c

    def _scale(self, source: int, target: int) -> np.float32:
        """Input pixels per output pixel."""
        if self.align_corners and target > 1:
            return F32(source - 1) / F32(target - 1)
        return F32(source) / F32(target)


class ResizeBilinear(Resize, builtin="RESIZE_BILINEAR", options="ResizeBilinearOptions"):
    """y = x at the output pixel's input coordinate, interpolated between the four neighbours.

    Coordinates are computed in float32 and clamped to the image. `align_corners` and
    `half_pixel_centers` exclude each other.

    Quantized: int8 and uint8 with weights of 11 fractional bits per axis, the sum rounded half
    up after both axes, as XNNPACK does: at most one step from the exact value (LiteRT's own
    kernels use coordinates of 10 bits: measured up to 30 steps off in int8 and 7,400 in int16,
    31 x 29 to 224 x 200). int16: float64 on the same coordinates, halves away from zero. Integers
    without a scale are the same.
    **Source:** TensorFlow Lite resize_bilinear.h; XNNPACK's ibilinear kernels; measured against
    LiteRT 2.3.
    """

    arithmetic = ARITHMETIC
    tolerance = 1e-5

    def infer(self, x: Operand, size: Operand) -> Shape:
        require(
            not (self.align_corners and self.half_pixel_centers),
            "align_corners and half_pixel_centers exclude each other; got both",
        )
        return super().infer(x, size)

    def reference(self, x: np.ndarray, size: np.ndarray) -> np.ndarray:
        if x.dtype in (np.int8, np.uint8, np.int16):
            return self._on_integers(x, size)

        def piece(at_rows: slice, at_cols: slice) -> np.ndarray:
            top, bottom, v = self.neighbours(x.shape[1], rows, at_rows)
            left, right, h = self.neighbours(x.shape[2], cols, at_cols)
            v = v.astype(x.dtype)[:, None, None] if x.dtype.kind == "f" else v[:, None, None]
            h = h.astype(x.dtype)[:, None] if x.dtype.kind == "f" else h[:, None]
            across = partial(_between, left=left, right=right, near=1 - h, far=h)
            above, below = _of_lines(x, top, bottom, across)
            return np.asarray(above * (1 - v) + below * v)

        rows, cols = _sizes(size)
        return _in_pieces(x, rows, cols, piece)

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x, size = operands
        assert x is not None
        assert size is not None
        return self._on_integers(x.data, size.data)

    def _on_integers(self, x: np.ndarray, size: np.ndarray) -> np.ndarray:
        if x.dtype == np.int16:
            return round_away(self.reference(x.astype(np.float64), size)).astype(np.int16)
        one, half = 1 << WEIGHT_BITS, 1 << (2 * WEIGHT_BITS - 1)

        def piece(at_rows: slice, at_cols: slice) -> np.ndarray:
            top, bottom, v = self.neighbours(x.shape[1], rows, at_rows)
            left, right, h = self.neighbours(x.shape[2], cols, at_cols)
            # 8 + 11 + 11 bits
            fixed_v = np.rint(v * F32(one)).astype(np.int32)[:, None, None]
            fixed_h = np.rint(h * F32(one)).astype(np.int32)[:, None]
            across = partial(_between, left=left, right=right, near=one - fixed_h, far=fixed_h)
            above, below = _of_lines(x, top, bottom, across)
            total: np.ndarray = above * (one - fixed_v) + below * fixed_v
            return ((total + half) >> (2 * WEIGHT_BITS)).astype(x.dtype)

        rows, cols = _sizes(size)
        return _in_pieces(x, rows, cols, piece)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        return _version(results[0].dtype, self.half_pixel_centers)

    def neighbours(
        self, source: int, target: int, part: slice | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lower and upper input index, and float32 weight of the upper one, per output index, or
        per one of a part."""
        scale = self._scale(source, target)
        offset = F32(0.5) * scale - F32(0.5) if self.half_pixel_centers else F32(0)
        at = _indices(target, part) * scale + offset
        at = np.clip(at, F32(0), F32(source - 1))
        lower = at.astype(np.int64)
        return lower, np.minimum(lower + 1, source - 1), at - lower.astype(F32)


class ResizeNearestNeighbor(
    Resize, builtin="RESIZE_NEAREST_NEIGHBOR", options="ResizeNearestNeighborOptions"
):
    """y = the pixel of x whose index is the output pixel's input coordinate rounded down.

    Coordinates are computed in float32. `half_pixel_centers` here adds 0.5 before scaling and
    subtracts nothing; `align_corners` rounds to the nearest, halves up.
    Elements are moved, not computed with: x may also be bool, uint16 or uint32.
    **Source:** TensorFlow Lite resize_nearest_neighbor.h.
    """

    operands = (
        In("x", FLOATS | QUANTIZED | {DType.INT32, DType.BOOL, DType.UINT16, DType.UINT32}),
        In("size", {DType.INT32}, Role.PARAMETER),
    )

    def reference(self, x: np.ndarray, size: np.ndarray) -> np.ndarray:
        def piece(at_rows: slice, at_cols: slice) -> np.ndarray:
            _, height, width, _ = x.shape
            chosen = x[:, self.nearest(height, rows, at_rows)]
            return chosen[:, :, self.nearest(width, cols, at_cols)]

        rows, cols = _sizes(size)
        return _in_pieces(x, rows, cols, piece)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        return _version(results[0].dtype, self.half_pixel_centers or self.align_corners)

    def nearest(self, source: int, target: int, part: slice | None = None) -> np.ndarray:
        """The input index of every output index, or of those of a part."""
        offset = F32(0.5 if self.half_pixel_centers else 0)
        at = (_indices(target, part) + offset) * self._scale(source, target)
        index = round_away(at) if self.align_corners else np.floor(at)
        return np.clip(index.astype(np.int64), 0, source - 1)


def _sizes(size: np.ndarray) -> tuple[int, int]:
    """(OH, OW). Raises ShapeError."""
    require(size.size == 2, f"size must be [OH, OW]; got {size.size} numbers")
    rows, cols = (int(n) for n in size.reshape(-1))
    require(min(rows, cols) >= 1, f"size must be at least 1; got {[rows, cols]}")
    return rows, cols


def _indices(count: int, part: slice | None) -> np.ndarray:
    start, stop = (0, count) if part is None else (part.start, part.stop)
    return np.arange(start, stop).astype(F32)


def _between(
    lines: np.ndarray, *, left: np.ndarray, right: np.ndarray, near: np.ndarray, far: np.ndarray
) -> np.ndarray:
    return np.asarray(lines[:, :, left] * near + lines[:, :, right] * far)


def _of_lines(
    x: np.ndarray, top: np.ndarray, bottom: np.ndarray, across: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """`across` of the lines of x above and below those of the result; of each line of x once where
    the result has more."""
    first, last = int(top.min()), int(bottom.max())
    if last - first < 2 * top.size:
        lines = across(x[:, first : last + 1])
        return lines[:, top - first], lines[:, bottom - first]
    return across(x[:, top]), across(x[:, bottom])


def _in_pieces(
    x: np.ndarray, rows: int, cols: int, piece: Callable[[slice, slice], np.ndarray]
) -> np.ndarray:
    """The result of some rows and columns after the other: indices and products take up to 70 bytes
    for each of its elements, and 2**31 rows without channels some, too, which no limit sees."""
    if x.size == 0:
        return np.zeros((x.shape[0], rows, cols, x.shape[3]), x.dtype)
    pixel = x.shape[0] * x.shape[3]
    wide = min(cols, max(PIECE // pixel, 1))
    high = min(rows, max(PIECE // (pixel * wide), 1))
    y = np.empty(0)
    for top in range(0, rows, high):
        for left in range(0, cols, wide):
            at = slice(top, min(top + high, rows)), slice(left, min(left + wide, cols))
            found = piece(*at)
            if not y.size:
                y = np.empty((x.shape[0], rows, cols, x.shape[3]), found.dtype)
            y[:, at[0], at[1]] = found
    return y


def _version(dtype: DType, centred: bool) -> int:
    if dtype is DType.INT16:
        return 4
    return 3 if centred else 2 if dtype is DType.INT8 else 1
