"""Writes into places of a variable: the variable is read, changed and assigned.

Source: tensorflow/core/ops/{resource_variable_ops,state_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable

from edgewise.frontends.tensorflow.context import Context, Handler, Operand, Unsupported
from edgewise.frontends.tensorflow.handlers.resources import assign, read
from edgewise.frontends.tensorflow.handlers.scattering import (
    added,
    extreme,
    slice_updated,
    updated,
)
from edgewise.frontends.tensorflow.program import TFNode, Variable
from edgewise.ir.graph import Value

_Write = Callable[..., object]


def _written(write: _Write, *, rows: bool) -> Handler:
    """`write(c, node, value, indices, updates)` on the value of a variable. `rows`: indices are
    of rows, an element each."""

    def handler(c: Context, node: TFNode, variable: Operand, *operands: Operand) -> list[Operand]:
        if not isinstance(variable, Variable):
            raise Unsupported("it writes into no variable; save the model with its variables")
        values = [x for x in operands if isinstance(x, Value)]
        if len(values) < len(operands):
            raise Unsupported("it writes what is no tensor")
        c.state.add(variable)
        x = read(c, variable)
        if rows:
            indices, updates = values
            rest = x.shape[1:]
            if updates.shape == () and (indices.shape or rest):
                updates = c.b.broadcast_to(updates, c.shape((*indices.shape, *rest)))
            values = [c.reshape(indices, (*indices.shape, 1)), updates]
        y = write(c, node, x, *values)
        assert isinstance(y, Value)
        assign(c, variable, y)
        return [variable]

    return handler


def _scaled(name: str) -> _Write:
    """The elements there times, or divided by, the updates."""

    def write(c: Context, node: TFNode, x: Value, indices: Value, updates: Value) -> Value:
        there = c.b.gather_nd(x, indices)
        return updated(c, node, x, indices, getattr(c.b, name)(there, updates))

    return write


_WRITES: dict[str, _Write] = {
    "Update": updated,
    "Add": added("add"),
    "Sub": added("sub"),
    "Max": extreme("max"),
    "Min": extreme("min"),
    "Mul": _scaled("mul"),
    "Div": _scaled("div"),
}
_POINTS = ("Update", "Add", "Sub", "Max", "Min")

OBJECTS: dict[str, Handler] = {
    **{
        f"{prefix}Scatter{name}": _written(write, rows=True)
        for prefix in ("Resource", "")
        for name, write in _WRITES.items()
    },
    **{
        f"{prefix}ScatterNd{name}": _written(_WRITES[name], rows=False)
        for prefix in ("Resource", "")
        for name in _POINTS
    },
    **dict.fromkeys(
        ("ResourceStridedSliceAssign", "StridedSliceAssign"), _written(slice_updated, rows=False)
    ),
}
