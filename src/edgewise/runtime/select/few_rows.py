"""Fully connected layers of few rows by integer weights, which stay as narrow as a file has them.

Such a layer takes the time that its weights take from memory: half as many bytes, half the time.
Many rows would unpack each weight many times; theirs have a byte (conv_h8.py), or are floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ops.dense_by_integers import DenseByIntegers
from edgewise.passes.weight_only import EIGHT, MOST_ROWS, has_scales_of_outputs
from edgewise.runtime.calls import Call, Packed, Site, float_bounds, require, shape_of
from edgewise.runtime.library import Fields, Isa, library, pack, structures
from edgewise.runtime.plan import Target
from edgewise.runtime.select.conv_h8 import Hybrid, blocks_of, padded
from edgewise.runtime.select.weights import Array, real
from edgewise.runtime.select.weights_b8 import pad_channels, per_lane, staged_bytes


def takes(weights: Hybrid, window: Mapping[str, int]) -> bool:
    """Whether a hybrid layer with this window (fields of ew_window) is one of few rows by weights
    of 4 bits."""
    k = weights.array[0].size
    is_whole = weights.block == k or weights.block % EIGHT == 0
    is_row = window["h"] * window["w"] * window["kernel_h"] * window["kernel_w"] == 1
    return weights.is_narrow and is_whole and is_row and 0 < window["n"] <= MOST_ROWS


def hybrid(site: Site, weights: Hybrid, rows: int, act: Activation) -> Sequence[Call]:
    """x [rows, K], quantized on the way, @ weights [O, K], plus bias, clamped. Raises NotNative."""
    isa, array = site.target.isa, weights.array.reshape(len(weights.array), -1)
    tiles, fields = _tiles(site.target, rows, array, weights.block, act)
    k, width = array.shape[1], staged_bytes(isa)
    staged = k if isa is Isa.SCALAR else -(-k // EIGHT) * EIGHT
    matrix, sums = _packed(_bytes(array), weights.block, isa)
    scales, bias = padded(weights.scales, 1, isa), pad_channels(weights.bias, 1, isa)
    operands = (site.node.operand(0), matrix, scales, bias, sums, site.node.output)
    why, scratch = "x quantized per row, 4-bit weights", rows * (8 + staged * width)
    return [Call("dense_h4", pack("ew_dense_h4", fields), operands, tiles, scratch, why=why)]


def by_integers(site: Site) -> Sequence[Call]:
    """DenseByIntegers: the same in floats, by weights of 8 or 4 bits."""
    op, (x, w) = site.node.op, (site.node.operand(i) for i in (0, 1))
    assert isinstance(op, DenseByIntegers)
    array, quant, added = site.constant(1, "weights"), w.quant, site.optional_constant(2, "biases")
    assert quant is not None
    is_fit = has_scales_of_outputs(quant, 0, EIGHT) and not quant.zero_point.any()
    require(is_fit, "weights have zero points, or scales along another axis")
    (o, k), isa, (scales, block) = array.shape, site.target.isa, blocks_of(quant, array)
    bias = np.zeros(o, np.float32)
    if added is not None:
        bias = real(site.node.operand(2), added).reshape(-1)
    rows, bits = int(np.prod(shape_of(x), dtype=np.int64)) // k, 8 if w.dtype.bits == 8 else 4
    tiles, fields = _tiles(site.target, rows, array, block, op.fused_activation_function)
    ends = padded(scales, 1, isa), pad_channels(bias, 1, isa)
    operands = (x, _widened(_bytes(array), bits, isa), *ends, site.node.output)
    params = pack("ew_dense_w", {**fields, "bits": bits})
    return [Call("dense_w", params, operands, tiles, why=f"{bits}-bit weights")]


def _tiles(
    target: Target, rows: int, array: Array, block: int, act: Activation
) -> tuple[int, Fields]:
    """How many tiles there are, and the fields that both kernels have."""
    (low, high), (o, k) = float_bounds(act), array.shape
    columns = 1 if target.isa is Isa.SCALAR else 2 * target.isa.lanes
    panels, wanted = -(-o // columns), 1
    if target.threads > 1:
        wanted = target.tiles_per_thread * target.threads
    per_tile = 1 if target.isa is Isa.SCALAR else max(-(-panels // wanted), 1)
    fields: Fields = {"rows": rows, "k": k, "o": o, "block": block, "panels_per_tile": per_tile}
    return -(-panels // per_tile), {**fields, "low": low, "high": high}


def _bytes(array: Array) -> Array:
    """The integers, of which the low bits count."""
    is_kept = array.dtype in (np.int8, DType.INT4.numpy)
    return (array if is_kept else array.astype(np.int8)).view(np.uint8)


def _packed(array: Array, block: int, isa: Isa) -> tuple[Array | Packed, Array]:
    """Weights [O, K] and their sums as `ew_dense_h4` has them."""
    if isa is Isa.SCALAR:
        return _nibbles(array), np.zeros((1, 1), np.int32)
    (o, k), columns = array.shape, 2 * isa.lanes
    panels = -(-o // columns)
    sums = np.zeros((-(-k // block), panels * columns), np.int32)

    def fill(found: Array) -> None:
        buffer = structures().from_buffer
        library().ew_pack_h4(
            buffer("uint32_t[]", found, require_writable=True),
            buffer("int32_t[]", sums, require_writable=True),
            buffer("uint8_t[]", np.ascontiguousarray(array)),
            *(o, k, block, columns, per_lane(isa)),
        )

    return Packed((panels, -(-k // EIGHT), columns), np.dtype(np.uint32), fill), sums


def _widened(array: Array, bits: int, isa: Isa) -> Array | Packed:
    """Weights [O, K] as `ew_dense_w` has them."""
    if isa is Isa.SCALAR:
        return _nibbles(array) if bits == 4 else array
    (o, k), columns = array.shape, 2 * isa.lanes

    def fill(found: Array) -> None:
        buffer = structures().from_buffer
        target = buffer("uint8_t[]", found, require_writable=True)
        source = buffer("uint8_t[]", np.ascontiguousarray(array))
        library().ew_pack_w(target, source, o, k, columns, bits)

    of_column = k if bits == 8 else -(-k // EIGHT) * 4
    return Packed((-(-o // columns), of_column, columns), np.dtype(np.uint8), fill)


def _nibbles(array: Array) -> Array:
    """[O, K] as bytes of two, moved by 8, the first in the low bits."""
    moved = np.full((len(array), -(-array.shape[1] // 2) * 2), 8, np.uint8)
    moved[:, : array.shape[1]] = array & 15 ^ 8
    return np.asarray(moved[:, ::2] | moved[:, 1::2] << 4)
