"""Networks to learn on: those of the zoo, or a file, up to their features."""

from __future__ import annotations

import os
from pathlib import Path

from edgewise import metadata
from edgewise.errors import InputError
from edgewise.format import load
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.softmax import Softmax
from edgewise.passes import canonicalize
from edgewise.train.blocks import up_to
from edgewise.values import dataclass
from edgewise.zoo import entries

_FEATURES = "_features"  # zoo entries that end in features


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network from one picture to features [1, F], its name for people, its licence."""

    model: Model
    title: str
    license: str | None


def backbone_of(
    name: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    size: int | None = None,
) -> Backbone:
    """The network of a name in the zoo, or in a `.tflite` file, without its classes.

    Raises:
        InputError: no such network, or one that does not end in features of a picture.
        MissingExtra: the package with its weights is not installed.
    """
    if Path(name).suffix == ".tflite":
        if weights is not None or size is not None:
            raise InputError(f"{name}: a file has its weights and size; leave both out")
        model = load(name)
    else:
        chosen = str(name)
        if f"{chosen}{_FEATURES}" in entries.ENTRIES:
            chosen += _FEATURES
        model = entries.get(chosen, weights, size=size, is_cut=True)
    said = metadata.read(model)
    canonical = canonicalize(model)
    title = (said.name if said is not None else None) or Path(name).stem
    return Backbone(
        _with_pixels(_features(canonical, str(name)), model),
        title,
        said.license if said is not None else None,
    )


def _features(model: Model, name: str) -> Model:
    """Without a classifier at the end. Raises InputError."""
    graph = model.main
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise InputError(f"{name}: a network to learn on has one input and one output")
    value = _below(_below(graph.outputs[0], Softmax), FullyConnected)
    if value.producer is None or len(value.shape) != 2:
        raise InputError(
            f"{name}: a network to learn on ends in features [N, F]; this one in {value.type}"
        )
    return up_to(model, value)


def _below(value: Value, kind: type) -> Value:
    """What the operator that makes the value reads, if it is of this kind; else the value."""
    node = value.producer
    return node.operand(0) if node is not None and isinstance(node.op, kind) else value


def _with_pixels(features: Model, model: Model) -> Model:
    """What the network says of its input."""
    found = metadata.normalization(model)
    if found is None:
        return features
    return metadata.attach(features, mean=found.mean, std=found.std)
