"""TensorFlow's element types: ours where we have one, otherwise by their names there.

**Source:** tensorflow/core/framework/types.proto, TensorFlow 2.21. A code above 100 is a reference
(TensorFlow 1's `Variable` gives one) to the type 100 below.
"""

from __future__ import annotations

from edgewise.dtypes import DType

_TYPES: dict[int, DType | str] = {
    0: "DT_INVALID",
    1: DType.FLOAT32,
    2: DType.FLOAT64,
    3: DType.INT32,
    4: DType.UINT8,
    5: DType.INT16,
    6: DType.INT8,
    7: DType.STRING,
    8: DType.COMPLEX64,
    9: DType.INT64,
    10: DType.BOOL,
    11: "DT_QINT8",
    12: "DT_QUINT8",
    13: "DT_QINT32",
    14: DType.BFLOAT16,
    15: "DT_QINT16",
    16: "DT_QUINT16",
    17: DType.UINT16,
    18: DType.COMPLEX128,
    19: DType.FLOAT16,
    20: DType.RESOURCE,
    21: DType.VARIANT,
    22: DType.UINT32,
    23: DType.UINT64,
    24: DType.FLOAT8_E5M2,
    25: DType.FLOAT8_E4M3FN,
    26: "DT_FLOAT8_E4M3FNUZ",
    27: "DT_FLOAT8_E4M3B11FNUZ",
    28: "DT_FLOAT8_E5M2FNUZ",
    29: DType.INT4,
    30: DType.UINT4,
    31: DType.INT2,
    32: "DT_UINT2",
    33: "DT_FLOAT4_E2M1FN",
}

# The names that differ from ours, and all names of types, as text files have them.
_NAMES = {1: "DT_FLOAT", 2: "DT_DOUBLE", 19: "DT_HALF"}
ENUMS = {
    _NAMES.get(code, kind if isinstance(kind, str) else f"DT_{kind.name}") + end: code + reference
    for code, kind in _TYPES.items()
    for end, reference in (("", 0), ("_REF", 100))
}

# How the elements of quantized tensors are stored; the scale stands elsewhere in the graph.
STORED_AS = {
    "DT_QINT8": DType.INT8,
    "DT_QUINT8": DType.UINT8,
    "DT_QINT32": DType.INT32,
    "DT_QINT16": DType.INT16,
    "DT_QUINT16": DType.UINT16,
}


def element_type(code: int) -> DType | str:
    """The type, or its name in TensorFlow (`DT_QINT8`) where we have none."""
    return _TYPES.get(code - 100 if code > 100 else code, f"DT_{code}")


def dtype_of(code: int) -> DType | None:
    """The type, or None where we have none."""
    found = element_type(code)
    return found if isinstance(found, DType) else None
