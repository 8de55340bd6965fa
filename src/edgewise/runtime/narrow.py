"""Values between layers as bfloat16, where the target rounds to it and kernels read it.

Where convolutions multiply bfloat16, what they hand to each other directly or through depthwise
convolutions, sums and pools of maxima takes half the bytes in the arena. This decides it once,
by the types of the values of the planner's graph: kernels are selected by these as by any other.
A convolution reads and writes either type; what else is here has one type throughout, or makes
float32 of what it reads. What the graph is given and gives, what a variable, a graph of control
flow or any other operator reads or makes, stays float32.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.arithmetic import Add
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.pool import MaxPool2D
from edgewise.ops.reduce import Mean
from edgewise.runtime.calls import Alias, NotNative, Site
from edgewise.runtime.plan import Target
from edgewise.runtime.select import select


def narrow_values(graph: Graph, target: Target) -> None:
    """Give values bfloat16's type, in place, for a target that multiplies it."""
    chosen = {v for node in graph.nodes for v in node.outputs if _is_free(v)}
    rules = [(node, *_rules(node, target)) for node in graph.nodes]
    for _, wide, _ in rules:
        chosen.difference_update(wide)
    is_settled = False
    while not is_settled:
        before = len(chosen)
        for _, _, alike in rules:
            if not chosen.issuperset(alike):
                chosen.difference_update(alike)
        is_settled = len(chosen) == before
    for value in chosen:
        value.type = TensorType(value.type.shape, DType.BFLOAT16)


def _is_free(value: Value) -> bool:
    is_float = value.dtype is DType.FLOAT32 and value.quant is None
    return is_float and not value.is_output and not value.is_variable


def _rules(node: Node, target: Target) -> tuple[set[Value], set[Value]]:
    """(Values that stay float32, values that have one type) as far as the node is concerned."""
    values = set(_values(node))
    match node.op:
        case Conv2D() | FullyConnected() if _multiplies_narrow(node, target):
            return values - {node.operand(0), node.output}, set()
        case Mean():
            return {node.output}, set()
        case DepthwiseConv2D() | MaxPool2D():
            whole = {node.operand(0), node.output}
            return values - whole, whole
        case Add() if node.operand(0).shape == node.operand(1).shape:
            return set(), values
    return values, set()


def _values(node: Node) -> Iterator[Value]:
    yield from (v for v in node.inputs if v is not None)
    yield from node.outputs


def _multiplies_narrow(node: Node, target: Target) -> bool:
    try:
        calls = select(Site(node, target, lambda value: value.data))
    except NotNative:
        return False
    return not isinstance(calls, Alias) and calls[-1].kernel == "conv_2d_bf16"
