"""Limits: how much a model may ask for. Checked before and while it is planned, and while it runs.

A model file may be hostile, or merely wrong: a kilobyte can declare a terabyte of tensors or a loop
without end. The defaults are far beyond any real model on this kind of machine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, InputError, LimitError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import macs_of, result_types
from edgewise.ir.nesting import depth_of, reachable
from edgewise.ir.op import Role
from edgewise.runtime.plan import Plan
from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one inference may use.

    Args:
        max_bytes: of constants, activations, variables, scratch memory and outputs together.
        max_macs: multiply-accumulates, loop bodies counted once.
        max_nodes: operators of a graph.
        max_depth: of control flow inside control flow.
        max_loop_iterations: of all loops together, and of a recurrent layer without a kernel.
        deadline_s: seconds until the run is stopped, between two operators; `math.inf`: none.

    Raises:
        InputError: a limit that is not a positive number.
    """

    max_bytes: int = 16 << 30
    max_macs: int = 10**14
    max_nodes: int = 1_000_000
    max_depth: int = 32
    max_loop_iterations: int = 100_000_000
    deadline_s: float = math.inf

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not value > 0:
                raise InputError(f"Limits: {name} must be a positive number; got {value!r}")

    def check(self, demand: Mapping[str, int]) -> None:
        """Raise LimitError where the demand of a graph (`demand_of`) breaks a limit."""
        for name, what in _DEMANDS.items():
            self._require(name, demand[name], what)

    def check_plan(self, plan: Plan) -> None:
        """Raise LimitError where a plan needs more memory than allowed."""
        total = plan.constants.nbytes + plan.arena_bytes + plan.state_bytes
        total += plan.scratch_bytes * plan.target.threads + sum(o.nbytes for o in plan.io)
        self._require("max_bytes", total, "bytes of memory")

    def check_results(self, node: Node, operands: Sequence[np.ndarray | None]) -> None:
        """Raise LimitError where an operator's results on these arrays would be too big, or too
        much to compute: sizes that only the run knows (the paddings of a PAD that are computed, the
        batch); or where a recurrent layer goes through more steps than loops may have iterations:
        references loop in Python."""
        self._require("max_loop_iterations", _steps_of(node, operands), f"steps in {node}")
        ends = (*node.inputs, *node.outputs)
        known = all(v is None or v.type.is_static for v in ends) and _is_settled(node)
        if known or node.op.graph_fields or node.op.is_bounded:
            return
        values = [
            None if v is None or a is None else Value(v.type.with_shape(a.shape), v.name, a)
            for v, a in zip(node.inputs, operands, strict=True)
        ]
        try:
            types = result_types(node.op, values, [v.type for v in node.outputs])
        except EdgewiseError as error:
            raise type(error)(f"{node}: {error}") from None
        for type_ in types:
            shape = [d for d in type_.shape or () if isinstance(d, int)]
            self._require("max_bytes", _nbytes(type_.dtype, shape), f"bytes in {node}")
        shapes = [None if v is None else v.shape for v in values]
        macs = node.op.macs(shapes, [t.shape for t in types if t.shape is not None])
        if isinstance(macs, int):
            self._require("max_macs", macs, f"multiply-accumulates in {node}")

    def _require(self, name: str, found: int, what: str) -> None:
        limit = getattr(self, name)
        if found > limit:
            raise LimitError(
                f"{name} is {limit}, and the model has {found} {what}; "
                f"raise it with Limits({name}=...) if you trust the model"
            )


_DEMANDS = {
    "max_nodes": "operators",
    "max_macs": "multiply-accumulates",
    "max_bytes": "bytes in one tensor",
    "max_depth": "graphs inside each other",
}


def demand_of(graph: Graph) -> dict[str, int]:
    """What a graph asks for, by the limit that bounds it, as far as its shapes are known."""
    graphs = list(reachable(graph))
    return {
        "max_nodes": sum(map(len, graphs)),
        "max_macs": sum(macs_of(n) or 0 for n in graph.nodes),
        "max_bytes": max((_bytes(v) for g in graphs for v in g.values()), default=0),
        "max_depth": depth_of(graph),
    }


def iteration_guard(limits: Limits) -> Callable[[Node], None]:
    """Called before each iteration of the loops of one run; raises LimitError at the limit."""
    most, done = limits.max_loop_iterations, itertools.count()

    def before_iteration(node: Node) -> None:
        if next(done) >= most:
            raise LimitError(f"max_loop_iterations is {most}, and {node} goes on")

    return before_iteration


def _steps_of(node: Node, operands: Sequence[np.ndarray | None]) -> int:
    is_time_first = getattr(node.op, "time_major", None)
    x = operands[0] if operands else None
    if is_time_first is None or x is None or x.ndim < 2:
        return 0
    return x.shape[0 if is_time_first else 1]


def _is_settled(node: Node) -> bool:
    """What shapes may depend on is constant: nothing is left to the run."""
    return all(
        value is None or value.is_constant or node.op.declared(index).role is not Role.PARAMETER
        for index, value in enumerate(node.inputs)
    )


def _bytes(value: Value) -> int:
    type_ = value.type
    shape = cast("Sequence[int]", type_.shape)
    return _nbytes(type_.dtype, shape) if type_.is_static else 0


def _nbytes(dtype: DType, shape: Sequence[int]) -> int:
    """Bytes of an array; of strings those of their addresses."""
    return math.prod(shape) * 8 if dtype is DType.STRING else dtype.nbytes(math.prod(shape))
