"""Float32 convolutions with products of bfloat16: by the tile registers of AMX, by vdpbf16ps or by
bfmmla, all of which take what lies as AMX wants it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.runtime.calls import BY_BF16, Call, Lines, Packed, Site, float_bounds
from edgewise.runtime.library import Fields, Isa, constant, library, pack, structures
from edgewise.runtime.plan import Target
from edgewise.runtime.select.conv_tiles import Layout, Tiles, is_dense
from edgewise.runtime.select.weights import Array, Weights, dense, flat
from edgewise.runtime.select.weights_b8 import LEAST_TILE_ROWS, TILE_ROWS, TILE_STEPS, pad_channels
from edgewise.values import dataclass, replace

_RUN = 2 * TILE_STEPS  # elements of x that a register's row has
_FEW_CHANNELS = 16  # with less, half of a register's row would be zeros: they are gathered
# products made per product that counts: registers make 16 in a vector's time, vdpbf16ps makes two,
# bfmmla four, or two where only half of the units know it; what columns waste, vectors waste, too
MOST_WASTE = {Isa.AVX512_BF16: 2.0, Isa.AMX: 8.0, Isa.NEON_BF16: 1.5}
_FINITE = 3.38e38  # rounds to a finite bfloat16
_MANY_WEIGHTS = 1 << 19  # bytes; more come from the third-level cache for every tile
_MOST_STAGED = 1 << 20  # bytes of the least tile


@dataclass(frozen=True, slots=True)
class _Staging:
    """How a tile's part of x lies in scratch (`staging` of conv_bf16.c)."""

    is_gathered: bool
    runs: int
    length: int  # of a run, elements
    planes: int
    more_lines: int  # of a plane than a tile has lines
    more_columns: int

    @classmethod
    def of(cls, window: dict[str, int], groups: int) -> _Staging:
        kernel_h, kernel_w = window["kernel_h"], window["kernel_w"]
        c = window["c"] // groups
        if c < _FEW_CHANNELS and kernel_h * kernel_w > 1:
            return cls(True, 1, kernel_h * kernel_w * c, 1, 0, 0)
        (planes_h, more_lines), (planes_w, more_columns) = (_planes(window, axis) for axis in "hw")
        return cls(False, kernel_h * kernel_w, c, planes_h * planes_w, more_lines, more_columns)

    @property
    def pixel(self) -> int:
        """Elements of a staged pixel."""
        return -(-self.length // _RUN) * _RUN

    def nbytes(self, lines: int, columns: int) -> int:
        """Of a tile's staged pixels."""
        pixels = (lines + self.more_lines) * (columns + self.more_columns)
        return self.planes * pixels * self.pixel * 2


def _planes(window: dict[str, int], axis: str) -> tuple[int, int]:
    span = (window[f"kernel_{axis}"] - 1) * window[f"dilation_{axis}"]
    stride = window[f"stride_{axis}"]
    return min(stride, span + 1), span // stride


def pays(target: Target, weights: Weights, window: dict[str, int], groups: int) -> bool:
    """Whether the registers gain by it, where they multiply bfloat16 (`Target.multiplies_bf16`)."""
    is_known = weights.source is None and weights.added is None and weights.array.size > 0
    if not is_known:
        return False
    rows = window["n"] * window["oh"] * window["ow"]
    if rows < LEAST_TILE_ROWS:  # most of a register would be empty
        return False
    staging, per_group = _Staging.of(window, groups), window["o"] // groups
    if staging.nbytes(1, min(window["ow"], _RUN)) > _MOST_STAGED:
        return False
    pixels, one = window["oh"] * window["ow"], TILE_ROWS
    columns_made = -(-per_group // one) * one
    if target.isa is Isa.AVX512_BF16:  # neither rows nor runs are filled up
        made = pixels * columns_made * (staging.length + staging.length % 2)
    else:
        pixels_made = -(-window["oh"] * (window["ow"] + staging.more_columns) // one) * one
        made = pixels_made * columns_made * staging.pixel
    if made > MOST_WASTE[target.isa] * pixels * per_group * staging.length:
        return False
    w, taps = weights.array, window["kernel_h"] * window["kernel_w"]
    # padding is multiplied, and zero times infinity is NaN
    return taps == 1 or bool(w.max() < _FINITE and w.min() > -_FINITE)


def calls(
    site: Site,
    x: Value,
    weights: Weights,
    window: dict[str, int],
    groups: int,
    act: Activation,
    places: dict[str, int],
    why: str = "",
    lines: dict[str, int] | None = None,
) -> Sequence[Call]:
    """The call for x and a result whose pixels lie as `places` says (of ew_conv_layout). `lines`:
    the window whose lines may be computed alone."""
    staging, target = _Staging.of(window, groups), site.target
    low, high = float_bounds(act)
    matrix = _packed(weights.array, groups, staging.runs, staging.pixel // 2)
    bias = pad_channels(weights.bias, groups, Isa.AMX)
    why = "; ".join(filter(None, (why, BY_BF16)))

    def call(x: Value, y: Value, window: dict[str, int], places: dict[str, int]) -> Call:
        if is_dense(window, places):
            window = flat(window)
        layout = _layout(window, groups, places, staging, target)
        fields: Fields = {
            "layout": layout.fields,
            "x_type": _type(x),
            "y_type": _type(y),
            "is_gathered": int(staging.is_gathered),
            "steps": staging.pixel // 2,
            "low": low,
            "high": high,
        }
        lines, columns = layout.tiles.lines, layout.tiles.columns
        rows = lines * (columns + staging.more_columns)
        scratch = staging.nbytes(lines, columns) + TILE_ROWS * staging.pixel * 2 + 192
        scratch += 4 * (staging.runs + rows)
        if staging.is_gathered:
            spans = (_span(window, "h", lines), _span(window, "w", columns))
            scratch += 2 * spans[0] * spans[1] * (window["c"] // groups)
        params, operands = pack("ew_conv_bf16", fields), (x, matrix, bias, y)
        elements = layout.tile_elements
        return Call(
            "conv_2d_bf16", params, operands, layout.tiles.count, scratch, elements, why=why
        )

    last = call(x, site.node.output, window, places)
    if lines is None:
        return [last]
    return [replace(last, lines=Lines(lines, lambda x, y, part: call(x, y, part, dense(part))))]


def _type(value: Value) -> int:
    return constant("EW_TYPE_bf16" if value.dtype is DType.BFLOAT16 else "EW_TYPE_f32")


def _span(window: dict[str, int], axis: str, outputs: int) -> int:
    """Lines or columns of x, padding included, under so many of y."""
    taps = (window[f"kernel_{axis}"] - 1) * window[f"dilation_{axis}"]
    return (outputs - 1) * window[f"stride_{axis}"] + taps + 1


def _layout(
    window: dict[str, int],
    groups: int,
    places: dict[str, int],
    staging: _Staging,
    target: Target,
) -> Layout:
    """Tiles of which the staged pixels and the results stay in the second-level cache; where the
    weights do not, as few tiles as there are, because each of them reads all weights."""
    shape = {**window, "c": staging.pixel * groups}
    if staging.is_gathered:
        ones = ("kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w")
        shape |= dict.fromkeys(ones, 1)
    k = staging.runs * staging.pixel * 2  # bytes
    result, blocks = (0, 4) if k * window["o"] > _MANY_WEIGHTS else (4, 2)
    target = replace(target, isa=Isa.AMX, block_bytes=blocks * target.block_bytes)
    tiles = Tiles.of(shape, groups, k, target, 2, result, 2 * TILE_ROWS)
    return Layout(window, groups, places, is_dense(window, places), tiles)


def _packed(array: Array, groups: int, runs: int, steps: int) -> Packed:
    """Weights [O, ...] as ew_conv_bf16 has them."""
    outputs, per_group = array.shape[0], array.shape[0] // groups
    length = array.size // (outputs * runs)
    shape = (groups, -(-per_group // 32), runs, steps // TILE_STEPS, 2, TILE_STEPS, TILE_ROWS, 2)

    def fill(packed: Array) -> None:
        buffer = structures().from_buffer
        library().ew_pack_bf16(
            buffer("uint16_t[]", packed, require_writable=True),
            buffer("float[]", np.ascontiguousarray(array)),
            *(outputs, per_group, runs, length, steps),
        )

    return Packed(shape, np.dtype(np.uint16), fill)
