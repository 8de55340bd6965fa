"""Convolutions of floats by int8 weights: which layers run so, packed weights, tiles.

The kernel quantizes the window of every output pixel (`kernels/rows_h8.h` has the formula), so that
a result depends on its window alone: not on tiles, instruction set, or what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.types import Quant
from edgewise.passes.weight_only import has_scales_of_outputs
from edgewise.runtime.calls import Call, Lines, Packed, Site, float_bounds
from edgewise.runtime.library import Isa, pack
from edgewise.runtime.plan import Target
from edgewise.runtime.select.weights import Array, dense, flat, has_lines, real
from edgewise.runtime.select.weights_b8 import (
    TILE_ROWS,
    TILE_STEPS,
    is_worth_tiles,
    pack_weights,
    pad_channels,
    per_lane,
    staged_bytes,
    whole_tiles,
)
from edgewise.values import dataclass, replace

_KINDS = (DType.INT8, DType.INT4, DType.INT2)
_CHUNK = 16  # EW_CHUNK of gemm_b8.h
_ALIGNMENT = 64  # bytes
_LEAST_K = 36  # that registers multiply: results in float cost more than those in 8 bits
_LEAST_ROWS = 24  # of a tile, which reads all weights
# The same where registers multiply, which is over sooner (resnet50 takes 0.85 of the time of 24).
_LEAST_TILED, _MOST_TILED = 64, 128
# Less costs more to quantize than integers gain. One rule for all instruction sets and batches,
# because results may depend on neither. With AVX-512, AVX2 and SSE2 on a Zen 4 float takes, by
# turns, 1.9, 1.0 and 1.4 times as long for 112x112x16, 1x1 to 96; 1.6, 0.96 and 1.1 for 56x56x16
# to 36; 1.4, 0.89 and 1.3 for 32x32x16, 3x3 to 16; 1.5, 0.99 and 0.9 for 16x16x576, 1x1 to 12; and
# beyond the limits 0.85, 0.69 and 0.9 for 56x56x24 to 16, 1.5, 0.89 and 0.55 for 32x32x144 to 4.
_LEAST_RUN, _LEAST_OUTPUTS, _LEAST_PRODUCTS = 16, 12, 576
_MOST_TAPS = (2**31 - 1) // (255 * 128)  # whose sum of products 32 bits hold


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Weights w * scale of float activations."""

    array: Array  # int8, or a type of a byte with fewer bits [O, ...]
    scales: Array  # float32 [blocks, O]
    block: int  # elements of K that share a scale
    bias: Array  # float32 [O]

    @property
    def is_narrow(self) -> bool:
        """They have 4 bits, or 2."""
        return self.array.dtype != np.int8


def weights_of(
    value: Value, array: Array, bias: Array, *, run: int, outputs: int, axis: int = 0
) -> Hybrid | str:
    """Constant weights [O, ...] of float activations as integers; else why floats are multiplied,
    which is "" where the weights are floats. `run`: neighbours in x that are quantized at once,
    `outputs`: channels of a group, `axis`: that of O where the value is stored."""
    quant = value.quant
    if quant is None or value.dtype in FLOATS:
        return ""
    reasons = (
        (value.dtype not in _KINDS, f"{value.dtype.text} weights"),
        (bool(np.any(quant.zero_point)), "the weights have a zero point"),
        (array[0].size > _MOST_TAPS, f"sums of {array[0].size} products exceed 32 bits"),
        (
            run < _LEAST_RUN or outputs < _LEAST_OUTPUTS or run * outputs < _LEAST_PRODUCTS,
            f"{outputs} outputs of runs of {run} do not pay",
        ),
        (not _fits(value, array, axis), "weights are not quantized by output"),
    )
    for is_so, reason in reasons:
        if is_so:
            return f"in float: {reason}"
    return Hybrid(array, *blocks_of(quant, array), bias)


def _fits(value: Value, array: Array, axis: int) -> bool:
    quant = value.quant
    assert quant is not None
    is_matrix = quant.block_size is None or array.ndim == 2
    return is_matrix and has_scales_of_outputs(quant, axis, 4)


def blocks_of(quant: Quant, array: Array) -> tuple[Array, int]:
    """The scales of weights [O, ...] as float32 [blocks, O], and how many of K share one."""
    scales, block = quant.scale.reshape(1, -1), max(array[0].size, 1)
    if quant.block_size is not None:
        scales, block = quant.scale.T, quant.block_size
    return np.broadcast_to(scales.astype(np.float32), (len(scales), array.shape[0])), block


def of_site(site: Site, run: int, outputs: int, *, w: int = 1, bias: int = 2) -> Hybrid | str:
    """`weights_of` the operands at these places. Raises NotNative."""
    array, value = site.known(site.node.operand(w)), site.node.optional(bias)
    added = None if value is None else site.known(value)
    if array is None or (value is not None and added is None):
        return "weights or biases are computed"
    total = np.zeros(array.shape[0], np.float32)
    if added is not None:
        total = real(site.node.operand(bias), added).reshape(-1)
    return weights_of(site.node.operand(w), array, total, run=run, outputs=outputs)


def product(
    site: Site, weights: Hybrid, fields: dict[str, int], groups: int, act: Activation
) -> Sequence[Call]:
    """x patches @ weights [O, KH, KW, C / groups], plus bias, clamped, into all of y."""
    window, x, y = flat(fields), site.node.operand(0), site.node.output
    whole = call(site, x, weights, window, groups, act, dense(window))
    if not has_lines(x, y, fields):
        return [whole]
    constants = whole.operands[1:-1]

    def lines(x: Value, y: Value, part: dict[str, int]) -> Call:
        part = flat(part)
        params, tiles, elements = _parameters(
            site.target, weights, part, groups, act, dense(part), of_all=window
        )
        operands = (x, *constants, y)
        return replace(
            whole,
            params=params,
            operands=operands,
            n_tiles=tiles.count,
            scratch=tiles.scratch,
            tile_elements=elements,
        )

    return [replace(whole, lines=Lines(fields, lines))]


def call(
    site: Site,
    x: Value,
    weights: Hybrid,
    window: dict[str, int],
    groups: int,
    act: Activation,
    place: dict[str, int],
) -> Call:
    """One convolution, of which pixel (n, i, j) of y lies at `place` (fields of ew_conv_h8)."""
    params, tiles, elements = _parameters(site.target, weights, window, groups, act, place)
    isa = site.target.isa
    matrix = _packed(isa, weights, groups, tiles.steps)
    inputs = (x, matrix, *added(isa, weights, groups), site.node.output)
    why = "x quantized per row"
    return Call("conv_2d_h8", params, inputs, tiles.count, tiles.scratch, elements, why=why)


def _parameters(
    target: Target,
    weights: Hybrid,
    window: dict[str, int],
    groups: int,
    act: Activation,
    place: dict[str, int],
    of_all: dict[str, int] | None = None,
) -> tuple[bytes, _Tiles, int | None]:
    """The call's parameters, its tiles and `Call.tile_elements`. `of_all`: the window of which this
    is a part, whose weights are packed for it."""
    low, high = float_bounds(act)
    o, k = weights.array.shape[0], weights.array[0].size
    tiles = _Tiles.of(window, groups, o, k, weights.block, target, of_all or window)
    params = pack(
        "ew_conv_h8",
        {
            "window": window,
            "groups": groups,
            "rows_per_tile": tiles.rows,
            "panels_per_tile": tiles.panels,
            "block": weights.block,
            "steps": tiles.steps,
            "is_tiled": int(tiles.is_tiled),
            "lines": tiles.lines,
            **place,
            "low": low,
            "high": high,
        },
    )
    is_dense = place["y_line"] == window["ow"] * place["y_pixel"] and not place["y_first"]
    is_dense = is_dense and place["y_pixel"] == o and groups == 1 and tiles.is_whole
    return params, tiles, tiles.rows * o if is_dense else None


def operands(isa: Isa, weights: Hybrid, groups: int) -> tuple[Array | Packed, Array, Array]:
    """Weights, scales and sums as `ew_conv_h8` has them, of as many steps as there must be."""
    scales, _, sums = added(isa, weights, groups)
    return _packed(isa, weights, groups), scales, sums


def _packed(isa: Isa, weights: Hybrid, groups: int, steps: int | None = None) -> Array | Packed:
    array = weights.array.astype(np.int8, copy=False)
    if isa is Isa.SCALAR:
        return array
    return pack_weights(array, groups, 1, isa.lanes, per_lane(isa), steps)[0]


def added(isa: Isa, weights: Hybrid, groups: int) -> tuple[Array, Array, Array]:
    """Scales, biases and sums as `ew_conv_h8` has them."""
    sums = np.zeros((1, 1), np.int32)
    if isa.multiplies_unsigned:
        sums = padded(_sums(weights), groups, isa)
    bias = pad_channels(weights.bias, groups, isa)
    return padded(weights.scales, groups, isa), bias, sums


def _sums(weights: Hybrid) -> Array:
    """int32 [blocks, O]: the sums of the weights of each block."""
    o = weights.array.shape[0]
    flat_rows = weights.array.astype(np.int8, copy=False).reshape(o, -1)
    starts = np.arange(0, flat_rows.shape[1], weights.block)
    return np.add.reduceat(flat_rows, starts, axis=1, dtype=np.int32).T


def padded(rows: Array, groups: int, isa: Isa) -> Array:
    """[blocks, O] as [blocks, O padded], each block as `pad_channels` has it."""
    return np.stack([pad_channels(row, groups, isa).reshape(-1) for row in rows])


@dataclass(frozen=True, slots=True)
class _Tiles:
    """How the product is cut into tiles, and the scratch memory of one."""

    rows: int
    panels: int
    count: int
    scratch: int
    is_whole: bool  # a tile has all panels
    steps: int  # of ew_conv_h8
    is_tiled: bool
    lines: int  # whose ranges are kept

    @classmethod
    def of(
        cls,
        window: dict[str, int],
        groups: int,
        o: int,
        k: int,
        block: int,
        target: Target,
        of_all: dict[str, int],
    ) -> _Tiles:
        """As many rows as keep them and their results in the cache. `of_all`: by whose pixels it is
        decided what multiplies."""
        pixels, isa = window["n"] * window["oh"] * window["ow"], target.isa
        steps = -(-k // per_lane(isa))
        if isa is Isa.SCALAR or pixels == 0:
            return cls(1, 1, groups * pixels, 2 * k, True, steps, False, 0)
        all_pixels = of_all["n"] * of_all["oh"] * of_all["ow"]
        is_tiled = is_worth_tiles(isa, all_pixels, 1, steps) and k >= _LEAST_K
        is_tiled = is_tiled and (block == k or block % (TILE_STEPS * per_lane(isa)) == 0)
        if is_tiled:
            steps = whole_tiles(steps)
        width, element = 2 * isa.lanes, staged_bytes(isa)
        panels = -(-(o // groups) // width)
        of_row = -(-steps * per_lane(isa) // _CHUNK) * _CHUNK * element
        least = _LEAST_ROWS
        if is_tiled:  # all weights are read for every tile, sooner than results leave the cache
            least = min(max(target.block_bytes // of_row, _LEAST_TILED), _MOST_TILED)
        rows = min(max(target.block_bytes // (of_row + 8 + 4 * o), least), pixels)
        if is_tiled:  # whole registers, and no tile that has only what is left
            rows = -(-pixels // -(-pixels // rows))
            rows = min(-(-rows // (2 * TILE_ROWS)) * 2 * TILE_ROWS, pixels)
        per_tile = panels
        if target.threads > 1:
            wanted = -(-target.tiles_per_thread * target.threads // groups)
            rows = min(rows, max(-(-pixels // wanted), min(_LEAST_ROWS, pixels)))
            per_tile = max(-(-panels // -(-wanted // -(-pixels // rows))), 1)
        count = groups * -(-pixels // rows) * -(-panels // per_tile)
        staged = -(-rows // TILE_ROWS) * TILE_ROWS if is_tiled else rows
        lines = _lines(window)
        columns = (window["ow"] - 1) * window["stride_w"] + 1
        columns += (window["kernel_w"] - 1) * window["dilation_w"]
        ranges = lines * (2 * (-(-columns // isa.lanes) + 1) * isa.lanes + 1)
        scratch = 4 * (2 * rows + ranges) + _ALIGNMENT + staged * of_row
        return cls(rows, per_tile, count, scratch, per_tile == panels, steps, is_tiled, lines)


def _lines(window: dict[str, int]) -> int:
    """Lines of x under a window, where a pixel is under several windows; else 0."""
    taps = window["kernel_h"] * window["kernel_w"]
    span = (window["kernel_w"] - 1) * window["dilation_w"]
    if taps <= window["stride_h"] * window["stride_w"] or span > 2 * window["w"]:
        return 0
    return min((window["kernel_h"] - 1) * window["dilation_h"] + 1, window["h"])
