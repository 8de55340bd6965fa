"""Elementwise operators: corner cases of values, and the versions they are written with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, InputError, QuantizationError
from edgewise.ir import Builder, Op, Quant, Sym, TensorType
from edgewise.ir.evaluate import evaluate, evaluate_op
from edgewise.ops import elementary
from edgewise.ops.arithmetic import Add, Div, Mul, Sub
from edgewise.ops.binary import FloorMod, Maximum, Pow
from edgewise.ops.broadcast import broadcast_shape
from edgewise.ops.choose import Select
from edgewise.ops.compare import Less
from edgewise.ops.convert import Cast, Dequantize, FakeQuant, Quantize
from edgewise.ops.l2_normalization import inverse_square_root
from edgewise.ops.sigmoid import Logistic
from edgewise.ops.unary import Abs

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("function", "x", "wanted"),
    [
        (elementary.exp, [1000.0, -1000.0, NAN, INF], [INF, 0.0, NAN, INF]),
        (elementary.expm1, [1000.0, -1000.0, -0.0], [INF, -1.0, -0.0]),
        (elementary.log, [0.0, -0.0, -1.0, INF, 1.0], [-INF, -INF, NAN, INF, 0.0]),
        (elementary.sin, [INF, 0.0], [NAN, 0.0]),
        (elementary.cos, [-INF, 0.0], [NAN, 1.0]),
        (elementary.tanh, [1000.0, -INF, NAN], [1.0, -1.0, NAN]),
        (elementary.erfc, [30.0, -30.0, NAN], [0.0, 2.0, NAN]),
        (elementary.logistic, [1000.0, -1000.0, 0.0, INF, -INF, NAN], [1, 0, 0.5, 1, 0, NAN]),
    ],
)
def test_functions_end_as_in_c(function, x, wanted, dtype):
    y = function(np.array(x, dtype))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.array(wanted, dtype))


def test_both_widths_agree():
    x = np.linspace(-9, 9, 1001)
    for name in ("exp", "expm1", "sin", "cos", "tanh", "erfc", "logistic"):
        function = getattr(elementary, name)
        np.testing.assert_allclose(function(x.astype(np.float32)), function(x), 2e-6, 2e-7)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (10.0, 400.0, INF),
        (-10.0, 401.0, -INF),
        (0.0, -1.0, INF),
        (-0.0, -1.0, -INF),
        (-0.0, -2.0, INF),
        (-8.0, 1 / 3, NAN),
        (NAN, 0.0, 1.0),
        (-2.0, 3.0, -8.0),
    ],
)
def test_power_ends_as_in_c(a, b, wanted):
    for dtype in (np.float32, np.float64):
        np.testing.assert_equal(elementary.power(dtype(a), dtype(b)).item(), wanted)


def test_broadcast_of_unknown_dimensions():
    n, m = Sym("n"), Sym("m")
    assert broadcast_shape((n, 3), (1, 3)) == (n, 3)
    assert broadcast_shape((n, 3), (n, 1)) == (n, 3)
    assert broadcast_shape((n,), (7,)) == (7,), "n is 1 or 7"
    assert broadcast_shape((n,), (m,))[0] not in (n, m), "either may be 1"
    assert broadcast_shape((), (2, 1), (5,)) == (2, 5)
    assert broadcast_shape((0, 3), (1,)) == (0, 3)


@pytest.mark.parametrize("op", [Div(), FloorMod()], ids=str)
def test_zero_divisors_are_refused_while_running(op: Op):
    b = Builder()
    x, y = (b.input(name, (2,), DType.INT32) for name in "xy")
    graph = b.finish(b.node(op, x, y).output)
    with pytest.raises(InputError, match=r"an integer divisor must not be 0"):
        evaluate(graph, [np.array([1, 2], np.int32), np.array([1, 0], np.int32)])


def test_negative_integer_exponents_are_refused_while_running():
    with pytest.raises(EdgewiseError, match="must not be negative; got -1"):
        Pow().reference(np.array([2], np.int32), np.array([-1], np.int32))


def test_quotient_by_a_stored_zero_saturates():
    int8 = TensorType((3,), DType.INT8, Quant(0.1, 5))
    a, b = np.array([6, 4, 5], np.int8), np.array([5, 5, 5], np.int8)
    (y,) = evaluate_op(Div(), [a, b], [int8, int8], [int8])
    assert y.tolist() == [127, -128, 5]


def test_quotients_are_exact_to_half_a_step():
    a, b = np.meshgrid(np.arange(-128, 128), np.arange(1, 128))
    x, y = a.ravel().astype(np.int8), b.ravel().astype(np.int8)
    t = TensorType(x.shape, DType.INT8, Quant(0.1))
    out = TensorType(x.shape, DType.INT8, Quant(0.37, -9))
    (q,) = evaluate_op(Div(), [x, y], [t, t], [out])
    real = np.clip(x / y.astype(np.float64) / np.float64(np.float32(0.37)) - 9, -128, 127)
    assert np.abs(q - real).max() <= 0.5 + 1e-6


def test_inverse_square_roots():
    x = np.concatenate([np.arange(5000), 2 ** np.arange(31), [2**31 - 1, 2**29 - 1]])
    m, shift = inverse_square_root(x)
    wanted = 1 / np.sqrt(np.maximum(x, 1))
    np.testing.assert_allclose(m * 2.0 ** (shift - 31), wanted, 2e-6)


def test_selection_by_the_first_dimension():
    x = np.arange(6).reshape(2, 3)
    picked = Select().reference(np.array([True, False]), x, -x)
    assert picked.tolist() == [[0, 1, 2], [-3, -4, -5]]


@pytest.mark.parametrize("target", ["int8", "int32", "int64", "uint8", "uint64"])
def test_cast_saturates(target: str):
    dtype = DType.of(target)
    low, high = dtype.range
    x = np.array([NAN, INF, -INF, 1e30, -1e30, 2.9], np.float32)
    op = Cast(in_data_type=DType.FLOAT32, out_data_type=dtype)
    assert op.reference(x).tolist() == [0, high, low, high, low, 2]


def test_fake_quant_keeps_zero_and_its_grid():
    op = FakeQuant(min=-0.3, max=0.9, num_bits=8)
    x = np.linspace(-1, 1, 2001, dtype=np.float32)
    y = op.reference(x)
    assert op.reference(np.zeros(1, np.float32))[0] == 0
    np.testing.assert_allclose(op.reference(y), y, atol=1e-6)
    assert len(np.unique(y)) == 256


def test_quantize_needs_a_scale():
    plain = TensorType((1,), DType.INT8)
    with pytest.raises(QuantizationError, match="the result must have a scale"):
        evaluate_op(Quantize(), [np.ones(1, np.int8)], [typed("int8", (1,), 0.1)], [plain])


def typed(dtype: str, shape=(2, 3), scale: float | None = None) -> TensorType:
    return TensorType(shape, DType.of(dtype), None if scale is None else Quant(scale))


WIDE = (1, 1, 2, 3, 4)
VERSIONS = [
    (Add(), ["float32"], 1),
    (Add(), [typed("int8", scale=0.1)], 2),
    (Add(), [typed("int16", scale=0.1)], 1),
    (Add(pot_scale_int16=False), [typed("int16", scale=0.1)], 3),
    (Add(), ["int16"], 5),
    (Sub(), [typed("float32", WIDE), typed("float32", (4,))], 3),
    (Sub(pot_scale_int16=False), [typed("int16", scale=0.1)], 5),
    (Mul(), [typed("int8", scale=0.5)], 2),
    (Mul(), [typed("int8", scale=4.0)], 3),
    (Mul(), ["int16"], 7),
    (Div(), [typed("float32", WIDE), typed("float32", (4,))], 2),
    (Maximum(), ["int16"], 4),
    (Less(), [typed("int16", scale=0.1)], 3),
    (Abs(), ["int16"], 4),
    (Abs(), [typed("int16", scale=0.1)], 3),
    (Logistic(), [typed("int8", scale=0.1)], 2),
    (Dequantize(), [TensorType((2, 2), DType.INT8, Quant([1, 2], axis=0))], 5),
    (FakeQuant(narrow_range=True), ["float32"], 2),
]


@pytest.mark.parametrize(("op", "types", "wanted"), VERSIONS)
def test_versions(op: Op, types: list[str | TensorType], wanted: int):
    operands = [typed(t) if isinstance(t, str) else t for t in types]
    operands += operands[:1] * (len(op.operands) - len(operands))
    assert op.version(operands, operands[:1]) == wanted
