"""Operators on variables that survive an inference, and CALL_ONCE, which gives them their values.

What they read and write is the `Resources` of whoever runs them (`Runner.resources`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir.dim import Shape
from edgewise.ir.evaluate import BodyRunner
from edgewise.ir.graph import Graph, Node
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, Runner, require
from edgewise.ir.resources import Resources, Variable
from edgewise.ops.axes import shown

HANDLE = frozenset({DType.RESOURCE})


class Stateful(Op, abstract=True):
    """What operators on resources have in common."""

    quantization = NotQuantized()
    is_pure = False
    is_stateful = True

    def reference(self, *operands: np.ndarray) -> tuple[np.ndarray, ...]:
        return self.run(operands, BodyRunner(Node(self, (), ()), resources=Resources()))


class VarHandle(Stateful, builtin="VAR_HANDLE", options="VarHandleOptions"):
    """y = the handle of the variable with this name.

    Shapes: y []. Equal names are one variable, in all graphs of the model.
    **Source:** TensorFlow Lite kernels/var_handle.cc.
    """

    container: str = ""
    shared_name: str = ""

    operands = ()
    results = (Out("y", dtype=DType.RESOURCE),)

    @property
    def variable(self) -> Variable:
        """The name as one value."""
        return Variable(self.container, self.shared_name)

    def infer(self) -> Shape:
        return ()

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        return (np.array(runner.resources.handle(self.variable), np.int32),)


class ReadVariable(Stateful, builtin="READ_VARIABLE", options="ReadVariableOptions"):
    """y = what the variable holds.

    Shapes: variable one handle; y as whoever makes the node declares it, and any shape that the
    variable has when the model runs. dtypes: any, as declared. A variable without a value is an
    error; LiteRT 2.3 returns bytes that were in memory before.
    **Source:** TensorFlow Lite kernels/read_variable.cc.
    """

    operands = (In("variable", HANDLE, Role.PARAMETER),)
    results = (Out("y", like=None, free=True),)

    def infer(self, variable: Operand) -> Shape | None:
        _require_handle(variable)
        return None

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        name = variable_of(operands[0], runner.resources)
        value = runner.resources.values.get(name)
        if value is None:
            raise InputError(
                f"reads the {name}, which has no value yet; run the signature that assigns it first"
            )
        return (value.copy(),)


class AssignVariable(Stateful, builtin="ASSIGN_VARIABLE", options="AssignVariableOptions"):
    """The variable becomes a copy of x. No result.

    Shapes: variable one handle, x any. The variable takes shape and dtype of x.
    **Source:** TensorFlow Lite kernels/assign_variable.cc.
    """

    operands = (In("variable", HANDLE, Role.PARAMETER), In("x"))
    results = ()

    def infer(self, variable: Operand, x: Operand) -> tuple[Shape, ...]:
        _require_handle(variable)
        return ()

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        name = variable_of(operands[0], runner.resources)
        runner.resources.assign(name, operands[1].copy())
        return ()


class CallOnce(Stateful, builtin="CALL_ONCE", options="CallOnceOptions"):
    """Runs `init` where no CALL_ONCE has run it yet. No operand, no result.

    `init` takes and returns nothing; it assigns variables and imports tables.
    **Source:** TensorFlow Lite kernels/call_once.cc.
    """

    init: Graph

    operands = ()
    results = ()
    graph_fields = {"init": "init_subgraph_index"}

    def infer(self) -> tuple[Shape, ...]:
        require(
            not self.init.inputs and not self.init.outputs,
            f"@{self.init.name} must take and return nothing; it takes "
            f"{len(self.init.inputs)} and returns {len(self.init.outputs)}",
        )
        return ()

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        if self.init not in runner.resources.initialized:
            runner(self.init, ())
            runner.resources.initialized.add(self.init)
        return ()


def variable_of(handle: np.ndarray, resources: Resources) -> Variable:
    """The variable that a handle stands for. Raises InputError, ShapeError."""
    name = resources.name(int(handle.reshape(-1)[0]))
    require(isinstance(name, Variable), f"takes the handle of a variable; got that of the {name}")
    assert isinstance(name, Variable)
    return name


def _require_handle(value: Operand) -> None:
    require(
        not any(isinstance(d, int) and d != 1 for d in value.shape),
        f"the handle must be one number; got {shown(value.shape)}",
    )
