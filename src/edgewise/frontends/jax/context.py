"""What a handler of a primitive works with, and what may stand for a variable of a jaxpr."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends import context
from edgewise.frontends.context import Unsupported, bounded
from edgewise.frontends.decompose.fourier import Parts
from edgewise.frontends.jax.sizes import Sizes
from edgewise.ir.build import Builder
from edgewise.ir.dim import Shape
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType

__all__ = [
    "Context",
    "Equation",
    "Handler",
    "Operand",
    "Parts",
    "Skipped",
    "Spread",
    "Unsupported",
    "computed",
]


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """A tensor of `shape` that repeats `value`, which has sizes of 1 there: not written out where
    operators repeat by themselves."""

    value: Value
    shape: Shape


# What stands for a variable: a tensor, or a constant, as NumPy's array in its own element type.
Operand: TypeAlias = "Value | Parts | Spread | np.ndarray"


@dataclass(frozen=True, slots=True)
class Equation:
    """One application of a primitive: its parameters, the types of its results, its line.

    Sizes among the parameters are JAX's; `c.sizes` makes ours of them.
    """

    name: str
    params: dict[str, Any]
    results: tuple[TensorType, ...]
    where: tuple[str, int] | None = None

    @property
    def shape(self) -> Shape:
        """That of the first result."""
        found = self.results[0].shape
        assert found is not None
        return found

    @property
    def dtype(self) -> DType:
        """That of the first result."""
        return self.results[0].dtype


class Skipped(Exception):
    """Something inside has a problem, which is noted."""


Handler: TypeAlias = "Callable[..., Operand | Sequence[Operand]]"


def computed(dtype: np.dtype) -> DType:
    """The type in which elements are computed: float32 for floats of every width.

    Raises:
        Unsupported: there is none, as for the keys of random numbers.
    """
    try:
        given = DType.of(dtype)
    except (KeyError, ValueError, TypeError) as error:
        raise Unsupported(f"has elements of type {dtype}; use float32 or int32") from error
    if given in FLOATS:
        return DType.FLOAT32
    return DType.COMPLEX64 if given is DType.COMPLEX128 else given


@dataclass
class Context(context.Context):
    """The state of one graph in the making.

    `walk` writes a jaxpr, for handlers of control flow; it raises Skipped. `found` are the
    sentences on what cannot be converted. `names` are those of constants, by their ids.
    """

    sizes: Sizes = field(kw_only=True)
    walk: Callable[[Context, Any, Sequence[Any], Sequence[Operand]], list[Operand]] = field(
        kw_only=True
    )
    names: dict[int, str] = field(default_factory=dict)
    found: dict[str, None] = field(default_factory=dict)
    _constants: dict[int, tuple[np.ndarray, Value]] = field(default_factory=dict)

    def body(self, name: str) -> Context:
        """The context of a new graph, which a control flow operator will run."""
        b = Builder(name)
        b.location = self.b.location
        return Context(
            b, self.file, self.path, self.problems, self.where,
            sizes=self.sizes, walk=self.walk, names=self.names, found=self.found,
        )  # fmt: skip

    def value(self, x: Operand) -> Value:
        """The operand as one tensor of its whole shape. Raises Unsupported: it is complex."""
        if isinstance(x, Value):
            return x
        if isinstance(x, Spread):
            return self.spread(x.value, x.shape)
        if isinstance(x, Parts):
            raise Unsupported("takes complex numbers; compute with jnp.real and jnp.imag of them")
        return self._constant(x)

    def small(self, x: Operand) -> Value:
        """The operand with sizes of 1 where it only repeats itself."""
        if isinstance(x, np.ndarray):
            return self._constant(reduced(x))
        return x.value if isinstance(x, Spread) else self.value(x)

    def spread(self, x: Value, shape: Shape) -> Value:
        """x, which has sizes of 1, repeated to a shape."""
        if x.shape == shape:
            return x
        sizes = [d for d in shape if isinstance(d, int)]
        if x.data is not None and len(sizes) == len(shape):
            bounded(math.prod(sizes), "a constant")
            return self.b.constant(np.ascontiguousarray(np.broadcast_to(x.data, sizes)))
        return self.b.broadcast_to(x, self.shape(shape))

    def fitted(self, x: Value, shape: Shape) -> Operand:
        """A result that repeats itself where it is smaller than it should be."""
        return x if x.shape == shape else Spread(x, shape)

    def _constant(self, array: np.ndarray) -> Value:
        known = self._constants.get(id(array))
        if known is None:
            dtype = computed(array.dtype)
            bounded(array.size, "a constant")
            data = np.ascontiguousarray(array, dtype.numpy).reshape(array.shape)
            made = self.b.constant(data, name=self.names.get(id(array), ""))
            known = self._constants[id(array)] = (array, made)
        return known[1]


def reduced(array: np.ndarray) -> np.ndarray:
    """The array with sizes of 1 along axes that one element is repeated along, without memory."""
    repeats = [
        stride == 0 and size > 1 for stride, size in zip(array.strides, array.shape, strict=True)
    ]
    if not any(repeats):
        return array
    return array[tuple(slice(0, 1) if flag else slice(None) for flag in repeats)]
