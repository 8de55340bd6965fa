"""Pooling over windows: AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.dim import Shape
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.op import Arithmetic, In, Op, Operand, Quantized, SameScale, require
from edgewise.ir.types import TensorType
from edgewise.ops.requant import activate, activation_range, check_activation
from edgewise.ops.window import Axis, Pads, along, check_axis, check_padding, touching, windows

VERSIONS = {DType.INT8: 2, DType.INT16: 3}
NO_VERSIONS: dict[DType, int] = {}


class Pool(Op, abstract=True):
    """What the pools share: windows, shapes, and one scale for x and y."""

    padding: Padding | Pads = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    filter_width: int = 1
    filter_height: int = 1
    fused_activation_function: Activation = Activation.NONE

    operands = (In("x", FLOATS | QUANTIZED),)
    arithmetic = Arithmetic.FIXED
    quantization = SameScale()
    tolerance = 1e-5
    versions = VERSIONS

    def infer(self, x: Operand) -> Shape:
        require(len(x.shape) == 4, f"x must be [N, H, W, C]; got rank {len(x.shape)}")
        rows, cols = self._axes()
        check_axis(rows, "h")
        check_axis(cols, "w")
        check_padding(self.padding)
        check_activation(self.fused_activation_function)
        n, height, width, c = x.shape
        oh = rows.output(height, along(self.padding, 0))
        return n, oh, cols.output(width, along(self.padding, 1)), c

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x = operands[0]
        assert x is not None
        y = self._pool_integers(x.data)
        low, high = activation_range(self.fused_activation_function, results[0])
        return np.clip(y, low, high).astype(results[0].dtype.numpy)

    def _axes(self) -> tuple[Axis, Axis]:
        return Axis(self.filter_height, self.stride_h), Axis(self.filter_width, self.stride_w)

    def _windows(self, x: np.ndarray, fill: float = 0) -> np.ndarray:
        rows, cols = self._axes()
        h, above = touching(rows, x.shape[1], rows.pads(x.shape[1], along(self.padding, 0)))
        w, beside = touching(cols, x.shape[2], cols.pads(x.shape[2], along(self.padding, 1)))
        return windows(x, h, w, (above, beside), fill)

    def _taps(self, x: np.ndarray) -> np.ndarray:
        """Elements of x (not padding) under each window, int64 [1, OH, OW, 1]."""
        ones = np.ones((1, *x.shape[1:3], 1), np.int64)
        return np.asarray(self._windows(ones).sum((3, 4)))

    def _pool_integers(self, x: np.ndarray) -> np.ndarray:
        """The pool of stored integers, before the activation's clamp."""
        raise NotImplementedError


class AveragePool2D(Pool, builtin="AVERAGE_POOL_2D", options="Pool2DOptions"):
    """y[n,i,j,c] = act(mean of x[n, i*s+p, j*s+q, c] over the taps (p, q) inside x).

    Shapes: x [N, H, W, C], y [N, OH, OW, C]. Padding is left out of the mean: a window over the
    border is divided by the number of its taps inside x.

    Quantized: x and y have one scale; the mean is taken of the stored integers and rounded half
    away from zero (of the stored integer, not of the real number), also without a scale.
    **Source:** TensorFlow Lite reference_ops pooling.h; equal to LiteRT 2.3 in every output.
    """

    def reference(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind in "iu":
            y = self._pool_integers(x).astype(x.dtype)
            return activate(y, self.fused_activation_function)
        total = self._windows(x).sum((3, 4))
        return activate(total / self._taps(x).astype(x.dtype), self.fused_activation_function)

    def _pool_integers(self, x: np.ndarray) -> np.ndarray:
        total, taps = self._windows(x.astype(np.int64)).sum((3, 4)), self._taps(x)
        return np.sign(total) * ((np.abs(total) + taps // 2) // taps)


class MaxPool2D(Pool, builtin="MAX_POOL_2D", options="Pool2DOptions"):
    """y[n,i,j,c] = act(max of x[n, i*s+p, j*s+q, c] over the taps (p, q) inside x).

    Shapes: x [N, H, W, C], y [N, OH, OW, C]. Quantized: x and y have one scale.
    **Source:** TensorFlow Lite reference_ops pooling.h; equal to LiteRT 2.3 in every output.
    """

    def reference(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind in "iu":
            return activate(self._pool_integers(x), self.fused_activation_function)
        highest = self._windows(x, -np.inf).max((3, 4), initial=-np.inf)
        return activate(highest.astype(x.dtype), self.fused_activation_function)

    def _pool_integers(self, x: np.ndarray) -> np.ndarray:
        lowest = int(np.iinfo(x.dtype).min)
        return np.asarray(self._windows(x, lowest).max((3, 4), initial=lowest))


class L2Pool2D(Pool, builtin="L2_POOL_2D", options="Pool2DOptions"):
    """y[n,i,j,c] = act(sqrt(mean of x[n, i*s+p, j*s+q, c]**2 over the taps inside x)).

    Shapes: x [N, H, W, C], y [N, OH, OW, C]. Float only.
    **Source:** TensorFlow Lite reference_ops pooling.h.
    """

    operands = (In("x", FLOATS),)
    versions = NO_VERSIONS

    def reference(self, x: np.ndarray) -> np.ndarray:
        total = self._windows(x * x).sum((3, 4))
        root = np.sqrt(total / self._taps(x).astype(x.dtype))
        return activate(root, self.fused_activation_function)
