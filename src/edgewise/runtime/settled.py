"""Operators that wait for a parameter: TRANSPOSE_CONV, FILL, TILE, ... whose result has a computed
shape. In stages (staged.py) the parameter is an array by the time they run.

Parameters come again more often than data: a plan of the operator alone is made when the shapes of
its operands and its parameters come a second time, and kept; until then the reference runs it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from edgewise.errors import EdgewiseError, InternalError, LimitError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import infer_graph
from edgewise.ir.nesting import names_resources
from edgewise.ir.op import Role
from edgewise.ops.opaque import Opaque
from edgewise.runtime.executor import Executor
from edgewise.runtime.plannable import NotPlannable

MOST_BYTES = 256  # of parameters: those of a shape, not of a table
MOST_KEPT = 8

Key = tuple[object, ...]
K = TypeVar("K")
T = TypeVar("T")


def is_settling(node: Node) -> bool:
    """It is planned as soon as its parameters are known."""
    values = [v for v in (*node.inputs, *node.outputs) if v is not None]
    has_parameters = any(
        v is not None and node.op.declared(i).role is Role.PARAMETER
        for i, v in enumerate(node.inputs)
    )
    is_plain = not (node.op.graph_fields or node.op.updates or names_resources(node))
    has_effect = not node.op.is_pure or isinstance(node.op, Opaque)
    return has_parameters and is_plain and not has_effect and all(v.dtype.bits for v in values)


class Settled:
    """The plans of one node. `executor_of` makes one, of a graph whose shapes are known."""

    def __init__(self, node: Node, executor_of: Callable[[Graph], Executor]) -> None:
        self._node, self._executor_of = node, executor_of
        self._ready: OrderedDict[Key, Executor | None] = OrderedDict()
        self._seen: OrderedDict[Key, None] = OrderedDict()

    def executor(self, operands: Sequence[np.ndarray | None]) -> Executor | None:
        """For these operands: its inputs are those that are `given`. None: the reference runs, this
        time."""
        key = self._key(operands)
        if key is None:
            return None
        if key not in self._ready:
            if key not in self._seen:
                keep(self._seen, key, None, MOST_KEPT)
                return None
            keep(self._ready, key, self._make(operands), MOST_KEPT)
        self._ready.move_to_end(key)
        return self._ready[key]

    def given(self, operands: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """The inputs of a plan."""
        pairs = enumerate(operands)
        return [a for i, a in pairs if a is not None and not self._is_known(i)]

    def detail(self) -> str | None:
        """The kernels that ran last; None: the reference."""
        last = next(reversed(self._ready.values()), None)
        return None if last is None else ", ".join(p.detail for p in last.plan.placement)

    def _is_known(self, index: int) -> bool:
        return self._is_constant(index) or self._node.op.declared(index).role is Role.PARAMETER

    def _is_constant(self, index: int) -> bool:
        value = self._node.inputs[index]
        return value is not None and value.data is not None

    def _key(self, operands: Sequence[np.ndarray | None]) -> Key | None:
        known = [
            a
            for i, a in enumerate(operands)
            if a is not None and self._is_known(i) and not self._is_constant(i)
        ]
        if sum(a.nbytes for a in known) > MOST_BYTES:
            return None
        shapes = tuple(None if a is None else a.shape for a in operands)
        return (shapes, *(a.tobytes() for a in known))

    def _make(self, operands: Sequence[np.ndarray | None]) -> Executor | None:
        node, graph = self._node, Graph(self._node.op.name)
        values: list[Value | None] = []
        for index, (value, array) in enumerate(zip(node.inputs, operands, strict=True)):
            if value is None or array is None:
                values.append(None)
                continue
            data = value.data
            if data is None and self._is_known(index):
                data = array.copy()
            copy = Value(value.type.with_shape(array.shape), value.name, data)
            values.append(copy)
            if data is None:
                graph.inputs.append(copy)
        results = [Value(v.type, v.name) for v in node.outputs]
        graph.insert(node.op, values, results, name=node.name, location=node.location)
        graph.set_outputs(results)
        try:
            infer_graph(graph)
            made = self._executor_of(graph)
        except (InternalError, LimitError):
            raise
        except (NotPlannable, EdgewiseError):
            return None
        return None if any(p.where == "host" for p in made.plan.placement) else made


def keep(cache: OrderedDict[K, T], key: K, value: T, most: int) -> None:
    """Put something into a cache of the last few."""
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
