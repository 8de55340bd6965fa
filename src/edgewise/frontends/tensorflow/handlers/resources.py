"""Variables and what is read of them.

A variable that no signature assigns is a constant. One that is assigned anywhere is state: its
name is its handle, CALL_ONCE gives it the value of the file (`lower.py`), and a read is a
READ_VARIABLE where it stood in the program; reads with no assignment between them are one.

In TF1 graphs a variable (`VariableV2`) stands for its value: operations on tensors read it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import (
    Context,
    Handler,
    Operand,
    State,
    Unsupported,
    computed,
)
from edgewise.frontends.tensorflow.handlers.tables import fill
from edgewise.frontends.tensorflow.program import TFNode, Variable
from edgewise.ir.build import Builder
from edgewise.ir.dim import unknown_dim
from edgewise.ir.graph import Graph, Value
from edgewise.ir.types import TensorType
from edgewise.ops.state import AssignVariable, ReadVariable, VarHandle

# Operations that a model runs although no result needs them.
EFFECTS = frozenset((
    "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp",
    "Assign", "AssignAdd", "AssignSub", "ResourceStridedSliceAssign", "StridedSliceAssign",
    *(f"{prefix}Scatter{name}" for prefix in ("Resource", "")
      for name in ("Update", "Add", "Sub", "Mul", "Div", "Max", "Min")),
    *(f"{prefix}ScatterNd{name}" for prefix in ("Resource", "")
      for name in ("Update", "Add", "Sub", "Max", "Min")),
))  # fmt: skip


def read(c: Context, variable: Variable) -> Value:
    """The value of a variable where the walk stands. Raises Unsupported."""
    if variable in c.state.variables:
        if variable not in c.reads:
            handle = _handle(c, variable)
            made = c.b.node(ReadVariable(), handle, results=[_type(variable)])
            c.reads[variable] = made.output
        return c.reads[variable]
    if variable.value is None:
        raise Unsupported(
            f"variable '{variable.name}' has no value in the file; initialise it before saving"
        )
    return c.constant(variable.value, variable.name)


def assign(c: Context, variable: Variable, x: Value) -> None:
    """The variable becomes x."""
    c.state.add(variable)
    c.reads.pop(variable, None)
    c.b.node(AssignVariable(), _handle(c, variable), x)


def initialize(state: State) -> Graph:
    """The graph that gives variables and tables what they hold in the file."""
    b = Builder("initialize")
    for variable, name in state.variables.items():
        if variable.value is not None:
            handle = b.node(VarHandle(shared_name=name), names=[name]).output
            data = np.asarray(variable.value, computed(variable.dtype).numpy)
            b.node(AssignVariable(), handle, b.constant(data))
    for table in state.tables:
        fill(b, state, table)
    return b.finish()


def _handle(c: Context, variable: Variable) -> Value:
    """The handle in this graph: one VAR_HANDLE, before the first that uses it."""
    found = c.handles.get(variable)
    if found is None:
        op = VarHandle(shared_name=c.state.variables[variable])
        found = c.handles[variable] = c.b.node(op, names=[variable.name]).output
    return found


def _type(variable: Variable) -> TensorType:
    dims = variable.shape.dims
    shape = None if dims is None else tuple(unknown_dim() if d is None else d for d in dims)
    return TensorType(shape, computed(variable.dtype))


def _variable(x: Operand) -> Variable:
    if not isinstance(x, Variable):
        raise Unsupported("it takes no variable of the model; save the model with its variables")
    return x


# -- handlers ---------------------------------------------------------------------------------


def _unbound(c: Context, node: TFNode, *xs: Operand) -> Value:
    raise Unsupported("its value is not in the file; save the model with its variables")


def _read(c: Context, node: TFNode, variable: Operand) -> Value:
    return read(c, _variable(variable))


def _assign(c: Context, node: TFNode, variable: Operand, x: Operand) -> list[Operand]:
    if not isinstance(x, Value):
        raise Unsupported("it assigns what is no tensor")
    assign(c, _variable(variable), x)
    return [variable]


def _updated(
    combine: Callable[[Context, Value, Value], Value],
) -> Callable[[Context, TFNode, Operand, Operand], list[Operand]]:
    def handler(c: Context, node: TFNode, variable: Operand, x: Operand) -> list[Operand]:
        if not isinstance(x, Value):
            raise Unsupported("it assigns what is no tensor")
        found = _variable(variable)
        c.state.add(found)
        assign(c, found, combine(c, read(c, found), x))
        return [variable]

    return handler


def _is_initialized(c: Context, node: TFNode, variable: Operand) -> Value:
    return c.b.constant(np.array(_variable(variable).value is not None))


def _shape(c: Context, node: TFNode, variable: Operand) -> Value:
    dtype = attrs.dtype(node, "out_type", DType.INT32)
    return c.cast(c.b.shape(read(c, _variable(variable))), dtype)


def _gather(c: Context, node: TFNode, variable: Operand, indices: Operand) -> Value:
    assert isinstance(indices, Value)
    x = read(c, _variable(variable))
    count = attrs.integer(node, "batch_dims", 0)
    return c.b.gather(x, indices, axis=count, batch_dims=count)


def _gather_nd(c: Context, node: TFNode, variable: Operand, indices: Operand) -> Value:
    assert isinstance(indices, Value)
    return c.b.gather_nd(read(c, _variable(variable)), indices)


_added = _updated(lambda c, old, x: c.b.add(old, x))
_subtracted = _updated(lambda c, old, x: c.b.sub(old, x))

OBJECTS: dict[str, Handler] = {
    **dict.fromkeys(("VarHandleOp", "VariableV2", "Variable"), _unbound),
    "ReadVariableOp": _read,
    **dict.fromkeys(("AssignVariableOp", "Assign"), _assign),
    **dict.fromkeys(("AssignAddVariableOp", "AssignAdd"), _added),
    **dict.fromkeys(("AssignSubVariableOp", "AssignSub"), _subtracted),
    **dict.fromkeys(("VarIsInitializedOp", "IsVariableInitialized"), _is_initialized),
    "VariableShape": _shape,
    "ResourceGather": _gather,
    "ResourceGatherNd": _gather_nd,
}
