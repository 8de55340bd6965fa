"""Weights of a legacy `.h5` file: named arrays per top-level layer, matched to the layers inside.

A nested model or wrapper is one group; its arrays are in creation order, those of layers without
trainable variables last, with paths such as `bidirectional/forward_lstm/lstm_cell/kernel:0`.
Arrays with the same path but for the last part form a unit. Units go to the layer whose name
stands at the end of their path if there is exactly one, and in file order otherwise (Keras numbers
names anew in places: `conv2d_1_1/kernel:0` is layer `conv2d_1`).
Source: keras/src/legacy/saving/legacy_h5_format.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgewise.frontends.keras.description import KerasLayer, KerasModel, KerasNode
from edgewise.frontends.keras.hdf5 import Hdf5
from edgewise.frontends.keras.variables import Unit, units
from edgewise.frontends.keras.weights import Weights, is_random_state, mismatch

Path = tuple[str, ...]
_STATE = "rnn_state"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A unit of a layer; None for a class without a row, which takes what bears its name."""

    path: Path
    layer: KerasLayer
    unit: Unit | None
    is_frozen: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """Arrays of a file with one parent path: their array paths by last part."""

    parent: Path
    arrays: dict[str, str]


def attach_legacy(model: KerasModel, store: Hdf5) -> KerasModel:
    """`model` with its weights from the group `model_weights` of its file.

    Raises:
        ConversionError: weights are missing or left over; lists all of them by layer.
        FormatError: the HDF5 data is damaged.
    """
    problems: list[str] = []
    weights: dict[Path, Weights] = {}
    names = store.texts("model_weights", "layer_names")
    for node in model.layers:
        group = f"model_weights/{node.name}"
        files = store.texts(group, "weight_names") if store.is_group(group) else []
        paths = [name for name in files if not is_random_state(name)]
        weights |= _match(node, group, paths, store, problems)
    known = {node.name for node in model.layers}
    for name in [*names, "top_level_model_weights"]:
        group = f"model_weights/{name}"
        if name not in known and store.is_group(group) and store.texts(group, "weight_names"):
            problems.append(f"group '{name}' has weights, but the model has no such layer")
    if problems:
        raise mismatch(problems)
    filled = _filled(model, (), weights, problems)
    if problems:
        raise mismatch(problems)
    assert isinstance(filled, KerasModel)
    return filled


def _match(
    node: KerasNode, group: str, names: list[str], store: Hdf5, problems: list[str]
) -> dict[Path, Weights]:
    wanted = list(_wanted(node, (node.name,), not node.trainable))
    found = _units_of(group, names)
    pairs = _by_name(wanted, found)
    rest_wanted = [w for w in wanted if w.unit and id(w) not in {id(a) for a, _ in pairs}]
    taken = {id(f) for _, f in pairs}
    rest_found = [f for f in found if id(f) not in taken]
    rest_wanted.sort(key=lambda w: w.is_frozen)
    for want, have in zip(rest_wanted, rest_found, strict=False):
        if _fits(want, have):
            pairs.append((want, have))
    pairs += _shared(rest_wanted, pairs)
    paired = {id(a) for a, _ in pairs} | {id(b) for _, b in pairs}
    for want in rest_wanted:
        if id(want) not in paired and want.unit:
            missing = ", ".join(want.unit.prefix + name for name in want.unit.layouts[0])
            problems.append(f"layer '{'/'.join(want.path)}' needs {missing}; the file has none")
    for have in rest_found:
        if id(have) not in paired:
            arrays = ", ".join("/".join((*have.parent, name)) for name in have.arrays)
            problems.append(f"arrays {arrays} of '{group}' belong to no layer of the model")
    weights: dict[Path, Weights] = {}
    for want, have in pairs:
        weights.setdefault(want.path, {}).update(_read(want, have, store))
    return weights


def _wanted(node: KerasNode, path: Path, is_frozen: bool) -> Iterator[_Wanted]:
    if isinstance(node, KerasModel):
        for child in node.layers:
            yield from _wanted(child, (*path, child.name), is_frozen or not child.trainable)
        return
    rows = units(node)
    if rows is None and node.class_name != "InputLayer" and not node.is_operation:
        yield _Wanted(path, node, None, is_frozen)
    own = [_Wanted(path, node, unit, is_frozen or unit.is_frozen) for unit in rows or ()]
    yield from (want for want in own if want.unit and any(want.unit.layouts))
    for key, child in node.sublayers.items():
        yield from _wanted(child, (*path, key), is_frozen or not child.trainable)


def _units_of(group: str, names: list[str]) -> list[_Found]:
    found: dict[Path, dict[str, str]] = {}
    for name in names:
        *parent, last = name.split("/")
        found.setdefault(tuple(parent), {})[last.split(":")[0]] = f"{group}/{name}"
    return [_Found(parent, arrays) for parent, arrays in found.items()]


def _fits(want: _Wanted, have: _Found) -> bool:
    """All arrays have names of the unit, and no variable is missing."""
    if want.unit is None:
        return False
    names = {want.unit.legacy_name(name) for name in have.arrays if name != _STATE}
    return None not in names and want.unit.is_complete({name for name in names if name})


def _by_name(wanted: list[_Wanted], found: list[_Found]) -> list[tuple[_Wanted, _Found]]:
    """Pairs where exactly one unit of the file ends in the names of exactly one wanted unit."""
    by_end: dict[Path, list[_Found]] = {}
    for have in found:
        for length in (1, 2):
            by_end.setdefault(have.parent[-length:], []).append(have)
    claims: dict[int, list[_Wanted]] = {}
    offers: list[tuple[_Wanted, _Found]] = []
    for want in (want for want in wanted if want.unit):
        ends = _ends(want)
        candidates = {id(h): h for end in ends for h in by_end.get(end, ()) if _fits(want, h)}
        for have in candidates.values():
            claims.setdefault(id(have), []).append(want)
        if len(candidates) == 1:
            offers.append((want, next(iter(candidates.values()))))
    pairs = [(want, have) for want, have in offers if len(claims[id(have)]) == 1]
    taken = {id(have) for _, have in pairs}
    for want in (want for want in wanted if want.unit is None):
        free = [h for h in found if id(h) not in taken and want.layer.name in h.parent]
        free = free or ([h for h in found if id(h) not in taken] if len(wanted) == 1 else [])
        taken |= {id(have) for have in free}
        pairs += [(want, have) for have in free]
    return pairs


def _shared(
    wanted: list[_Wanted], pairs: list[tuple[_Wanted, _Found]]
) -> list[tuple[_Wanted, _Found]]:
    """A layer used by two models of one group is saved once: the second takes those arrays."""
    paired = {id(want) for want, _ in pairs}
    return [
        (want, have)
        for want in wanted
        if id(want) not in paired
        for first, have in pairs
        if first.layer.name == want.layer.name
        and first.unit == want.unit
        and first.layer.config == want.layer.config
    ]


def _ends(want: _Wanted) -> list[Path]:
    """The last parts that the parent path of a unit may have: `lstm` or `lstm/lstm_cell`."""
    name, scope = want.layer.name, want.unit.scope if want.unit else ""
    if scope and want.unit and want.unit.prefix:
        return [(name, scope)]
    return [(name,), (name, scope)] if scope else [(name,)]


def _read(want: _Wanted, have: _Found, store: Hdf5) -> Weights:
    if want.unit is None:
        parts = list(have.parent)
        below = parts[parts.index(want.layer.name) + 1 :] if want.layer.name in parts else parts
        return {"/".join((*below, name)): store.array(path) for name, path in have.arrays.items()}
    weights: Weights = {}
    for name, path in have.arrays.items():
        ours = want.unit.legacy_name(name)
        key = want.unit.prefix + ours if ours else "state/0"
        weights[key] = store.array(path)
    return weights


def _filled(
    node: KerasNode, path: Path, weights: dict[Path, Weights], problems: list[str]
) -> KerasNode:
    if isinstance(node, KerasModel):
        layers = tuple(
            _filled(child, (*path, child.name), weights, problems) for child in node.layers
        )
        return replace(node, layers=layers)
    sublayers = {
        key: _filled(child, (*path, key), weights, problems)
        for key, child in node.sublayers.items()
    }
    own = _merge_lora(node, weights.get(path, {}), problems)
    return replace(node, weights=own, sublayers=sublayers)


def _merge_lora(layer: KerasLayer, weights: Weights, problems: list[str]) -> Weights:
    """`kernel + alpha / rank * a @ b`, as v3 saving does: a legacy file keeps the three apart."""
    for name in ("kernel", "embeddings"):
        a, b = weights.pop(f"lora_{name}_a", None), weights.pop(f"lora_{name}_b", None)
        if a is None or b is None:
            continue
        kernel, alpha = weights[name], layer.config.get("lora_alpha", layer.config.get("lora_rank"))
        if (
            kernel.dtype.kind != "f"
            or not isinstance(alpha, (int, float))
            or a.shape[-1] != b.shape[0]
        ):
            problems.append(
                f"layer '{layer.name}': a quantized layer with LoRA must be saved as .keras"
            )
            continue
        merged = kernel + np.float32(alpha / a.shape[-1]) * (a @ b)
        weights[name] = merged.astype(kernel.dtype).reshape(kernel.shape)
    return weights
