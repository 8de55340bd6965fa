"""8-bit weights as the kernels store them: s8 with one zero point, packed in panels of lanes."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.types import Quant
from edgewise.ops.requant import activation_range
from edgewise.runtime.calls import BYTES_8, Packed, Site, require, require_8_bit, scale
from edgewise.runtime.library import Isa, library, structures
from edgewise.runtime.select.copy import View, view
from edgewise.values import dataclass

Array = np.ndarray

_KINDS = (DType.INT8, DType.UINT8, DType.INT4, DType.INT2)


def channel_quant(value: Value, kinds: Collection[DType], axis: int) -> Quant:
    """How weights of one of these types are quantized: with one scale, or one per index of `axis`.
    Raises NotNative."""
    quant = value.quant
    require(value.dtype in kinds and quant is not None, f"no kernel for {value.dtype.text} weights")
    assert quant is not None
    fits = quant.block_size is None and (not quant.per_channel or quant.axis == axis)
    require(fits, f"weights are not quantized along axis {axis}")
    return quant


@dataclass(frozen=True, slots=True)
class Stored:
    """Weights w - zero, and what turns the sums of each output channel into y.

    `source` has the places of weights that the model computes; `array` is a view of its elements,
    which hold nothing, and whose bytes are to be inverted with `flip`. `added` is a bias that it
    computes, in place of `bias`."""

    array: Array  # int8; uint8 weights are moved by -128
    zero: int
    bias: Array  # int32 [O]
    scales: Array  # float32 [O]: s_x * s_w / s_y
    source: View | None = None
    flip: int = 0
    added: Value | None = None
    is_narrow: bool = False  # they are known, and fit 4 bits

    @classmethod
    def of(cls, site: Site, channel_axis: int, *, x: int = 0, w: int = 1, bias: int = 2) -> Stored:
        """Read and check the operands at these places. Raises NotNative."""
        value, given = site.node.operand(w), site.node.optional(bias)
        array = site.known(value)
        added = None if given is None else site.known(given)
        computed = given if added is None else None
        kinds = _KINDS if array is not None else BYTES_8
        require_8_bit(site.node.operand(x))
        require_8_bit(site.node.output)
        quant = channel_quant(value, kinds, channel_axis)
        points = quant.zero_point.reshape(-1)
        zero = int(points[0]) if points.size else 0
        is_one = bool((points == zero).all()) and abs(zero) < 1 << 15
        require(is_one, "the weights have several zero points, or one out of range")
        require(added is None or added.dtype.kind == "i", "biases are not integers")
        require(computed is None or computed.dtype is DType.INT32, "a computed bias is no int32")
        source = None
        if array is None:
            source = view(value)
            array = source.elements
        o = array.shape[channel_axis]
        total = np.zeros(o, np.int32) if added is None else added.reshape(-1).astype(np.int32)
        # the order of the reference's float32 operations (ops/scaled.py)
        s_x, s_y = scale(site.node.operand(x).type), scale(site.node.output.type)
        scales = (s_x * quant.scale.reshape(-1)).astype(np.float32) / s_y
        require(bool(np.isfinite(scales).all()), "the scales' quotient is not finite")
        if scales.size != o:
            scales = np.broadcast_to(scales, (o,))
        is_moved = value.dtype is DType.UINT8
        zero -= 128 * is_moved
        if source is not None:
            return cls(array, zero, total, scales, source, 128 * is_moved, computed)
        if is_moved:
            array = (array ^ np.uint8(128)).view(np.int8)
        is_narrow = value.dtype.bits <= 4
        array = array.astype(np.int8, copy=False)
        return cls(array, zero, total, scales, added=computed, is_narrow=is_narrow)


def output_range(y: Value, act: Activation) -> tuple[int, int]:
    """The stored integers that a fused activation lets through. Raises NotNative for TANH."""
    require(act is not Activation.TANH, "the fused activation TANH has no kernel")
    return activation_range(act, y.type)


def pack_weights(
    array: Array, groups: int, runs: int, lanes: int, step: int, steps: int | None = None
) -> tuple[Packed, Array]:
    """Weights [O, ...] whose K is `runs` runs, as `ew_conv_layout` has them for vectors of `lanes`
    with `step` elements each; and their sums int32 [O], known when the weights are filled in. A
    run is filled up with zeros to `steps` (None: where its last step ends)."""
    outputs, panel = array.shape[0], 2 * lanes
    per_group, length = outputs // groups, array.size // max(outputs * runs, 1)
    steps = -(-length // step) if steps is None else steps
    shape = (groups, -(-per_group // panel), runs, steps, panel, step)
    sums = np.zeros(outputs, np.int32)

    def fill(packed: Array) -> None:
        buffer = structures().from_buffer
        library().ew_pack_b8(
            buffer("int8_t[]", packed, require_writable=True),
            buffer("int32_t[]", sums, require_writable=True),
            buffer("uint8_t[]", np.ascontiguousarray(array)),
            *(0, outputs, per_group, runs, length, panel, step, steps),
        )

    return Packed(shape, np.dtype(np.int8), fill), sums


def narrowed(panels: Packed) -> Packed:
    """Panels of `pack_weights` whose elements have 4 bits, as `ew_conv_b8` has them."""
    *before, columns, step = panels.shape
    half = columns * step // 2

    def fill(packed: Array) -> None:
        wide = np.empty(panels.shape, np.int8)
        panels.fill(wide)
        first, second = np.moveaxis(wide.view(np.uint8).reshape(*before, 2, half) + 8, -2, 0)
        packed[...] = second << 4
        packed |= first

    return Packed((*before, half), np.dtype(np.uint8), fill)


def per_lane(isa: Isa) -> int:
    """Elements of K that one lane of a product holds (EW_PER_LANE of simd_b8.h)."""
    return 4 if isa.multiplies_unsigned else 2


def staged_bytes(isa: Isa) -> int:
    """Of an element of x as products read it (ew_staged of gemm_b8.h)."""
    return 4 // per_lane(isa)


# of a tile register, as gemm_amx.h has them: rows that are worth one, its rows, its steps along K
LEAST_TILE_ROWS, TILE_ROWS, TILE_STEPS = 5, 16, 16


def is_worth_tiles(isa: Isa, rows: int, runs: int, steps: int) -> bool:
    """Whether tile registers multiply so many rows faster than vectors do, by so many runs of so
    many steps: in cycles per 32 rows and columns, as measured on Sapphire Rapids."""
    tiles = 68 + 64 * runs * -(-steps // TILE_STEPS)
    return isa is Isa.AMX and rows >= LEAST_TILE_ROWS and tiles < 32 * runs * steps


def whole_tiles(steps: int) -> int:
    """As many steps along K as fill tile registers."""
    return -(-steps // TILE_STEPS) * TILE_STEPS


def pad_channels(rows: Array, groups: int, isa: Isa) -> Array:
    """[O] as [groups, O / groups, rounded up to whole panels where there are vectors]."""
    panel = 1 if isa.lanes == 1 else 2 * isa.lanes
    per_group = rows.size // groups
    if per_group % panel == 0:
        return rows.reshape(groups, per_group)
    padded = np.zeros((groups, -(-per_group // panel) * panel), rows.dtype)
    padded[:, :per_group] = rows.reshape(groups, per_group)
    return padded
