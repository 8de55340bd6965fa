"""Operations that give the same elements in another shape, order or number; sizes.

Source: aten/src/ATen/native/TensorShape.cpp, PyTorch 2.13.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewise.frontends.torch.context import (
    Context,
    Handler,
    Result,
    Unsupported,
    axes_of,
    axis_of,
)
from edgewise.ir.dim import Dim, SymbolicDim, elements
from edgewise.ir.graph import Value
from edgewise.ir.op import operator as operator_of


def view(c: Context, x: Value, size: Sequence[Dim]) -> Value:
    """x in another shape."""
    if not isinstance(size, list | tuple):
        raise Unsupported("a view of the bits as another type; convert with .to()")
    return c.viewed(x, size)


def permute(c: Context, x: Value, dims: Sequence[int]) -> Value:
    """x with its axes in another order."""
    return c.transpose(x, [axis_of(d, len(x.shape)) for d in dims])


def transpose(c: Context, x: Value, dim0: int, dim1: int) -> Value:
    """x with two axes swapped."""
    perm = list(range(len(x.shape)))
    if perm:
        a, b = axis_of(dim0, len(perm)), axis_of(dim1, len(perm))
        perm[a], perm[b] = perm[b], perm[a]
    return c.transpose(x, perm)


def _reversed(c: Context, x: Value) -> Value:
    return c.transpose(x, list(range(len(x.shape)))[::-1])


def _moved(c: Context, x: Value, source: object, destination: object) -> Value:
    rank = len(x.shape)
    froms, tos = (axes_of(d, rank) for d in (source, destination))  # type: ignore[arg-type]
    order = [axis for axis in range(rank) if axis not in froms]
    for to, axis in sorted(zip(tos, froms, strict=True)):
        order.insert(to, axis)
    return c.transpose(x, order)


def unsqueeze(c: Context, x: Value, dim: int) -> Value:
    """x with an axis of 1 more."""
    at = axis_of(dim, len(x.shape) + 1)
    return c.reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def _squeeze(c: Context, x: Value, dim: int | Sequence[int] | None = None) -> Value:
    """x without axes of 1; one that is not known to be 1 is none."""
    axes = axes_of(dim, len(x.shape))
    return c.reshape(x, [d for i, d in enumerate(x.shape) if i not in axes or d != 1])


def _flatten(c: Context, x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    rank = len(x.shape)
    if rank == 0:
        return c.reshape(x, (1,))
    a, b = axis_of(start_dim, rank), axis_of(end_dim, rank)
    return c.reshape(x, (*x.shape[:a], elements(x.shape[a : b + 1]), *x.shape[b + 1 :]))


def _unflatten(c: Context, x: Value, dim: int, sizes: Sequence[Dim]) -> Value:
    at = axis_of(dim, len(x.shape))
    return c.viewed(x, (*x.shape[:at], *sizes, *x.shape[at + 1 :]))


def expand(c: Context, x: Value, size: Sequence[Dim], implicit: bool = False) -> Value:
    """x broadcast; -1 keeps a size."""
    own = (1,) * (len(size) - len(x.shape)) + x.shape
    return c.spread(x, [o if d == -1 else d for o, d in zip(own, size, strict=True)])


def _expand_as(c: Context, x: Value, other: Value) -> Value:
    return expand(c, x, other.shape)


def repeat(c: Context, x: Value, repeats: Sequence[Dim]) -> Value:
    """x so many times along each axis; axes in front may be new."""
    x = c.reshape(x, (1,) * (len(repeats) - len(x.shape)) + x.shape)
    return x if all(r == 1 for r in repeats) else c.b.tile(x, c.shape(repeats))


def _tile(c: Context, x: Value, dims: Sequence[Dim]) -> Value:
    return repeat(c, x, (*([1] * (len(x.shape) - len(dims))), *dims))


def _repeat_interleave(
    c: Context, x: Value, repeats: int, dim: int | None = None, output_size: object = None
) -> Value:
    """Every element so many times in a row."""
    if not isinstance(repeats, int):
        raise Unsupported("numbers of repetitions that are a tensor; give one number")
    if dim is None:
        x, dim = c.reshape(x, (elements(x.shape),)), 0
    at = axis_of(dim, len(x.shape))
    wide = c.reshape(x, (*x.shape[: at + 1], 1, *x.shape[at + 1 :]))
    tiled = c.b.tile(wide, c.ints([repeats if i == at + 1 else 1 for i in range(len(wide.shape))]))
    return c.reshape(tiled, (*x.shape[:at], x.shape[at] * repeats, *x.shape[at + 1 :]))


def cat(c: Context, tensors: Sequence[Value], dim: int = 0) -> Value:
    """Tensors one after the other; an empty vector among them counts for nothing."""
    kept = [x for x in tensors if x.shape != (0,)] or list(tensors[:1])
    xs = c.promoted(*kept)
    if len(xs) == 1:
        return xs[0]
    return c.b.concatenation(*xs, axis=axis_of(dim, len(xs[0].shape)))


def stack(c: Context, tensors: Sequence[Value], dim: int = 0) -> Value:
    """Tensors along a new axis."""
    xs = c.promoted(*tensors)
    axis = axis_of(dim, len(xs[0].shape) + 1)
    return c.b.pack(*xs, values_count=len(xs), axis=axis)


def _stacked(rank: int, axis: int) -> Handler:
    """hstack and kin: at least so many axes, then one after the other."""

    def handler(c: Context, tensors: Sequence[Value]) -> Value:
        xs = [
            x if len(x.shape) >= rank else c.reshape(x, _at_least(x.shape, rank)) for x in tensors
        ]
        return cat(c, xs, 0 if axis == 1 and len(xs[0].shape) == 1 else axis)

    return handler


def _at_least(shape: Sequence[Dim], rank: int) -> tuple[Dim, ...]:
    if rank == 3:
        return {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)]
    return (1,) * (rank - len(shape)) + tuple(shape)


def split(c: Context, x: Value, split_size: Dim | Sequence[int], dim: int = 0) -> list[Value]:
    """Parts along an axis, all of one size but the last."""
    at = axis_of(dim, len(x.shape))
    if isinstance(split_size, list | tuple):
        return _parts(c, x, split_size, at)
    size = x.shape[at]
    if size == split_size:
        return [x]
    if not isinstance(size, int) or not isinstance(split_size, int):
        raise Unsupported("it splits an axis of unknown size; give the model a fixed shape")
    count = -(-size // split_size)
    return _parts(c, x, [min(split_size, size - i * split_size) for i in range(count)], at)


def _parts(c: Context, x: Value, sizes: Sequence[int], axis: int) -> list[Value]:
    where = c.b.constant(np.array(axis, np.int32))
    if len(sizes) == 1:
        return [x]
    if len(set(sizes)) == 1:
        return list(c.b.node(operator_of("split")(num_splits=len(sizes)), where, x).outputs)
    op = operator_of("split_v")(num_splits=len(sizes))
    return list(c.b.node(op, x, c.ints(sizes), where).outputs)


def _sections(c: Context, x: Value, sections: int, dim: int = 0) -> list[Value]:
    """So many parts, the first ones longer where it does not come out even."""
    at = axis_of(dim, len(x.shape))
    size = x.shape[at]
    if not isinstance(size, int):
        raise Unsupported("it splits an axis of unknown size; give the model a fixed shape")
    return _parts(c, x, [size // sections + (i < size % sections) for i in range(sections)], at)


def _chunk(c: Context, x: Value, chunks: int, dim: int = 0) -> list[Value]:
    size = x.shape[axis_of(dim, len(x.shape))]
    if not isinstance(size, int):
        raise Unsupported("it splits an axis of unknown size; give the model a fixed shape")
    return split(c, x, max(1, -(-size // chunks)), dim)


def unbind(c: Context, x: Value, dim: int = 0) -> list[Value]:
    """The elements along an axis."""
    at = axis_of(dim, len(x.shape))
    count = x.shape[at]
    if not isinstance(count, int):
        raise Unsupported("it unbinds an axis of unknown size; give the model a fixed shape")
    return list(c.b.node(operator_of("unpack")(num=count, axis=at), x).outputs)


def _size(c: Context, x: Value, dim: int) -> Result:
    return x.shape[axis_of(dim, len(x.shape))]


def _count(c: Context, x: Value) -> Result:
    return elements(x.shape)


def _get(c: Context, items: Sequence[Result], i: int) -> Result:
    return items[i]


def _on_numbers(function: Callable[..., Any]) -> Handler:
    """Python's operator on sizes."""

    def handler(c: Context, *xs: object) -> Result:
        try:
            found: Result = function(*xs)
            return found
        except TypeError:
            raise Unsupported(
                "Python computes with a size that is not known, which has no formula here; convert"
                " with a fixed size"
            ) from None

    return handler


def _decided(function: Callable[..., object]) -> Handler:
    """A question about sizes, which must be known for it."""

    def handler(c: Context, *xs: object) -> Result:
        if any(isinstance(x, SymbolicDim) for x in xs) and function not in (
            operator.eq,
            operator.ne,
        ):
            return True  # PyTorch checks what it traced by it
        return bool(function(*xs))

    return handler


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "view_copy", "_reshape_alias"), view),
    **dict.fromkeys(("view_as", "reshape_as"), lambda c, x, other: c.reshape(x, other.shape)),
    "permute": permute,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), transpose),
    "t": _reversed,
    "numpy_T": _reversed,
    **dict.fromkeys(("mT", "adjoint"), lambda c, x: transpose(c, x, -2, -1)),
    **dict.fromkeys(("movedim", "moveaxis"), _moved),
    "unsqueeze": unsqueeze,
    "squeeze": _squeeze,
    "flatten": _flatten,
    "ravel": _flatten,
    "unflatten": _unflatten,
    "expand": expand,
    "broadcast_to": expand,
    "expand_as": _expand_as,
    "repeat": repeat,
    "tile": _tile,
    "repeat_interleave": _repeat_interleave,
    **dict.fromkeys(("cat", "concat", "concatenate"), cat),
    "stack": stack,
    "hstack": _stacked(1, 1),
    "vstack": _stacked(2, 0),
    "dstack": _stacked(3, 2),
    **dict.fromkeys(("split", "split_with_sizes"), split),
    "tensor_split.sections": _sections,
    "chunk": _chunk,
    "unbind": unbind,
    "sym_size": _size,
    "sym_numel": _count,
    "operator.getitem": _get,
    **{
        f"operator.{name}": _on_numbers(getattr(operator, name))
        for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "truediv", "pow", "pos")
    },
    **{
        f"operator.{name}": _decided(getattr(operator, name))
        for name in ("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_")
    },
}
