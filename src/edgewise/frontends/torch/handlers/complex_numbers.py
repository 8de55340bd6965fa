"""Complex numbers as pairs of real tensors.

`COMPLEX` has the handlers of operations that have a complex operand. What works on each element's
place and not on its value does so on both parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewise.frontends.decompose import pairs
from edgewise.frontends.decompose.fourier import Parts, conjugate
from edgewise.frontends.torch.context import Context, Handler, Operand, Result, Unsupported
from edgewise.frontends.torch.handlers import (
    indexing,
    linear,
    reducing,
    scattering,
    shapes,
)
from edgewise.frontends.torch.handlers.binary import add, sub
from edgewise.frontends.torch.handlers.fourier import SHIFTS, TRANSFORMS
from edgewise.frontends.torch.handlers.halves import as_real, by_parts, of_pairs, parts_of
from edgewise.ir.graph import Value


def _scaled(handler: Handler) -> Handler:
    """x + alpha * y of both parts."""
    return by_parts(lambda c, x, y, alpha=1: handler(c, x, y, alpha), 0, 1)


def _product(function: Callable[[Context, Value, Value], Value]) -> Handler:
    def handler(c: Context, x: Result, y: Result) -> Parts:
        return pairs.bilinear(lambda a, b: function(c, a, b), c, parts_of(c, x), parts_of(c, y))

    return handler


def _quotient(c: Context, x: Parts, y: Parts) -> Parts:
    return pairs.times(c, x, pairs.inverse(c, y))


def _einsum(c: Context, equation: str, tensors: Sequence[Result], path: object = None) -> Parts:
    if len(tensors) == 1:
        whole = by_parts(lambda c, x: linear.HANDLERS["einsum"](c, equation, [x]), 0)
        return whole(c, tensors[0])  # type: ignore[return-value]
    if len(tensors) != 2:
        raise Unsupported("a sum of products of three complex tensors or more; write two of two")

    def product(c: Context, a: Value, b: Value) -> Value:
        y = linear.HANDLERS["einsum"](c, equation, [a, b])
        assert isinstance(y, Value)
        return y

    return _product(product)(c, *tensors)  # type: ignore[return-value]


def _matmul(c: Context, a: Value, b: Value) -> Value:
    y = linear.HANDLERS["matmul"](c, a, b)
    assert isinstance(y, Value)
    return y


def _as_complex(c: Context, x: Value) -> Parts:
    """From [..., 2]."""
    return Parts(*(indexing.select(c, x, len(x.shape) - 1, i) for i in (0, 1)))


def _power(c: Context, x: Result, exponent: Operand) -> Parts:
    base = parts_of(c, x)
    if not isinstance(exponent, int) or not 1 <= exponent <= 8:
        raise Unsupported("a power of a complex number that is not 1 to 8; write it as products")
    y = base
    for _ in range(exponent - 1):
        y = pairs.times(c, y, base)
    return y


_ELEMENTS = {**shapes.HANDLERS, **indexing.HANDLERS, **reducing.HANDLERS, **scattering.HANDLERS}
_ONE = (
    "view", "reshape", "_unsafe_view", "view_as", "permute", "transpose", "swapaxes", "t",
    "numpy_T", "mT", "movedim", "moveaxis", "unsqueeze", "squeeze", "flatten", "unflatten",
    "expand", "repeat", "tile", "repeat_interleave", "cat", "concat", "stack", "hstack", "vstack",
    "split", "split_with_sizes", "chunk", "unbind", "slice", "select", "narrow", "index",
    "index_select", "flip", "roll", "unfold", "sum", "mean", "cumsum",
)  # fmt: skip

COMPLEX: dict[str, Handler] = {
    **{name: by_parts(_ELEMENTS[name], 0) for name in _ONE},
    **{name: by_parts(handler, 0) for name, handler in SHIFTS.items()},
    **TRANSFORMS,
    "slice_scatter": by_parts(_ELEMENTS["slice_scatter"], 0, 1),
    "select_scatter": by_parts(_ELEMENTS["select_scatter"], 0, 1),
    "copy": by_parts(lambda c, x, source, *_: c.spread(source, x.shape), 0, 1),
    "where": by_parts(lambda c, test, x, y: c.b.select_v2(test, x, y), 1, 2),
    **dict.fromkeys(
        ("clone", "contiguous", "detach", "alias", "resolve_conj", "resolve_neg"),
        lambda c, x, **_: x,
    ),
    "operator.getitem": lambda c, x, i: x[i],
    "add": _scaled(add),
    "sub": _scaled(sub),
    "neg": by_parts(lambda c, x: c.b.neg(x), 0),
    "mul": of_pairs(pairs.times),
    "div": of_pairs(_quotient),
    "reciprocal": of_pairs(pairs.inverse),
    "square": of_pairs(lambda c, x: pairs.times(c, x, x)),
    "pow": _power,
    "exp": of_pairs(pairs.exponential),
    "log": of_pairs(pairs.logarithm),
    "sqrt": of_pairs(pairs.root),
    "abs": of_pairs(pairs.absolute),
    "angle": of_pairs(pairs.angle),
    **dict.fromkeys(("conj", "_conj", "_conj_physical", "conj_physical"), of_pairs(conjugate)),
    "real": lambda c, x: parts_of(c, x).real,
    "imag": lambda c, x: parts_of(c, x).imag,
    "view_as_real": as_real,
    "einsum": _einsum,
    **dict.fromkeys(("matmul", "mm", "bmm"), _product(_matmul)),
}
HANDLERS: dict[str, Handler] = {
    "complex": lambda c, real, imag: Parts(*c.promoted(real, imag)),
    "polar": pairs.polar,
    "view_as_complex": _as_complex,
    **dict.fromkeys(("real", "resolve_conj", "conj", "_conj"), lambda c, x: x),
}
