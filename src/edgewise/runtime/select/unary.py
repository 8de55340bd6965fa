"""Kernels of one operand: tables for whatever maps stored integers to stored integers, functions of
float32 and plain integers. Changes of element type are in convert.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Node, Value
from edgewise.ir.op import Arithmetic, Op
from edgewise.ops.activation import (
    Clipped,
    Elu,
    Gelu,
    HardSwish,
    LeakyRelu,
)
from edgewise.ops.convert import FakeQuant
from edgewise.ops.sigmoid import Logistic, Swish, Tanh
from edgewise.ops.table import UnaryTable
from edgewise.ops.unary import (
    Abs,
    Ceil,
    Cos,
    Exp,
    Floor,
    Log,
    Neg,
    Round,
    Rsqrt,
    Sign,
    Sin,
    Sqrt,
    Square,
)
from edgewise.runtime.calls import Call, Site, is_8_bit, is_float, require, shape_of
from edgewise.runtime.library import pack
from edgewise.runtime.select import binary
from edgewise.runtime.select.broadcast import BITS, binary_call, suffixed
from edgewise.values import replace

_FLOAT: Mapping[type[Op], str] = {
    HardSwish: "hard_swish_f32",
    Elu: "elu_f32",
    Logistic: "logistic_f32",
    Swish: "swish_f32",
    Tanh: "tanh_f32",
    Exp: "exp_f32",
    Log: "log_f32",
    Sin: "sin_f32",
    Cos: "cos_f32",
    Sqrt: "sqrt_f32",
    Rsqrt: "rsqrt_f32",
    Abs: "abs_f32",
    Sign: "sign_f32",
    Floor: "floor_f32",
    Ceil: "ceil_f32",
    Round: "round_f32",
}
_HALVES = 4096  # float16 in a tile: as float32 they stay in the first level of the cache
# of y in another tile: where one step of a group waits for memory and the next computes, tiles this
# small overlap (ABS and SQRT of 1 MB: 0.91 of the time of 16 KiB, Zen 4); one step takes the same
_TILE_BYTES = 4096
_INTEGERS = ("is_signed", "zero", "low", "high")
_NUMBERS = (*_INTEGERS, "scale", "low_f32", "high_f32")


def unary(site: Site) -> Sequence[Call]:
    """ABS to TANH."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    if isinstance(op, UnaryTable) and not is_float(x) and x.quant is not None:
        return _table(site, op)
    if isinstance(op, Neg):
        return binary.with_constant(site, "mul", -1)
    if isinstance(op, Square):
        return binary.with_constant(site, "mul", x)
    if isinstance(op, Clipped) and x.dtype is y.dtype is DType.FLOAT16:
        return unary_call(site, "clip_f16", (x,), low_f32=op.low, high_f32=op.high)
    if not is_float(x, y):
        return _integers(site)
    if isinstance(op, Clipped):
        return unary_call(site, "clip_f32", (x,), low_f32=op.low, high_f32=op.high)
    if isinstance(op, LeakyRelu):
        return unary_call(site, "leaky_relu_f32", (x,), scale=op.alpha)
    if isinstance(op, Gelu):
        return unary_call(site, "gelu_tanh_f32" if op.approximate else "gelu_f32", (x,))
    return unary_call(site, _FLOAT[type(op)], (x,))


def zeros_like(site: Site) -> Sequence[Call]:
    """x ^ x."""
    x = site.node.operand(0)
    return binary_call(site, suffixed("xor", BITS[x.dtype.numpy.itemsize]), (x, x), {})


def fake_quant(site: Site) -> Sequence[Call]:
    """The constants of `FakeQuant.reference`."""
    op, x = site.node.op, site.node.operand(0)
    assert isinstance(op, FakeQuant)
    require(x.dtype in (DType.FLOAT32, DType.FLOAT64), f"no kernel for {x.dtype.text}")
    f = np.float64 if x.dtype is DType.FLOAT64 else np.float32
    low, high = f(op.narrow_range), f((1 << op.num_bits) - 1)
    scale = (f(op.max) - f(op.min)) / (high - low)
    point = np.clip(np.floor(low - f(op.min) / scale + f(0.5)), low, high)
    bounds = float((low - point) * scale), float((high - point) * scale)
    if x.dtype is DType.FLOAT64:
        return unary_call(site, "fake_quant_f64", (x, np.array([*bounds, scale])))
    numbers = {"low_f32": bounds[0], "high_f32": bounds[1], "scale": float(scale)}
    return unary_call(site, "fake_quant_f32", (x,), **numbers)


def byte_table(node: Node) -> np.ndarray | None:
    """What a node of one 8-bit operand makes of each byte, uint8 [256]; None where it is no such
    node. Of a chain, `second[first]` is the table of both."""
    x, y = node.operand(0), node.output
    if not (is_8_bit(x) and is_8_bit(y)):
        return None
    every = np.arange(256, dtype=np.uint8).view(x.dtype.numpy)
    results = evaluate_op(node.op, [every], [x.type.with_shape((256,))], [y.type])
    return results[0].view(np.uint8)


def table(site: Site) -> Sequence[Call]:
    """256 results of the reference, for 8-bit operands with one scale."""
    x = site.node.operand(0)
    found = byte_table(site.node)
    require(found is not None, f"no kernel for {x.dtype.text} here (only tables of 8 bits)")
    assert found is not None
    return unary_call(site, "table_b8", (x, found))


def known_table(site: Site) -> Sequence[Call]:
    """BYTE_TABLE."""
    found = site.known(site.node.operand(1))
    require(found is not None, "no kernel for computed tables")
    assert found is not None
    return unary_call(site, "table_b8", (site.node.operand(0), found))


def unary_call(
    site: Site, kernel: str, operands: Sequence[Value | np.ndarray], **numbers: float
) -> Sequence[Call]:
    """A kernel with ew_unary; the fields that are not 0."""
    y = site.node.output
    is_half = (site.node.operand(0).dtype is DType.FLOAT16) != (y.dtype is DType.FLOAT16)
    usual = _HALVES if is_half else _TILE_BYTES // y.dtype.numpy.itemsize
    per_tile = site.tile_elements or usual
    given = {**dict.fromkeys(_NUMBERS, 0.0), **numbers}
    fields = {k: int(v) if k in _INTEGERS else float(v) for k, v in given.items()}
    same = site.node.operand(0).dtype.numpy.itemsize == y.dtype.numpy.itemsize

    def call(operands: Sequence[Value | np.ndarray], y: Value, per_tile: int) -> Call:
        count = math.prod(shape_of(y))
        return Call(
            kernel,
            pack("ew_unary", {**fields, "count": count, "per_tile": per_tile}),
            (*operands, y),
            -(-count // per_tile),
            tile_elements=per_tile,
            in_place=(0,) if same else (),
            is_elementwise=True,
        )

    whole = call(operands, y, per_tile)
    return [replace(whole, again=call) if len(operands) == 1 else whole]


def _table(site: Site, op: UnaryTable) -> Sequence[Call]:
    x, y = site.node.operand(0), site.node.output
    if x.dtype is not DType.INT16:
        return table(site)
    assert x.quant is not None
    single = y.quant is not None and x.quant.scale.size == y.quant.scale.size == 1
    require(y.dtype is DType.INT16 and single, f"no kernel to {y.dtype.text} (with these scales)")
    assert y.quant is not None
    if op.arithmetic_for(DType.INT16) is Arithmetic.TABLE:
        return unary_call(site, "knots_s16", (x, op.table(DType.INT16, x.quant, y.quant)))
    every = np.arange(1 << 16, dtype=np.uint16).view(np.int16)
    results = evaluate_op(op, [every], [x.type.with_shape(every.shape)], [y.type])
    return unary_call(site, "table_s16", (x, results[0]))


def _integers(site: Site) -> Sequence[Call]:
    op, x = site.node.op, site.node.operand(0)
    if isinstance(op, Abs) and x.dtype in (DType.INT32, DType.INT64):
        return unary_call(site, "abs_s32" if x.dtype is DType.INT32 else "abs_s64", (x,))
    if isinstance(op, Sign) and x.dtype is DType.FLOAT64:
        return unary_call(site, "sign_f64", (x,))
    require(isinstance(op, Sign) and x.dtype is DType.INT32, f"no kernel for {x.dtype.text}")
    # sign x = min(max(x, -1), 1), the clamp of a sum with 0
    return binary.with_constant(site, "add", 0, low_int=-1, high_int=1)
