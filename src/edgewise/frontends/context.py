"""What handlers of every frontend work with: the builder, constants, shapes with symbols.

A frontend's own context derives from `Context`. A handler raises `Unsupported` for what it cannot
convert; the walk that called it says where, and collects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.errors import ConversionError, EdgewiseError, FormatError, LimitError
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim, Expr, FloorDiv, Sym
from edgewise.ir.dim import Max as MaxDim
from edgewise.ir.graph import Location, Value

Structure: TypeAlias = "Value | Sequence[Structure] | Mapping[str, Structure]"
Handler: TypeAlias = Callable[..., Structure]


class Unsupported(Exception):
    """What a handler cannot convert, and the way out. The walk adds the place and collects."""


# What Python raises where values of a file are not what an operation or a layer takes.
_MISFITS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@contextmanager
def fitting(where: str, what: str, file: str = "model") -> Iterator[None]:
    """What is done inside takes values of a file as they are: that they do not fit is an error of
    the file. `what` names them: "its config".

    Raises:
        FormatError: they do not fit together. LimitError: there is not enough memory for them.
    """
    try:
        yield
    except EdgewiseError:
        raise
    except MemoryError as error:
        raise LimitError(f"{file}: {where}: {error}") from error
    except _MISFITS as error:
        raise FormatError(f"{where}: {what} must fit together; {error}", file=file) from error


@dataclass
class Context:
    """The state of one conversion. `problems` are sentences by the path of what has them."""

    b: Builder
    file: str
    path: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    where: tuple[str, int] | None = None  # the line of the user's code
    _dims: dict[Sym, Value] = field(default_factory=dict)

    @contextmanager
    def inside(self, name: str) -> Iterator[str]:
        """The path of what is converted is `name` below the current one."""
        before = self.b.location
        self.path.append(name)
        path = "/".join(self.path)
        self.b.location = Location(path, *(self.where or ()))
        try:
            yield path
        finally:
            self.path.pop()
            self.b.location = before

    @contextmanager
    def at(self, within: Sequence[str], where: tuple[str, int] | None) -> Iterator[None]:
        """What is converted stands in the code of the layers `within`, at the line `where`."""
        before = self.where
        self.path.extend(within)
        self.where = where or before
        try:
            yield
        finally:
            self.where = before
            del self.path[len(self.path) - len(within) :]

    def ints(self, values: Sequence[int]) -> Value:
        """An int32 vector: axes, a permutation, sizes."""
        return self.b.constant(np.array(values, np.int32))

    def scalar(self, value: float, like: Value | None = None) -> Value:
        """A number in the dtype of `like` (float32 without)."""
        return self.b.constant(np.array(value, np.float32 if like is None else like.dtype.numpy))

    def real(self, x: Value) -> Value:
        """x as float32, in which everything is computed."""
        return x if x.dtype is DType.FLOAT32 else self.cast(x, DType.FLOAT32)

    def cast(self, x: Value, dtype: DType) -> Value:
        """x in another element type."""
        if x.dtype is dtype:
            return x
        return self.b.cast(x, in_data_type=x.dtype, out_data_type=dtype)

    def transpose(self, x: Value, perm: Sequence[int]) -> Value:
        """x with its axes in this order."""
        return x if list(perm) == list(range(len(perm))) else self.b.transpose(x, self.ints(perm))

    def on_channels_last(self, x: Value, body: Callable[[Value], Value]) -> Value:
        """`body`, which works on [N, ..., C], for an x of [N, C, ...]; its result lies as x."""
        rank = len(x.shape)
        y = body(self.transpose(x, [0, *range(2, rank), 1]))
        return self.transpose(y, [0, len(y.shape) - 1, *range(1, len(y.shape) - 1)])

    def reshape(self, x: Value, shape: Sequence[Dim]) -> Value:
        """x in another shape; dimensions may be symbols of the model's inputs."""
        if tuple(shape) == x.shape:
            return x
        if sum(not isinstance(d, int) for d in shape) <= 1:
            return self.b.reshape(x, self.ints([d if isinstance(d, int) else -1 for d in shape]))
        return self.b.reshape(x, self.shape(shape))

    def shape(self, dims: Sequence[Dim]) -> Value:
        """A shape operand: constant where every dimension is known, else computed."""
        known = [d for d in dims if isinstance(d, int)]
        if len(known) == len(dims):
            return self.ints(known)
        return self.b.pack(*(self.dim(d) for d in dims), values_count=len(dims), axis=0)

    def zeros(self, dims: Sequence[Dim]) -> Value:
        """float32 zeros; computed where a dimension is a symbol."""
        known = [d for d in dims if isinstance(d, int)]
        if len(known) == len(dims):
            bounded(math.prod(known), "zeros")
            return self.b.constant(np.zeros(known, np.float32))
        return self.b.fill(self.shape(dims), self.scalar(0))

    def dim(self, dim: Dim) -> Value:
        """A dimension as an int32 scalar, computed from the shapes of the model's inputs."""
        if isinstance(dim, int):
            return self.b.constant(np.array(dim, np.int32))
        if isinstance(dim, Sym):
            return self._symbol(dim)
        assert isinstance(dim, Expr)
        total: Value | None = None
        for atoms, coefficient in dim.terms:
            term = None if atoms and coefficient == 1 else self.dim(coefficient)
            for atom in atoms:
                if isinstance(atom, FloorDiv):
                    factor = self.b.floor_div(self.dim(atom.value), self.dim(atom.divisor))
                elif isinstance(atom, MaxDim):
                    factor = self.b.maximum(self.dim(atom.value), self.dim(atom.floor))
                else:
                    factor = self._symbol(atom)
                term = factor if term is None else self.b.mul(term, factor)
            assert term is not None
            total = term if total is None else self.b.add(total, term)
        assert total is not None
        return total

    def _symbol(self, symbol: Sym) -> Value:
        if symbol not in self._dims:
            found = next((v for v in self._tensors() if symbol in (v.type.shape or ())), None)
            if found is None:
                raise Unsupported("its shape depends on data; give the model fixed input shapes")
            axis = found.shape.index(symbol)
            bounds = (self.ints([axis]), self.ints([axis + 1]), self.ints([1]))
            sizes = self.b.shape(found)
            self._dims[symbol] = self.b.strided_slice(sizes, *bounds, shrink_axis_mask=1)
        return self._dims[symbol]

    def _tensors(self) -> Iterator[Value]:
        """Inputs first; after them results, some of whose dimensions are known only there."""
        yield from self.b.graph.inputs
        for node in self.b.graph.nodes:
            yield from node.outputs


def values_of(structure: Structure) -> list[Value]:
    """The Values of a nested structure in Keras's order: dicts by sorted key.

    Raises:
        ConversionError: something else is among them, as the arguments of a damaged file can be.
    """
    if isinstance(structure, Value):
        return [structure]
    if isinstance(structure, Mapping):
        return [value for key in sorted(structure) for value in values_of(structure[key])]
    if not isinstance(structure, list | tuple):
        raise ConversionError(f"a tensor is expected here; found {structure!r:.80}")
    return [value for item in structure for value in values_of(item)]


def only_value(structure: Structure) -> Value:
    """The single Value of a structure. Raises ConversionError where there are more."""
    values = values_of(structure)
    if len(values) != 1:
        raise ConversionError(f"one tensor is expected here; found {len(values)}")
    return values[0]


# A small file may name any size: what one operation is written out to has a bound.
MAX_RESULTS = 1 << 16
MAX_ELEMENTS = 1 << 26


def bounded(count: int, what: str, limit: int = MAX_ELEMENTS) -> int:
    """`count` elements that a handler is about to make. Raises LimitError above the limit."""
    if count > limit:
        raise LimitError(f"{what} would have {count} elements; at most {limit}")
    return count


def known_sizes(dims: Sequence[Dim], what: str) -> list[int]:
    """Dimensions as numbers. `what` has them: "a matrix".

    Raises:
        Unsupported: one of them is a symbol.
    """
    known = [d for d in dims if isinstance(d, int)]
    if len(known) < len(dims):
        raise Unsupported(f"{what} of unknown size; give the model a fixed input shape")
    return known


def computed(given: DType) -> DType:
    """The type in which elements of a type are computed: float32 for floats of every width."""
    if given in FLOATS:
        return DType.FLOAT32
    return DType.COMPLEX64 if given is DType.COMPLEX128 else given


def is_float(x: Value) -> bool:
    """x has a floating-point element type."""
    return x.dtype in FLOATS
