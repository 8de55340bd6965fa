"""Simulated quantization: pairs of QUANTIZE and DEQUANTIZE with the quantization on the values.

Source: tensorflow/core/ops/array_ops.cc, core/kernels/{fake_quant_ops_functor,
quantize_and_dequantize_op}.h, TensorFlow 2.21. Ties are rounded away from 0, as QUANTIZE does;
FakeQuant rounds them up, QuantizeAndDequantize to even by default.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.decompose.functions import scaled
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value
from edgewise.ir.types import Quant


def _fake_quant_args(c: Context, node: TFNode, x: Value) -> Value:
    """as FakeQuantWithMinMaxVars"""
    return _fake_quant(c, node, x, attrs.real(node, "min", -6.0), attrs.real(node, "max", 6.0))


def _fake_quant_vars(c: Context, node: TFNode, x: Value, low: Value, high: Value) -> Value:
    """8 bits: QUANTIZE and DEQUANTIZE of int8, a narrow range after MAXIMUM; else FAKE_QUANT"""
    ends = (float(c.array(v, "its range").reshape(-1)[0]) for v in (low, high))
    return _fake_quant(c, node, x, *ends)


def _fake_quant(c: Context, node: TFNode, x: Value, low: float, high: float) -> Value:
    bits, narrow = attrs.integer(node, "num_bits", 8), attrs.flag(node, "narrow_range", False)
    if bits != 8 and not narrow:
        return c.b.fake_quant(x, min=low, max=high, num_bits=bits)
    if bits == 8:
        return _paired(c, x, _nudged(np.array([low]), np.array([high]), narrow), narrow)
    raise Unsupported(f"a narrow range of {bits} bits; use 8 bits, or the full range")


def _fake_quant_channels(c: Context, node: TFNode, x: Value, low: Value, high: Value) -> Value:
    """along the last axis; 8 bits only"""
    bits, narrow = attrs.integer(node, "num_bits", 8), attrs.flag(node, "narrow_range", False)
    if bits != 8:
        raise Unsupported(f"{bits} bits per channel; use 8")
    ends = [c.array(v, "its range").reshape(-1).astype(np.float32) for v in (low, high)]
    return _paired(c, x, _nudged(ends[0], ends[1], narrow, len(x.shape) - 1), narrow)


def _nudged(low: np.ndarray, high: np.ndarray, narrow: bool, axis: int | None = None) -> Quant:
    """The int8 quantization of a range, moved so that 0 is a step (`Nudge`)."""
    first = np.float32(1 if narrow else 0)
    low, high = low.astype(np.float32), high.astype(np.float32)
    scale = (high - low) / (np.float32(255) - first)
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise Unsupported("its range is empty or infinite; train the quantization before exporting")
    zero = np.clip(first - low / scale, first, np.float32(255))
    return Quant(scale, np.floor(zero + np.float32(0.5)).astype(np.int64) - 128, axis)


def _paired(c: Context, x: Value, quant: Quant, narrow: bool = False) -> Value:
    """x in int8 and back; a constant is stored in int8. A narrow range has no -128."""
    known = c.known(x)
    if known is None:
        if narrow:
            scale, zero = quant.broadcast(x.shape)
            x = c.b.maximum(x, c.b.constant(np.asarray((-127 - zero) * scale, np.float32)))
        return c.b.dequantize(c.b.quantize(x, dtype=DType.INT8, quant=quant))
    scale, zero = quant.broadcast(known.shape)
    steps = np.floor(known / scale + np.float32(0.5)) + zero
    stored = np.clip(steps, -127 if narrow else -128, 127).astype(np.int8)
    return c.b.dequantize(c.b.constant(stored, name=x.name, quant=quant))


def _quantize_and_dequantize(
    c: Context, node: TFNode, x: Value, low: Value, high: Value, bits: Value | None = None
) -> Value:
    """8 bits in a given range: QUANTIZE and DEQUANTIZE; other widths: FAKE_QUANT"""
    width = attrs.integer(node, "num_bits", 8) if bits is None else c.integer(bits, "its bits")
    signed, narrow = attrs.flag(node, "signed_input", True), attrs.flag(node, "narrow_range", False)
    first = -(1 << width - 1) + narrow if signed else 0
    last = (1 << width - (1 if signed else 0)) - 1
    if not attrs.flag(node, "range_given", False):
        return _measured(c, node, x, first, last)
    axis = attrs.integer(node, "axis", -1)
    ends = [c.array(v, "its range").reshape(-1).astype(np.float32) for v in (low, high)]
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = [
            np.where(end * side > 0, np.float32(side) / end, np.float32(np.inf))
            for end, side in zip(ends, (first, last), strict=True)
        ]
    scale = np.minimum(*sides)
    if not np.all(np.isfinite(scale)):
        raise Unsupported("its range is empty; train the quantization before exporting")
    quant = Quant(1 / scale, 0 if signed else -128, axis % len(x.shape) if axis >= 0 else None)
    if width == 8:
        return _paired(c, x, quant, narrow and signed)
    if quant.scale.size > 1 or (narrow and signed):
        raise Unsupported(f"{width} bits per channel or in a narrow range; use 8 bits")
    step = float(quant.scale[0])
    return c.b.fake_quant(x, min=first * step, max=last * step, num_bits=width)


def _measured(c: Context, node: TFNode, x: Value, first: int, last: int) -> Value:
    """The range is that of the elements, measured in every run; it may be empty."""
    if attrs.integer(node, "axis", -1) >= 0:
        raise Unsupported("a range per channel that is measured in every run; give it a range")
    axes = c.ints(range(len(x.shape)))
    high = scaled(c, c.b.reduce_max(x, axes), 1 / last)
    step = c.b.maximum(high, c.scalar(0, x))
    if first < 0:
        step = c.b.maximum(step, scaled(c, c.b.reduce_min(x, axes), 1 / first))
    safe = c.b.maximum(step, c.scalar(float(np.finfo(np.float32).tiny), x))
    steps = c.b.round(c.b.div(x, safe))
    kept = c.b.minimum(c.b.maximum(steps, c.scalar(first)), c.scalar(last))
    return c.b.mul(kept, step)


HANDLERS: dict[str, Handler] = {
    "FakeQuantWithMinMaxArgs": _fake_quant_args,
    "FakeQuantWithMinMaxVars": _fake_quant_vars,
    "FakeQuantWithMinMaxVarsPerChannel": _fake_quant_channels,
    **dict.fromkeys(
        (
            "QuantizeAndDequantizeV2",
            "QuantizeAndDequantizeV3",
            "QuantizeAndDequantizeV4",
        ),
        _quantize_and_dequantize,
    ),
}
