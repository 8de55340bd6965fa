"""What a form has at hand: names, layers with weights of the model, activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node

# Any: tensors and layers are Keras's, which ships no types
Tensor: TypeAlias = Any
Form: TypeAlias = Callable[..., Tensor]  # of (Context, op, *operands): a tensor, or a list of them

# what layers and `keras.activations` call the activations that are fused into operators
ACTIVATIONS = {
    Activation.NONE: None,
    Activation.RELU: "relu",
    Activation.RELU6: "relu6",
    Activation.TANH: "tanh",
}


class Untrainable(Exception):
    """An operator that has no form in Keras, or not as it is; the message says why."""


class Context:
    """Makes the layers of one Keras model, a layer for each weighted operator.

    Operators with the same weights become calls of one layer, so what is tied stays tied.
    """

    def __init__(self, keras: Any) -> None:
        self.keras, self.ops, self.layers = keras, keras.ops, keras.layers
        self.node: Node | None = None
        self.weights: list[tuple[Any, Mapping[str, np.ndarray], dict[str, Any]]] = []
        self._made: dict[object, Any] = {}
        self._names: dict[str, int] = {}

    def layer(self, kind: str, weights: Mapping[str, np.ndarray], **config: object) -> Any:
        """The layer of Keras's class `kind` with these weights, by their names in Keras; they are
        assigned when the layer is built (`fill`)."""
        assert self.node is not None
        held = [id(value.data) for value in self.node.inputs if value and value.data is not None]
        key = (kind, *held, repr(sorted(config.items())))
        if not weights or key not in self._made:
            layer = getattr(self.layers, kind)(name=self.name(), **config)
            self._made[key] = layer
            self.weights.append((layer, weights, self._quick(layer)))
        return self._made[key]

    def _quick(self, layer: Any) -> dict[str, Any]:
        """Lets a layer begin with zeros, which are replaced anyway: JAX compiles random numbers for
        every shape, a minute for MobileNetV2. Returns its own initializers, to be put back."""
        own = {name: x for name, x in vars(layer).items() if name.endswith("_initializer") and x}
        for name in own:
            setattr(layer, name, self.keras.initializers.Zeros())
        return own

    def name(self) -> str:
        """A name for the layer of the current node: that of the layer it comes from, else of its
        first result, as Keras allows it."""
        assert self.node is not None
        place = self.node.location
        stem = (place.layer if place else self.node.outputs[0].name) or self.node.op.name
        stem = keras_name(stem)
        count = self._names.get(stem, 0)
        self._names[stem] = count + 1
        return f"{stem}_{count}" if count else stem

    def fill(self) -> None:
        """Give the layers their weights, which are those of the model to the bit."""
        for layer, weights, initializers in self.weights:
            for variable in layer.weights:
                variable.assign(weights[variable.name])
            for name, initializer in initializers.items():
                setattr(layer, name, initializer)

    def activated(self, kind: Activation, y: Tensor) -> Tensor:
        """y through a fused activation."""
        if kind is Activation.NONE:
            return y
        if kind is Activation.RELU_N1_TO_1:
            return self.ops.clip(y, -1.0, 1.0)
        return getattr(self.ops, activation(kind) or "")(y)


def keras_name(name: str) -> str:
    """A name as Keras takes it ("/" parts paths) and PyTorch ("." does)."""
    return name.replace("/", "_").replace(".", "_")


def activation(kind: Activation) -> str | None:
    """Keras's name of a fused activation. Raises Untrainable."""
    if kind not in ACTIVATIONS:
        raise Untrainable(f"the fused activation {kind.name} has no counterpart in Keras")
    return ACTIVATIONS[kind]


def constant(value: object, what: str) -> np.ndarray:
    """An operand that must be known. Raises Untrainable."""
    if not isinstance(value, np.ndarray):
        raise Untrainable(f"its {what} must be constant; the model computes it")
    return value


def integers(value: object, what: str) -> list[int]:
    """An operand of integers that must be known. Raises Untrainable."""
    return [int(x) for x in np.atleast_1d(constant(value, what)).reshape(-1)]


def need_floats(c: Context) -> None:
    """Keras divides integers to floats. Raises Untrainable."""
    if c.node is not None and not c.node.output.dtype.is_float:
        raise Untrainable("division of integers, which Keras makes floats of")
