"""8-bit convolutions: weights in panels, tiles of lines, scratch for the lines of x they read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.runtime.calls import Call, Packed, Site, zero_point
from edgewise.runtime.library import Isa, constant, pack
from edgewise.runtime.plan import Target
from edgewise.runtime.select.weights import is_pixelwise
from edgewise.runtime.select.weights_b8 import (
    Array,
    Stored,
    output_range,
    pack_weights,
    pad_channels,
)
from edgewise.values import dataclass

_SLACK = 64  # bytes that staging touches and products read beyond the staged lines
_PIXELS = 2  # whose windows plain C stages
_BLOCK_OF_FEW_ROWS = 64 * 1024  # bytes of weights that make a tile where x has few rows
_TILES_PER_THREAD = 4  # so that a thread which comes late costs little
_LEAST_ROWS = 12  # of a tile made for threads, each of which reads all weights of its panels


def product(
    site: Site, weights: Stored, fields: dict[str, int], groups: int, act: Activation
) -> Sequence[Call]:
    """x patches @ weights [O, KH, KW, C / groups], plus bias, requantized, into all of y."""
    oh, ow, o = fields["oh"], fields["ow"], fields["o"]
    places = {"y_first": 0, "y_image": oh * ow * o, "y_line": ow * o, "y_pixel": o}
    return [call(site, site.node.operand(0), weights, fields, groups, act, places)]


def call(
    site: Site,
    x: Value,
    weights: Stored,
    window: dict[str, int],
    groups: int,
    act: Activation,
    places: dict[str, int],
) -> Call:
    """One convolution, of which pixel (n, i, j) of y lies at `places` (fields of ew_conv_b8)."""
    y, isa = site.node.output, site.target.isa
    is_dense = places["y_line"] == window["ow"] * places["y_pixel"]
    is_dense = is_dense and places["y_image"] == window["oh"] * places["y_line"]
    if is_dense and is_pixelwise(window):
        window = _one_line(window)
    tiles = _Tiles.of(window, groups, weights, site.target)
    low, high = output_range(y, act)
    zero = zero_point(x.type)
    is_signed = x.dtype is DType.INT8
    params = pack(
        "ew_conv_b8",
        {
            "window": window,
            "groups": groups,
            "lines_per_tile": tiles.lines,
            "columns_per_tile": tiles.columns,
            "panels_per_tile": tiles.panels,
            **places,
            "is_signed": int(is_signed),
            "x_zero": zero,
            "w_zero": weights.zero,
            "y_zero": zero_point(y.type),
            "low": low,
            "high": high,
        },
    )
    matrix: Array | Packed = weights.array
    bias: Array | Packed = pad_channels(weights.bias, groups, isa)
    if isa is not Isa.SCALAR:
        matrix, sums = pack_weights(weights.array, groups, _runs(window), isa)
        if isa.lanes == 16:
            bias = _moved_bias(weights, groups, isa, zero + 128 * is_signed, sums)
    operands = (x, matrix, bias, pad_channels(weights.scales, groups, isa), y)
    is_whole = is_dense and places["y_pixel"] == window["o"] and groups == 1
    elements = tiles.run_of(window) if is_whole else None
    return Call("conv_2d_b8", params, operands, tiles.count, tiles.scratch, elements)


def _moved_bias(weights: Stored, groups: int, isa: Isa, zero: int, sums: Array) -> Packed:
    """The bias for x as u8 with this zero point; `sums` of the weights are known by then.

    sum((x - z) * w) = sum(x * w) - z * sum(w) modulo 2**32."""
    k = weights.array.size // weights.array.shape[0]

    def fill(to: Array) -> None:
        moved = weights.bias - zero * (sums.astype(np.int64) - k * weights.zero)
        to[...] = pad_channels(moved.astype(np.int32), groups, isa)

    shape = pad_channels(weights.bias, groups, isa).shape
    return Packed(shape, np.dtype(np.int32), fill)


def _one_line(window: dict[str, int]) -> dict[str, int]:
    """A window of 1x1 without strides has neither lines nor images."""
    m = window["n"] * window["oh"] * window["ow"]
    return {**window, "n": 1, "h": 1, "w": m, "oh": 1, "ow": m}


def _runs(window: dict[str, int]) -> int:
    """Contiguous runs of x that K consists of."""
    return window["kernel_h"] * (1 if window["dilation_w"] == 1 else window["kernel_w"])


@dataclass(frozen=True, slots=True)
class _Tiles:
    """How the product is cut into tiles, and the scratch memory of one."""

    lines: int
    columns: int
    panels: int
    count: int
    scratch: int
    panel: int  # channels of one

    def run_of(self, window: dict[str, int]) -> int | None:
        """Elements of a dense y that a tile writes, where they are one run; see Call."""
        n, oh, ow, o = (window[name] for name in ("n", "oh", "ow", "o"))
        if n * oh * ow == 1:
            return min(self.panels * self.panel, o)
        is_run = self.columns == ow and (n == 1 or oh % self.lines == 0)
        is_run = is_run or n * oh == 1
        return self.lines * self.columns * o if is_run and self.panels * self.panel >= o else None

    @classmethod
    def of(cls, window: dict[str, int], groups: int, weights: Stored, target: Target) -> _Tiles:
        """As many lines of y as keep the staged part of x and the results in the cache."""
        n, oh, ow, o = (window[name] for name in ("n", "oh", "ow", "o"))
        if min(n, oh, ow) == 0:
            return cls(1, 1, 1, 0, 0, 1)
        k = weights.array.size // max(weights.array.shape[0], 1)
        if target.isa is Isa.SCALAR:
            windows = min(ow, _PIXELS) * -(-k // 4) * 4 * 2
            return cls(1, ow, 1, groups * n * oh, windows, o)
        per_group, width = o // groups, 2 * target.isa.lanes
        panels = -(-per_group // width)
        element = 1 if target.isa.lanes == 16 else 2
        c = window["c"] // groups * element

        def staged(lines: int, columns: int) -> int:
            return _span(window, "h", lines) * _span(window, "w", columns) * c

        def fits(lines: int, columns: int) -> bool:
            total = staged(lines, columns) + lines * columns * per_group
            return total <= target.block_bytes

        columns = ow if fits(1, ow) else max(_largest(lambda n: fits(1, n), ow) // 12 * 12, 12)
        columns = min(columns, ow)
        lines = max(_largest(lambda n: fits(n, columns), oh), 1) if columns == ow else 1
        panels_per_tile = panels
        if oh * ow <= 6:
            panels_per_tile = min(panels, max(_BLOCK_OF_FEW_ROWS // max(k * width, 1), 1))
        if target.threads > 1:
            wanted = -(-_TILES_PER_THREAD * target.threads // (groups * n))
            least = _LEAST_ROWS * (2 if target.isa.lanes == 16 else 1)
            if oh > 1:  # rather too many tiles than a few equal ones that divide badly
                lines = min(lines, max(oh // wanted, -(-least // ow)))
            else:
                columns = min(columns, -(-ow // min(wanted, max(ow // least, 1))))
            blocks = -(-oh // lines) * -(-ow // columns)
            if blocks < wanted:
                panels_per_tile = min(panels_per_tile, -(-panels // -(-wanted // blocks)))
        if oh * ow == 1:  # panels are multiplied so many at once
            at_once = constant("EW_GEMV_B8")
            panels_per_tile = min(-(-panels_per_tile // at_once) * at_once, panels)
        sums = lines * columns * 4 if weights.zero else 0
        scratch = _runs(window) * 4 + sums + staged(lines, columns) + _SLACK
        blocks = -(-oh // lines) * -(-ow // columns) * -(-panels // panels_per_tile)
        return cls(lines, columns, panels_per_tile, groups * n * blocks, scratch, width)


def _span(window: dict[str, int], axis: str, count: int) -> int:
    """Staged lines or columns that `count` outputs read (staging_of in conv_b8.c)."""
    kernel = window[f"kernel_{axis}"]
    if kernel == 1:
        return count
    return (count - 1) * window[f"stride_{axis}"] + (kernel - 1) * window[f"dilation_{axis}"] + 1


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that fits, by halving; 0 where none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
