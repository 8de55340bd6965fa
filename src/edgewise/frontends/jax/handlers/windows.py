"""Reductions over windows. Source: jax/_src/lax/windowed_reductions.py, JAX 0.10.

Windows over up to three axes are poolings, their axes turned between the batch and the channels;
others are STABLEHLO_REDUCE_WINDOW.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.windows import pooled
from edgewise.frontends.jax.context import Context, Equation, Handler, Unsupported
from edgewise.frontends.jax.handlers.convolution import padding_of
from edgewise.frontends.jax.handlers.shapes import padded
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim, elements
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value


@dataclass(frozen=True, slots=True)
class _Windows:
    """A window per axis of the operand."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    edges: tuple[tuple[Dim, Dim], ...]

    @property
    def axes(self) -> list[int]:
        """Those that a window moves over."""
        return [
            axis
            for axis, (size, stride, edge) in enumerate(
                zip(self.sizes, self.strides, self.edges, strict=True)
            )
            if size != 1 or stride != 1 or edge != (0, 0)
        ]


def _reduction(operator: str, neutral: float) -> Handler:
    def handler(c: Context, node: Equation, x: Value) -> Value:
        dilations = (*node.params["base_dilation"], *node.params["window_dilation"])
        windows = _Windows(
            tuple(int(n) for n in node.params["window_dimensions"]),
            tuple(node.params["window_strides"]),
            tuple((c.sizes.dim(a), c.sizes.dim(b)) for a, b in node.params["padding"]),
        )
        axes = windows.axes
        if not axes and all(n == 1 for n in dilations):
            return x
        if x.dtype in FLOATS and len(axes) <= 3 and all(n == 1 for n in dilations):
            return _pooling(c, x, windows, operator)
        return _general(c, node, x, operator, neutral)

    return handler


def _pooling(c: Context, x: Value, windows: _Windows, operator: str) -> Value:
    """The axes of the windows between all others but the last, and the last."""
    axes, rank = windows.axes, len(x.shape)
    if rank in (3, 4, 5) and axes[0] > 0 and axes[-1] < rank - 1:
        axes = list(range(1, rank - 1))
    rest = [axis for axis in range(rank) if axis not in axes]
    outer, last = rest[:-1], rest[-1:]
    order = [*outer, *axes, *last]
    y = c.transpose(x, order)
    lead = y.shape[: len(outer)]
    channels = y.shape[len(outer) + len(axes) :]
    y = c.reshape(y, (elements(lead), *(x.shape[axis] for axis in axes), elements(channels)))
    y = _pooled(
        c, y, operator, tuple(windows.sizes[a] for a in axes),
        tuple(windows.strides[a] for a in axes), [windows.edges[a] for a in axes],
    )  # fmt: skip
    y = c.reshape(y, (*lead, *y.shape[1:-1], *channels))
    return c.transpose(y, [order.index(axis) for axis in range(rank)])


def _pooled(
    c: Context,
    x: Value,
    operator: str,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    edges: list[tuple[Dim, Dim]],
) -> Value:
    """[N, ..., C]. A sum is the mean of as many; a minimum the maximum of the negative numbers."""
    padding = padding_of(c.sizes, x.shape[1:-1], sizes, strides, edges)
    if operator == "minimum":
        return c.b.neg(_pooled(c, c.b.neg(x), "maximum", sizes, strides, edges))
    if padding is None or (padding is Padding.SAME and operator == "add"):
        around = 0.0 if operator == "add" else -np.inf
        x = padded(c, x, [(0, 0), *edges, (0, 0)], c.scalar(around, x))
        padding = Padding.VALID
    if operator == "maximum":
        return pooled("max_pool_2d", c, x, sizes, strides, padding)
    y = pooled("average_pool_2d", c, x, sizes, strides, padding)
    return c.b.mul(y, c.scalar(math.prod(sizes), y))


def _general(c: Context, node: Equation, x: Value, operator: str, neutral: float) -> Value:
    edges = [c.sizes.dim(end) for edge in node.params["padding"] for end in edge]
    if x.dtype is DType.BOOL:
        raise Unsupported("reduces windows of bools; cast them to float32")
    body = Builder(f"window_{operator}")
    a, b = (body.graph.add_input(x.type.with_shape(()), name) for name in ("a", "b"))
    graph = body.finish(getattr(body, operator)(a, b))
    limit = neutral
    if x.dtype not in FLOATS and math.isinf(neutral):
        limit = x.dtype.range[0 if neutral < 0 else 1]
    return c.b.stablehlo_reduce_window(
        x, c.scalar(limit, x), body=graph,
        window_dimensions=tuple(node.params["window_dimensions"]),
        window_strides=tuple(node.params["window_strides"]),
        base_dilations=tuple(node.params["base_dilation"]),
        window_dilations=tuple(node.params["window_dilation"]),
        padding=tuple(known_sizes(edges, "edges")),
    )  # fmt: skip


HANDLERS: dict[str, Handler] = {
    "reduce_window_sum": _reduction("add", 0),
    "reduce_window_max": _reduction("maximum", -math.inf),
    "reduce_window_min": _reduction("minimum", math.inf),
}
