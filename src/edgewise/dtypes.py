"""Data types: one row each, with the `.tflite` code, width, NumPy type and range.

Source: TensorType in TensorFlow Lite's schema.fbs (LiteRT 2.3, codes 0-22).
"""

from __future__ import annotations

from enum import Enum
from functools import cached_property

import numpy as np


class DType(Enum):
    """A tensor's element type. The value is (`.tflite` code, bits, NumPy type or, of those in
    `ml_dtypes`, its name: importing that takes 10 ms and 2 MB, and few models need it).

    Types narrower than a byte are stored one element per byte in memory and packed in files.
    STRING arrays have NumPy dtype object and hold `bytes`.
    """

    FLOAT32 = (0, 32, np.float32)
    FLOAT16 = (1, 16, np.float16)
    INT32 = (2, 32, np.int32)
    UINT8 = (3, 8, np.uint8)
    INT64 = (4, 64, np.int64)
    STRING = (5, 0, np.object_)
    BOOL = (6, 8, np.bool_)
    INT16 = (7, 16, np.int16)
    COMPLEX64 = (8, 64, np.complex64)
    INT8 = (9, 8, np.int8)
    FLOAT64 = (10, 64, np.float64)
    COMPLEX128 = (11, 128, np.complex128)
    UINT64 = (12, 64, np.uint64)
    RESOURCE = (13, 32, np.int32)
    VARIANT = (14, 0, np.object_)
    UINT32 = (15, 32, np.uint32)
    UINT16 = (16, 16, np.uint16)
    INT4 = (17, 4, "int4")
    BFLOAT16 = (18, 16, "bfloat16")
    INT2 = (19, 2, "int2")
    UINT4 = (20, 4, "uint4")
    FLOAT8_E4M3FN = (21, 8, "float8_e4m3fn")
    FLOAT8_E5M2 = (22, 8, "float8_e5m2")

    @cached_property
    def code(self) -> int:
        """The `.tflite` TensorType integer."""
        code: int = self.value[0]
        return code

    @cached_property
    def bits(self) -> int:
        """Bits per element in a file; 0 where an element has no fixed size."""
        bits: int = self.value[1]
        return bits

    @cached_property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy dtype of an array in memory."""
        kind = self.value[2]
        if isinstance(kind, str):
            import ml_dtypes

            kind = getattr(ml_dtypes, kind)
        found: np.dtype[np.generic] = np.dtype(kind)
        return found

    @cached_property
    def text(self) -> str:
        """The lower-case name used in IR text and messages: `float32`, `int8`."""
        return self.name.lower()

    @cached_property
    def is_float(self) -> bool:
        """A floating-point type of any width."""
        return self.name.startswith(("FLOAT", "BFLOAT"))

    @cached_property
    def is_integer(self) -> bool:
        """A signed or unsigned integer type (not BOOL, not a handle)."""
        return self.name.startswith(("INT", "UINT"))

    @cached_property
    def range(self) -> tuple[int, int]:
        """Smallest and largest integer; raises ValueError for other types."""
        if not self.is_integer:
            raise ValueError(f"{self.text} has no integer range")
        if self.name.startswith("U"):
            return 0, (1 << self.bits) - 1
        return -(1 << self.bits - 1), (1 << self.bits - 1) - 1

    def nbytes(self, elements: int) -> int:
        """Bytes that `elements` elements take in a file (sub-byte types are packed)."""
        return (elements * self.bits + 7) // 8

    @classmethod
    def of(cls, dtype: DType | str | np.typing.DTypeLike) -> DType:
        """The DType for a NumPy dtype, a name such as `"int8"`, or a DType itself.

        Raises:
            ValueError: no `.tflite` type corresponds to it.
        """
        if isinstance(dtype, DType):
            return dtype
        if isinstance(dtype, str) and dtype in _BY_TEXT:
            return _BY_TEXT[dtype]
        kind = np.dtype(dtype)
        found = _BY_TEXT["string"] if kind.kind in "OSU" else _BY_NUMPY.get(kind)
        if found is None and kind.type.__module__.startswith("ml_dtypes"):
            found = _BY_TEXT.get(kind.name)
        if found is None:
            raise ValueError(f"no .tflite type for dtype {kind}")
        return found

    # Enum's own hash runs in Python, and members are looked up for every tensor of a file.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return self.text


_BY_TEXT = {d.text: d for d in DType}
_BY_NUMPY = {
    d.numpy: d
    for d in reversed(DType)
    if d not in (DType.RESOURCE, DType.VARIANT) and not isinstance(d.value[2], str)
}

FLOATS = frozenset({DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64})
QUANTIZED_8 = frozenset({DType.INT8, DType.UINT8})
QUANTIZED = QUANTIZED_8 | {DType.INT16}
INDICES = frozenset({DType.INT32, DType.INT64})
NUMBERS = FLOATS | QUANTIZED | INDICES | {DType.UINT32, DType.UINT64, DType.UINT16}
