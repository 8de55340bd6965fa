"""What a handler of a PyTorch operation works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends import context
from edgewise.frontends.context import Unsupported, computed
from edgewise.frontends.decompose.fourier import Parts
from edgewise.frontends.torch.program import Body
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim, SymbolicDim, elements, exact_quotient
from edgewise.ir.graph import Value

__all__ = ["Context", "Handler", "Operand", "Result", "Unsupported", "axes_of", "axis_of"]

# A size that depends on the inputs' is a Dim, which Python's own operators compute with.
Operand: TypeAlias = "Value | bool | int | float | SymbolicDim"
Result: TypeAlias = "Value | Parts | bool | int | float | SymbolicDim | Sequence[Result] | None"
Handler: TypeAlias = Callable[..., Result]


@dataclass
class Context(context.Context):
    """The state of one graph in the making; `run` gives the results of a body on operands."""

    run: Callable[[Context, Body, Sequence[Result]], list[Result]] = field(kw_only=True)

    def body(self, name: str) -> Context:
        """The context of a new graph, which a control flow operator will run."""
        b = Builder(f"{self.b.location.layer if self.b.location else 'graph'}/{name}")
        b.location = self.b.location
        return Context(b, self.file, self.path, self.problems, self.where, run=self.run)

    def converted(self, x: Value, dtype: DType) -> Value:
        """x in another element type, a constant as a constant."""
        if x.dtype is dtype or x.data is None:
            return self.cast(x, dtype)
        return self.b.constant(x.data.astype(dtype.numpy), name=x.name)

    def operand(self, x: Operand, dtype: DType) -> Value:
        """A tensor, a number or a size as a tensor of this type."""
        if isinstance(x, Value):
            return self.converted(x, dtype)
        if isinstance(x, SymbolicDim):
            return self.cast(self.dim(x), dtype)
        return self.b.constant(np.array(x, dtype.numpy))

    def promoted(self, *xs: Operand) -> list[Value]:
        """The operands in the type that PyTorch computes them in."""
        dtype = promotion(*xs)
        return [self.operand(x, dtype) for x in xs]

    def full(self, dims: Sequence[Dim], value: Operand, dtype: DType) -> Value:
        """A tensor of one number."""
        if all(isinstance(d, int) for d in dims) and not isinstance(value, Value | SymbolicDim):
            count = elements(dims)
            assert isinstance(count, int)
            context.bounded(count, "a tensor of one number")
            return self.b.constant(np.full(dims, value, dtype.numpy))
        return self.b.fill(self.shape(dims), self.operand(value, dtype))

    def spread(self, x: Value, dims: Sequence[Dim]) -> Value:
        """x broadcast to these sizes."""
        return x if x.shape == tuple(dims) else self.b.broadcast_to(x, self.shape(dims))

    def moved(self, x: Value, perm: Sequence[int]) -> Value:
        """x with its axes in this order, a constant as a constant."""
        if x.data is None:
            return self.transpose(x, perm)
        return self.b.constant(np.ascontiguousarray(x.data.transpose(perm)), name=x.name)

    def reshaped(self, x: Value, shape: Sequence[Dim]) -> Value:
        """x in another shape, a constant as a constant."""
        if x.data is None:
            return self.reshape(x, shape)
        return self.b.constant(x.data.reshape(shape), name=x.name)

    def viewed(self, x: Value, sizes: Sequence[Dim]) -> Value:
        """x in another shape, one size of which may be -1: what is left."""
        if -1 in [d for d in sizes if isinstance(d, int)]:
            total = elements(x.shape)
            rest = elements(d for d in sizes if d != -1)
            left = 0 if total == 0 else exact_quotient(total, rest)
            if left is None and isinstance(rest, int):
                left = total // rest
            if left is None:
                raise Unsupported("a size that is not known is left over; give fixed input shapes")
            sizes = [left if d == -1 else d for d in sizes]
        return self.reshape(x, tuple(sizes))


def promotion(*xs: Operand) -> DType:
    """The type of a result: of tensors; one without axes, and a number, only raises the kind.

    Source: PyTorch's documentation, Tensor Attributes, torch.dtype."""
    found: list[DType | None] = [None, None, None]
    for x in xs:
        level, dtype = _kind(x)
        before = found[level]
        found[level] = dtype if before is None else _wider(before, dtype)
    result, *others = (dtype for dtype in found if dtype is not None)
    for dtype in others:
        result = dtype if _rank(dtype) > _rank(result) else result
    return computed(result)


def _kind(x: Operand) -> tuple[int, DType]:
    if isinstance(x, Value):
        return (0 if len(x.shape) else 1), x.dtype
    if isinstance(x, bool):
        return 2, DType.BOOL
    return 2, DType.FLOAT32 if isinstance(x, float) else DType.INT64


def _rank(dtype: DType) -> int:
    return 0 if dtype is DType.BOOL else 2 if dtype in FLOATS else 1 if dtype.is_integer else 3


def _wider(a: DType, b: DType) -> DType:
    if a is b or _rank(a) != _rank(b):
        return a if _rank(a) >= _rank(b) else b
    signs = {dtype.range[0] < 0 for dtype in (a, b)} if a.is_integer else {True}
    if len(signs) == 2:  # uint8 and a signed type
        signed, other = (a, b) if a.range[0] < 0 else (b, a)
        return signed if signed.bits > other.bits else DType.INT16
    return a if a.bits >= b.bits else b


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the start; a scalar has axis 0 and -1."""
    if not -max(rank, 1) <= axis < max(rank, 1):
        raise Unsupported(f"axis {axis} of a tensor of rank {rank}")
    return axis % max(rank, 1)


def axes_of(dim: int | Sequence[int] | None, rank: int) -> list[int]:
    """Axes counted from the start; all where none is named."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return list(range(rank))
    return [axis_of(axis, rank) for axis in ([dim] if isinstance(dim, int) else dim)]
