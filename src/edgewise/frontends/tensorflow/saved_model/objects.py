"""The objects that a TensorFlow 2 SavedModel was saved from: variables, tables, tensors.

A concrete function says for each of its captured arguments which object it is. The checkpoint has a
graph of objects of its own; walking both from their roots, by the names of attributes, finds the
keys under which an object's tensors lie.

**Source:** tensorflow/python/saved_model/load.py and trackable/base.py, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TypeAlias

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.protobuf import decode
from edgewise.frontends.tensorflow.graph_def import Graph
from edgewise.frontends.tensorflow.messages_saved import (
    SavedObject,
    SavedObjectGraph,
    SavedVariable,
    TrackableObjectGraph,
)
from edgewise.frontends.tensorflow.program import Function, Resource, Table, Variable
from edgewise.frontends.tensorflow.saved_model.stored import Stored
from edgewise.frontends.tensorflow.saved_model.tables import (
    MUTABLE_TABLES,
    TABLES,
    filled_table,
    fillings,
    table,
)
from edgewise.frontends.tensorflow.tensors import shape_of
from edgewise.frontends.tensorflow.tracing import Frame
from edgewise.frontends.tensorflow.types import dtype_of

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
Captured: TypeAlias = "Resource | np.ndarray"


class Objects:
    """What captured arguments are; each variable and table is one object however often it is met.

    What cannot be had becomes a sentence in `stored.problems`.
    """

    def __init__(self, objects: SavedObjectGraph, graph: Graph, stored: Stored) -> None:
        self._objects, self._graph, self._stored = objects, graph, stored
        self._known: dict[int, Captured | None] = {}

    def captured(self, function: str) -> list[int] | None:
        """The objects that the last arguments of `function` are; None: it is no saved one."""
        found = self._objects.concrete_functions.get(function)
        return None if found is None else found.bound_inputs.tolist()

    def functions(self) -> Iterator[tuple[str, int]]:
        """Attributes of the root that are functions, with the number of their traces."""
        for child in self._object(0).children if self._objects.nodes else ():
            function = self._object(child.node_id).function
            if function is not None:
                yield child.local_name, len(function.concrete_functions)

    def value(self, number: int) -> Captured | None:
        """What object `number` is for a function that captures it; None: a problem."""
        if number not in self._known:
            found = self._value(number, self._object(number))
            if isinstance(found, str):
                self._stored.problems.append(found)
            self._known[number] = None if isinstance(found, str) else found
        return self._known[number]

    def _object(self, number: int) -> SavedObject:
        if not 0 <= number < len(self._objects.nodes):
            raise FormatError(
                f"there are {len(self._objects.nodes)} objects, and none at {number}",
                file=self._stored.file,
            )
        return self._objects.nodes[number]

    def _value(self, number: int, found: SavedObject) -> Captured | str:
        if found.variable is not None:
            return self._variable(number, found.variable)
        if found.resource is not None:
            return self._table(number, found)
        if found.constant is not None:
            node = self._graph.nodes.get(found.constant.operation)
            value = node.attrs.get("value") if node is not None else None
            if isinstance(value, np.ndarray):
                return value
            return f"tensor '{found.constant.operation}' is no constant of the graph"
        if found.asset is not None:
            return np.array(self._asset(found).encode(), np.object_)
        return f"object {number}, which a function captures, is no variable, table or tensor"

    def _asset(self, found: SavedObject) -> str:
        index = found.asset.asset_file_def_index if found.asset else -1
        names = self._stored.assets.names
        if not 0 <= index < len(names):
            raise FormatError(
                f"there are {len(names)} assets, and none at {index}", file=self._stored.file
            )
        return names[index]

    def _variable(self, number: int, saved: SavedVariable) -> Variable | str:
        name = saved.name or f"variable {number}"
        dtype = dtype_of(saved.dtype)
        if dtype is None:
            return f"variable '{name}' has a type that is not supported"
        key = self._keys.get(number, {}).get("VARIABLE_VALUE", name)
        return Variable(name, dtype, shape_of(saved.shape), self._stored.tensor(key, name, dtype))

    @cached_property
    def _keys(self) -> dict[int, dict[str, str]]:
        """Keys of the tensors of objects, by their names there: for those that are reached by the
        same names in both graphs."""
        data = self._stored.text(_OBJECT_GRAPH)
        if data is None:
            return {}
        there = decode(TrackableObjectGraph, data, file=self._stored.file).nodes
        keys: dict[int, dict[str, str]] = {}
        known: dict[int, dict[str, int]] = {}
        stack = [(0, 0)]
        while stack:
            here, twin = stack.pop()
            if here in keys or not 0 <= twin < len(there):
                continue
            keys[here] = {tensor.name: tensor.checkpoint_key for tensor in there[twin].attributes}
            if twin not in known:
                known[twin] = {child.local_name: child.node_id for child in there[twin].children}
            twins = known[twin]
            stack += [
                (child.node_id, twins[child.local_name])
                for child in self._object(here).children
                if child.local_name in twins
            ]
        return keys

    def _table(self, number: int, found: SavedObject) -> Table | str:
        """A table is made by one function of its object, and filled by another or restored."""
        maker = self._function(found, "_create_resource")
        nodes = maker.nodes.values() if maker else ()
        made = next((node for node in nodes if node.op in TABLES | MUTABLE_TABLES), None)
        if made is None:
            return f"object {number}, which a function captures, is a resource but no table"
        if made.op in MUTABLE_TABLES:
            return self._restored_table(number, made.name)
        filler = self._function(found, "_initialize")
        found_fillings = fillings([self._frame(filler)] if filler else []).values()
        return filled_table(made, next(iter(found_fillings), None), self._stored.assets)

    def _function(self, found: SavedObject, name: str) -> Function | None:
        """A method of the object."""
        for child in found.children:
            if child.local_name == name:
                method = self._object(child.node_id)
                if method.function and method.function.concrete_functions:
                    return self._graph.library.function(method.function.concrete_functions[0])
                if bare := method.bare_concrete_function:
                    return self._graph.library.function(bare.concrete_function_name)
        return None

    def _frame(self, function: Function) -> Frame:
        """The function's nodes, with those captured tensors and assets that are known."""
        captured = self.captured(function.name) or []
        last = function.arguments[len(function.arguments) - len(captured) :]
        values, assets = {}, {}
        for argument, number in zip(last, captured, strict=False):
            found = self._object(number)
            if found.asset is not None:
                assets[argument.name] = self._asset(found)
            elif found.constant is not None:
                value = self.value(number)
                if isinstance(value, np.ndarray):
                    values[argument.name] = value
        return Frame(function.nodes, values=values, assets=assets)

    def _restored_table(self, number: int, name: str) -> Table | str:
        bundle = self._stored.bundle
        prefixes = ["", *self._keys.get(number, {}).values()]
        prefix = next((p for p in prefixes if bundle and f"{p}-keys" in bundle), None)
        if bundle is None or prefix is None or f"{prefix}-values" not in bundle:
            return f"the checkpoint has no keys and values of table '{name}'"
        pair = [bundle.tensor(f"{prefix}-{what}") for what in ("keys", "values")]
        dtypes = [DType.of(array.dtype) for array in pair]
        return table(name, dtypes[0], dtypes[1], tuple(pair))
