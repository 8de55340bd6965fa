"""Values between layers as bfloat16, where the target rounds to it and kernels read it.

Where convolutions multiply bfloat16, what they hand to each other directly or through depthwise
convolutions, sums and pools of maxima takes half the bytes in the arena. This decides it once,
by the types of the values of the planner's graph: kernels are selected by these as by any other.
A convolution reads and writes either type; what else is here has one type throughout, or makes
float32 of what it reads. What the graph is given and gives, what a variable, a graph of control
flow or any other operator reads or makes, stays float32.
"""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.types import TensorType
from edgewise.runtime.calls import Alias, NotNative, Site
from edgewise.runtime.plan import Target
from edgewise.runtime.retype import PRODUCTS, Rule, free_values, rule_of, values_of
from edgewise.runtime.select import select


def narrow_values(graph: Graph, target: Target) -> None:
    """Give values bfloat16's type, in place, for a target that multiplies it."""
    for value in free_values(graph, _is_free, lambda node: _rule(node, target)):
        value.type = TensorType(value.type.shape, DType.BFLOAT16)


def _is_free(value: Value) -> bool:
    return value.dtype is DType.FLOAT32 and value.quant is None


def _rule(node: Node, target: Target) -> Rule:
    if node.op.name == "mean":  # reads either type
        return {node.output}, set()
    if node.op.name in PRODUCTS and not _multiplies_narrow(node, target):
        return set(values_of(node)), set()
    return rule_of(node)


def _multiplies_narrow(node: Node, target: Target) -> bool:
    try:
        calls = select(Site(node, target, lambda value: value.data))
    except NotNative:
        return False
    return not isinstance(calls, Alias) and calls[-1].kernel == "conv_2d_bf16"
