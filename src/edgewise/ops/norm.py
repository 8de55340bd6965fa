"""Normalisations of the IR that `.tflite` has no operator for: batch norm and layer norm.

Frontends emit them whole, because whole they fold into their neighbours; `passes/lower.py` writes
what is left with builtin operators.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.ir.dim import Dim, Shape, same_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, require
from edgewise.ops.axes import axes_in, axis_in, shown


class BatchNorm(Op):
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, per channel along `axis`.

    Shapes: x of any rank, gamma [C] (optional: 1), beta [C] (optional: 0), mean [C],
    variance [C] with C the dimension `axis` of x, y as x. Float only.
    TFLite has no such operator: it is folded into a neighbour, or becomes MUL and ADD.
    **Source:** Ioffe and Szegedy 2015, inference form; `keras.layers.BatchNormalization`.
    """

    epsilon: float = 1e-3
    axis: int = -1

    operands = (
        In("x", FLOATS),
        In("gamma", FLOATS, optional=True),
        In("beta", FLOATS, optional=True),
        In("mean", FLOATS),
        In("variance", FLOATS),
    )
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(
        self,
        x: Operand,
        gamma: Operand | None,
        beta: Operand | None,
        mean: Operand,
        variance: Operand,
    ) -> Shape:
        require(self.epsilon >= 0, f"epsilon must not be negative; got {self.epsilon}")
        channels = (x.shape[axis_in(self.axis, len(x.shape))],)
        for name, operand in (
            ("gamma", gamma),
            ("beta", beta),
            ("mean", mean),
            ("variance", variance),
        ):
            _check_parameter(name, operand, channels)
        return x.shape

    def reference(
        self,
        x: np.ndarray,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        mean: np.ndarray,
        variance: np.ndarray,
    ) -> np.ndarray:
        shape = [1] * x.ndim
        shape[self.axis] = -1
        scale = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        if gamma is not None:
            scale = scale * gamma
        y = (x - mean.reshape(shape)) * scale.reshape(shape)
        return y if beta is None else y + beta.reshape(shape)


class LayerNorm(Op):
    """y = (x - m) / sqrt(v + epsilon) * gamma + beta, m and v mean and variance over `axes`.

    Shapes: x of any rank, gamma and beta (optional: 1 and 0) of x's dimensions `axes`, in
    ascending order, y as x. The variance is the mean of (x - m)**2. Float only.
    TFLite has no such operator: it becomes MEAN, SQUARED_DIFFERENCE, MEAN, ADD, RSQRT, SUB, MUL,
    MUL, ADD.
    **Source:** Ba et al. 2016; `keras.layers.LayerNormalization`.
    """

    axes: tuple[int, ...] = (-1,)
    epsilon: float = 1e-3

    operands = (
        In("x", FLOATS),
        In("gamma", FLOATS, optional=True),
        In("beta", FLOATS, optional=True),
    )
    quantization = NotQuantized()
    tolerance = 1e-5

    def infer(self, x: Operand, gamma: Operand | None, beta: Operand | None) -> Shape:
        require(self.epsilon >= 0, f"epsilon must not be negative; got {self.epsilon}")
        axes = axes_in(self.axes, len(x.shape))
        require(
            len(axes) > 0 and list(axes) == sorted(axes),
            f"axes must be one or more, in ascending order; got {list(self.axes)}",
        )
        normalised = tuple(x.shape[axis] for axis in axes)
        _check_parameter("gamma", gamma, normalised)
        _check_parameter("beta", beta, normalised)
        return x.shape

    def reference(
        self, x: np.ndarray, gamma: np.ndarray | None, beta: np.ndarray | None
    ) -> np.ndarray:
        axes = axes_in(self.axes, x.ndim)
        shape = [x.shape[i] if i in axes else 1 for i in range(x.ndim)]
        centred = x - x.mean(axes, keepdims=True, dtype=x.dtype)
        variance = np.square(centred).mean(axes, keepdims=True, dtype=x.dtype)
        y = centred / np.sqrt(variance + x.dtype.type(self.epsilon))
        if gamma is not None:
            y = y * gamma.reshape(shape)
        return y if beta is None else y + beta.reshape(shape)


def _check_parameter(name: str, operand: Operand | None, wanted: tuple[Dim, ...]) -> None:
    require(
        operand is None
        or (
            len(operand.shape) == len(wanted)
            and all(same_dim(a, b) is not False for a, b in zip(operand.shape, wanted, strict=True))
        ),
        f"{name} must be {shown(wanted)}, one per normalised element; "
        f"got {shown(operand.shape if operand else ())}",
    )
