"""Windows over one, two and three axes between the batch and the channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.frontends.context import Context
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value


def as_image(c: Context, x: Value, body: Callable[[Value], Value]) -> Value:
    """`body`, which works on [N, 1, L, C], on [N, L, C]; on [N, H, W, C] as it is."""
    if len(x.shape) != 3:
        return body(x)
    y = body(c.b.expand_dims(x, c.ints([1])))
    return c.b.squeeze(y, squeeze_dims=(1,))


def pooled(
    operator: str,
    c: Context,
    x: Value,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding = Padding.VALID,
) -> Value:
    """A pooling over the axes between the batch and the channels."""

    def pool(x: Value, height: int, width: int, stride_h: int, stride_w: int) -> Value:
        y = getattr(c.b, operator)(
            x, padding=padding, filter_height=height, filter_width=width,
            stride_h=stride_h, stride_w=stride_w,
        )  # fmt: skip
        assert isinstance(y, Value)
        return y

    if len(size) == 1:
        return as_image(c, x, lambda x: pool(x, 1, *size, 1, *strides))
    if len(size) == 2:
        return pool(x, *size, *strides)
    n, d, h, w, channels = x.shape
    y = pool(c.reshape(x, (n * d, h, w, channels)), *size[1:], *strides[1:])
    h, w = y.shape[1:3]
    y = pool(c.reshape(y, (n, d, h * w, channels)), size[0], 1, strides[0], 1)
    return c.reshape(y, (n, y.shape[1], h, w, channels))


def dilated(kernel: np.ndarray, rates: tuple[int, ...]) -> np.ndarray:
    """The kernel with `rate - 1` zeros between its taps along each spatial axis."""
    if all(rate == 1 for rate in rates):
        return kernel
    spatial = [(k - 1) * rate + 1 for k, rate in zip(kernel.shape, rates, strict=False)]
    wide = np.zeros((*spatial, *kernel.shape[-2:]), kernel.dtype)
    wide[tuple(slice(None, None, rate) for rate in rates)] = kernel
    return wide
