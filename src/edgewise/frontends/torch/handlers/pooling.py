"""Pooling over windows, and to a number of outputs.

Source: aten/src/ATen/native/{Pooling,AveragePool2d,AdaptiveAveragePooling}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.adaptive import adaptive
from edgewise.frontends.decompose.windows import pooled
from edgewise.frontends.torch.context import Context, Handler, Result, Unsupported
from edgewise.frontends.torch.handlers.convolution import Sizes, batched, padded, sizes
from edgewise.ir.graph import Value

_LOWEST = float(np.finfo(np.float32).min)


def _max(rank: int) -> Handler:
    def handler(
        c: Context,
        x: Value,
        kernel_size: Sizes,
        stride: Sizes = (),
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
    ) -> Value:
        if any(rate > 1 for rate in sizes(dilation, rank)):
            raise Unsupported("pooling with a dilation; pool without, or slice before")
        size = sizes(kernel_size, rank)
        steps = sizes(stride or kernel_size, rank)

        def body(x: Value) -> Value:
            margins = _margins(x, size, steps, sizes(padding, rank), ceil_mode)
            return pooled("max_pool_2d", c, padded(c, x, margins, _LOWEST), size, steps)

        return batched(c, x, rank, body)

    return handler


def _margins(
    x: Value,
    size: Sequence[int],
    steps: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
) -> list[tuple[int, int]]:
    """Margins of the spatial axes; with `ceil_mode`, so wide that the last window fits, too."""
    if not ceil_mode:
        return [(p, p) for p in padding]
    margins = []
    for n, k, s, p in zip(
        known_sizes(x.shape[1:-1], "an image"), size, steps, padding, strict=True
    ):
        margins.append((p, max(p, (_outputs(n, k, s, p) - 1) * s + k - n - p)))
    return margins


def _average(rank: int) -> Handler:
    def handler(
        c: Context,
        x: Value,
        kernel_size: Sizes,
        stride: Sizes = (),
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Value:
        size, steps = sizes(kernel_size, rank), sizes(stride or kernel_size, rank)
        around = sizes(padding, rank)

        def body(x: Value) -> Value:
            margins = _margins(x, size, steps, around, ceil_mode)
            y = pooled("average_pool_2d", c, padded(c, x, margins), size, steps)
            full = math.prod(size)
            if divisor_override is not None:
                return c.b.mul(y, c.scalar(full / divisor_override, y))
            if not any(b > (p if count_include_pad else 0) for (_, b), p in zip(
                margins, around, strict=True)):  # fmt: skip
                return y
            spatial = known_sizes(x.shape[1:-1], "an image")
            counts = np.ones((), np.float64)
            for n, k, s, p in zip(spatial, size, steps, around, strict=True):
                along = _counts(n, k, s, p, ceil_mode, count_include_pad)
                counts = np.multiply.outer(counts, along)
            factor = (full / counts).astype(np.float32)[..., None]
            return c.b.mul(y, c.b.constant(factor))

        return batched(c, x, rank, body)

    return handler


def _outputs(n: int, k: int, s: int, p: int) -> int:
    """With `ceil_mode`: the last window may reach beyond the end, but must begin inside."""
    count = -(-(n + 2 * p - k) // s) + 1
    return count - ((count - 1) * s >= n + p)


def _counts(n: int, k: int, s: int, p: int, ceil_mode: bool, with_padding: bool) -> np.ndarray:
    """How many elements of each window along an axis count."""
    starts = np.arange(_outputs(n, k, s, p) if ceil_mode else (n + 2 * p - k) // s + 1) * s - p
    low, high = (-p, n + p) if with_padding else (0, n)
    found: np.ndarray = np.minimum(starts + k, high) - np.maximum(starts, low)
    return found


def _adaptive(operator: str, rank: int) -> Handler:
    def handler(c: Context, x: Value, output_size: Sizes) -> Value:
        wanted = sizes(output_size, rank)
        if all(m == 1 for m in wanted):
            reduce = c.b.mean if operator == "average_pool_2d" else c.b.reduce_max
            first = len(x.shape) - rank
            return reduce(x, c.ints(range(first, first + rank)), keep_dims=True)
        return batched(c, x, rank, lambda x: adaptive(operator, c, x, wanted))

    return handler


def _without_indices(handler: Handler) -> Handler:
    """The values; who asks where they are is told that nobody computes it."""

    def both(c: Context, *args: Result, **kwargs: Result) -> list[Result]:
        return [handler(c, *args, **kwargs), None]

    return both


HANDLERS: dict[str, Handler] = {
    **{f"max_pool{n}d": _max(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": _without_indices(_max(n)) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _average(n) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": _adaptive("average_pool_2d", n) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": _adaptive("average_pool_2d", n) for n in (2, 3)},
    **{f"adaptive_max_pool{n}d": _without_indices(_adaptive("max_pool_2d", n)) for n in (1, 2, 3)},
}
