"""Weights of a v3 archive: the walk that Keras's saving does, every array accounted for.

Members of a list of layers lie in groups named by class and counted (`dense`, `dense_1`), their own
arrays in `vars/0, 1, ...`, wrapped layers under the attribute's name.
Source: `_save_state` and `_save_container_state` in keras/src/saving/saving_lib.py, Keras 3.15;
Keras 2.12 and 2.13 call the list `_layer_checkpoint_dependencies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.errors import ConversionError, listing
from edgewise.frontends.keras.description import KerasLayer, KerasModel, KerasNode
from edgewise.frontends.keras.hdf5 import Hdf5
from edgewise.frontends.keras.variables import Unit, container_names, units

_LISTS = ("layers", "_layer_checkpoint_dependencies", "_self_tracked_trackables")
Weights = dict[str, np.ndarray]


@dataclass
class _Reading:
    store: Hdf5
    assets: Mapping[str, bytes]
    problems: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    seen: dict[tuple[str, str], list[KerasNode]] = field(default_factory=dict)


def attach_v3(model: KerasModel, store: Hdf5, assets: Mapping[str, bytes]) -> KerasModel:
    """`model` with its weights from the `model.weights.h5` of its archive.

    Raises:
        ConversionError: weights are missing or left over; lists all of them by layer.
        FormatError: the HDF5 data is damaged.
    """
    reading = _Reading(store, assets)
    filled = _model(reading, model, "", "")
    for path in store.arrays(""):
        top = path.split("/")[0]
        if path not in reading.used and top in (*_LISTS, "vars") and not is_random_state(path):
            reading.problems.append(f"array '{path}' belongs to no layer of the model")
    if reading.problems:
        raise mismatch(reading.problems)
    return filled


def mismatch(problems: Sequence[str]) -> ConversionError:
    """The one error for weights that do not fit the model, at most 40 of them spelled out."""
    shown = [*problems[:40], *([f"and {len(problems) - 40} more"] if len(problems) > 40 else [])]
    what = "mismatches between the layers and the weights in the file"
    return ConversionError(
        listing(shown, what) + "\nBuild the model before saving, and save it whole."
    )


def is_random_state(path: str) -> bool:
    """State of a random number generator: no part of inference."""
    return "seed_generator" in path or "random_generator" in path


def _model(reading: _Reading, model: KerasModel, path: str, where: str) -> KerasModel:
    layers = [node for node in model.layers if not _is_weightless(node)]
    names = container_names([node.class_name.split(">")[-1] for node in layers])
    group = next((name for name in _LISTS if reading.store.is_group(_join(path, name))), "layers")
    filled: dict[str, KerasNode] = {}
    for node, name in zip(layers, names, strict=True):
        below = _join(path, group, name)
        _check_name(reading, node, below, _join(where, node.name))
        filled[node.name] = _node(reading, node, below, _join(where, node.name))
    return replace(model, layers=tuple(filled.get(node.name, node) for node in model.layers))


def _is_weightless(node: KerasNode) -> bool:
    """Left out of the walk: operations have no groups, InputLayers a counter of their own."""
    return isinstance(node, KerasLayer) and (node.is_operation or node.class_name == "InputLayer")


def _node(reading: _Reading, node: KerasNode, path: str, where: str) -> KerasNode:
    if node.is_shared and not reading.store.is_group(path):
        return _shared(reading, node, where)
    filled = (
        _model(reading, node, path, where)
        if isinstance(node, KerasModel)
        else _layer(reading, node, path, where)
    )
    reading.seen.setdefault((node.class_name, node.name), []).append(filled)
    return filled


def _shared(reading: _Reading, node: KerasNode, where: str) -> KerasNode:
    """A layer of two models is saved where the walk met it first: take the weights from there."""
    found = reading.seen.get((node.class_name, node.name), [])
    if len(found) != 1:
        reading.problems.append(f"layer '{where}' is shared, but the file has no weights for it")
        return node
    first = found[0]
    if isinstance(node, KerasLayer) and isinstance(first, KerasLayer):
        return replace(node, weights=first.weights, sublayers=first.sublayers, assets=first.assets)
    return first


def _check_name(reading: _Reading, node: KerasNode, path: str, where: str) -> None:
    """Newer files name the layer that a group belongs to; it must be the one counted to."""
    group = f"{path}/vars"
    saved = reading.store.text(group, "name") if reading.store.is_group(group) else None
    if saved is not None and saved != node.name:
        reading.problems.append(f"group '{path}' holds layer '{saved}', expected '{where}'")


def _layer(reading: _Reading, layer: KerasLayer, path: str, where: str) -> KerasLayer:
    rows = units(layer)
    if rows is None:
        return replace(layer, weights=_by_path(reading, path), assets=_assets(reading, path))
    weights: Weights = {}
    for unit in rows:
        weights |= _unit(reading, unit, path, where)
    if any(unit.has_state for unit in rows) or layer.class_name == "RNN":
        weights |= _states(reading, path)
    sublayers = {
        key: _node(reading, child, _join(path, at), _join(where, key))
        for (key, child), at in zip(layer.sublayers.items(), _places(layer), strict=True)
    }
    return replace(layer, weights=weights, sublayers=sublayers)


def _places(layer: KerasLayer) -> list[str]:
    """The group below the layer's own for each sublayer: `cells/0` lies in `cells/lstm_cell`."""
    groups = iter(container_names([child.class_name for child in layer.sublayers.values()]))
    return [
        f"{key.split('/')[0]}/{group}" if "/" in key else key
        for key, group in zip(layer.sublayers, groups, strict=True)
    ]


def _unit(reading: _Reading, unit: Unit, path: str, where: str) -> Weights:
    if not any(unit.layouts):
        return {}
    groups = [_join(path, at, "vars") for at in unit.at]
    group = next((g for g in groups if reading.store.keys(g)), groups[0])
    keys = reading.store.keys(group)
    names = unit.layout(len(keys))
    if names is None or set(keys) != {str(i) for i in range(len(keys))}:
        expected = ", ".join(unit.prefix + name for name in unit.layouts[0])
        reading.problems.append(
            f"layer '{where}' needs {expected}; '{group}' has {len(keys)} arrays"
        )
        reading.used.update(f"{group}/{key}" for key in keys)
        return {}
    return {unit.prefix + name: _array(reading, f"{group}/{i}") for i, name in enumerate(names)}


def _states(reading: _Reading, path: str) -> Weights:
    """The state that a stateful RNN layer keeps between batches, `state/0` first."""
    keys = reading.store.keys(f"{path}/vars")
    return {f"state/{key}": _array(reading, f"{path}/vars/{key}") for key in keys}


def _by_path(reading: _Reading, path: str) -> Weights:
    """All arrays below the group of a class without a row, `vars` left out of their paths."""
    found = {}
    for full in reading.store.arrays(path) if reading.store.is_group(path) else ():
        parts = full.removeprefix(f"{path}/").split("/")
        key = "/".join(part for part in parts if part != "vars")
        if is_random_state(full):
            reading.used.add(full)
        else:
            found[key] = _array(reading, full)
    return found


def _assets(reading: _Reading, path: str) -> dict[str, bytes]:
    prefix = f"{path}/"
    assets = reading.assets.items()
    return {name.removeprefix(prefix): data for name, data in assets if name.startswith(prefix)}


def _array(reading: _Reading, path: str) -> np.ndarray:
    reading.used.add(path)
    return reading.store.array(path)


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)
