"""Complex operands as pairs of real tensors, for the handlers of what they are used in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.decompose.fourier import Parts
from edgewise.frontends.torch.context import Context, Handler, Result, Unsupported
from edgewise.frontends.torch.handlers.shapes import stack
from edgewise.ir.graph import Value


def parts_of(c: Context, x: Result) -> Parts:
    """A complex operand as a pair; a real tensor or number has no imaginary part."""
    if isinstance(x, Parts):
        return x
    if isinstance(x, Value) and x.data is not None and x.dtype is DType.COMPLEX64:
        real, imag = (np.ascontiguousarray(a) for a in (x.data.real, x.data.imag))
        return Parts(c.b.constant(real, name=x.name), c.b.constant(imag, name=x.name))
    if not isinstance(x, Value | bool | int | float) and x is not None:
        raise Unsupported("computes with complex numbers that no tensor holds; use a buffer")
    value = c.operand(0 if x is None else x, DType.FLOAT32)
    return Parts(value, c.b.mul(value, c.scalar(0)))


def of_pairs(function: Callable[..., Result]) -> Handler:
    """A function of complex operands."""
    return lambda c, *xs: function(c, *(parts_of(c, x) for x in xs))


def _half(x: Result, name: str) -> Result:
    if isinstance(x, list | tuple):
        return [_half(item, name) for item in x]
    return getattr(x, name) if isinstance(x, Parts) else x


def by_parts(handler: Handler, *data: int) -> Handler:
    """Of both parts. Operands at the places `data` are complex, or become so; lists of them too."""

    def on_parts(c: Context, *args: Result, **kwargs: Result) -> Result:
        given = list(args)
        for i in data:
            x = given[i]
            given[i] = [parts_of(c, item) for item in x] if isinstance(x, list) else parts_of(c, x)
        real, imag = (
            handler(c, *(_half(x, name) for x in given), **kwargs) for name in ("real", "imag")
        )
        if isinstance(real, Value) and isinstance(imag, Value):
            return Parts(real, imag)
        return [Parts(a, b) for a, b in zip(real, imag, strict=True)]  # type: ignore[arg-type]

    return on_parts


def as_real(c: Context, x: Result) -> Value:
    """The parts side by side, [..., 2]."""
    both = parts_of(c, x)
    return stack(c, [both.real, both.imag], -1)
