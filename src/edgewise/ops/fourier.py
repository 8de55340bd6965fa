"""Complex numbers: Fourier transforms of real signals (RFFT2D), REAL, IMAG, COMPLEX_ABS."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.contents import integers
from edgewise.ir.dim import Shape
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ops.axes import shown, unknown_shape


class Rfft2d(Op, builtin="RFFT2D", options="Rfft2dOptions"):
    """The two-dimensional discrete Fourier transform of real matrices, without the half that
    follows by symmetry.

    Shapes: x [..., H, W] float32, lengths [2] powers of two (x is cut or filled up with zeros to
    them), y [..., lengths[0], lengths[1] / 2 + 1] complex64.
    **Source:** TensorFlow Lite kernels/rfft2d.cc.
    """

    operands = (In("x", {DType.FLOAT32}), In("lengths", {DType.INT32}, Role.PARAMETER))
    results = (Out("y", dtype=DType.COMPLEX64),)
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(self, x: Operand, lengths: Operand) -> Shape | None:
        require(len(x.shape) >= 2, f"x must have rank 2 or more; got {len(x.shape)}")
        require(
            len(lengths.shape) == 1 and lengths.shape[0] == 2,
            f"lengths must be [2]; got {shown(lengths.shape)}",
        )
        known = integers(lengths)
        if known is None:
            sizes = unknown_shape(2)
            return None if sizes is None else (*x.shape[:-2], *sizes)
        height, width = _checked(known)
        return (*x.shape[:-2], height, width // 2 + 1)

    def reference(self, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        height, width = _checked(tuple(int(n) for n in lengths))
        return np.fft.rfft2(x.astype(np.float64), s=(height, width)).astype(np.complex64)


def _checked(lengths: tuple[int, ...]) -> tuple[int, int]:
    require(
        all(0 < n <= 1 << 24 and n & n - 1 == 0 for n in lengths),
        f"lengths must be powers of two; got {list(lengths)}",
    )
    return lengths[0], lengths[1]


class Part(Op, abstract=True):
    """A real number of each complex one. Shapes: x complex64 of any rank, y as x."""

    operands = (In("x", {DType.COMPLEX64}),)
    results = (Out("y", dtype=DType.FLOAT32),)
    quantization = NotQuantized()

    def infer(self, x: Operand) -> Shape:
        return x.shape


class Real(Part, builtin="REAL"):
    """The real part.

    **Source:** TensorFlow Lite kernels/complex_support.cc.
    """

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.real.copy()


class Imag(Part, builtin="IMAG"):
    """The imaginary part.

    **Source:** TensorFlow Lite kernels/complex_support.cc.
    """

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x.imag.copy()


class ComplexAbs(Part, builtin="COMPLEX_ABS"):
    """sqrt(real**2 + imaginary**2).

    **Source:** TensorFlow Lite kernels/complex_support.cc.
    """

    tolerance = 1e-6

    def reference(self, x: np.ndarray) -> np.ndarray:
        return np.abs(x)
