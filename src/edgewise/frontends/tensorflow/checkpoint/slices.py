"""Keys of slices: the name of the tensor and the extents of the slice, in OrderedCode.

**Source:** `EncodeTensorNameSlice` in tensorflow/core/util/saved_tensor_slice_util.cc and
tensorflow/core/lib/strings/ordered_code.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from edgewise.frontends.tensorflow.messages_saved import TensorSliceProto


def slice_key(
    name: str, part: TensorSliceProto, shape: tuple[int, ...]
) -> tuple[tuple[tuple[int, int], ...], bytes] | None:
    """Begin and end of the slice along each dimension, and its key; None: no slice of `shape`."""
    if len(part.extent) != len(shape):
        return None
    key = _number(0) + _text(name.encode()) + _number(len(shape))
    bounds = []
    for extent, size in zip(part.extent, shape, strict=True):
        whole = not extent.has("length")
        start, length = (0, size) if whole else (extent.start, extent.length)
        if start < 0 or length < 0 or start + length > size:
            return None
        bounds.append((start, start + length))
        key += _signed(start) + _signed(-1 if whole else length)
    return tuple(bounds), key


def _number(value: int) -> bytes:
    """The number of bytes, then the bytes, the highest first."""
    width = -(-value.bit_length() // 8)
    return bytes([width]) + value.to_bytes(width, "big")


def _text(text: bytes) -> bytes:
    parts = [part.replace(b"\xff", b"\xff\x00") for part in text.split(b"\x00")]
    return b"\x00\xff".join(parts) + b"\x00\x01"


def _signed(value: int) -> bytes:
    """As many leading ones as there are bytes, then the number; all flipped below zero."""
    width = (~value if value < 0 else value).bit_length() // 7 + 1
    header = ((1 << width) - 1) << (7 * width)
    mask = (1 << 8 * width) - 1
    return ((value ^ header) & mask).to_bytes(width, "big")
