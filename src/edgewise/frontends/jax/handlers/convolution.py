"""Convolutions of any layout. Source: jax/_src/lax/convolution.py, JAX 0.10.

The operand is turned to [N, ..., C], the kernel to [O, ..., I]; results are turned back. Where the
operand is spread out before (`lhs_dilation`), it is TRANSPOSE_CONV with the kernel reversed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.frontends.decompose.windows import dilated
from edgewise.frontends.jax.context import Context, Equation, Handler, Unsupported
from edgewise.frontends.jax.handlers.shapes import padded
from edgewise.frontends.jax.sizes import Sizes
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

Edges = Sequence[tuple[Dim, Dim]]


@dataclass(frozen=True, slots=True)
class _Window:
    """How the kernel moves, an entry per spatial axis."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    spread: tuple[int, ...]
    edges: tuple[tuple[Dim, Dim], ...]

    def attributes(self, padding: Padding) -> dict[str, object]:
        """As the operators name them."""
        letters = "dhw"[-len(self.strides) :]
        pairs = list(zip(letters, self.strides, self.dilations, strict=True))
        return {
            "padding": padding,
            **{f"stride_{k}": stride for k, stride, _ in pairs},
            **{f"dilation_{k}_factor": dilation for k, _, dilation in pairs},
        }


def _convolution(c: Context, node: Equation, x: Value, w: Value) -> Value:
    """1 spatial axis as 2; groups as the operators have them, of three axes one by one"""
    numbers, count = node.params["dimension_numbers"], len(x.shape) - 2
    if node.params["batch_group_count"] != 1:
        raise Unsupported("convolves with batch groups; use feature_group_count")
    if not 1 <= count <= 3 or x.dtype not in FLOATS or w.dtype not in FLOATS:
        raise Unsupported(
            f"convolves {x.dtype.text} over {count} axes; use float32 over one to three"
        )
    lhs, rhs, out = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    x = c.transpose(x, [lhs[0], *lhs[2:], lhs[1]])
    w = _arranged(c, w, [rhs[0], *rhs[2:], rhs[1]])
    window = _Window(
        tuple(node.params["window_strides"]), tuple(node.params["rhs_dilation"]),
        tuple(node.params["lhs_dilation"]),
        tuple((c.sizes.dim(a), c.sizes.dim(b)) for a, b in node.params["padding"]),
    )  # fmt: skip
    sizes = [node.shape[axis] for axis in out[2:]]
    if count == 1:
        y = _line(c, x, w, window, sizes, node.params["feature_group_count"])
    else:
        y = _convolved(c, x, w, window, sizes, node.params["feature_group_count"])
    order = [0] * len(out)
    for place, axis in enumerate((out[0], *out[2:], out[1])):
        order[axis] = place
    return c.transpose(y, order)


def _line(c: Context, x: Value, w: Value, window: _Window, sizes: list[Dim], groups: int) -> Value:
    """[N, L, C] as [N, 1, L, C]."""
    wide = _Window(
        (1, *window.strides), (1, *window.dilations), (1, *window.spread),
        ((0, 0), *window.edges),
    )  # fmt: skip
    kernel = _shaped(c, w, (w.shape[0], 1, *w.shape[1:]))
    image = c.reshape(x, (x.shape[0], 1, *x.shape[1:]))
    y = _convolved(c, image, kernel, wide, [1, *sizes], groups)
    return c.reshape(y, (y.shape[0], *y.shape[2:]))


def _convolved(
    c: Context, x: Value, w: Value, window: _Window, sizes: list[Dim], groups: int
) -> Value:
    """x [N, ..., C] by w [O, ..., I]; `sizes` are the spatial ones of the result."""
    if any(step != 1 for step in window.spread):
        is_plane = len(sizes) == 2 and groups == 1 and all(s == 1 for s in window.strides)
        if is_plane and w.data is not None:
            return _transposed(c, x, w, window, sizes)
        inner = (0, *(step - 1 for step in window.spread), 0)
        none = (0,) * len(inner)
        x = c.b.stablehlo_pad(
            x, c.scalar(0, x), edge_padding_low=none, edge_padding_high=none,
            interior_padding=inner,
        )  # fmt: skip
    reach = [(k - 1) * d + 1 for k, d in zip(_spatial(w), window.dilations, strict=True)]
    padding = padding_of(c.sizes, x.shape[1:-1], reach, window.strides, window.edges)
    if padding is None:
        x, padding = padded(c, x, [(0, 0), *window.edges, (0, 0)], c.scalar(0, x)), Padding.VALID
    attributes = window.attributes(padding)
    if len(sizes) == 3:
        return _grouped_3d(c, x, w, groups, attributes)
    channels = x.shape[-1]
    if groups > 1 and groups == channels:
        kernel = _arranged(c, w, [3, 1, 2, 0])
        assert isinstance(w.shape[0], int)
        return c.b.depthwise_conv_2d(x, kernel, depth_multiplier=w.shape[0] // groups, **attributes)
    return c.b.conv_2d(x, w, **attributes)


def _grouped_3d(
    c: Context, x: Value, w: Value, groups: int, attributes: dict[str, object]
) -> Value:
    """CONV_3D has no groups: one by one between SPLIT and CONCATENATION."""
    kernel = _arranged(c, w, [1, 2, 3, 4, 0])
    if groups == 1:
        return c.b.conv_3d(x, kernel, **attributes)
    split = operator("split")(num_splits=groups)
    axis = c.b.constant(np.array(4, np.int32))
    parts, kernels = (c.b.node(split, axis, v).outputs for v in (x, kernel))
    ys = [c.b.conv_3d(p, k, **attributes) for p, k in zip(parts, kernels, strict=True)]
    return c.b.concatenation(*ys, axis=4)


def _transposed(c: Context, x: Value, w: Value, window: _Window, sizes: list[Dim]) -> Value:
    """The whole of TRANSPOSE_CONV, from which the edges are cut; SAME where that is it."""
    assert w.data is not None
    flipped = w.data.transpose([1, 2, 3, 0])[::-1, ::-1]
    wide = np.ascontiguousarray(dilated(flipped, window.dilations).transpose([3, 0, 1, 2]))
    kernel = c.b.constant(wide, name=w.name)
    reach = wide.shape[1:3]
    strides = {"stride_h": window.spread[0], "stride_w": window.spread[1]}
    whole = [
        (n - 1) * step + k for n, step, k in zip(x.shape[1:3], window.spread, reach, strict=True)
    ]
    begins = [k - 1 - low for k, (low, _) in zip(reach, window.edges, strict=True)]
    lost = [full - size for full, size in zip(whole, sizes, strict=True)]
    batch, channels = x.shape[0], wide.shape[0]
    if any(n != 0 for n in (*begins, *lost)) and all(
        size == n * step and isinstance(total, int) and begin == max(total, 0) // 2
        for size, n, step, total, begin in zip(
            sizes, x.shape[1:3], window.spread, lost, begins, strict=True
        )
    ):
        shape = c.shape([batch, *sizes, channels])
        return c.b.transpose_conv(shape, kernel, x, padding=Padding.SAME, **strides)
    shape = c.shape([batch, *whole, channels])
    y = c.b.transpose_conv(shape, kernel, x, padding=Padding.VALID, **strides)
    edges = [(-begin, begin - less) for begin, less in zip(begins, lost, strict=True)]
    return padded(c, y, [(0, 0), *edges, (0, 0)], c.scalar(0, y))


def padding_of(
    sizes: Sizes,
    lengths: Sequence[Dim],
    reach: Sequence[Dim],
    strides: Sequence[int],
    edges: Edges,
) -> Padding | None:
    """SAME or VALID where the edges are those, else None."""
    if all(low == 0 and high == 0 for low, high in edges):
        return Padding.VALID
    pairs = zip(lengths, reach, strides, edges, strict=True)
    return Padding.SAME if all(_is_same(sizes, *pair) for pair in pairs) else None


def _is_same(sizes: Sizes, length: Dim, reach: Dim, stride: int, edge: tuple[Dim, Dim]) -> bool:
    """The edges of one axis are those of SAME: half before, the rest behind."""
    assert isinstance(reach, int)
    if isinstance(length, int):
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
    elif stride == 1:
        total = reach - 1
    else:
        from jax import lax

        size: Any = sizes.to_jax(length)
        ((low, high),) = lax.padtype_to_pads((size,), (reach,), (stride,), "SAME")
        return edge == (sizes.dim(low), sizes.dim(high))
    return edge == (total // 2, total - total // 2)


def _spatial(w: Value) -> list[int]:
    found = [size for size in w.shape[1:-1] if isinstance(size, int)]
    if len(found) < len(w.shape) - 2:
        raise Unsupported("convolves with a kernel of unknown size; give it a fixed one")
    return found


def _arranged(c: Context, w: Value, perm: Sequence[int]) -> Value:
    """w with its axes in another order; a constant where it is one."""
    if w.data is None:
        return c.transpose(w, perm)
    return c.b.constant(np.ascontiguousarray(w.data.transpose(perm)), name=w.name)


def _shaped(c: Context, w: Value, shape: Sequence[Dim]) -> Value:
    if w.data is None:
        return c.reshape(w, shape)
    return c.b.constant(w.data.reshape([int(d) for d in shape if isinstance(d, int)]), name=w.name)


HANDLERS: dict[str, Handler] = {"conv_general_dilated": _convolution}
