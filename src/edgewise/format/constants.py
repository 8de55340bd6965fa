"""Elements of a constant: bytes of a buffer to and from a NumPy array.

Types of a byte or more are views of the file where its bytes allow it. Types narrower than a byte
are packed in files, first element in the lowest bits, and held one element per byte in memory.
Strings are stored as int32 count, count + 1 int32 offsets from the start of the buffer, and bytes.

**Source:** schema.fbs of LiteRT 2.3; TensorFlow Lite string_util.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np

from edgewise.dtypes import DType


def decode_elements(data: np.ndarray, dtype: DType, shape: Sequence[int]) -> np.ndarray:
    """The array of this dtype and shape that the bytes hold; read-only.

    Args:
        data: uint8 [bytes].

    Raises:
        ValueError: the bytes are not those of such an array; the message is the rule.
    """
    if dtype is DType.STRING:
        return _decode_strings(data, shape)
    count = prod(shape)
    _check_size(data.size, dtype, count, shape)
    if dtype.bits < 8:
        array = _unpack(data, dtype, count)
    elif dtype is DType.BOOL:
        array = data != 0  # a byte other than 0 and 1 is no valid NumPy bool
    else:
        array = data.view(dtype.numpy)
        if not array.flags.aligned:
            array = array.copy()
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def encode_elements(array: np.ndarray, dtype: DType) -> np.ndarray:
    """The bytes of an array in a file: uint8 [bytes], a view where nothing must be packed."""
    if dtype is DType.STRING:
        return _encode_strings(array)
    flat = np.ascontiguousarray(array).reshape(-1)
    return _pack(flat, dtype) if dtype.bits < 8 else flat.view(np.uint8)


def _check_size(found: int, dtype: DType, count: int, shape: Sequence[int]) -> None:
    if dtype.bits == 0:
        raise ValueError(f"a constant of type {dtype.text} cannot be stored")
    needed = dtype.nbytes(count)
    if found != needed:
        raise ValueError(
            f"a constant {dtype.text}{list(shape)} takes {needed} bytes; its buffer has {found}"
        )


def _unpack(data: np.ndarray, dtype: DType, count: int) -> np.ndarray:
    shifts = np.arange(0, 8, dtype.bits, dtype=np.uint8)
    every = np.arange(256, dtype=np.uint8)[:, None] >> shifts & np.uint8((1 << dtype.bits) - 1)
    table = every.view(f"u{len(shifts)}").reshape(-1)  # of a byte's elements
    return table[data].view(np.uint8)[:count].view(dtype.numpy)


def _pack(flat: np.ndarray, dtype: DType) -> np.ndarray:
    per_byte = 8 // dtype.bits
    elements = np.zeros(-(-flat.size // per_byte) * per_byte, np.uint8)
    elements[: flat.size] = flat.view(np.uint8) & np.uint8((1 << dtype.bits) - 1)
    shifts = np.arange(0, 8, dtype.bits, dtype=np.uint8)
    return np.bitwise_or.reduce(elements.reshape(-1, per_byte) << shifts, axis=1)


def _decode_strings(data: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    raw = data.tobytes()
    if len(raw) < 4:
        raise ValueError(f"a string constant has at least 4 bytes; its buffer has {len(raw)}")
    count = int.from_bytes(raw[:4], "little", signed=True)
    if count != prod(shape):
        raise ValueError(f"a constant string{list(shape)} must hold {prod(shape)}; got {count}")
    if 4 * (count + 2) > len(raw):
        raise ValueError(f"{count} strings do not fit in a buffer of {len(raw)} bytes")
    offsets = np.frombuffer(raw, "<i4", count + 1, 4).tolist()
    if offsets[0] != 4 * (count + 2) or offsets != sorted(offsets) or offsets[-1] > len(raw):
        raise ValueError("string offsets must begin after the table, ascend, and stay inside")
    array = np.empty(count, object)
    array[:] = [raw[a:b] for a, b in pairwise(offsets)]
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _encode_strings(array: np.ndarray) -> np.ndarray:
    items = [bytes(item) for item in array.reshape(-1)]
    ends = np.cumsum([4 * (len(items) + 2), *map(len, items)])
    table = np.array([len(items), *ends], "<i4").tobytes()
    return np.frombuffer(table + b"".join(items), np.uint8)
