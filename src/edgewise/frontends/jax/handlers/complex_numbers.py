"""Complex numbers as pairs of real tensors, and transforms. Source: jax/_src/lax/fft.py, JAX 0.10.

What works on each element's place and not on its value does so on both parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.decompose import fourier, pairs
from edgewise.frontends.decompose.fourier import Parts, conjugate
from edgewise.frontends.jax.context import Context, Equation, Handler, Operand, Unsupported
from edgewise.frontends.jax.handlers import (
    elementwise,
    indexing,
    linear,
    reducing,
    shapes,
)
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType


def parts_of(c: Context, x: Operand) -> Parts:
    """A complex operand as a pair; a real one has no imaginary part."""
    if isinstance(x, Parts):
        return x
    if isinstance(x, np.ndarray):
        real, imag = (np.ascontiguousarray(a, np.float32) for a in (x.real, x.imag))
        return Parts(c.b.constant(real), c.b.constant(imag))
    real_part = c.value(x)
    return Parts(real_part, c.b.mul(real_part, c.scalar(0)))


def _of_pairs(function: Callable[..., Operand]) -> Handler:
    """A function of complex operands, as pairs."""
    return lambda c, node, *xs: function(c, *(parts_of(c, x) for x in xs))


def _by_parts(handler: Handler, of_value: Sequence[int] = ()) -> Handler:
    """Of both parts; operands at `of_value` are real, as they are."""

    def on_parts(c: Context, node: Equation, *xs: Operand) -> list[Operand]:
        operands = [c.value(x) if i in of_value else parts_of(c, x) for i, x in enumerate(xs)]
        of_part = replace(node, results=tuple(_of_part(t) for t in node.results))

        def half(name: str) -> list[Value]:
            given = [x if isinstance(x, Value) else getattr(x, name) for x in operands]
            made = handler(c, of_part, *given)
            found = made if isinstance(made, list | tuple) else (made,)
            return [
                c.spread(c.small(y), t.shape or ())
                for y, t in zip(found, of_part.results, strict=True)
            ]

        return [Parts(a, b) for a, b in zip(half("real"), half("imag"), strict=True)]

    return on_parts


def _of_part(given: TensorType) -> TensorType:
    if given.dtype is not DType.COMPLEX64:
        return given
    return TensorType(given.shape, DType.FLOAT32)


def _complex(c: Context, node: Equation, x: Operand, y: Operand) -> Parts:
    """a pair, which others of this list take apart again"""
    return Parts(c.value(x), c.value(y))


def _cast(c: Context, node: Equation, x: Operand) -> Operand:
    if node.dtype is DType.COMPLEX64:
        return parts_of(c, c.cast(c.value(x), DType.FLOAT32) if isinstance(x, Value) else x)
    return c.cast(parts_of(c, x).real, node.dtype)


def _power(c: Context, node: Equation, x: Operand) -> Parts:
    exponent = int(node.params["y"])
    base = parts_of(c, x)
    y = base
    for _ in range(abs(exponent) - 1):
        y = pairs.times(c, y, base)
    return pairs.inverse(c, y) if exponent < 0 else y


def _dot_general(c: Context, node: Equation, x: Operand, y: Operand) -> Parts:
    real = replace(node, results=(TensorType(node.shape, DType.FLOAT32),))

    def product(a: Value, b: Value) -> Value:
        z = linear.HANDLERS["dot_general"](c, real, a, b)
        assert isinstance(z, Value)
        return z

    return pairs.bilinear(product, c, parts_of(c, x), parts_of(c, y))


def _equal(c: Context, node: Equation, x: Operand, y: Operand) -> Value:
    a, b = parts_of(c, x), parts_of(c, y)
    return c.b.logical_and(c.b.equal(a.real, b.real), c.b.equal(a.imag, b.imag))


def _quotient(c: Context, x: Parts, y: Parts) -> Parts:
    return pairs.times(c, x, pairs.inverse(c, y))


def _conjugate(c: Context, node: Equation, x: Operand) -> Parts:
    return conjugate(c, parts_of(c, x))


def _fft(c: Context, node: Equation, x: Operand) -> Operand:
    """by RFFT2D or by matrices of waves"""
    kind = getattr(node.params["fft_type"], "name", str(node.params["fft_type"]))
    kind = {"0": "FFT", "1": "IFFT", "2": "RFFT", "3": "IRFFT"}.get(kind, kind)
    lengths = [c.sizes.dim(n) for n in node.params["fft_lengths"]]
    *_, size = lengths
    if not isinstance(size, int):
        raise Unsupported("transforms an unknown length; convert with a fixed size")
    rank = len(node.shape)
    outer = range(rank - len(lengths), rank - 1)
    if kind == "RFFT":
        y = fourier.spectrum(c, c.value(x), size)
        for axis in outer:
            y = fourier.transformed(c, y, axis)
        return y
    y = parts_of(c, x)
    inverse = kind in ("IFFT", "IRFFT")
    for axis in outer:
        y = fourier.transformed(c, y, axis, inverse=inverse)
    if kind == "IRFFT":
        return fourier.signal(c, y, size)
    return fourier.transformed(c, y, rank - 1, inverse=inverse)


_TABLES = {
    name: handler
    for module in (elementwise, indexing, reducing, shapes)
    for table in ("ELEMENTWISE", "HANDLERS", "OBJECTS")
    for name, handler in getattr(module, table, {}).items()
}
_BY_PARTS = (
    "add", "add_any", "sub", "neg", "copy", "copy_p", "optimization_barrier", "reduce_sum",
    "cumsum", "reshape", "squeeze", "expand_dims", "transpose", "broadcast_in_dim", "concatenate",
    "stack", "unstack", "split", "rev", "slice", "pad", "tile",
)  # fmt: skip

COMPLEX: dict[str, Handler] = {
    **{name: _by_parts(_TABLES[name]) for name in _BY_PARTS},
    "select_n": _by_parts(_TABLES["select_n"], of_value=(0,)),
    "gather": _by_parts(_TABLES["gather"], of_value=(1,)),
    "dynamic_slice": _by_parts(_TABLES["dynamic_slice"], of_value=range(1, 9)),
    "complex": _complex,
    "real": lambda c, node, x: parts_of(c, x).real,
    "imag": lambda c, node, x: parts_of(c, x).imag,
    "conj": _conjugate,
    "abs": _of_pairs(pairs.absolute),
    "mul": _of_pairs(pairs.times),
    "div": _of_pairs(_quotient),
    "square": _of_pairs(lambda c, x: pairs.times(c, x, x)),
    "integer_pow": _power,
    "exp": _of_pairs(pairs.exponential),
    "log": _of_pairs(pairs.logarithm),
    "sqrt": _of_pairs(pairs.root),
    "eq": _equal,
    "dot_general": _dot_general,
    "convert_element_type": _cast,
}
OBJECTS: dict[str, Handler] = {"fft": _fft}
