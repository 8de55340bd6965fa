"""Float32 products of patches and weights: packed panels and tiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType
from edgewise.runtime.calls import Call, Lines, Packed, Site, float_bounds, is_float, require
from edgewise.runtime.library import Isa, constant, library, pack, structures
from edgewise.runtime.plan import Precision, Target
from edgewise.runtime.select import computed
from edgewise.runtime.select.computed import panels_of
from edgewise.runtime.select.pad import padded
from edgewise.runtime.select.weights import Array, Weights, dense, flat, has_lines
from edgewise.values import dataclass, replace

_ROWS = {1: 4, 4: 4, 8: 6, 16: 14}  # by lanes: of the common micro-kernel
_SMALL_BYTES = 16 * 1024  # half of a first-level cache
# Weights that are read anew for every tile, from the third-level cache or beyond, and the least
# pixels that read them. Of x, which may leave the second level meanwhile, no more is read then.
_FAR_BYTES, _LEAST_ROWS = 1 << 20, 64
# types of 16 bits that instruction sets widen as they load them
_BOTH = ("f16", "bf16")
NARROW = {isa: _BOTH if isa.lanes > 4 else ("bf16",) for isa in Isa if isa.lanes > 1}
_FEW = 4096  # weights whose size does not matter
# Of an image that is staged with its padding, and products of a vector of weights by an element: a
# microsecond of work, which no two threads share.
_STAGED_BYTES, _STAGED_PRODUCTS = 8 * 1024, 8 * 1024


def product(
    site: Site,
    weights: Weights,
    fields: dict[str, int],
    groups: int,
    act: Activation,
    why: str = "",
) -> Sequence[Call]:
    """x patches @ weights [O, ...], plus bias, clamped. `why`: see Call."""
    window = flat(fields)
    x = site.node.operand(0)
    lines = fields if has_lines(x, site.node.output, fields) else None
    return calls(site, x, weights, window, groups, act, dense(window), why, lines)


def calls(
    site: Site,
    x: Value,
    weights: Weights,
    window: dict[str, int],
    groups: int,
    act: Activation,
    place: dict[str, int],
    why: str = "",
    lines: dict[str, int] | None = None,
) -> Sequence[Call]:
    """The call for x and a result whose pixels lie as `place` says (the fields y_...), and before
    it those that pack what is computed. `lines`: the window whose lines may be computed alone."""
    if site.target.multiplies_bf16:
        from edgewise.runtime.select import conv_bf16

        if conv_bf16.pays(site.target, weights, window, groups):
            return conv_bf16.calls(site, x, weights, window, groups, act, place, why, lines)
    require(is_float(x, site.node.output), "no kernel for bfloat16")
    low, high = float_bounds(act)
    o = weights.array.shape[0] // groups
    k = weights.array.size // weights.array.shape[0]
    x, window, widening = _widened(x, window, 4 * k * o, _ROWS[site.target.isa.lanes])
    lanes, array, source = site.target.isa.lanes, weights.array, weights.source
    kind = "f32" if source is not None else _narrowest(array, site.target.isa)
    if source is not None:
        why = "; ".join(filter(None, (why, "computed weights")))
    elif kind != "f32":
        why = "; ".join(filter(None, (why, f"{kind} weights")))
    elif _is_rounded(array, site.target):
        array, kind = _rounded(array), "bf16"
        why = "; ".join(filter(None, (why, "weights rounded to bf16")))
    matrix, bias, before = packed(replace(weights, array=array), groups, lanes, kind)

    def call(x: Value, y: Value, window: dict[str, int], place: dict[str, int]) -> Call:
        staged = _staged(site.target, window, groups, k, o)
        tiles = _Tiles.of(site.target, window, groups, k, o, is_staged=staged > 0)
        params = pack(
            "ew_conv_2d_f32",
            {
                "window": window,
                "groups": groups,
                "rows_per_tile": tiles.rows,
                "columns_per_tile": tiles.columns,
                "panels_per_tile": tiles.panels,
                "is_staged": int(staged > 0),
                "w_type": constant(f"EW_TYPE_{kind}"),
                **place,
                "low": low,
                "high": high,
            },
        )
        is_dense = place["y_pixel"] == window["o"] and place["y_line"] == window["ow"] * window["o"]
        elements = tiles.elements if is_dense and not place["y_first"] else None
        operands = (x, matrix, bias, y)
        return Call("conv_2d_f32", params, operands, tiles.count, staged, elements, why=why)

    last = call(x, site.node.output, window, place)
    if lines is not None and not widening:
        some = Lines(lines, lambda x, y, part: call(x, y, flat(part), dense(flat(part))))
        last = replace(last, lines=some)
    return [*widening, *before, last]


def _staged(target: Target, window: dict[str, int], groups: int, k: int, o: int) -> int:
    """Bytes of an image with its padding, where few pixels are multiplied by few weights.

    Else pixels near the border are multiplied on their own, by fewer taps: a call of a micro-kernel
    for each of their kinds, where an image has hardly any others. Memory is what the scalar build
    is short of.
    """
    taps = window["kernel_h"] * window["kernel_w"]
    if groups != 1 or taps == 0 or target.isa.lanes == 1:
        return 0
    sides = [
        (window[out] - 1) * window[f"stride_{axis}"]
        + (window[f"kernel_{axis}"] - 1) * window[f"dilation_{axis}"]
        + 1
        for out, axis in (("oh", "h"), ("ow", "w"))
    ]
    pads = window["pad_top"], window["pad_left"]
    sizes = window["h"], window["w"]
    if all(pad == 0 and side <= size for pad, side, size in zip(pads, sides, sizes, strict=True)):
        return 0
    nbytes = 4 * sides[0] * sides[1] * window["c"]
    products = window["oh"] * window["ow"] * k * _divide_up(o, target.isa.lanes)
    is_small = nbytes <= _STAGED_BYTES and products <= _STAGED_PRODUCTS
    return nbytes if is_small else 0


def _widened(
    x: Value, window: dict[str, int], nbytes: int, rows: int
) -> tuple[Value, dict[str, int], Sequence[Call]]:
    """x with zeros beside it where lines of y are short and the weights' bytes many, its window,
    and the call that makes it.

    Without padding, a line is one block of the micro-kernel. Else it is one of fewer pixels and the
    pixels at both ends, and the weights are read for each; those of the corners by so few pixels
    that all weights pass by (3x3 of 7x7x512 by 512: 1.4 times as fast; of 14x14x256 1.05; AVX-512).
    """
    taps = (window["kernel_w"] - 1) * window["dilation_w"]
    left, w = window["pad_left"], window["w"]
    wide = max((window["ow"] - 1) * window["stride_w"] + taps + 1, left + w)
    if window["ow"] > rows or nbytes <= _FAR_BYTES or left < 0 or wide == w:
        return x, window, []
    n, h, c = window["n"], window["h"], window["c"]
    y = Value(TensorType((n, h, wide, c), DType.FLOAT32), "widened")
    call = padded(x, y, (0, 0, left, 0), np.zeros(1, np.float32))
    return y, {**window, "w": wide, "pad_left": 0}, [call]


def packed(
    weights: Weights, groups: int, lanes: int, kind: str = "f32"
) -> tuple[Value | Packed, Value | Array, Sequence[Call]]:
    """Weights [groups * O, ...] and biases as `ew_conv_2d_f32` takes them, and the calls that pack
    what is computed."""
    array, before = weights.array, list[Call]()
    o, k = array.shape[0] // groups, array.size // array.shape[0]
    bias: Value | Array
    if weights.added is not None:
        bias, more = computed.packed_bias(weights.added, groups, lanes)
        before += more
    else:
        bias = np.zeros((groups, _divide_up(o, lanes) * lanes), np.float32)
        bias[:, :o] = weights.bias.reshape(groups, o)
    if weights.source is None or k == 0:
        return pack_panels(array.reshape(groups, o, k), lanes, kind), bias, before
    matrix, more = computed.packed(weights.source.of(array), groups, lanes)
    return matrix, bias, [*before, *more]


def _narrowest(array: Array, isa: Isa) -> str:
    """f16 or bf16 where all weights are numbers of it, else f32: results do not depend on it."""
    if array.size < _FEW:
        return "f32"
    few = array.reshape(-1)[:256]
    kinds = (k for k in NARROW.get(isa, ()) if _holds(k, few) and _holds(k, array))
    return next(kinds, "f32")


def _is_rounded(array: Array, target: Target) -> bool:
    is_asked = target.precision is Precision.BFLOAT16 and array.size >= _FEW
    return is_asked and "bf16" in NARROW.get(target.isa, ())


def _rounded(array: Array) -> Array:
    """The nearest numbers of bfloat16, halves to even."""
    bits = array.view(np.uint32)
    nearest = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(array), np.float32(np.nan), nearest.view(np.float32))


def _holds(kind: str, array: Array) -> bool:
    """All numbers are finite ones of float16, or such of bfloat16."""
    if kind == "bf16":
        return not np.any(array.view(np.uint32) & 0xFFFF)
    is_inside = bool(np.all(np.abs(array) <= np.float32(65504)))
    return is_inside and np.array_equal(array.astype(np.float16), array)


def pack_panels(matrix: Array, lanes: int, kind: str = "f32") -> Packed:
    """Weights [G, O, K] in panels: [G, K * (O rounded up to vectors)]; 16 bits of `kind` each."""
    groups, o, k = matrix.shape
    shape = (groups, k * _divide_up(o, lanes) * lanes)

    def fill(packed: Array) -> None:
        ffi = structures()
        floats = packed if kind == "f32" else np.empty(shape, np.float32)
        source = ffi.from_buffer("float[]", np.ascontiguousarray(matrix))
        target = ffi.from_buffer("float[]", floats, require_writable=True)
        library().ew_pack_f32(source, groups, o, k, lanes, target)
        if kind == "bf16":
            packed[...] = floats.view(np.uint32) >> 16
        elif kind == "f16":
            packed[...] = floats.astype(np.float16).view(np.uint16)

    return Packed(shape, np.dtype(np.float32 if kind == "f32" else np.uint16), fill)


def _divide_up(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Output rows, columns and panels of a tile, and how many tiles there are.

    A tile's activations fit a part of the second-level cache, and are read there once per panel.
    Small tiles for weights that fit the first level cost 1 to 6 % of such convolutions (Zen 3); so
    they keep a least size. Threads divide the pixels: each reads of x what it wrote itself, and all
    weights. Only where these are much larger than x and y, they divide them, and read each other's
    part of x, at half the rate at which weights come from the third-level cache (Xeon).
    """

    rows: int
    columns: int
    panels: int
    count: int
    elements: int | None

    @classmethod
    def of(
        cls, target: Target, window: dict[str, int], groups: int, k: int, o: int, *, is_staged: bool
    ) -> _Tiles:
        """For weights [groups, o, k]; where x is staged, an image is a tile."""
        lines, ow, c = window["n"] * window["oh"], window["ow"], window["c"] // groups
        pixels, panels = lines * ow, panels_of(o, target.isa.lanes)
        if pixels == 0:
            return cls(1, 1, panels, 0, None)
        if is_staged:
            return cls(window["oh"], ow, panels, window["n"], window["oh"] * ow * o)
        is_small = 4 * k * o <= _SMALL_BYTES
        budget = max(target.block_bytes, _SMALL_BYTES if is_small else 0)
        step = _ROWS[target.isa.lanes]
        least = _LEAST_ROWS if 4 * k * o > _FAR_BYTES else step
        most = max(budget // (4 * c * window["stride_h"] * window["stride_w"]), least)
        blocks, parts = _divide_up(pixels, most), 1
        if target.threads > 1:
            wanted = _divide_up(target.tiles_per_thread * target.threads, groups)
            read = pixels * c * window["stride_h"] * window["stride_w"]
            if k * o > 2 * (read + pixels * o):
                parts = min(_divide_up(wanted, blocks), panels)
            else:  # as many tiles for each thread
                most = max(min(wanted, pixels // (4 * step)), min(target.threads, pixels // step))
                blocks = _divide_up(max(blocks, most), target.threads) * target.threads
        per_tile = _divide_up(panels, parts)
        if parts > 1 and pixels == 1:
            per_tile = _divide_up(per_tile, constant("EW_GEMV")) * constant("EW_GEMV")
        rows, columns = _divide_up(lines, blocks), ow
        if blocks > lines:
            columns = _divide_up(ow, _divide_up(blocks, lines))
            if target.threads == 1 or columns > 4 * step:
                columns = min(_divide_up(columns, step) * step, ow)
        count = groups * _divide_up(lines, rows) * _divide_up(ow, columns)
        count *= _divide_up(panels, per_tile)
        is_dense = groups == 1 and per_tile == panels and (columns == ow or lines == 1)
        return cls(rows, columns, per_tile, count, rows * columns * o if is_dense else None)
