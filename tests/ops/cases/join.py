"""Cases of ops/join.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ir.enums import Activation
from edgewise.ops.join import Concatenation, Pack, Split, SplitV, Unpack
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def concatenation(*shapes, dtype="float32", quantize=ALL, label="", error="", **attributes):
    operands = tuple(arg(s, dtype) for s in shapes)
    quantize = () if error or dtype != "float32" else quantize
    return Case(Concatenation(**attributes), operands, label=label, error=error, quantize=quantize)


def rescaling(dtype, quants, result, *, label="rescale", why="", **attributes):
    """Operands and result each in a scale of their own."""
    return Case(
        Concatenation(axis=1, **attributes),
        tuple(arg((3, 257), dtype, quant=q) for q in quants),
        label=label,
        results=(TensorType(None, DType.of(dtype), result),),
        no_litert=why,
    )


def pack(shape, count, axis=0, *, dtype="float32", quantize=(), label="", error="", declared=None):
    return Case(
        Pack(values_count=count if declared is None else declared, axis=axis),
        tuple(arg(shape, dtype) for _ in range(count)),
        quantize=quantize,
        label=label,
        error=error,
    )


def unpack(shape, num, axis=0, *, dtype="float32", quantize=(), label="", error=""):
    return Case(
        Unpack(num=num, axis=axis),
        (arg(shape, dtype),),
        quantize=quantize,
        label=label,
        error=error,
    )


def split(shape, count, axis, *, quantize=(), label="", error=""):
    return Case(
        Split(num_splits=count),
        (const(axis), arg(shape)),
        quantize=quantize,
        label=label,
        error=error,
    )


def split_v(shape, sizes, axis, *, quantize=(), label="", error=""):
    return Case(
        SplitV(num_splits=len(sizes)),
        (arg(shape), const(np.array(sizes, np.int32)), const(axis)),
        quantize=quantize,
        label=label,
        error=error,
    )


REFUSES = "LiteRT refuses int8 and int16 operands in a scale other than the result's"
NO_ACTIVATION = "LiteRT knows no activation in CONCATENATION"

CASES = [
    concatenation((1, 4, 4, 3), (1, 4, 4, 5), axis=3),
    concatenation((1, 4, 4, 3), (1, 4, 4, 1), (1, 4, 4, 2), axis=-1, label="three"),
    concatenation((2, 3), (5, 3), axis=0, label="rows"),
    concatenation((2, 3), axis=1, label="one"),
    concatenation((2, 0), (2, 3), axis=1, label="empty"),
    concatenation((2, 3), (2, 1), axis=1, dtype="int32", label="int32"),
    concatenation((2, 3), (2, 1), axis=1, dtype="bool", label="bool"),
    Case(
        Concatenation(axis=1, fused_activation_function=Activation.RELU6),
        (arg((2, 3), high=9), arg((2, 4), high=9)),
        label="relu6",
        no_litert=NO_ACTIVATION,
    ),
    rescaling("int8", (Quant(0.02, 3), Quant(0.05, -7)), Quant(0.04, 1), why=REFUSES),
    rescaling("int16", (Quant(0.02), Quant(0.05)), Quant(0.04), why=REFUSES),
    rescaling(
        "int16",
        (Quant(0.0002), Quant(0.0005)),
        Quant(0.0003),
        label="relu6-q",
        why=NO_ACTIVATION,
        fused_activation_function=Activation.RELU6,
    ),
    rescaling("uint8", (Quant(0.02, 120), Quant(0.05, 99)), Quant(0.04, 101)),
    rescaling(
        "int8",
        (Quant(0.02, 3), Quant(0.02, 3)),
        Quant(0.02, 3),
        label="relu-q",
        why=NO_ACTIVATION,
        fused_activation_function=Activation.RELU,
    ),
    concatenation((2, 3), (2, 3, 1), axis=0, error="one shape except along axis 0"),
    concatenation((2, 3), (2, 4), axis=0, error="got [2, 3] and [2, 4]"),
    concatenation((2, 3), (2, 4), axis=2, error="axis must be in [-2, 1]; got 2"),
    concatenation(axis=0, error="takes at least one operand"),
    concatenation(
        (2, 3),
        dtype="int32",
        fused_activation_function=Activation.RELU,
        error="int32 takes no fused activation",
    ),
    Case(Concatenation(), (arg((2,)), arg((2,), "int32")), error="one dtype; got float32, int32"),
    pack((2, 3), 3, quantize=ALL),
    pack((2, 3), 2, 2, label="last"),
    pack((2, 3), 2, -1, label="negative"),
    pack((), 4, label="scalars"),
    pack((5,), 1, dtype="int32", label="one"),
    pack((2, 0), 2, 1, label="empty"),
    pack((2, 3), 2, 3, error="axis must be in [-3, 2]; got 3"),
    pack((2, 3), 2, declared=3, error="values_count must be the number of operands; got 3"),
    Case(Pack(), (arg((2,)), arg((3,))), error="one shape; got [2] and [3]"),
    unpack((3, 2), 3, quantize=ALL),
    unpack((3, 2, 5), 5, -1, label="last"),
    unpack((4,), 4, dtype="int32", label="scalars"),
    unpack((1, 7), 1, label="one"),
    unpack((3, 2), 2, error="num must be the size of axis 0; got 2 for 3"),
    unpack((3, 2), 2, 2, error="axis must be in [-2, 1]; got 2"),
    split((2, 6, 3), 3, 1, quantize=ALL),
    split((2, 6), 2, -1, label="last"),
    split((5,), 1, 0, label="one"),
    split((0, 6), 2, 1, label="empty"),
    split((2, 5), 2, 1, error="num_splits must divide the size of axis 1; got 2 for 5"),
    split((2, 5), 0, 1, error="num_splits must be in [1, 65536]; got 0"),
    split((2, 0), 1 << 30, 1, error="num_splits must be in [1, 65536]"),
    split((2, 5), 2, 2, error="axis must be in [-2, 1]; got 2"),
    split_v((7, 2), (1, 4, 2), 0, quantize=ALL),
    split_v((3, 7), (3, -1), 1, label="rest"),
    split_v((3, 7), (0, 7), -1, label="empty"),
    split_v((3, 7), (2, 4), 1, error="sizes must add up to 7, at most one of them -1"),
    split_v((3, 7), (-1, -1), 1, error="got [-1, -1]"),
    split_v((3, 7), (9, -1), 1, error="got [9, -1]"),
]
