"""The calls of a functional model: every `inbound_nodes` style to `KerasCall`, sorted.

Keras 3 writes `{"args": ..., "kwargs": ...}` with `__keras_tensor__` objects; Keras 1 and 2 write
nested lists of `[layer, node, tensor, kwargs]`. A nested functional model has a node of its own
before its first call: Keras 2 counts it everywhere, Keras 3 only in `output_layers`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edgewise.errors import FormatError
from edgewise.frontends.keras.config import decode, is_tensor_ref, tensor_ref
from edgewise.frontends.keras.description import (
    KerasCall,
    KerasLayer,
    KerasModel,
    KerasNode,
    ModelKind,
    TensorRef,
    flatten,
)

# Keras 2 puts constant inputs in place of a tensor as ["_CONSTANT_VALUE", -1, value, kwargs].
_CONSTANT = "_CONSTANT_VALUE"
_KEEPS_LISTS = ("TFOpLambda", "SlicingOpLambda")


@dataclass(frozen=True, slots=True)
class Graph:
    """Calls in topological order, and the nested structures of inputs and outputs."""

    calls: tuple[KerasCall, ...]
    inputs: object
    outputs: object


def connect(
    name: str,
    config: Mapping[str, object],
    layers: tuple[KerasNode, ...],
    entries: Mapping[str, Mapping[str, object]],
) -> Graph:
    """The graph of functional model `name`; `entries` are its layers' JSON by name.

    Raises:
        FormatError: a call refers to nothing, or the calls form a loop.
    """
    calls = [call for layer in layers for call in _calls(layer, entries[layer.name])]
    counts = {layer.name: 0 for layer in layers}
    for call in calls:
        counts[call.layer] += 1
    for layer in layers:
        if isinstance(layer, KerasLayer) and layer.class_name == "InputLayer":
            counts[layer.name] = 1
    is_legacy = any(isinstance(node, list) for item in entries.values() for node in _nodes(item))
    own_nodes = {layer.name for layer in layers if _has_own_node(layer, is_legacy)}

    def shifted(ref: TensorRef, shift: bool) -> TensorRef:
        if ref.layer not in counts:
            raise FormatError(f"model '{name}': no layer is called '{ref.layer}'")
        index = ref.call - 1 if shift and ref.layer in own_nodes else ref.call
        index = 0 if counts[ref.layer] == 1 else max(index, 0)
        if index >= counts[ref.layer]:
            raise FormatError(
                f"model '{name}': layer '{ref.layer}' is called {counts[ref.layer]} times;"
                f" call {ref.call} is used"
            )
        return replace(ref, call=index)

    resolved = [
        replace(
            call,
            args=tuple(_map(arg, lambda ref: shifted(ref, is_legacy)) for arg in call.args),
            kwargs={
                k: _map(v, lambda ref: shifted(ref, is_legacy)) for k, v in call.kwargs.items()
            },
        )
        for call in calls
    ]
    inputs, outputs = (
        _map(_structure(name, config[key]), lambda ref: shifted(ref, True))
        for key in ("input_layers", "output_layers")
    )
    return Graph(_sorted(name, resolved, outputs), inputs, outputs)


def _has_own_node(layer: KerasNode, is_legacy: bool) -> bool:
    """Its calls count from 1: functional models, and Keras 2's Sequential ones. Those have no
    module; neither have Keras 3's in .h5 files, whose calls are written in Keras 3's style."""
    if not isinstance(layer, KerasModel):
        return False
    return layer.kind is ModelKind.FUNCTIONAL or (is_legacy and layer.module is None)


def _nodes(entry: Mapping[str, object]) -> list[object]:
    nodes = entry.get("inbound_nodes")
    if nodes is None:
        return []
    if not isinstance(nodes, list):
        raise FormatError(f"layer '{entry.get('name')}': inbound_nodes must be a list")
    return nodes


def _calls(layer: KerasNode, entry: Mapping[str, object]) -> list[KerasCall]:
    calls = []
    for index, node in enumerate(_nodes(entry)):
        if isinstance(node, dict):
            args, kwargs = decode(node.get("args", [])), decode(node.get("kwargs", {}))
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise FormatError(f"layer '{layer.name}': a call must have args and kwargs")
            calls.append(KerasCall(layer.name, index, tuple(args), kwargs))
        elif isinstance(node, list):
            calls.append(_legacy_call(layer, index, node))
        else:
            raise FormatError(f"layer '{layer.name}': a call must be a list or object")
    return calls


def _legacy_call(layer: KerasNode, index: int, node: list[object]) -> KerasCall:
    """Keras 2: the first argument as nested lists of tensors, the others in any tensor's kwargs."""
    kwargs: dict[str, object] = {}

    def leaf(value: object) -> object:
        if isinstance(value, dict):
            return {key: leaf(item) for key, item in value.items()}
        if not isinstance(value, list):
            return value
        is_constant = len(value) >= 3 and value[0] == _CONSTANT
        if not is_constant and not is_tensor_ref(value):
            return [leaf(item) for item in value]
        if len(value) > 3 and isinstance(value[3], dict):
            kwargs.update({key: _legacy_value(item) for key, item in value[3].items()})
        return decode(value[2]) if is_constant else tensor_ref(value)

    argument = leaf(node)
    keeps = isinstance(layer, KerasLayer) and layer.class_name in _KEEPS_LISTS
    if isinstance(argument, list) and len(argument) == 1 and not keeps:
        argument = argument[0]
    return KerasCall(layer.name, index, (argument,), kwargs)


def _legacy_value(value: object) -> object:
    """A keyword argument: `[layer, node, tensor]` is a tensor, `{start, stop, step}` a slice."""
    if is_tensor_ref(value):
        return tensor_ref(value)
    if isinstance(value, list):
        if len(value) >= 3 and value[0] == _CONSTANT:
            return decode(value[2])
        return [_legacy_value(item) for item in value]
    if isinstance(value, dict) and value.keys() == {"start", "stop", "step"}:
        return slice(*(_legacy_value(value[key]) for key in ("start", "stop", "step")))
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _legacy_value(item) for key, item in value.items()}
    return decode(value)


def _structure(name: str, value: object) -> object:
    """`input_layers` or `output_layers`: `[layer, node, tensor]` in lists and dicts."""
    if is_tensor_ref(value):
        return tensor_ref(value)
    if isinstance(value, list):
        return [_structure(name, item) for item in value]
    if isinstance(value, dict):
        return {key: _structure(name, item) for key, item in value.items()}
    raise FormatError(
        f"model '{name}': a tensor must be [layer, call, output]; found {value!r:.80}"
    )


def _map(value: object, change: Callable[[TensorRef], TensorRef]) -> object:
    if isinstance(value, TensorRef):
        return change(value)
    if isinstance(value, list):
        return [_map(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map(item, change) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(_map(part, change) for part in (value.start, value.stop, value.step)))
    return value


def references(value: object) -> list[TensorRef]:
    """Every tensor in a call's arguments, slice bounds included."""
    if isinstance(value, slice):
        return references([value.start, value.stop, value.step])
    if isinstance(value, (list, tuple)):
        return [ref for item in value for ref in references(item)]
    if isinstance(value, dict):
        return [ref for item in value.values() for ref in references(item)]
    return flatten(value)


def _sorted(name: str, calls: list[KerasCall], outputs: object) -> tuple[KerasCall, ...]:
    """Calls after what they use, otherwise in file order (Kahn; linear).

    A call whose result no output needs stays: dropping it is a pass's work.
    """
    keys = [(call.layer, call.index) for call in calls]
    position = {key: i for i, key in enumerate(keys)}
    waiting: list[int] = []
    users: dict[int, list[int]] = {}
    for i, call in enumerate(calls):
        refs = references(call.args) + references(dict(call.kwargs))
        needed = {
            position[ref.layer, ref.call] for ref in refs if (ref.layer, ref.call) in position
        }
        waiting.append(len(needed))
        for need in needed:
            users.setdefault(need, []).append(i)
    ready = deque(i for i, count in enumerate(waiting) if not count)
    done: list[int] = []
    while ready:
        i = ready.popleft()
        done.append(i)
        for user in users.get(i, ()):
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    if len(done) < len(calls):
        stuck = sorted({calls[i].layer for i in range(len(calls)) if waiting[i]})[:5]
        raise FormatError(
            f"model '{name}': calls must not form a loop; found one at {', '.join(stuck)}"
        )
    return tuple(calls[i] for i in done)
