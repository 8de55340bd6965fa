"""TensorProto -> array: bytes of the elements, or numbers of which the last one repeats.

A tensor may be far larger than its bytes (a fill of one value). `Budget` bounds what all tensors of
a file may claim beyond what they store; a fill of one value is a view that takes no memory.

**Source:** tensorflow/core/framework/{tensor.proto,tensor.cc}, TensorFlow 2.21.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.tensorflow.messages import TensorProto, TensorShapeProto
from edgewise.frontends.tensorflow.program import TFShape
from edgewise.frontends.tensorflow.types import STORED_AS, element_type

MAX_CLAIMED = 1 << 29  # bytes
MAX_RANK = 32  # NumPy's limit before version 2; TensorFlow's is 254

_FIELDS = {
    DType.FLOAT32: "float_val",
    DType.FLOAT64: "double_val",
    DType.COMPLEX64: "scomplex_val",
    DType.COMPLEX128: "dcomplex_val",
    DType.INT64: "int64_val",
    DType.UINT32: "uint32_val",
    DType.UINT64: "uint64_val",
    DType.BOOL: "bool_val",
    DType.FLOAT16: "half_val",
    DType.BFLOAT16: "half_val",
}


class Budget:
    """The file's name for errors, and the bytes that its tensors may still claim and not store."""

    def __init__(self, file: str = "model") -> None:
        self.file, self.left = file, MAX_CLAIMED

    def charge(self, what: str, claimed: int, stored: int) -> None:
        """Account for a tensor. Raises FormatError where the file has claimed too much."""
        self.left -= max(claimed - stored, 0)
        if self.left < 0:
            raise self.error(
                f"{what} has {claimed} bytes of which {stored} are stored; such tensors may have"
                f" {MAX_CLAIMED} bytes in all"
            )

    def error(self, rule: str) -> FormatError:
        """A FormatError of this file."""
        return FormatError(rule, file=self.file)


def shape_of(proto: TensorShapeProto | None) -> TFShape:
    """A shape; unknown where the file says nothing."""
    if proto is None or proto.unknown_rank:
        return TFShape(None)
    return TFShape(tuple(dim.size if dim.size >= 0 else None for dim in proto.dim))


def static_shape(proto: TensorShapeProto | None, what: str, budget: Budget) -> tuple[int, ...]:
    """The shape of a tensor that is stored: every dimension is a number.

    Raises:
        FormatError: a negative dimension, or more elements than memory can have.
    """
    shape = tuple(dim.size for dim in proto.dim) if proto else ()
    if (proto and proto.unknown_rank) or any(dim < 0 for dim in shape):
        raise budget.error(f"{what} is stored, so its shape must be known; found {list(shape)}")
    if len(shape) > MAX_RANK or math.prod(max(dim, 1) for dim in shape) > 1 << 46:
        raise budget.error(f"{what} has shape {list(shape)[:8]}, more than memory can hold")
    return shape


def array_of(proto: TensorProto, what: str, budget: Budget) -> np.ndarray | str:
    """The tensor, read only; the name of its type where we have none that holds it.

    Elements of STRING are `bytes`; quantized types come as the integers that they are stored as.

    Raises:
        FormatError: values that do not fit type and shape; `what` says whose tensor it is.
    """
    kind = element_type(proto.dtype)
    dtype = STORED_AS.get(kind) if isinstance(kind, str) else kind
    if dtype is None or dtype in (DType.RESOURCE, DType.VARIANT):
        return kind if isinstance(kind, str) else f"DT_{kind.name}"
    shape = static_shape(proto.tensor_shape, what, budget)
    count = math.prod(shape)
    if dtype is DType.STRING:
        values = _strings(proto.string_val)
        budget.charge(what, 8 * count, 8 * len(values))
    elif len(proto.tensor_content):
        return _content(proto.tensor_content, dtype, shape, what, budget)
    else:
        values = _values(proto, dtype, what, budget)
        budget.charge(what, count * dtype.numpy.itemsize, values.nbytes)
    return _filled(values, shape, count, what, budget)


def _content(
    content: memoryview, dtype: DType, shape: tuple[int, ...], what: str, budget: Budget
) -> np.ndarray:
    expected = math.prod(shape) * dtype.numpy.itemsize
    if len(content) != expected:
        raise budget.error(
            f"{what} ({dtype.text} {list(shape)}) has {expected} bytes; found {len(content)}"
        )
    if dtype is DType.BOOL:
        # any byte but 0 means true, which a view as bool would not say
        flags = np.frombuffer(content, np.uint8).reshape(shape) != 0
        flags.flags.writeable = False
        return flags
    return np.frombuffer(content, dtype.numpy.newbyteorder("<")).reshape(shape)


def _strings(values: Sequence[memoryview]) -> np.ndarray:
    found = np.empty(len(values), np.object_)
    found[:] = [bytes(value) for value in values]
    return found


def _values(proto: TensorProto, dtype: DType, what: str, budget: Budget) -> np.ndarray:
    """The elements that the file gives as numbers."""
    if dtype in (DType.FLOAT8_E4M3FN, DType.FLOAT8_E5M2):
        return np.frombuffer(proto.float8_val, dtype.numpy)
    field = _FIELDS.get(dtype, "int_val")
    numbers: np.ndarray = getattr(proto, field)
    if dtype in (DType.FLOAT16, DType.BFLOAT16):
        return numbers.astype(np.uint16).view(dtype.numpy)
    if dtype in (DType.COMPLEX64, DType.COMPLEX128):
        if len(numbers) % 2:
            raise budget.error(f"{what} has {len(numbers)} numbers; complex elements have two each")
        return np.ascontiguousarray(numbers).view(dtype.numpy)
    return numbers.astype(dtype.numpy)


def _filled(
    values: np.ndarray, shape: tuple[int, ...], count: int, what: str, budget: Budget
) -> np.ndarray:
    """`values` in `shape`; the last one repeats, none at all means zeros."""
    if len(values) > count:
        raise budget.error(f"{what} has shape {list(shape)}; found {len(values)} elements")
    if len(values) == count:
        found = values.reshape(shape)
    elif len(values) <= 1:
        zero = b"" if values.dtype == np.object_ else 0
        fill = values[0] if len(values) else np.array(zero, values.dtype)[()]
        found = np.broadcast_to(np.array(fill, values.dtype), shape)
    else:
        found = np.concatenate([values, np.broadcast_to(values[-1:], count - len(values))])
        found = found.reshape(shape)
    found.flags.writeable = False
    return found
