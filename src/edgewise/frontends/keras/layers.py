"""Serialized layers and models of any Keras version to `KerasLayer` and `KerasModel`.

Weights come later (`weights`, `legacy_weights`).

Source: keras/src/models/functional.py and sequential.py (`from_config`) of Keras 3.15;
keras/engine/functional.py of Keras 2 for list-style `inbound_nodes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgewise.errors import ConversionError, FormatError
from edgewise.frontends.keras.config import (
    MAX_DEPTH,
    decode,
    dtype_policy,
    is_tensor_ref,
    text_or_none,
)
from edgewise.frontends.keras.description import (
    KerasCall,
    KerasLayer,
    KerasModel,
    KerasNode,
    KerasObject,
    ModelKind,
    PythonCode,
    TensorRef,
)
from edgewise.frontends.keras.nodes import Graph, connect
from edgewise.frontends.keras.variables import children
from edgewise.ir.dim import Dim, SymbolicDim

_MODEL_CLASSES = ("Functional", "Model", "Sequential")
MAX_NESTING = MAX_DEPTH // 6


def build_root(config: Mapping[str, object]) -> KerasModel:
    """The model that a file describes.

    Raises:
        ConversionError: it is a subclassed model (the file has no graph) or a single layer.
        FormatError: the description contradicts itself.
    """
    class_name, inner = str(config.get("class_name")), config.get("config")
    if _is_model(config) or (isinstance(inner, dict) and isinstance(inner.get("layers"), list)):
        return build_model(config)
    module = str(config.get("module") or "")
    if module.startswith("keras.layers"):
        raise ConversionError(
            f"the file must hold a model; found a single layer of class '{class_name}'."
            " Wrap it in keras.Sequential and save that."
        )
    raise ConversionError(
        f"'{class_name}' is a subclassed model: its graph is Python code, not in the file."
        " Pass the live model, or give its class: convert(path, custom_objects="
        f"{{'{class_name}': ...}})."
    )


def root_class(config: Mapping[str, object], objects: Mapping[str, object]) -> type | None:
    """The caller's class for a subclassed model; None for a model whose graph is in the file."""
    inner = config.get("config")
    if _is_model(config) or (isinstance(inner, dict) and isinstance(inner.get("layers"), list)):
        return None
    names = (config.get("registered_name"), config.get("class_name"))
    found = [objects[name] for name in names if isinstance(name, str) and name in objects]
    return next((cls for cls in found if isinstance(cls, type)), None)


def build_model(entry: Mapping[str, object], depth: int = 0) -> KerasModel:
    """A model from its JSON entry; nested models become KerasModels inside."""
    if depth > MAX_NESTING:
        raise FormatError(f"models may be nested {MAX_NESTING} deep; this one is deeper")
    config = _config(entry)
    class_name = str(entry.get("class_name"))
    name = _name_of(entry)
    entries = config.get("layers")
    if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
        raise FormatError(f"model '{name}': 'layers' must be a list of layers")
    named = {_name_of(item): item for item in entries}
    if len(named) != len(entries):
        raise FormatError(
            f"model '{name}': layer names must differ; found {sorted(map(_name_of, entries))}"
        )
    layers = tuple(build_node(item, depth + 1) for item in entries)
    if "input_layers" in config and "output_layers" in config:
        kind, graph = ModelKind.FUNCTIONAL, connect(name, config, layers, named)
    else:
        kind = ModelKind.SEQUENTIAL
        layers, graph = _chain(name, config, layers, named)
    return KerasModel(
        kind, class_name, name, layers, graph.calls, graph.inputs, graph.outputs,
        module=text_or_none(entry.get("module")),
        registered_name=text_or_none(entry.get("registered_name")),
        policy=dtype_policy(config.get("dtype")),
        trainable=bool(config.get("trainable", True)),
        is_shared="shared_object_id" in entry,
    )  # fmt: skip


def build_node(entry: Mapping[str, object], depth: int) -> KerasNode:
    """A layer or a nested model from its JSON entry."""
    if _is_model(entry):
        return build_model(entry, depth)
    config = _config(entry)
    class_name, module = str(entry.get("class_name")), text_or_none(entry.get("module"))
    decoded = {key: decode(value, 1) for key, value in config.items()}
    wrapped = children(class_name, config) if depth <= MAX_NESTING else ()
    build_config = entry.get("build_config")
    made = KerasLayer(
        class_name=class_name,
        name=_name_of(entry),
        config=decoded,
        module=module,
        registered_name=text_or_none(entry.get("registered_name")),
        build_config=build_config if isinstance(build_config, dict) else {},
        policy=dtype_policy(config.get("dtype")),
        trainable=bool(config.get("trainable", True)),
        is_operation=_is_operation(module, class_name, config),
        has_code=class_name == "Lambda" or _has_code(decoded),
        is_shared="shared_object_id" in entry,
        sublayers={child.key: build_node(child.entry, depth + 1) for child in wrapped},
    )
    return made if made.is_builtin else replace(made, entry=entry)


def _config(entry: Mapping[str, object]) -> Mapping[str, object]:
    """The config of an entry; before Keras 2.2.3 a Sequential's was the bare list of layers."""
    config = entry.get("config")
    if isinstance(config, list):
        return {"layers": config}
    if not isinstance(config, dict) or not isinstance(entry.get("class_name"), str):
        raise FormatError(f"a layer must have class_name and config; found {str(entry)[:80]}")
    return config


def _name_of(entry: Mapping[str, object]) -> str:
    config = _config(entry)
    name = entry.get("name") or config.get("name") or entry["class_name"]
    if not isinstance(name, str):
        raise FormatError(f"a layer's name must be a string; found {name!r:.80}")
    return name


def _is_model(entry: Mapping[str, object]) -> bool:
    config = entry.get("config")
    if entry.get("class_name") in _MODEL_CLASSES and ">" not in str(entry.get("registered_name")):
        return isinstance(config, list) or (isinstance(config, dict) and "layers" in config)
    return isinstance(config, dict) and {"layers", "input_layers", "output_layers"} <= config.keys()


def _is_operation(module: str | None, class_name: str, config: Mapping[str, object]) -> bool:
    """A `keras.ops` node. Legacy files name no module: there it has only its arguments."""
    if module is not None:
        return module.startswith("keras.src.ops")
    is_input = class_name == "InputLayer"
    return not is_input and not {"trainable", "dtype", "batch_input_shape"} & config.keys()


def _has_code(value: object) -> bool:
    if isinstance(value, PythonCode):
        return True
    if isinstance(value, KerasObject):
        return value.class_name == "Lambda" or _has_code(value.config)
    if isinstance(value, dict):
        return any(map(_has_code, value.values()))
    return isinstance(value, list) and any(map(_has_code, value))


def _chain(
    name: str,
    config: Mapping[str, object],
    layers: tuple[KerasNode, ...],
    named: Mapping[str, Mapping[str, object]],
) -> tuple[tuple[KerasNode, ...], Graph]:
    """A Sequential model as calls, its InputLayer made up where the file has none."""
    first = layers[0] if layers else None
    if not isinstance(first, KerasLayer) or first.class_name != "InputLayer":
        first = _input_layer(config, named)
        layers = (first, *layers)
    before = TensorRef(first.name)
    calls = []
    for layer in layers[1:]:
        calls.append(KerasCall(layer.name, 0, (before,), {}))
        before = TensorRef(layer.name, 0, None)
    return layers, Graph(tuple(calls), TensorRef(first.name), before)


def _input_layer(
    config: Mapping[str, object], named: Mapping[str, Mapping[str, object]]
) -> KerasLayer:
    """An InputLayer with the shape that the model or its first layer has; None if neither."""
    entry = next(iter(named.values()), {})
    inner = entry.get("config")
    inner = inner if isinstance(inner, dict) else {}
    built = entry.get("build_config")
    shapes = (
        config.get("build_input_shape"),
        inner.get("batch_input_shape"),
        inner.get("batch_shape"),
        built.get("input_shape") if isinstance(built, dict) else None,
    )
    shape = next((shape for shape in shapes if isinstance(shape, list)), None)
    name = "input"
    while name in named:
        name += "_"
    made = {"name": name, "batch_shape": shape, "dtype": dtype_policy(inner.get("dtype")).compute}
    return KerasLayer("InputLayer", name, made, module="keras.layers")


def input_shape(layer: KerasLayer) -> tuple[Dim | None, ...] | None:
    """Batch shape of an InputLayer, None for unknown dimensions (in memory they may be symbols);
    None if the file has no shape.

    Raises:
        FormatError: the shape is not a list of sizes.
    """
    shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
    if shape is None:
        return None
    if not isinstance(shape, list) or is_tensor_ref(shape):
        raise FormatError(f"layer '{layer.name}': batch_shape must be a list; found {shape!r:.80}")
    for size in shape:
        if size is None or isinstance(size, SymbolicDim):
            continue
        if not (type(size) is int and 0 <= size < 1 << 31):
            raise FormatError(f"layer '{layer.name}': sizes must be whole; found {shape!r:.80}")
    return tuple(shape)
