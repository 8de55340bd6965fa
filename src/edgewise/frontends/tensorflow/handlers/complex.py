"""Complex numbers as pairs of real tensors (`Parts`), because `.tflite` computes with no others.

`HANDLERS` make pairs of real tensors. `COMPLEX` is for operations with a complex operand: the walk
gives each complex operand as a pair, a tensor by REAL and IMAG. What works on each element's place
and not on its value (`_BY_PARTS`) does so on both parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.decompose import pairs
from edgewise.frontends.decompose.fourier import Parts, conjugate
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Operand, Unsupported
from edgewise.frontends.tensorflow.handlers import (
    binary,
    elementwise,
    joining,
    linear,
    matrices,
    reducing,
    shapes,
    slicing,
)
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value

# Operations that take a complex tensor as it is.
WHOLE = frozenset((
    "Real", "Imag", "ComplexAbs", "Angle", "Reshape", "Squeeze", "ExpandDims", "Shape", "Rank",
    "Size",
))  # fmt: skip


def parts_of(c: Context, x: Value) -> Parts:
    """A complex tensor as a pair."""
    if x.data is not None:
        data = x.data
        real, imag = (np.ascontiguousarray(a, np.float32) for a in (data.real, data.imag))
        return Parts(c.b.constant(real), c.b.constant(imag))
    return Parts(c.b.real(x), c.b.imag(x))


def is_complex(x: Operand) -> bool:
    """x has complex elements."""
    return isinstance(x, Parts) or (isinstance(x, Value) and x.dtype is DType.COMPLEX64)


# -- from real tensors ------------------------------------------------------------------------


def _complex(c: Context, node: TFNode, x: Value, y: Value) -> Parts:
    """a pair of tensors, which REAL, IMAG and others of this list take apart again"""
    return Parts(*_alike(c, x, y))


def _alike(c: Context, *xs: Value) -> Sequence[Value]:
    """Tensors broadcast to one shape."""
    zeros = [c.b.mul(x, c.scalar(0)) for x in xs]
    return [
        x if all(y.shape == x.shape for y in xs) else c.b.add(x, zeros[1 - i])
        for i, x in enumerate(xs)
    ]


# -- of each part -----------------------------------------------------------------------------


def _by_parts(handler: Handler) -> Callable[..., list[Parts]]:
    def on_parts(c: Context, node: TFNode, *xs: Operand) -> list[Parts]:
        real = _listed(handler(c, node, *(x.real if isinstance(x, Parts) else x for x in xs)))
        imag = _listed(handler(c, node, *(x.imag if isinstance(x, Parts) else x for x in xs)))
        return [_pair(a, b) for a, b in zip(real, imag, strict=True)]

    on_parts.__doc__ = "of both parts"
    return on_parts


def _listed(given: Operand | Sequence[Operand]) -> Sequence[Operand]:
    return given if isinstance(given, list | tuple) else [given]  # type: ignore[list-item]


def _pair(a: Operand, b: Operand) -> Parts:
    assert isinstance(a, Value)
    assert isinstance(b, Value)
    return Parts(a, b)


def _of_real(handler: Handler) -> Handler:
    """What depends on the shape only."""
    return lambda c, node, *xs: handler(
        c, node, *(x.real if isinstance(x, Parts) else x for x in xs)
    )


# -- elementwise ------------------------------------------------------------------------------


def _product(c: Context, node: TFNode, x: Parts, y: Parts) -> Parts:
    return pairs.times(c, x, y)


def _square(c: Context, node: TFNode, x: Parts) -> Parts:
    return pairs.times(c, x, x)


def _inverse(c: Context, node: TFNode, x: Parts) -> Parts:
    return pairs.inverse(c, x)


def _quotient(c: Context, node: TFNode, x: Parts, y: Parts) -> Parts:
    return pairs.times(c, x, pairs.inverse(c, y))


def _conjugate(c: Context, node: TFNode, x: Parts) -> Parts:
    return conjugate(c, x)


def _absolute(c: Context, node: TFNode, x: Parts) -> Value:
    return pairs.absolute(c, x)


def _angle(c: Context, node: TFNode, x: Parts) -> Value:
    return pairs.angle(c, x)


def _exponential(c: Context, node: TFNode, x: Parts) -> Parts:
    return pairs.exponential(c, x)


def _logarithm(c: Context, node: TFNode, x: Parts) -> Parts:
    return pairs.logarithm(c, x)


def _root(c: Context, node: TFNode, x: Parts) -> Parts:
    return pairs.root(c, x)


def _cast(c: Context, node: TFNode, x: Parts) -> Operand:
    wanted = attrs.dtype(node, "DstT")
    return x if wanted is DType.COMPLEX64 else c.cast(x.real, wanted)


def _matmul(handler: Handler) -> Handler:
    def on_parts(c: Context, node: TFNode, x: Parts, y: Parts) -> Parts:
        # `adj_x` is the transpose of the conjugate; the handler transposes
        x = conjugate(c, x) if node.attrs.get("adj_x") else x
        y = conjugate(c, y) if node.attrs.get("adj_y") else y

        def product(a: Value, b: Value) -> Value:
            z = handler(c, node, a, b)
            assert isinstance(z, Value)
            return z

        return pairs.bilinear(product, c, x, y)

    return on_parts


def _conjugate_transpose(c: Context, node: TFNode, x: Parts, perm: Value) -> Operand:
    (y,) = _by_parts(shapes.HANDLERS["Transpose"])(c, node, conjugate(c, x), perm)
    return y


def _einsum(c: Context, node: TFNode, *xs: Parts) -> Operand | Sequence[Operand]:
    if len(xs) == 1:
        return _by_parts(linear.HANDLERS["Einsum"])(c, node, *xs)
    if len(xs) > 2:
        raise Unsupported("an Einstein sum of three complex tensors; write it as two")
    return _matmul(linear.HANDLERS["Einsum"])(c, node, *xs)


def _angle_of(c: Context, node: TFNode, x: Value) -> Value:
    """ATAN2 of IMAG and REAL"""
    return c.b.atan2(c.b.imag(x), c.b.real(x))


HANDLERS: dict[str, Handler] = {
    "Complex": _complex,
    "Angle": _angle_of,
    "ComplexAbs": lambda c, node, x: c.b.complex_abs(x),
    "Real": lambda c, node, x: c.b.real(x),
    "Imag": lambda c, node, x: c.b.imag(x),
}

_TABLES = {
    name: handler
    for module in (binary, elementwise, joining, linear, matrices, reducing, shapes, slicing)
    for name, handler in module.HANDLERS.items()
}
_BY_PARTS = (
    "Add", "AddV2", "AddN", "Sub", "Neg", "Sum", "Mean", "Cumsum", "Reshape", "Squeeze",
    "ExpandDims", "Transpose", "BroadcastTo", "Tile", "Pad", "PadV2", "MirrorPad", "ConcatV2",
    "Pack", "Unpack", "Split", "SplitV", "ReverseV2", "Roll", "Slice", "StridedSlice", "GatherV2",
    "GatherNd", "Select", "SelectV2", "ZerosLike", "EnsureShape", "MatrixDiagPart", "Fill",
)  # fmt: skip

COMPLEX: dict[str, Handler] = {
    **{name: _by_parts(_TABLES[name]) for name in _BY_PARTS},
    **{name: _of_real(shapes.HANDLERS[name]) for name in ("Shape", "Rank", "Size")},
    **{name: _matmul(linear.HANDLERS[name]) for name in ("MatMul", "BatchMatMulV2")},
    "Einsum": _einsum,
    "ConjugateTranspose": _conjugate_transpose,
    "Real": lambda c, node, x: x.real,
    "Imag": lambda c, node, x: x.imag,
    "Conj": _conjugate,
    "ComplexAbs": _absolute,
    "Angle": _angle,
    "Mul": _product,
    **dict.fromkeys(("RealDiv", "Div"), _quotient),
    **dict.fromkeys(("Reciprocal", "Inv"), _inverse),
    "Square": _square,
    "Exp": _exponential,
    "Log": _logarithm,
    "Sqrt": _root,
    "Cast": _cast,
}
