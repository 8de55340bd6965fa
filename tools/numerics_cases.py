"""The big random cases on which tools/numerics.py compares integer arithmetic with LiteRT's.

One entry per operator and form; `Case.quantize` names its dtypes. Every round draws new values and
new scales, so that four rounds of a few hundred thousand outputs make about a million values.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.dtypes import DType
from edgewise.ir import Op, Quant, TensorType
from edgewise.ir.enums import Padding
from edgewise.ops import activation, binary, compare, convert, pool, reduce, unary
from edgewise.ops.arithmetic import Add, Div, Mul, Sub
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.join import Concatenation
from edgewise.ops.l2_normalization import L2Normalization
from edgewise.ops.resize import ResizeBilinear
from edgewise.ops.sigmoid import Logistic, Tanh
from edgewise.ops.softmax import LogSoftmax, Softmax
from edgewise.ops.transpose_conv import TransposeConv
from tests.ops.case import Arg, Case, all_cases, arg, const, weights

ALL = ("int8", "uint8", "int16")
BYTES = ("int8", "uint8")
FLAT = (64, 4096)
ROWS = (4096, 64)
IMAGE = (1, 64, 64, 64)
# Operators whose integers need states or tables of their own: their conformance cases, redrawn.
SMALL = ("unidirectional_sequence_lstm", "lstm", "svdf")


def big_cases() -> Iterator[Case]:
    """Every case that is measured; those without `quantize` are quantized as they stand."""
    yield from _unary()
    yield from _binary()
    yield from _linear()
    yield from _windows()
    yield from _conversions()
    yield from (c for c in all_cases() if c.op.name in SMALL and _is_integer(c))


def _unary() -> Iterator[Case]:
    for op in (
        activation.Relu(),
        activation.Relu6(),
        activation.Gelu(),
        activation.LeakyRelu(alpha=0.2),
        Logistic(),
        Tanh(),
        unary.Abs(),
        unary.Exp(),
    ):
        yield _case(op, ALL, arg(FLAT, low=-8.0 if op.name != "exp" else -4.0, high=4.0))
    for op in (activation.ReluN1To1(), activation.Relu0To1(), activation.HardSwish()):
        yield _case(op, ALL, arg(FLAT, low=-8.0, high=8.0))
    for op in (activation.Elu(), unary.Neg()):
        yield _case(op, ALL, arg(FLAT, low=-8.0, high=8.0))
    for op in (unary.Log(), unary.Sqrt(), unary.Rsqrt()):
        yield _case(op, ALL, arg(FLAT, low=0.05, high=8.0))
    yield _case(Softmax(beta=1.0), ALL, arg(ROWS, low=-8.0, high=8.0))
    yield _case(LogSoftmax(), ALL, arg(ROWS, low=-8.0, high=8.0))
    yield _case(L2Normalization(), BYTES, arg(ROWS))


def _binary() -> Iterator[Case]:
    for op in (Add(pot_scale_int16=False), Sub(pot_scale_int16=False), Mul()):
        yield _case(op, ALL, arg(FLAT), arg(FLAT))
    yield _case(Div(), ALL, arg(FLAT), arg(FLAT, low=1.0, high=3.0))
    yield _case(binary.SquaredDifference(), BYTES, arg(FLAT), arg(FLAT))
    yield _case(activation.Prelu(), ALL, arg(FLAT), weights((4096,), low=-0.5, high=1.5))
    for op in (compare.Less(), compare.LessEqual(), compare.Greater(), compare.GreaterEqual()):
        yield _case(op, ALL, arg(FLAT), arg(FLAT))
    for op in (compare.Equal(), compare.NotEqual()):
        yield _case(op, ALL, arg(FLAT), arg(FLAT))
    yield _case(Concatenation(axis=1), ALL, arg(FLAT), arg(FLAT))


def _linear() -> Iterator[Case]:
    x, bias = arg((1, 64, 64, 8)), weights((64,), low=-1, high=1)
    w = weights((64, 3, 3, 8), low=-0.4, high=0.4)
    yield _case(Conv2D(), ALL, x, w, bias)
    w = weights((1, 3, 3, 64), low=-0.4, high=0.4)
    yield _case(DepthwiseConv2D(), ALL, arg(IMAGE), w, bias)
    shape, w = const([1, 64, 64, 64], "int32"), weights((64, 3, 3, 8), low=-0.4, high=0.4)
    op = TransposeConv(padding=Padding.SAME, stride_h=2, stride_w=2)
    yield _case(op, ALL, shape, w, arg((1, 32, 32, 8)), bias)
    w = weights((256, 64), low=-0.4, high=0.4)
    yield _case(FullyConnected(), ALL, arg((1024, 64)), w, weights((256,)))
    yield _case(BatchMatMul(), ("int8", "int16"), arg((4, 256, 64)), arg((4, 64, 256)))


def _windows() -> Iterator[Case]:
    window = {"filter_height": 3, "filter_width": 3, "stride_h": 1, "stride_w": 1}
    yield _case(pool.AveragePool2D(**window), ALL, arg(IMAGE))
    yield _case(pool.MaxPool2D(**window), ALL, arg(IMAGE))
    axes = const([1, 2], "int32")
    yield _case(reduce.Mean(), ALL, arg((1024, 3, 5, 256)), axes)
    yield _case(reduce.Sum(), ALL, arg((1024, 3, 5, 256)), axes)
    yield _case(reduce.ReduceProd(), ("int8", "int16"), arg((512, 3, 512)), const([1], "int32"))
    size = const([128, 128], "int32")
    for attributes in ({}, {"half_pixel_centers": True}, {"align_corners": True}):
        op = ResizeBilinear(**attributes)
        yield _case(op, ALL, arg((1, 48, 48, 16)), size, label=next(iter(attributes), ""))


def _conversions() -> Iterator[Case]:
    forms = {"int8": (0.03, -5), "uint8": (0.025, 118), "int16": (0.0002, 0)}
    for name, (scale, point) in forms.items():
        result = TensorType(None, DType.of(name), Quant(scale, point))
        yield _case(convert.Quantize(), (), arg(FLAT), label=f"from float32 to {name}", to=result)
        x = arg(FLAT, name, quant=result.quant)
        yield _case(convert.Dequantize(), (), x, label=name)
        for other, (wide, zero) in forms.items():
            wanted = TensorType(None, DType.of(other), Quant(wide * 1.37, zero))
            if not (name == "int16" and other == "uint8"):
                label = f"from {name} to {other}"
                yield _case(convert.Quantize(), (), x, label=label, to=wanted)
    for name in ("int8", "int16"):
        scale, point = forms[name]
        result = TensorType(None, DType.of(name), Quant(scale, point))
        x = arg(FLAT, "int32", quant=Quant(scale / 37, 0))
        yield _case(convert.Quantize(), (), x, label=f"from int32 to {name}", to=result)


def _case(
    op: Op, quantize: tuple[str, ...], *args: Arg, label: str = "", to: TensorType | None = None
) -> Case:
    return Case(op, args, label=label, quantize=quantize, results=() if to is None else (to,))


def _is_integer(case: Case) -> bool:
    return not case.error and case.args[0] is not None and case.args[0].quant is not None
