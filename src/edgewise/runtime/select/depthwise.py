"""Kernels of DEPTHWISE_CONV_2D: bodies, weights in blocks of channels, scratch memory.

A block is what a vector of the target holds: weights, biases and scales are packed in the order in
which the kernel reads them (`ew_depthwise_conv_2d` in params.h). Channels fewer than a block, or a
multiplier, make the kernel spread the rows of x out first, so that its vectors run over several
pixels; floats of half a block or more under 3 x 3 are read as they lie (depthwise_walk.h).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import TYPE_CHECKING

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ops.conv import Convolution
from edgewise.ops.window import Axis
from edgewise.runtime.calls import (
    Call,
    Lines,
    Site,
    is_float,
    is_narrow,
    require,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import Isa, constant, pack
from edgewise.runtime.plan import Target
from edgewise.runtime.select.computed import in_blocks, weights_of
from edgewise.runtime.select.copy import view
from edgewise.runtime.select.typed import typed
from edgewise.runtime.select.weights import Array, Weights, dense, epilogue, has_lines, window
from edgewise.values import replace

if TYPE_CHECKING:
    from edgewise.runtime.select.weights_s16 import Stored16

_PIXELS = 4  # of a group (EW_PIXELS of depthwise.h)
_BAND = 4  # output rows (EW_BAND of depthwise_band.h)
_ADDRESS = 8  # bytes
_SLACK = 64  # bytes


def depthwise_conv_2d(site: Site) -> Sequence[Call]:
    """Any kernel, stride, dilation and multiplier."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Convolution)
    weights: Weights | Stored16
    shape, out = shape_of(x), shape_of(y)
    if _is_computed(site) and not (is_float(x, y) or is_narrow(x, y)):
        return _one_by_one(site, op, shape, out)
    if is_float(x, y) or is_narrow(x, y):
        weights = weights_of(site, channel_axis=3)
    elif x.dtype is DType.INT16:
        from edgewise.runtime.select.weights_s16 import Stored16

        weights = Stored16.of(site, channel_axis=3)
    else:
        weights = Weights.of(site, channel_axis=3)
    _, kh, kw, o = weights.array.shape
    declared = Axis(kw, op.stride_w, op.dilation_w_factor)
    rows = Axis(kh, op.stride_h, op.dilation_h_factor)
    place = window(shape, out, rows, declared, op.padding)
    cols = Axis(kw, place["stride_w"], place["dilation_w"])
    taps = weights.array.reshape(kh, kw, o)
    if not isinstance(weights, Weights) and not weights.fits(np.abs(taps.astype(int)).sum((0, 1))):
        from edgewise.runtime.select import conv_s16

        one_by_one = replace(
            weights, array=np.ascontiguousarray(taps.transpose(2, 0, 1)[..., None])
        )
        act, source = op.fused_activation_function, site.node.operand(0)
        return conv_s16.calls(site, source, one_by_one, place, shape[3], act, dense(place))
    is_16, isa = not isinstance(weights, Weights), site.target.isa
    is_int = not isinstance(weights, Weights) or weights.scales is not None
    lane = 2 if is_16 else _taps_per_lane(weights.array, isa) if is_int else 1
    block = 2 * isa.lanes if is_int and isa.lanes > 1 else isa.lanes
    is_spread = isa.lanes > 1 and (o < block or o != shape[3])
    # vectors over whole pixels: their channels repeat after a multiple of both
    channels = lcm(o, block) if is_spread and o < block else o
    # in spread rows, the vectors of neighbouring columns are `channels` apart
    between = channels // o if is_spread and cols.stride == 1 else cols.stride
    is_any = isa.lanes == 1 or (is_spread and cols.stride > 1)
    body = "any" if is_any else _body(kh, cols._replace(stride=between))
    covered = -(-out[2] * o // channels) * (channels // o)  # pixels of all vectors of a row
    phase_columns = covered + (kw - 1) * cols.dilation // cols.stride if is_spread else 0
    table_rows = kh if body != "any" else -(-kh // lane) * lane
    columns = kw if body == "any" else kw + (_PIXELS - 1) * between
    fields = {
        "window": place,
        "multiplier": o // shape[3],
        "rows_per_tile": 1,
        "y_stride": o,
        "body": constant(f"EW_DEPTHWISE_{body}"),
        "taps_per_lane": lane,
        "channels": channels,
        "is_spread": int(is_spread),
        "phase_columns": phase_columns,
        "rows": table_rows,
        "columns": columns,
        "w_zero": 0,
        "rounding": 0,
        "is_bounded": 0,
        **epilogue(x, y, op.fused_activation_function, is_int),
    }
    n_tiles = out[0] * out[1] if np.prod(out, dtype=np.int64) else 0
    elements = (1 + _PIXELS) * channels + kh * cols.stride * phase_columns * o
    element = 2 if is_16 else 1 if is_int else 4
    scratch = table_rows * ((1 + columns) * _ADDRESS + 4) + elements * element + _SLACK
    row = out[2] * o
    if not isinstance(weights, Weights):
        rounding = weights.rounding(is_wide=False, isa=isa)
        fields["rounding"] = rounding.number
        ends = [weights.bias.astype(np.int32), rounding.first, rounding.second]
        if isa.lanes == 1:
            operands: list[Value | Array] = [x, taps, *ends, y]
            scratch = 0
        else:
            operands = [x, *_integers(taps, ends, channels, block, lane, body != "any"), y]
        packed = pack("ew_depthwise_conv_2d", fields)
        return [Call("depthwise_conv_2d_s16", packed, tuple(operands), n_tiles, scratch, row)]
    if weights.scales is None:
        matrix, bias, before = _floats(weights, channels, block)
        fields["rows_per_tile"] = per_tile = _rows_per_tile(site.target, out)

        def call(x: Value, y: Value, window: dict[str, int]) -> Call:
            packed = pack("ew_depthwise_conv_2d", {**fields, "window": window})
            operands, name = (x, matrix, bias, y), typed("depthwise_conv_2d", x.dtype)
            count = min(n_tiles, -(-window["n"] * window["oh"] // per_tile))
            return Call(name, packed, operands, count, scratch, per_tile * row)

        last = call(x, y, place)
        return [
            *before,
            replace(last, lines=Lines(place, call)) if has_lines(x, y, place) else last,
        ]
    scales = np.ascontiguousarray(weights.scales)
    if isa.lanes == 1:
        stored, fields["w_zero"] = _bytes(taps)
        operands, scratch = [x, stored, weights.bias, scales, y], 0
    else:
        # sum((x - z) * w) = sum(x * w) - z * sum(w); modulo 2**32, as the accumulator
        zero = zero_point(x.type) + (128 if lane == 4 and fields["is_signed"] else 0)
        moved = weights.bias.astype(np.int64) - zero * taps.sum((0, 1), dtype=np.int64)
        ends = [moved.astype(np.int32), scales]
        operands = [x, *_integers(taps, ends, channels, block, lane, body != "any"), y]
    whole = (fields["low"], fields["high"]) == ((-128, 127) if fields["is_signed"] else (0, 255))
    fields["is_bounded"] = int(whole and bool((scales < 1).all()))
    packed = pack("ew_depthwise_conv_2d", fields)
    return [Call("depthwise_conv_2d_b8", packed, tuple(operands), n_tiles, scratch, row)]


def _rows_per_tile(target: Target, out: tuple[int, ...]) -> int:
    """Rows of floats: where vector registers hold the sums of several (depthwise_band.h), so many
    that kernels locked to this one find them in the cache, and leave it a band."""
    _, oh, ow, o = out
    if target.isa.lanes < 16:
        return 1
    most = max(target.block_bytes // max(4 * ow * o, 1), _BAND)
    parts = max(oh // most, 1)
    if target.threads > 1:
        parts = max(parts, min(target.tiles_per_thread * target.threads, oh))
    return max(-(-oh // parts), 1)


def _is_computed(site: Site) -> bool:
    given = site.node.operand(1), site.node.optional(2)
    return any(v is not None and site.known(v) is None for v in given)


def _one_by_one(
    site: Site, op: Convolution, shape: tuple[int, ...], out: tuple[int, ...]
) -> Sequence[Call]:
    """Integer weights that the model computes: a convolution with a group for every channel."""
    x, act = site.node.operand(0), op.fused_activation_function
    _, kh, kw, _ = shape_of(site.node.operand(1))
    rows = Axis(kh, op.stride_h, op.dilation_h_factor)
    cols = Axis(kw, op.stride_w, op.dilation_w_factor)
    place = window(shape, out, rows, cols, op.padding)
    if x.dtype is DType.INT16:
        from edgewise.runtime.select import conv_s16
        from edgewise.runtime.select.weights_s16 import Stored16

        wide = Stored16.of(site, channel_axis=3)
        wide = replace(wide, array=wide.array.transpose(3, 1, 2, 0))
        return conv_s16.calls(site, x, wide, place, shape[3], act, dense(place))
    from edgewise.runtime.select import conv_b8
    from edgewise.runtime.select.weights_b8 import Stored

    weights = Stored.of(site, channel_axis=3)
    weights = replace(weights, array=weights.array.transpose(3, 1, 2, 0))
    return conv_b8.calls(site, x, weights, place, shape[3], act, dense(place))


def _body(kh: int, cols: Axis) -> str:
    is_square = kh == cols.kernel in (3, 5) and cols.stride in (1, 2) and cols.dilation == 1
    return f"{kh}x{cols.stride}" if is_square else "any"


def _taps_per_lane(weights: Array, isa: Isa) -> int:
    if isa.lanes == 1:
        return 1
    fits = bool((weights == weights.astype(np.int8)).all())
    return 4 if isa.lanes == 16 and fits else 2


def _starts(channels: int, block: int) -> Array:
    """First channels of the blocks; the last block ends at the last channel."""
    return np.minimum(np.arange(0, channels, block), channels - block)


def _floats(
    weights: Weights, channels: int, block: int
) -> tuple[Value | Array, Value | Array, Sequence[Call]]:
    """[1, KH, KW, O] as [blocks, KH * KW, block]; the bias as [blocks, block]; the copies that lay
    out what is computed."""
    o = weights.array.shape[3]
    taps = weights.array.reshape(-1, o)
    order, before = _starts(channels, block)[:, None] + np.arange(block), list[Call]()
    matrix: Value | Array
    bias: Value | Array
    if weights.source is not None:
        matrix, calls = in_blocks(weights.source.of(taps), channels, block)
        before += calls
    else:
        ordered = np.tile(taps, channels // o)[:, order].transpose(1, 0, 2)
        matrix = np.ascontiguousarray(ordered)
    if weights.added is not None:
        whole = view(weights.added)
        bias, calls = in_blocks(whole.of(whole.elements.reshape(1, o)), channels, block)
        before += calls
    else:
        bias = np.tile(weights.bias, channels // o)[order]
    return matrix, bias, before


def _integers(
    taps: Array, ends: Sequence[Array], channels: int, block: int, lane: int, joins_columns: bool
) -> Sequence[Array]:
    """[KH, KW, O] as the products of blocks, and what is one number per channel in their order."""
    repeats, order = channels // taps.shape[2], _zipped(channels, block)
    products = _products(taps, lane, joins_columns=joins_columns)
    ordered = np.tile(products, repeats)[:, :, order].transpose(2, 0, 3, 1)
    return np.ascontiguousarray(ordered), *(np.tile(a, repeats)[order] for a in ends)


def _bytes(taps: Array) -> tuple[Array, int]:
    """s16 weights as int8 and the zero point that this takes. Raises NotNative."""
    low, high = int(taps.min(initial=0)), int(taps.max(initial=0))
    zero = 0 if low >= -128 and high <= 127 else -128 - low
    require(high + zero <= 127, "the weights' zero points differ too much for 8 bits")
    return (taps + zero).astype(np.int8), zero


def _zipped(channels: int, block: int) -> Array:
    """[blocks, block]: the channels in the order of `v_zip_s16` (simd.h)."""
    eights = np.arange(block).reshape(-1, 2, 4).transpose(1, 0, 2).reshape(-1)
    return np.asarray(_starts(channels, block)[:, None] + eights)


def _products(taps: Array, lane: int, *, joins_columns: bool) -> Array:
    """[KH, KW, O] as [products, lane, O]: taps that are multiplied at once."""
    kh, kw, o = taps.shape
    whole = kh - kh % lane if joins_columns and kh % lane == 1 else kh
    rows = np.zeros((-(-whole // lane) * lane, kw, o), taps.dtype)
    rows[:whole] = taps[:whole]
    found = rows.reshape(-1, lane, kw, o).transpose(0, 2, 1, 3).reshape(-1, lane, o)
    if whole < kh:  # a last row: pairs of its columns, or quads
        last = np.zeros((-(-kw // lane) * lane, o), taps.dtype)
        last[:kw] = taps[-1]
        found = np.concatenate([found, last.reshape(-1, lane, o)])
    return np.asarray(found.astype(np.int8 if lane == 4 else np.int16))
