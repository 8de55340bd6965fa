"""Tables of unary operators: what a planner gets, and that no CPU can fill them differently."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir import Quant
from edgewise.ir.op import FixedRange, Quantized
from edgewise.ir.types import TensorType
from edgewise.ops.activation import Elu, Gelu, HardSwish, Relu6
from edgewise.ops.sigmoid import Logistic, Tanh
from edgewise.ops.table import UnaryTable, half_away, interpolate, saturate
from edgewise.ops.unary import Exp, Log, Rsqrt

TRANSCENDENTAL = [Logistic(), Tanh(), Elu(), Gelu(approximate=True), Exp(), Log()]
SCALES = [(0.0235, 0.0171), (0.047, 0.0259), (0.1103, 0.0611), (0.0078, 0.0044)]
DTYPES = [DType.INT8, DType.UINT8, DType.INT16]


def quants(op: UnaryTable, dtype: DType, scales: tuple[float, float]) -> tuple[Quant, Quant]:
    """Typical parameters of operand and result."""
    narrow = 256.0 if dtype is DType.INT16 else 1.0
    point = {DType.INT8: -3, DType.UINT8: 121, DType.INT16: 0}[dtype]
    out = Quant(scales[1] / narrow, point)
    if isinstance(op.quantization, FixedRange):
        out = op.quantization.of(dtype) or out
    return Quant(scales[0] / narrow, point), out


@pytest.mark.parametrize("dtype", DTYPES[:2], ids=lambda d: d.text)
@pytest.mark.parametrize("scales", SCALES, ids=str)
@pytest.mark.parametrize("op", TRANSCENDENTAL, ids=lambda o: o.name)
def test_no_entry_lies_near_a_tie(op: UnaryTable, scales: tuple[float, float], dtype: DType):
    """An error of 1e-9 steps in the function, a million times that of any C library, changes no
    entry: the exact quotient is further than that from the middle between two integers."""
    in_quant, out_quant = quants(op, dtype, scales)
    low, high = dtype.range
    stored = np.arange(low, high + 1) - in_quant.zero_point[0]
    x = (stored.astype(np.float32) * in_quant.scale).astype(np.float64)
    positive = x > 0 if isinstance(op, Log) else np.full(x.shape, True)
    # the identity part of ELU is exact and may tie
    curved = positive & ((x < 0) if isinstance(op, Elu) else (x != 0))
    steps = op.real(x[curved], dtype, out_quant) / np.float64(out_quant.scale[0])
    distance = np.abs(steps - np.floor(steps) - 0.5)
    assert distance.min() > 1e-9


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.text)
@pytest.mark.parametrize("op", [*TRANSCENDENTAL, HardSwish(), Relu6(), Rsqrt()], ids=str)
def test_table_is_what_integer_reads(op: UnaryTable, dtype: DType):
    in_quant, out_quant = quants(op, dtype, SCALES[0])
    low, high = dtype.range
    stored = np.arange(low, high + 1).astype(dtype.numpy)
    wanted = op.integer([Quantized(stored, in_quant)], [TensorType((1,), dtype, out_quant)])
    assert wanted.dtype == dtype.numpy
    try:
        table = op.table(dtype, in_quant, out_quant)
    except QuantizationError:
        assert dtype is DType.INT16
        return
    assert table.dtype == dtype.numpy
    assert len(table) == (513 if dtype is DType.INT16 else 256)
    read = interpolate(table, stored) if dtype is DType.INT16 else table
    np.testing.assert_array_equal(read, wanted)


def test_int16_logistic_is_computed():
    with pytest.raises(QuantizationError, match="logistic on int16 is computed, not tabulated"):
        Logistic().table(DType.INT16, Quant(2**-12), Quant(2**-15))


def test_interpolation_reaches_every_knot_and_both_ends():
    table = np.arange(-32768, 32769, 128).clip(max=32767).astype(np.int16)
    q = np.array([-32768, -32640, 0, 64, 127, 32639, 32767], np.int16)
    np.testing.assert_array_equal(interpolate(table, q), [-32768, -32640, 0, 64, 127, 32639, 32766])


def test_rounding_and_saturation():
    np.testing.assert_array_equal(half_away(np.array([0.5, -0.5, 1.5, 2.4])), [1, -1, 2, 2])
    values = np.array([-1e9, np.nan, 300.0, 5.0])
    np.testing.assert_array_equal(saturate(values, DType.INT8), [-128, -128, 127, 5])
