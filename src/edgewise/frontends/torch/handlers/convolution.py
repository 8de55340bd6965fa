"""Convolutions over one, two and three axes, forward and transposed.

Tensors are [N, C, ...spatial] and stand between transposes; one axis is written as two, the first
of size 1. Source: aten/src/ATen/native/Convolution.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.frontends.decompose.windows import as_image, dilated
from edgewise.frontends.torch.context import Context, Handler, Unsupported
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

Sizes = int | Sequence[int]


def sizes(given: Sizes, rank: int) -> tuple[int, ...]:
    """One number per spatial axis."""
    found = (given,) if isinstance(given, int) else tuple(given)
    return found * rank if len(found) == 1 else found


def batched(c: Context, x: Value, rank: int, body: Callable[[Value], Value]) -> Value:
    """`body`, which works on [N, ..., C], on [N, C, ...] or one image of it, [C, ...]."""
    if len(x.shape) == rank + 1:
        y = c.on_channels_last(c.reshape(x, (1, *x.shape)), body)
        return c.reshape(y, y.shape[1:])
    return c.on_channels_last(x, body)


def convolution(
    c: Context,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Value:
    """The weight is [O, C / groups, ...]."""
    rank = len(weight.shape) - 2
    strides, rates = sizes(stride, rank), sizes(dilation, rank)
    window = _window(rank, strides, rates)
    margins = (0,) * rank if isinstance(padding, str) else sizes(padding, rank)

    def body(x: Value) -> Value:
        spans = [(k - 1) * rate + 1 for k, rate in zip(weight.shape[2:], rates, strict=True)]
        is_same = padding == "same" or _is_same(x.shape[1:-1], spans, strides, margins)
        window["padding"] = Padding.SAME if is_same else Padding.VALID
        x = x if is_same else padded(c, x, [(p, p) for p in margins])
        if rank == 3:
            return _volume(c, x, weight, bias, groups, window)
        return as_image(c, x, lambda x: _image(c, x, weight, bias, groups, window))

    return batched(c, x, rank, body)


def _is_same(
    spatial: Sequence[Dim], spans: Sequence[Dim], strides: Sequence[int], margins: Sequence[int]
) -> bool:
    """The margins are those of SAME padding, which are as wide as the size and the stride need."""
    for n, span, s, p in zip(spatial, spans, strides, margins, strict=True):
        if not isinstance(span, int) or not (isinstance(n, int) or s == 1):
            return False
        total = span - 1 if s == 1 else (-(-n // s) - 1) * s + span - n
        if total != 2 * p or (p == 0 and s > 1 and span > s):
            return False
    return any(p > 0 for p in margins)


def padded(c: Context, x: Value, margins: Sequence[tuple[int, int]], value: float = 0) -> Value:
    """[N, ..., C] with margins around its spatial axes."""
    if not any(a or b for a, b in margins):
        return x
    pairs = c.b.constant(np.array([(0, 0), *margins, (0, 0)], np.int32))
    return c.b.pad(x, pairs) if value == 0 else c.b.padv2(x, pairs, c.scalar(value, x))


def _window(rank: int, strides: Sequence[int], rates: Sequence[int]) -> dict[str, object]:
    """Strides and dilations as the operators' attributes."""
    if rank == 1:
        strides, rates = (1, *strides), (1, *rates)
    letters = "dhw"[-len(strides) :]
    found: dict[str, object] = {}
    for letter, stride, rate in zip(letters, strides, rates, strict=True):
        found[f"stride_{letter}"] = stride
        found[f"dilation_{letter}_factor"] = rate
    return found


def _image(
    c: Context,
    x: Value,
    weight: Value,
    bias: Value | None,
    groups: int,
    window: dict[str, object],
) -> Value:
    w = _as_2d(c, weight)
    out, per_group, *_ = w.shape
    if groups > 1 and groups == x.shape[-1] and per_group == 1 and isinstance(out, int):
        kernel = c.moved(w, [1, 2, 3, 0])
        return c.b.depthwise_conv_2d(x, kernel, bias, depth_multiplier=out // groups, **window)
    return c.b.conv_2d(x, c.moved(w, [0, 2, 3, 1]), bias, **window)


def _as_2d(c: Context, weight: Value) -> Value:
    """[O, C, K] as [O, C, 1, K]."""
    if len(weight.shape) == 4:
        return weight
    return c.reshaped(weight, (*weight.shape[:2], 1, *weight.shape[2:]))


def _volume(
    c: Context,
    x: Value,
    weight: Value,
    bias: Value | None,
    groups: int,
    window: dict[str, object],
) -> Value:
    if groups == 1:
        return c.b.conv_3d(x, c.moved(weight, [2, 3, 4, 1, 0]), bias, **window)
    kernels = _split(c, weight, groups, 0)
    ys = [
        c.b.conv_3d(part, c.moved(kernel, [2, 3, 4, 1, 0]), **window)
        for part, kernel in zip(_split(c, x, groups, 4), kernels, strict=True)
    ]
    y = c.b.concatenation(*ys, axis=4)
    return y if bias is None else c.b.add(y, bias)


def _split(c: Context, x: Value, count: int, axis: int) -> Sequence[Value]:
    if x.data is not None:
        return [c.b.constant(part, name=x.name) for part in np.split(x.data, count, axis)]
    where = c.b.constant(np.array(axis, np.int32))
    return c.b.node(operator("split")(num_splits=count), where, x).outputs


def transposed(
    c: Context,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Value:
    """The weight is [C, O / groups, ...]. Padding is what is cut off from the whole result."""
    rank = len(weight.shape) - 2
    rates = sizes(dilation, rank)
    if any(rate > 1 for rate in rates):
        if weight.data is None:
            raise Unsupported("a dilated kernel that is computed; make it a constant")
        spread = dilated(np.moveaxis(weight.data, (0, 1), (-2, -1)), rates)
        weight = c.b.constant(
            np.ascontiguousarray(np.moveaxis(spread, (-2, -1), (0, 1))), name=weight.name
        )
    axes = list(
        zip(
            weight.shape[2:], sizes(stride, rank), sizes(padding, rank),
            sizes(output_padding, rank), strict=True,
        )
    )  # fmt: skip

    def body(x: Value) -> Value:
        if groups == 1:
            return _transposed(c, x, weight, bias, axes)
        kernels = _split(c, weight, groups, 0)
        parts = _split(c, x, groups, rank + 1)
        ys = [_transposed(c, *pair, None, axes) for pair in zip(parts, kernels, strict=True)]
        y = c.b.concatenation(*ys, axis=rank + 1)
        return y if bias is None else c.b.add(y, bias)

    return batched(c, x, rank, body)


def _transposed(
    c: Context,
    x: Value,
    weight: Value,
    bias: Value | None,
    axes: Sequence[tuple[Dim, int, int, int]],
) -> Value:
    """[N, ..., C]; `axes` are kernel, stride, padding and output padding of each."""
    spatial = x.shape[1:-1]
    # SAME cuts as much on both sides where what is cut is even
    is_same = all(isinstance(k, int) and k - s == 2 * p and o == 0 for k, s, p, o in axes)
    whole = [
        n * s if is_same else (n - 1) * s + k + max(o - p, 0)
        for n, (k, s, p, o) in zip(spatial, axes, strict=True)
    ]
    padding = Padding.SAME if is_same else Padding.VALID
    strides = [s for _, s, _, _ in axes]
    if len(axes) == 3:
        shape = c.shape([x.shape[0], *whole, weight.shape[1]])
        kernel = c.moved(weight, [2, 3, 4, 1, 0])
        d, h, w = strides
        y = c.b.conv_3d_transpose(
            shape, kernel, x, bias, padding=padding, stride_d=d, stride_h=h, stride_w=w
        )
    else:
        kernel = c.moved(_as_2d(c, weight), [1, 2, 3, 0])
        extra = [1] * (2 - len(axes))
        shape = c.shape([x.shape[0], *extra, *whole, weight.shape[1]])
        h, w = [*extra, *strides]

        def image(x: Value) -> Value:
            return c.b.transpose_conv(
                shape, kernel, x, bias, padding=padding, stride_h=h, stride_w=w
            )

        y = as_image(c, x, image)
    if is_same or not any(p for _, _, p, _ in axes):
        return y
    wanted = [(n - 1) * s + k - 2 * p + o for n, (k, s, p, o) in zip(spatial, axes, strict=True)]
    begin = [0, *(p for _, _, p, _ in axes), 0]
    return c.b.slice(y, c.ints(begin), c.shape([y.shape[0], *wanted, y.shape[-1]]))


def _either(
    c: Context,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    is_transposed: bool,
    output_padding: Sizes,
    groups: int,
    *_: object,
) -> Value:
    if is_transposed:
        return transposed(c, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolution(c, x, weight, bias, stride, padding, dilation, groups)


HANDLERS: dict[str, Handler] = {
    **{f"conv{n}d": convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": transposed for n in (1, 2, 3)},
    **dict.fromkeys(("convolution", "_convolution"), _either),
}
