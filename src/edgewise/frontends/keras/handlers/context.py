"""What a Keras handler works with besides: weights as constants, masks, activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends import context
from edgewise.frontends.context import Structure, Unsupported
from edgewise.frontends.keras.description import (
    FunctionRef,
    KerasLayer,
    KerasObject,
    LiveFunction,
)
from edgewise.ir.build import Builder
from edgewise.ir.graph import Graph, Value
from edgewise.ir.types import Quant
from edgewise.ops.hashtable import Hashtable, HashtableImport
from edgewise.ops.state import AssignVariable, CallOnce, VarHandle

Activation: TypeAlias = "Callable[[Context, Value], Value]"


@dataclass
class Context(context.Context):
    """The state of one conversion. `apply` is the walk's: it calls a layer or a nested model."""

    is_keras_3: bool = field(kw_only=True)
    activations: Mapping[str, Activation] = field(kw_only=True)
    apply: Callable[..., Structure] = field(init=False)
    inline: Callable[..., Structure] = field(init=False)  # a model's graph, on Values
    expand: Callable[..., Structure] | None = None  # a live layer that no handler knows
    describe: Callable[[object], object] | None = None  # a live layer as `apply` takes it
    training: bool = False  # of the call that is converted
    quantized: dict[int, tuple[KerasLayer, KerasLayer]] = field(default_factory=dict)
    masks: dict[Value, Value] = field(default_factory=dict)
    # what variables hold at first, by name
    variables: dict[str, np.ndarray] = field(default_factory=dict)
    # hash tables by the layer that has one, with their keys and values
    tables: dict[str, tuple[Hashtable, np.ndarray, np.ndarray]] = field(default_factory=dict)
    # layers that keep their state in variable tensors; whether one is reset that has some; whether
    # it may have some
    kept: set[str] = field(default_factory=set)
    forgets: bool = False
    may_fuse: bool = True
    _shared: dict[int, tuple[np.ndarray, Value]] = field(default_factory=dict)
    _constants: dict[tuple[int, str], list[Value]] = field(default_factory=dict)

    @contextmanager
    def called_with(self, training: object) -> Iterator[None]:
        """What is converted is called with this `training`; None is that of the call around it."""
        before = self.training
        self.training = before if training is None else bool(training)
        try:
            yield
        finally:
            self.training = before

    @contextmanager
    def inside_graph(self, b: Builder) -> Iterator[None]:
        """What is converted is written into the graph of `b`, which an operator will run."""
        before = self.b, self.masks, self._shared, self._constants, self._dims
        self.b, self.masks, self._shared, self._constants, self._dims = b, {}, {}, {}, {}
        b.location = before[0].location
        try:
            yield
        finally:
            self.b, self.masks, self._shared, self._constants, self._dims = before

    def initialize(self, graph: Graph) -> None:
        """Before its first run, the graph gives variables and tables what they hold."""
        if not (self.variables or self.tables):
            return
        b = Builder("initialize")
        for name, data in self.variables.items():
            handle = b.node(VarHandle(shared_name=name)).output
            b.node(AssignVariable(), handle, b.constant(data))
        for op, keys, values in self.tables.values():
            b.node(HashtableImport(), b.node(op).output, b.constant(keys), b.constant(values))
        first = next(iter(graph.nodes), None)
        graph.insert(CallOnce(init=b.finish()), (), (), before=first)

    def shared(self, array: np.ndarray) -> Value:
        """An array that code uses as a tensor: one constant for all its uses."""
        known = self._shared.get(id(array))
        if known is None:
            is_real = array.dtype.kind not in "biu"
            data = array.astype(np.float32, copy=False) if is_real else array
            known = self._shared[id(array)] = (array, self.b.constant(np.asarray(data, order="C")))
        return known[1]

    def weight(self, layer: KerasLayer, name: str) -> np.ndarray:
        """A variable of the layer, float32 whatever the file stores.

        Raises:
            FormatError: the layer has no such variable.
        """
        if name in layer.integers:
            return layer.integers[name].floats()
        found = layer.weights.get(name)
        if found is None:
            held = ", ".join([*layer.weights, *layer.integers]) or "none"
            raise FormatError(
                f"layer '{layer.name}' ({layer.class_name}) must have '{name}'; it has {held}"
            )
        return found.astype(np.float32, copy=False)

    def constant(
        self, layer: KerasLayer, name: str, array: np.ndarray, quant: Quant | None = None
    ) -> Value:
        """A constant made of the layer's weights: one Value for all calls of the layer."""
        # a layer shared between models has one mapping of weights
        known = self._constants.setdefault((id(layer.weights), name), [])
        for value in known:
            same = value.data is not None and np.array_equal(value.data, array)
            if same and value.quant == quant:
                return value
        data = np.asarray(array, order="C")
        known.append(self.b.constant(data, name="/".join([*self.path, name]), quant=quant))
        return known[-1]

    def matrix(
        self, layer: KerasLayer, name: str, arranged: Callable[[np.ndarray], np.ndarray]
    ) -> Value:
        """The weight as rows that outputs are computed from: `arranged` is what moves its elements
        to [O, K]. Integers stay integers, where each row has one scale."""
        stored = layer.integers.get(name)
        if stored is None:
            return self.constant(layer, name, arranged(self.weight(layer, name)))
        q, scale = arranged(stored.q), arranged(np.broadcast_to(stored.scale, stored.q.shape))
        if (scale != scale[:, :1]).any() or not np.isfinite(scale).all():
            return self.constant(layer, name, q * scale)
        dtype = DType.INT4 if stored.bits == 4 else DType.INT8
        return self.constant(layer, name, q.astype(dtype.numpy), Quant(scale[:, 0], axis=0))

    def bias(self, layer: KerasLayer) -> Value | None:
        """The layer's `bias`, None where it has none."""
        if layer.config.get("use_bias", True) is False:
            return None
        return self.constant(layer, "bias", self.weight(layer, "bias"))

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
        if isinstance(spec, LiveFunction) and self.expand is not None:
            name = getattr(spec.function, "__name__", type(spec.function).__name__)
            with self.inside(name):
                y = self.expand(self, KerasLayer("function", name, {}, live=spec), [x], {})
            assert isinstance(y, Value)
            return y
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
