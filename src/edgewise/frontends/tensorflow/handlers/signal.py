"""Fourier transforms along one and more axes, of real and of complex tensors.

Source: tensorflow/core/ops/{spectral_ops,math_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.fourier import Parts, signal, spectrum, transformed
from edgewise.frontends.tensorflow.context import Context, Handler, Operand, Unsupported
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _rfft(c: Context, node: TFNode, x: Value, length: Value) -> Operand:
    """RFFT2D of one row; of another length than a power of two by matrices"""
    size = c.integer(length, "its length")
    if not _is_power(size):
        return spectrum(c, x, size)
    rows = c.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
    y = c.b.rfft2d(rows, c.ints([1, size]))
    return c.reshape(y, (*x.shape[:-1], size // 2 + 1))


def _rfft2d(c: Context, node: TFNode, x: Value, length: Value) -> Operand:
    """of other lengths than powers of two by matrices"""
    sizes = c.integers(length, "its length")
    if all(_is_power(size) for size in sizes):
        return c.b.rfft2d(x, int32(c, length))
    return _real_over(c, x, sizes)


def _is_power(size: int) -> bool:
    return size > 0 and size & size - 1 == 0


def _real(c: Context, node: TFNode, x: Value, length: Value) -> Operand:
    """as RFFT along the last axis, then as FFT along the others"""
    return _real_over(c, x, c.integers(length, "its length"))


def _real_over(c: Context, x: Value, sizes: Sequence[int]) -> Parts:
    """The transform over the last axes, which are cut to `sizes`."""
    for axis, size in zip(range(-len(sizes), -1), sizes, strict=False):
        x = _cut(c, x, axis, size)
    y = spectrum(c, x, sizes[-1])
    for axis in range(-len(sizes), -1):
        y = transformed(c, y, axis)
    return y


def _cut(c: Context, x: Value, axis: int, size: int) -> Value:
    """x without the elements behind `size` along an axis; TensorFlow asks for as many."""
    rank = len(x.shape)
    (given,) = known_sizes([x.shape[axis]], "a tensor")
    if given < size:
        raise Unsupported(f"an axis of {given} elements for a transform of {size}; pad it before")
    count = [-1] * rank
    count[axis] = size
    return x if given == size else c.b.slice(x, c.ints([0] * rank), c.ints(count))


def _inverse_real(c: Context, node: TFNode, x: Parts, length: Value) -> Value:
    """FULLY_CONNECTED of both parts by matrices of cosines and sines; any length"""
    sizes = c.integers(length, "its length")
    for axis, size in zip(range(-len(sizes), -1), sizes, strict=False):
        x = Parts(_cut(c, x.real, axis, size), _cut(c, x.imag, axis, size))
        x = transformed(c, x, axis, inverse=True)
    return signal(c, x, sizes[-1])


def _transformed(axes: int, *, inverse: bool) -> Handler:
    def handler(c: Context, node: TFNode, x: Parts) -> Parts:
        for axis in range(-axes, 0):
            x = transformed(c, x, axis, inverse=inverse)
        return x

    handler.__doc__ = "FULLY_CONNECTED by matrices; from 128 elements on, a power of two by RFFT2D"
    return handler


HANDLERS: dict[str, Handler] = {
    "RFFT": _rfft,
    "RFFT2D": _rfft2d,
    "RFFT3D": _real,
}
COMPLEX: dict[str, Handler] = {
    **dict.fromkeys(("IRFFT", "IRFFT2D", "IRFFT3D"), _inverse_real),
    **{
        f"{prefix}FFT{name}": _transformed(axes, inverse=prefix == "I")
        for prefix in ("", "I")
        for axes, name in ((1, ""), (2, "2D"), (3, "3D"))
    },
}
