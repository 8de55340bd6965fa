"""Live Keras objects as the descriptions that a file gives: nothing is written, nothing is run.

A layer's config is what its `get_config` says, its weights are its variables, and functional models
are the walk over their nodes. What a file cannot say stays at hand in `KerasLayer.live`: the layer
itself, which `trace` asks where no handler knows the class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgewise.errors import EdgewiseError
from edgewise.frontends.keras.description import (
    FunctionRef,
    KerasCall,
    KerasLayer,
    KerasModel,
    KerasNode,
    KerasObject,
    LiveFunction,
    ModelKind,
    PythonCode,
    TensorRef,
)
from edgewise.frontends.keras.handlers import HANDLERS
from edgewise.frontends.keras.layers import build_node
from edgewise.frontends.keras.variables import units
from edgewise.ir.dim import Dim


@dataclass
class Describer:
    """Descriptions made so far: one for each object, so that what is shared stays shared."""

    nodes: dict[int, KerasNode] = field(default_factory=dict)
    arrays: dict[int, np.ndarray] = field(default_factory=dict)
    names: dict[tuple[int, str], KerasNode] = field(default_factory=dict)
    kept: list[object] = field(default_factory=list)  # so that no id is used again

    def node(self, operation: Any) -> KerasNode:
        """The description of a layer, a model or an operation."""
        found = self.nodes.get(id(operation))
        if found is None:
            found = self.nodes[id(operation)] = self._node(operation)
            self.kept.append(operation)
        return found

    def named(self, operation: Any, name: str) -> KerasNode:
        """The description under a name that is unique in its model."""
        node = self.node(operation)
        if node.name == name:
            return node
        return self.names.setdefault((id(operation), name), replace(node, name=name))

    def _node(self, operation: Any) -> KerasNode:
        import keras

        if not isinstance(operation, keras.Layer):
            return self._operation(operation)
        graph = graph_of(operation)
        if graph is not None:
            return self.model(graph, operation)
        return self._layer(operation)

    # -- models -------------------------------------------------------------------------------

    def model(self, graph: Any, model: Any) -> KerasModel:
        """A functional model, or a Sequential one, whose `graph` is functional."""
        names: dict[int, str] = {}
        layers: dict[str, KerasNode] = {}
        refs: dict[int, TensorRef] = {}
        counts: dict[str, int] = {}
        calls = []
        shapes = _fixed_shapes(graph, model)
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                operation = node.operation
                if operation is None:
                    continue
                name = names.get(id(operation)) or unique(operation.name, layers)
                names[id(operation)] = name
                if node.is_input:
                    made: KerasNode = input_layer(
                        name, shapes(operation), operation.dtype, operation
                    )
                    layers[name] = made
                    refs[id(node.outputs[0])] = TensorRef(name)
                    continue
                layers.setdefault(name, self.named(operation, name))
                index = counts.get(name, 0)
                counts[name] = index + 1
                args = tuple(self.argument(arg, refs) for arg in node.arguments.args)
                kwargs = {k: self.argument(v, refs) for k, v in node.arguments.kwargs.items()}
                calls.append(KerasCall(name, index, args, kwargs))
                for i, tensor in enumerate(node.outputs):
                    refs[id(tensor)] = TensorRef(name, index, i)
        inputs, outputs = (
            self.argument(structure, refs)
            for structure in (graph._inputs_struct, graph._outputs_struct)
        )
        return KerasModel(
            ModelKind.FUNCTIONAL, type(model).__name__, model.name, tuple(layers.values()),
            tuple(calls), inputs, outputs, module="keras", trainable=bool(model.trainable),
        )  # fmt: skip

    # -- layers -------------------------------------------------------------------------------

    def _layer(self, layer: Any) -> KerasLayer:
        if not is_own(layer):
            return with_states(opaque(layer), layer)
        import keras

        try:
            entry = keras.saving.serialize_keras_object(layer)
            found = build_node(entry, 1)
        except EdgewiseError:
            raise
        except Exception:  # get_config of an object that the layer holds; tracing may do without
            return opaque(layer)
        assert isinstance(found, KerasLayer)
        found = replace(found, name=layer.name, live=layer, config=_with_functions(found, layer))
        return self._filled(found, layer)

    def _filled(self, found: KerasLayer, layer: Any) -> KerasLayer:
        """With its weights and the layers it wraps."""
        weights: dict[str, np.ndarray] = {}
        for unit in units(found) or ():
            holder = _first(layer, unit.at)
            arrays = self._variables(holder)
            names = unit.layout(len(arrays)) or [str(i) for i in range(len(arrays))]
            weights |= {unit.prefix + n: a for n, a in zip(names, arrays, strict=True)}
        sublayers = {key: self.node(_child(layer, key)) for key in found.sublayers}
        return replace(found, weights=weights, sublayers=sublayers, assets=_assets(layer))

    def _variables(self, holder: Any) -> list[np.ndarray]:
        """The holder's own arrays in the order in which it saves them."""
        if holder is None:
            return []
        store: dict[str, Any] = {}
        holder.save_own_variables(store)
        return [self.array(store[str(i)]) for i in range(len(store))]

    def array(self, value: Any) -> np.ndarray:
        """A variable or tensor of any back end; one array for each variable."""
        known = self.arrays.get(id(value))
        if known is None:
            known = self.arrays[id(value)] = as_array(value)
            self.kept.append(value)
        return known

    # -- operations and arguments -------------------------------------------------------------

    def _operation(self, operation: Any) -> KerasLayer:
        """A `keras.ops` node: its config is what it was made with."""
        cls = type(operation)
        parameters = list(inspect.signature(cls.__init__).parameters)[1:]
        config = {
            name: self.argument(getattr(operation, name), {})
            for name in parameters
            if name != "name" and hasattr(operation, name)
        }
        return KerasLayer(
            cls.__name__, operation.name, config, cls.__module__,
            is_operation=cls.__module__.startswith("keras.src.ops"), live=operation,
        )  # fmt: skip

    def argument(self, value: Any, refs: Mapping[int, TensorRef]) -> object:
        """An argument of a call as a description has it: references, arrays, plain values."""
        if value is None or isinstance(value, bool | int | float | str | np.ndarray):
            return value
        ref = refs.get(id(value))
        if ref is not None:
            return ref
        if isinstance(value, Mapping):
            return {key: self.argument(item, refs) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.argument(item, refs) for item in value]
        if isinstance(value, slice):
            return slice(*(self.argument(v, refs) for v in (value.start, value.stop, value.step)))
        if value is Ellipsis:
            return value
        if isinstance(value, np.generic):
            return value.item()
        if hasattr(value, "shape") and hasattr(value, "dtype") and not _is_symbolic(value):
            return self.array(value)
        if callable(value):
            return LiveFunction(value)
        return value


def unique(name: str, taken: Mapping[str, object]) -> str:
    """`name`, or with a number where it is taken."""
    found, count = name, 0
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    return found


def opaque(layer: Any) -> KerasLayer:
    """A layer of which only the object is known."""
    cls = type(layer)
    return KerasLayer(cls.__name__, layer.name, {}, cls.__module__, live=layer)


def input_layer(
    name: str, shape: Sequence[Dim | None], dtype: str, live: object = None
) -> KerasLayer:
    """An input of a model."""
    config: dict[str, object] = {"batch_shape": list(shape), "dtype": dtype}
    for kind in ("sparse", "ragged"):
        config |= {kind: True} if getattr(live, kind, False) else {}
    return KerasLayer("InputLayer", name, config, "keras.layers")


def graph_of(layer: Any) -> Any:
    """The functional model that a layer runs, or None: a subclass may do more than its graph."""
    import keras
    from keras.src.models.functional import Functional

    call = type(layer).call
    if isinstance(layer, Functional) and call is Functional.call:
        return layer
    if isinstance(layer, keras.Sequential) and call is keras.Sequential.call:
        return layer._functional
    return None


def is_own(layer: Any) -> bool:
    """The class is Keras's, not the user's; then a handler may know it."""
    return type(layer).__module__.split(".")[0] == "keras"


def is_described(layer: Any) -> bool:
    """A layer that is recorded as one call: a model with a graph, or of a class with a handler."""
    known = is_own(layer) and type(layer).__name__ in HANDLERS and type(layer).__name__ != "Lambda"
    return known or graph_of(layer) is not None


def as_array(value: Any) -> np.ndarray:
    """The numbers of a variable or tensor of any back end."""
    import keras

    tensor = value.value if isinstance(value, keras.Variable) else value
    found = np.asarray(keras.ops.convert_to_numpy(tensor))
    # a view of what the back end may change later
    return found.copy() if found.flags.writeable else found


def with_states(node: KerasLayer, layer: Any) -> KerasLayer:
    """A recurrent cell of the user's with the states that it starts from, [1, ...] each."""
    if not hasattr(layer, "state_size"):
        return node
    return replace(node, config={"states": [as_array(state) for state in _initial_states(layer)]})


def _initial_states(cell: Any) -> list[object]:
    import keras

    if hasattr(cell, "get_initial_state"):
        found: list[object] = keras.tree.flatten(cell.get_initial_state(batch_size=1))
        return found
    sizes = cell.state_size if isinstance(cell.state_size, list | tuple) else [cell.state_size]
    return [
        np.zeros((1, *(size if isinstance(size, list | tuple) else [size])), np.float32)
        for size in sizes
    ]


def _is_symbolic(value: object) -> bool:
    import keras

    return isinstance(value, keras.KerasTensor)


def _fixed_shapes(graph: Any, model: Any) -> Callable[[Any], Sequence[int | None]]:
    """Shapes of the InputLayers. A Sequential model built by its first call has the batch of that
    call written down, and takes any, unless a layer of it keeps state from call to call."""
    keeps_state = any(getattr(layer, "stateful", False) for layer in model._flatten_layers())

    def shape_of(operation: Any) -> Sequence[int | None]:
        shape = list(operation.batch_shape)
        auto = getattr(operation, "_auto_config", None)
        is_chosen = auto is not None and auto.config.get("batch_size") is not None
        if graph is not model and shape and not is_chosen and not keeps_state:
            shape[0] = None
        return shape

    return shape_of


def _with_functions(found: KerasLayer, layer: Any) -> Mapping[str, object]:
    """The config, its functions that are not Keras's being those of the live layer."""
    config = dict(found.config)
    for key, value in config.items():
        if is_foreign(value) and callable(getattr(layer, key, None)):
            config[key] = LiveFunction(getattr(layer, key))
    return config


def is_foreign(value: object) -> bool:
    """A function or object in a config that is not one of Keras's."""
    if isinstance(value, PythonCode):
        return True
    if isinstance(value, FunctionRef | KerasObject):
        return (value.module or "keras").split(".")[0] not in ("keras", "builtins")
    return False


def _first(layer: Any, places: Sequence[str]) -> Any:
    """The holder of a unit's variables: the layer itself, or the first of its attributes."""
    for place in places:
        if not place:
            return layer
        if hasattr(layer, place):
            return getattr(layer, place)
    return None


def _child(layer: Any, key: str) -> Any:
    """A wrapped layer by its key: `cell`, `cells/0`."""
    name, _, index = key.partition("/")
    found = getattr(layer, name)
    return found[int(index)] if index else found


def _assets(layer: Any) -> dict[str, bytes]:
    """Vocabularies, which adapted layers keep out of their config."""
    if not hasattr(layer, "get_vocabulary") or getattr(layer, "input_vocabulary", None) is not None:
        return {}
    try:
        words = layer.get_vocabulary(include_special_tokens=False)
    except Exception:  # not adapted yet
        return {}
    return {"vocabulary.txt": "\n".join(map(str, words)).encode()}
