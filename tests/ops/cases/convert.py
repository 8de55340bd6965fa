"""Cases of ops/convert.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ops.convert import Cast, Dequantize, FakeQuant, Quantize
from tests.ops.case import Case, arg, const

EDGES = np.array([np.nan, np.inf, -np.inf, 0.5, -0.5, 1.5, 2.5, -2.5, 1e9, -1e9], np.float32)
TO_32 = "LiteRT makes int8 and int16 of int32"
PER_CHANNEL = Quant([0.1, 0.2, 0.3], [0, 0, 0], axis=1)


def typed(dtype, scale=0.03, point=0):
    return TensorType(None, DType.of(dtype), Quant(scale, point))


def to(dtype, scale, point, x=None, label=""):
    x = arg((3, 5, 7)) if x is None else x
    return Case(Quantize(), (x,), label=f"{dtype}{label}", results=(typed(dtype, scale, point),))


def again(source, target, **kwargs):
    a, b = typed(*source), typed(*target)
    x = arg((3, 50, 7), source[0], quant=a.quant)
    point = f"-{target[2]}" if source[0] == "int32" else ""
    label = f"to-{target[0]}-{target[1]}{point}"
    return Case(Quantize(), (x,), label=label, results=(b,), **kwargs)


def dequantize(dtype, quant, shape=(4, 3, 5), **kwargs):
    return Case(Dequantize(), (arg(shape, dtype, quant=quant),), label="scale", **kwargs)


def cast(source, target, **kwargs):
    types = {"in_data_type": DType.of(source), "out_data_type": DType.of(target)}
    x = kwargs.pop("x", None) or arg((5, 7), source, low=-9, high=9)
    return Case(Cast(**types), (x,), label=f"to-{target}", **kwargs)


FAKE = FakeQuant(min=-1.1, max=2.3, num_bits=8)

CASES = [
    to("int8", 0.02, -5),
    to("uint8", 0.025, 118),
    to("int16", 0.0001, 0),
    to("int8", 1.0, 3, const(EDGES), "-edges"),
    to("int8", 0.02, 0, arg((0, 3)), "-empty"),
    again(("int8", 0.02, 3), ("int8", 0.05, -7)),
    again(("int8", 0.02, 3), ("uint8", 0.02, 131)),
    again(("uint8", 0.02, 131), ("int8", 0.02, 3)),
    again(("uint8", 0.02, 131), ("uint8", 0.013, 120)),
    again(("int16", 0.0001, 0), ("int8", 0.03, 4)),
    again(("int8", 0.03, 4), ("int16", 0.0002, 0)),
    again(("int16", 0.0001, 0), ("int16", 0.0003, 0)),
    again(("int16", 0.0001, 0), ("int32", 0.00002, 0)),
    again(("int32", 0.003, 0), ("int32", 0.001, 0), no_litert=TO_32),
    again(("int32", 0.003, -7), ("int32", 0.001, 1 << 30), no_litert=TO_32),
    again(("int32", 0.001, 7), ("int32", 0.003, -(1 << 30)), no_litert=TO_32),
    Case(
        Quantize(),
        (arg((4, 3, 5), "int8", quant=PER_CHANNEL),),
        label="from-channels",
        results=(typed("int8", 0.25, 7),),
        no_litert="LiteRT requantizes by one scale",
    ),
    Case(
        Quantize(),
        (arg((4, 3, 5)),),
        label="to-channels",
        results=(TensorType(None, DType.INT8, PER_CHANNEL),),
    ),
    Case(
        Quantize(),
        (const(EDGES.reshape(1, 10, 1)),),
        label="edges-to-channels",
        results=(TensorType(None, DType.INT8, Quant(np.arange(1, 11), np.arange(10), axis=1)),),
    ),
    Case(Quantize(), (arg((3,), "bool"),), error="operand 'x' must be one of"),
    dequantize("int8", Quant(0.02, 3)),
    dequantize("uint8", Quant(0.02, 131)),
    dequantize("int16", Quant(0.0001)),
    dequantize("int4", Quant(0.3)),
    dequantize("int8", PER_CHANNEL),
    dequantize("int8", Quant(0.02, 3), (0, 2)),
    Case(Dequantize(), (arg((3, 5), "float16"),), label="half"),
    Case(Dequantize(), (arg((3,), "int8"),), error="x must have a scale"),
    *[cast("float32", d) for d in ("int32", "int64", "uint8", "int8", "int16", "bool")],
    *[cast(d, "float32") for d in ("int32", "int64", "uint8", "int8", "int16", "bool")],
    cast("float32", "float16"),
    cast("float16", "float32"),
    cast("float32", "float64"),
    cast("int64", "int32"),
    cast("int32", "int8", x=const([300, -300, 127, -129])),
    cast("float32", "int32", x=const(EDGES), no_litert="NaN differs (undefined in C)"),
    cast("bool", "int32"),
    Case(Cast(), (arg((2,)),), label="declared", results=(TensorType(None, DType.INT32),)),
    Case(FAKE, (arg((5, 7)),)),
    Case(FAKE.replace(num_bits=4, narrow_range=True), (arg((5, 7)),), label="narrow"),
    Case(FakeQuant(min=0.0, max=6.0, num_bits=8), (arg((0, 7)),), label="empty"),
    Case(FAKE.replace(num_bits=1), (arg((2,)),), error="num_bits must be in [2, 16]; got 1"),
    Case(FAKE.replace(min=3.0), (arg((2,)),), error="min <= 0 <= max must hold"),
]
