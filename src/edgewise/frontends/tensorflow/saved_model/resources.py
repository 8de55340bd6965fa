"""Variables and tables of a main graph: TensorFlow 1, or TensorFlow 2 without its objects.

A variable is found by what the graph's own restoring assigns to its node, from `RestoreV2`, in the
graph or in a function that it calls; a partitioned one is a part of a tensor. Without that, its
name is the key.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow.graph_def import Graph
from edgewise.frontends.tensorflow.program import Function, Ref, Resource, TFNode, TFShape, Variable
from edgewise.frontends.tensorflow.saved_model.stored import Stored
from edgewise.frontends.tensorflow.saved_model.tables import (
    MUTABLE_TABLES,
    TABLES,
    Filling,
    filled_table,
    fillings,
)
from edgewise.frontends.tensorflow.tracing import Frame, frames

VARIABLES = frozenset({"VarHandleOp", "Variable", "VariableV2"})
_ASSIGN = frozenset({"Assign", "AssignVariableOp"})


class Place(NamedTuple):
    """Where the checkpoint has a variable: a tensor, and which part of it ("": all)."""

    key: str
    part: str = ""


class GraphResources:
    """Resources that nodes of the main graph make, each one object for all signatures.

    What cannot be had becomes a sentence in `stored.problems`.
    """

    def __init__(self, graph: Graph, stored: Stored) -> None:
        self._graph, self._stored = graph, stored
        assets = {
            name: asset
            for name in graph.nodes
            if (asset := stored.assets.of_tensor(name)) is not None
        }
        self._main = Frame(graph.nodes, assets=assets)
        self._known: dict[str, Resource | None] = {}
        self._wholes: dict[str, np.ndarray | None] = {}  # partitioned variables

    def of(self, function: Function) -> dict[str, Resource | np.ndarray]:
        """The resources that nodes of `function` make, by node."""
        found: dict[str, Resource | np.ndarray] = {}
        for node in function.nodes.values():
            if node.op not in VARIABLES | TABLES | MUTABLE_TABLES:
                continue
            if node.name not in self._known:
                self._known[node.name] = self._resource(node)
            resource = self._known[node.name]
            if resource is not None:
                found[node.name] = resource
        return found

    def _resource(self, node: TFNode) -> Resource | None:
        if node.op in VARIABLES:
            return self._variable(node)
        if node.op in MUTABLE_TABLES:
            self._stored.problems.append(
                f"table '{node.name}' is mutable; this graph restores none"
            )
            return None
        filling = self._fillings.get((self._main, Ref(node.name)))
        found = filled_table(node, filling, self._stored.assets)
        if isinstance(found, str):
            self._stored.problems.append(found)
            return None
        return found

    @cached_property
    def _fillings(self) -> dict[tuple[Frame, Ref], Filling]:
        return fillings(self._frames)

    @cached_property
    def _frames(self) -> list[Frame]:
        return list(frames(self._main, self._graph.library))

    def _variable(self, node: TFNode) -> Variable | None:
        shared = node.attrs.get("shared_name")
        name = (
            shared.decode("utf-8", "replace") if isinstance(shared, bytes) and shared else node.name
        )
        dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
        if not isinstance(dtype, DType):
            self._stored.problems.append(f"variable '{name}' has type {dtype!r}")
            return None
        value = self._value(self._places.get(node.name), name, node.name, dtype)
        return Variable(name, dtype, shape if isinstance(shape, TFShape) else TFShape(None), value)

    def _value(self, place: Place | None, name: str, node: str, dtype: DType) -> np.ndarray | None:
        if place is None:
            bundle = self._stored.bundle
            key = node if bundle and name not in bundle and node in bundle else name
            return self._stored.tensor(key, name, dtype)
        if not place.part:
            return self._stored.tensor(place.key, name, dtype)
        if place.key not in self._wholes:
            self._wholes[place.key] = self._stored.tensor(place.key, name, dtype)
        whole = self._wholes[place.key]
        if whole is None or whole.dtype != dtype.numpy:
            return None
        bounds = _part(place.part, whole.shape)
        if bounds is None:
            self._stored.problems.append(
                f"variable '{name}' is part '{place.part}' of '{place.key}' {list(whole.shape)}"
            )
            return None
        return whole[bounds]

    @cached_property
    def _places(self) -> dict[str, Place]:
        """By variable's node: what restoring assigns to it."""
        places: dict[str, Place] = {}
        for frame in self._frames:
            for node in frame.nodes.values():
                if node.op in _ASSIGN and len(node.inputs) >= 2:
                    target, variable = frame.origin(node.inputs[0])
                    place = _restored(*frame.origin(node.inputs[1]))
                    if target is self._main and place is not None:
                        places[variable.node] = place
        return places


def _restored(frame: Frame, ref: Ref) -> Place | None:
    """What output of RestoreV2 the tensor is."""
    node = frame.nodes.get(ref.node)
    if node is None or node.op != "RestoreV2" or len(node.inputs) < 3:
        return None
    keys, parts = (frame.constant(ref) for ref in node.inputs[1:3])
    if keys is None or parts is None or not ref.output < min(keys.size, parts.size):
        return None
    key, part = keys.reshape(-1)[ref.output], parts.reshape(-1)[ref.output]
    if not isinstance(key, bytes) or not isinstance(part, bytes):
        return None
    return Place(key.decode("utf-8", "replace"), part.decode("utf-8", "replace"))


def _part(text: str, shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    """`10 6 0,4:-` is rows 0 to 3 of [10, 6]; None: no part of `shape`."""
    *sizes, extents = text.split(" ")
    pairs = extents.split(":")
    if sizes != [str(size) for size in shape] or len(pairs) != len(shape):
        return None
    bounds = []
    for pair, size in zip(pairs, shape, strict=True):
        start, _, length = pair.partition(",")
        if pair == "-":
            bounds.append(slice(0, size))
        elif start.isdecimal() and length.isdecimal() and int(start) + int(length) <= size:
            bounds.append(slice(int(start), int(start) + int(length)))
        else:
            return None
    return tuple(bounds)
