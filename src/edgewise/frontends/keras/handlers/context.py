"""What a handler works with: the builder, weights as constants, masks, shapes with symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.errors import ConversionError, FormatError
from edgewise.frontends.keras.description import FunctionRef, KerasLayer, KerasObject
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim, Expr, FloorDiv, Sym
from edgewise.ir.dim import Max as MaxDim
from edgewise.ir.graph import Location, Value

Structure: TypeAlias = "Value | Sequence[Structure] | Mapping[str, Structure]"
Handler: TypeAlias = Callable[..., Structure]
Activation: TypeAlias = "Callable[[Context, Value], Value]"


class Unsupported(Exception):
    """What a handler cannot convert, and the way out. The walk adds the layer and collects."""


@dataclass
class Context:
    """The state of one conversion. `apply` is the walk's: it calls a layer or a nested model."""

    b: Builder
    file: str
    is_keras_3: bool
    activations: Mapping[str, Activation]
    apply: Callable[..., Structure] = field(init=False)
    path: list[str] = field(default_factory=list)
    masks: dict[Value, Value] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    _constants: dict[tuple[int, str], list[Value]] = field(default_factory=dict)
    _dims: dict[Sym, Value] = field(default_factory=dict)

    @contextmanager
    def inside(self, name: str) -> Iterator[str]:
        """The path of what is converted is `name` below the current one."""
        before = self.b.location
        self.path.append(name)
        path = "/".join(self.path)
        self.b.location = Location(path)
        try:
            yield path
        finally:
            self.path.pop()
            self.b.location = before

    # -- constants ----------------------------------------------------------------------------

    def weight(self, layer: KerasLayer, name: str) -> np.ndarray:
        """A variable of the layer, float32 whatever the file stores.

        Raises:
            FormatError: the layer has no such variable.
        """
        found = layer.weights.get(name)
        if found is None:
            held = ", ".join(layer.weights) or "none"
            raise FormatError(
                f"layer '{layer.name}' ({layer.class_name}) must have '{name}'; it has {held}"
            )
        return found.astype(np.float32, copy=False)

    def constant(self, layer: KerasLayer, name: str, array: np.ndarray) -> Value:
        """A constant made of the layer's weights: one Value for all calls of the layer."""
        # a layer shared between models has one mapping of weights
        known = self._constants.setdefault((id(layer.weights), name), [])
        for value in known:
            if value.data is not None and np.array_equal(value.data, array):
                return value
        data = np.ascontiguousarray(array)
        known.append(self.b.constant(data, name="/".join([*self.path, name])))
        return known[-1]

    def bias(self, layer: KerasLayer) -> Value | None:
        """The layer's `bias`, None where it has none."""
        if layer.config.get("use_bias", True) is False:
            return None
        return self.constant(layer, "bias", self.weight(layer, "bias"))

    def ints(self, values: Sequence[int]) -> Value:
        """An int32 vector: axes, a permutation, sizes."""
        return self.b.constant(np.array(values, np.int32))

    def scalar(self, value: float, like: Value | None = None) -> Value:
        """A number in the dtype of `like` (float32 without)."""
        return self.b.constant(np.array(value, np.float32 if like is None else like.dtype.numpy))

    # -- tensors ------------------------------------------------------------------------------

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
        return self.b.pack(*(self._dim(d) for d in dims), values_count=len(dims), axis=0)

    def _dim(self, dim: Dim) -> Value:
        """A dimension as an int32 scalar, computed from the shapes of the model's inputs."""
        if isinstance(dim, int):
            return self.b.constant(np.array(dim, np.int32))
        if isinstance(dim, Sym):
            return self._symbol(dim)
        assert isinstance(dim, Expr)
        total: Value | None = None
        for atoms, coefficient in dim.terms:
            term = None if atoms and coefficient == 1 else self._dim(coefficient)
            for atom in atoms:
                if isinstance(atom, FloorDiv):
                    factor = self.b.floor_div(self._dim(atom.value), self._dim(atom.divisor))
                elif isinstance(atom, MaxDim):
                    factor = self.b.maximum(self._dim(atom.value), self._dim(atom.floor))
                else:
                    factor = self._symbol(atom)
                term = factor if term is None else self.b.mul(term, factor)
            assert term is not None
            total = term if total is None else self.b.add(total, term)
        assert total is not None
        return total

    def _symbol(self, symbol: Sym) -> Value:
        if symbol not in self._dims:
            for x in self.b.graph.inputs:
                if symbol in x.shape:
                    axis = x.shape.index(symbol)
                    bounds = (self.ints([axis]), self.ints([axis + 1]), self.ints([1]))
                    sizes = self.b.shape(x)
                    self._dims[symbol] = self.b.strided_slice(sizes, *bounds, shrink_axis_mask=1)
                    break
            else:
                raise Unsupported("its shape depends on data; give the model fixed input shapes")
        return self._dims[symbol]

    # -- masks and activations ----------------------------------------------------------------

    def mask(self, x: Value) -> Value | None:
        """The implicit mask of x (bool, True where it counts)."""
        return self.masks.get(x)

    def set_mask(self, x: Value, mask: Value | None) -> None:
        """Give x an implicit mask."""
        if mask is not None:
            self.masks[x] = mask

    def activate(self, layer: KerasLayer, x: Value, key: str = "activation") -> Value:
        """The activation that the layer's config names under `key`; none where it is null."""
        return self.activation(layer.config.get(key), x)

    def activation(self, spec: object, x: Value) -> Value:
        """An activation as a config has it: a name, a function, a layer, or None.

        Raises:
            Unsupported: it is none of Keras's own.
        """
        if spec is None:
            return x
        if isinstance(spec, KerasObject) and isinstance(spec.config, Mapping):
            name = str(spec.config.get("name", spec.class_name))
            made = KerasLayer(spec.class_name, name, spec.config, spec.module, spec.registered_name)
            y = self.apply(made, x)
            assert isinstance(y, Value)
            return y
        name = spec if isinstance(spec, str) else spec.name if isinstance(spec, FunctionRef) else ""
        is_own = isinstance(spec, str) or ((getattr(spec, "module", None) or "keras") in _BUILTINS)
        if name not in self.activations or not is_own:
            shown = name or type(spec).__name__
            raise Unsupported(f"activation '{shown}' is not one of Keras's; use one that is")
        return self.activations[name](self, x)


_BUILTINS = ("builtins", "keras", "keras.activations", "keras.src.activations.activations")


def values_of(structure: Structure) -> list[Value]:
    """The Values of a nested structure in Keras's order: dicts by sorted key."""
    if isinstance(structure, Value):
        return [structure]
    if isinstance(structure, Mapping):
        return [value for key in sorted(structure) for value in values_of(structure[key])]
    return [value for item in structure for value in values_of(item)]


def only_value(structure: Structure) -> Value:
    """The single Value of a structure. Raises ConversionError where there are more."""
    values = values_of(structure)
    if len(values) != 1:
        raise ConversionError(f"one tensor is expected here; found {len(values)}")
    return values[0]


def is_float(x: Value) -> bool:
    """x has a floating-point element type."""
    return x.dtype in FLOATS
