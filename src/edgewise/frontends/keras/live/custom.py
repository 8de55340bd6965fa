"""Classes and functions of the caller's for those that a Keras file only names.

Only what the caller gave is made: a class by its `from_config`, with the weights of the file; then
its code is traced as that of any live layer. Nothing in the file is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from edgewise.errors import ConversionError, listing
from edgewise.frontends.keras.description import (
    FunctionRef,
    KerasFile,
    KerasLayer,
    KerasModel,
    KerasNode,
    LiveFunction,
    PythonCode,
)
from edgewise.frontends.keras.live.describe import with_states
from edgewise.frontends.keras.live.trace import Tracer
from edgewise.frontends.keras.variables import container_names

Objects = Mapping[str, Any]


def with_objects(file: KerasFile, objects: Objects, tracer: Tracer) -> KerasFile:
    """The file with live layers where the caller gave their classes.

    Raises:
        ConversionError: a class does not accept the config in the file.
    """
    model = _node(file.model, objects, tracer)
    assert isinstance(model, KerasModel)
    return replace(file, model=model)


def _node(node: KerasNode, objects: Objects, tracer: Tracer) -> KerasNode:
    if isinstance(node, KerasModel):
        layers = tuple(_node(layer, objects, tracer) for layer in node.layers)
        return replace(node, layers=layers)
    if node.class_name == "Lambda":
        return _lambda(node, objects)
    sublayers = {key: _node(child, objects, tracer) for key, child in node.sublayers.items()}
    config = {key: _function(value, objects) for key, value in node.config.items()}
    node = replace(node, sublayers=sublayers, config=config)
    cls = None if node.is_builtin else _given(node, objects)
    if cls is None:
        return node
    layer = make(cls, node.entry, objects)
    tracer.pending[id(layer)] = node.weights
    return with_states(replace(node, live=layer), layer)


def make(cls: Any, entry: Mapping[str, object], objects: Objects) -> Any:
    """An object of the caller's class, as the file configures it.

    Raises:
        ConversionError: it does not accept the config.
    """
    import keras

    try:
        with keras.saving.custom_object_scope(dict(objects)):
            layer = cls.from_config(dict(entry["config"]))  # type: ignore[call-overload]
    except Exception as error:
        raise ConversionError(
            f"custom_objects: {cls.__name__}.from_config does not accept what the file says:"
            f" {error}. Give the class that the model was saved with."
        ) from error
    return layer


def _given(node: KerasLayer, objects: Objects) -> Any:
    """The caller's class for a layer, by its registered name or its name."""
    for name in (node.registered_name, node.class_name):
        found = objects.get(name) if name else None
        if isinstance(found, type):
            return found
    return None


def _function(value: object, objects: Objects) -> object:
    """The caller's function in place of its name."""
    if isinstance(value, FunctionRef) and (value.module or "builtins") in _FOREIGN:
        return value
    if isinstance(value, FunctionRef):
        for name in (value.registered_name, value.name):
            found = objects.get(name) if name else None
            if callable(found):
                return LiveFunction(found)
    return value


_FOREIGN = ("keras.activations", "keras.src.activations.activations")


def _lambda(node: KerasLayer, objects: Objects) -> KerasLayer:
    """A Lambda whose function the caller gave: by the function's name, or the layer's."""
    spec = node.config.get("function")
    names = [node.name] if not isinstance(spec, FunctionRef) else [spec.name, node.name]
    if not isinstance(spec, FunctionRef | PythonCode):
        return node
    found: Callable[..., object] | None = next(
        (objects[name] for name in names if callable(objects.get(name))), None
    )
    if found is None:
        return node
    arguments = node.config.get("arguments")
    given = dict(arguments) if isinstance(arguments, Mapping) else {}
    return replace(node, live=LiveFunction(partial(found, **given) if given else found))


# Groups of a compiled model that inference has no use for.
_TRAINING = ("optimizer/", "_metrics/", "metrics/", "_loss_tracker/", "loss_tracker/")


@dataclass
class _Reading:
    weights: Mapping[str, np.ndarray]
    used: set[str] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def load(layer: Any, weights: Mapping[str, np.ndarray], where: str) -> None:
    """The weights of a file in a layer that is built.

    Raises:
        ConversionError: they are not those that the layer has; lists them.
    """
    if weights and not any(key.rsplit("/", 1)[-1].isdigit() for key in weights):
        _load_named(layer, weights)
        return
    reading = _Reading(weights)
    _load(layer, reading, "")
    left = sorted(key for key in weights.keys() - reading.used if not key.startswith(_TRAINING))
    reading.problems += [f"array '{key}' belongs to no variable of the class" for key in left]
    if reading.problems:
        raise ConversionError(f"'{where}': " + listing(reading.problems, "weights do not fit"))


def _load_named(layer: Any, weights: Mapping[str, np.ndarray]) -> None:
    """A legacy file: arrays in the order of the layer's variables."""
    variables = [*layer.trainable_weights, *layer.non_trainable_weights]
    for variable, array in zip(variables, weights.values(), strict=True):
        variable.assign(array)


def _load(holder: Any, reading: _Reading, at: str) -> None:
    """Keras's own walk (`_load_state` in saving_lib.py): what is shared lies where it was met."""
    import keras

    if id(holder) in reading.seen or isinstance(holder, keras.random.SeedGenerator):
        return
    reading.seen.add(id(holder))
    wanted: dict[str, Any] = {}
    if isinstance(holder, keras.Layer):
        holder.save_own_variables(wanted)
    found = {key.removeprefix(at): key for key in reading.weights if key.startswith(at)}
    own = {name: reading.weights[key] for name, key in found.items() if name.isdigit()}
    reading.used |= {found[name] for name in own}
    if wanted.keys() != own.keys():
        reading.problems.append(
            f"'{at}' ({type(holder).__name__}) has {len(wanted)} arrays; the file has {len(own)}"
        )
    elif own:
        holder.load_own_variables(own)
    for name, child in _children(holder):
        _load(child, reading, f"{at}{name}/")


def _children(holder: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a layer that have a group of their own, in Keras's order."""
    from keras.src.saving import saving_lib

    for name, child in saving_lib._walk_saveable(holder):
        yield from _parts(name, child)


def _parts(name: str, child: Any) -> Iterator[tuple[str, Any]]:
    from keras.src.saving.keras_saveable import KerasSaveable

    if isinstance(child, KerasSaveable):
        yield name, child
    elif isinstance(child, list | tuple | dict):
        items = list(child.values()) if isinstance(child, dict) else list(child)
        parts = [item for item in items if isinstance(item, KerasSaveable | list | tuple | dict)]
        kinds = [
            type(item).__name__ if isinstance(item, KerasSaveable) else "container"
            for item in parts
        ]
        for group, item in zip(container_names(kinds), parts, strict=True):
            yield from _parts(f"{name}/{group}", item)
