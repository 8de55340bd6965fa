"""Cases of ops/bitcast.py."""

from edgewise.dtypes import DType
from edgewise.ops.bitcast import Bitcast
from tests.ops.case import Case, arg


def bits(shape, old, new, *, label="", error=""):
    x = arg(shape, old, low=0, high=100)
    return Case(Bitcast(dtype=DType.of(new)), (x,), label=label or new, error=error)


CASES = [
    bits((3, 5), "float32", "int32"),
    bits((3, 5), "int32", "float32"),
    bits((3, 5), "uint32", "int32"),
    bits((3, 5), "float16", "int16"),
    bits((7,), "bfloat16", "uint16"),
    bits((3, 5), "float32", "uint8"),
    bits((3, 5), "int64", "int16"),
    bits((), "float32", "uint16", label="scalar"),
    bits((3, 4), "uint8", "float32"),
    bits((3, 2), "int32", "int64"),
    bits((2,), "float32", "complex64"),
    bits((5,), "uint8", "bool"),
    bits((5,), "bool", "int8"),
    bits((3, 5), "uint8", "int32", error="x must be [..., 4] to become int32; got [3, 5]"),
    bits((), "uint8", "int32", error="x must be [..., 4] to become int32; got []"),
    bits((3,), "int32", "string", error="dtype must have whole bytes; got string"),
    bits((3,), "int4", "int8", error="operand 'x' must be one of"),
]
