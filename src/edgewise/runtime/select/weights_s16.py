"""What turns sums of int16 by int8 into int16: weights, biases and factors of the 16x8 operators.

A sum of products of s16 by s8 may leave s32: |x| is up to 2**15. From the weights of a channel
follows whether it can; most cannot (`fits`). The others are summed in parts that cannot.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.requant import multiplier
from edgewise.runtime.calls import Site, require, require_16_bit, scale, shape_of
from edgewise.runtime.library import Isa, constant
from edgewise.runtime.select.copy import View, view
from edgewise.runtime.select.weights_b8 import channel_quant
from edgewise.values import dataclass

Array = np.ndarray

_KINDS = (DType.INT8, DType.INT4, DType.INT2)
_BIASES = (DType.INT32, DType.INT64)
_MOST = (1 << 31) - 1  # of an accumulator
_LARGEST = 1 << 15  # |x|
_LARGEST_WEIGHT = 128
_PART = _MOST // _LARGEST  # sums of |w| that cannot leave s32
_STEPS = _PART // _LARGEST_WEIGHT // 2  # of two weights, whatever they are


@dataclass(frozen=True, slots=True)
class Rounding:
    """How sums become y: `name` of EW_ROUND_..., and its operands of each channel."""

    name: str
    first: Array
    second: Array

    @classmethod
    def up(cls, real: Array, *, is_narrow: bool, isa: Isa) -> Rounding:
        """LiteRT's multiplier of 15 bits (ops/requant.py: multiply_fixed_64). Raises NotNative."""
        require(bool(np.all(np.isfinite(real))), "the scales' quotient is not finite")
        m, shift = np.array([multiplier(float(r)) for r in real], np.int64).reshape(-1, 2).T
        reduced = np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)
        total = 15 - shift
        require(bool(np.all(total >= 1)), "the scales' quotient is 2**14 or more")
        if not is_narrow:
            return cls("up", reduced.astype(np.int32), total.astype(np.int32))
        shift = 32 - np.where(reduced == 0, 32, total)
        if isa.lanes >= 8 and bool(np.all((shift >= 0) & (shift <= 16))):
            first = (reduced << shift).astype(np.int32)
            return cls("up_s32", first, first)
        return cls("up_f64", np.ldexp(reduced, -total), np.ldexp(1.0, -total - 1))

    @classmethod
    def away(cls, real: Array) -> Rounding:
        """FULLY_CONNECTED's: float64."""
        require(bool(np.all(np.isfinite(real))), "the scales' quotient is not finite")
        return cls("away", real, real)

    @property
    def number(self) -> int:
        """That of `name`."""
        return constant(f"EW_ROUND_{self.name}")


@dataclass(frozen=True, slots=True)
class Stored16:
    """Weights of zero point 0, and what turns the sums of each output channel into y.

    `source` has the places of weights that the model computes; `array` is a view of its elements,
    which hold nothing: they may be whatever 8 bits may. `added` are biases that the model computes;
    `bias` is 0 then."""

    array: Array  # int8
    bias: Array  # int64 [O]
    real: Array  # float64 [O]: s_x * s_w / s_y
    is_away: bool
    source: View | None = None
    added: Value | None = None

    @classmethod
    def of(
        cls, site: Site, channel_axis: int, *, x: int = 0, w: int = 1, bias: int = 2
    ) -> Stored16:
        """Read and check the operands at these places. Raises NotNative."""
        value, source, y = site.node.operand(w), site.node.operand(x), site.node.output
        require_16_bit(source, y)
        array = site.known(value)
        given = site.node.optional(bias)
        added = None if given is None else site.known(given)
        kinds = _KINDS if array is not None else (DType.INT8,)
        quant = channel_quant(value, kinds, channel_axis)
        require(not np.any(quant.zero_point), "the weights have a zero point")
        require(given is None or given.dtype in _BIASES, "biases are not integers")
        o = shape_of(value)[channel_axis]
        total = np.zeros(o, np.int64) if added is None else added.reshape(-1).astype(np.int64)
        # the order of the reference's operations (ops/scaled.py)
        real = np.float64(scale(source.type)) * quant.scale.reshape(-1).astype(np.float64)
        real = np.broadcast_to(real / np.float64(scale(y.type)), (o,))
        is_away = isinstance(site.node.op, FullyConnected)
        computed = given if added is None else None
        if array is None:
            places = view(value)
            return cls(places.elements, total, real, is_away, places, computed)
        return cls(array.astype(np.int8, copy=False), total, real, is_away, added=computed)

    def fits(self, sums: Array) -> bool:
        """No sum of bias and products leaves s32; `sums` of the channels' |w|."""
        room = _MOST - sums * _LARGEST
        return self.added is None and bool(np.all((self.bias <= room) & (self.bias >= -room)))

    def rounding(self, *, is_wide: bool, isa: Isa) -> Rounding:
        """For the kernels of an instruction set."""
        if self.is_away:
            return Rounding.away(self.real)
        return Rounding.up(self.real, is_narrow=not is_wide and isa is not Isa.SCALAR, isa=isa)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of sums that do not leave s32: ew_conv_s16."""

    is_wide: bool
    runs: int
    steps: int

    @classmethod
    def of(cls, weights: Stored16, runs: int) -> Parts:
        """Of weights [O, K], K as `runs` runs: everything, some runs, or some steps of a run."""
        o = max(weights.array.shape[0], 1)
        length = weights.array.size // (o * max(runs, 1))
        steps = -(-length // 2)
        if weights.source is None:
            sizes = np.abs(weights.array.reshape(o, max(runs, 1), -1).astype(np.int32)).sum(2)
        else:
            sizes = np.full((o, max(runs, 1)), _LARGEST_WEIGHT * length)
        if weights.fits(sizes.sum(1, dtype=np.int64)):
            return cls(False, max(runs, 1), max(steps, 1))
        largest = int(sizes.max(initial=1))
        if largest > _PART:
            return cls(True, 1, min(_STEPS, steps))
        return cls(True, min(_PART // max(largest, 1), max(runs, 1)), max(steps, 1))
