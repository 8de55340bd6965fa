"""LOCAL_RESPONSE_NORMALIZATION: normalisation over neighbouring channels (AlexNet)."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.ir.dim import Shape
from edgewise.ir.op import In, NotQuantized, Op, Operand, require


class LocalResponseNormalization(
    Op, builtin="LOCAL_RESPONSE_NORMALIZATION", options="LocalResponseNormalizationOptions"
):
    """y[..., c] = x[..., c] / (bias + alpha * sum_{|k - c| <= radius} x[..., k]**2)**beta.

    Shapes: x and y [N, H, W, C]. The sum stops at the first and last channel. Float only.
    alpha is not divided by the window, unlike in some frameworks.
    **Source:** TensorFlow Lite local_response_norm.cc.
    """

    radius: int = 0
    bias: float = 0.0
    alpha: float = 0.0
    beta: float = 0.0

    operands = (In("x", FLOATS),)
    quantization = NotQuantized()
    tolerance = 1e-5

    def infer(self, x: Operand) -> Shape:
        require(len(x.shape) == 4, f"x must be [N, H, W, C]; got rank {len(x.shape)}")
        require(self.radius >= 0, f"radius must be at least 0; got {self.radius}")
        return x.shape

    def reference(self, x: np.ndarray) -> np.ndarray:
        channels = x.shape[-1]
        radius = min(self.radius, channels)
        padded = np.pad(x * x, ((0, 0), (0, 0), (0, 0), (radius, radius)))
        total = np.zeros_like(x)
        for shift in range(2 * radius + 1):
            total += padded[..., shift : shift + channels]
        scale = x.dtype.type(self.bias) + x.dtype.type(self.alpha) * total
        return x * scale ** x.dtype.type(-self.beta)
