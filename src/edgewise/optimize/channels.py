"""Groups of values whose channels may have other units: what equalization is free to choose.

In: a Graph of floats. Out: `Group`s. Where every value of a group is divided by a vector s > 0, one
number per channel (the last axis), and what computes and reads them is changed to match, the
graph computes what it did:

    w1 / s    behind which y / s flows through operators that keep s (ADD, RELU, pools, PAD ...),
    w2 * s    which reads it: w2 * s * (y / s) = w2 * y

A group ends at operators with constant weights (LINEAR, MUL by a constant), which take s in; a
value that reaches anything else, or is an input or output of the graph, cannot be scaled.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), section 4.1, for pairs of layers; groups with several producers and readers (residual
connections) follow from the same algebra.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.op import Op
from edgewise.ops.activation import LeakyRelu, Prelu, Relu
from edgewise.ops.arithmetic import Add, AddN, Mul, Sub
from edgewise.ops.norm import LayerNorm
from edgewise.ops.pad import MirrorPad, Pad
from edgewise.ops.pool import AveragePool2D, MaxPool2D
from edgewise.ops.reduce import Mean, ReduceMax, ReduceMin, Reduction, Sum
from edgewise.ops.reshape import ExpandDims, Reshape, Squeeze
from edgewise.ops.resize import Resize
from edgewise.ops.unary import Abs, Neg
from edgewise.passes.linear import LINEAR, channels_in, constant_weights, layout
from edgewise.values import dataclass

# f(x / s) = f(x) / s for every s > 0, channel by channel
HOMOGENEOUS: tuple[type[Op], ...] = (
    *(Add, Sub, AddN, Relu, LeakyRelu, Prelu, Abs, Neg),
    *(MaxPool2D, AveragePool2D, Pad, MirrorPad, Resize),
    *(Mean, Sum, ReduceMax, ReduceMin, Reshape, Squeeze, ExpandDims),
)
CAPS = {Activation.RELU6: 6.0, Activation.RELU_N1_TO_1: 1.0}


@dataclass(frozen=True, slots=True)
class Group:
    """Values [..., C] that can only be scaled together, and what has to take the scales in.

    `writers` divide their results by s, `readers` multiply what they read by it (`places`).
    `parameters` are constants that are added on the way, (node, operand), divided by s. `caps`:
    values that are cut off at a constant, as by RELU6; a channel that reaches it must keep its
    unit.
    """

    channels: int
    values: tuple[Value, ...]
    writers: tuple[Node, ...]
    readers: tuple[Node, ...]
    parameters: tuple[tuple[Node, int], ...]
    caps: tuple[tuple[Value, float], ...]


def groups(graph: Graph) -> list[Group]:
    """The groups of a graph that have at least one writer and one reader, in order."""
    union = _Union()
    for value in graph.inputs:
        union.fix(value)
    for node in graph.nodes:
        _connect(union, node)
    for value in graph.outputs:
        union.fix(value)
    return [found for members in union.sets() if (found := _group(members)) is not None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where an operator that takes scales in has its data, its constant weights and its bias."""

    data: int
    weights: int
    bias: int | None = None


def places(node: Node) -> Places | None:
    """The operands of a node whose weights can take scales in; None: it cannot."""
    op = node.op
    if isinstance(op, LINEAR):
        named = layout(node)
        return Places(named.x, named.w, named.bias) if constant_weights(node) is True else None
    if isinstance(op, LayerNorm):
        is_whole = all(_is_vector(node.optional(i), node.output) for i in (1, 2))
        return Places(0, 1, 2) if is_whole else None
    if isinstance(op, Mul):
        vectors = [_is_vector(v, node.output) for v in node.inputs]
        if sum(vectors) == 1:
            at = vectors.index(True)
            is_wide = node.operand(1 - at).shape[-1:] == node.output.shape[-1:]
            return Places(1 - at, at) if is_wide else None
    return None


def _connect(union: _Union, node: Node) -> None:
    """Tell which values around a node are scaled together, and which are not scaled at all."""
    data = [v for v in node.inputs if v is not None and not v.is_constant]
    if places(node) is not None:
        union.find(node.output)  # a set of its own, so far
        if isinstance(node.op, LayerNorm) or (
            isinstance(node.op, LINEAR) and channels_in(node) is None
        ):
            union.fix(*data)  # mixes the channels of what it reads
        if _cap(node) is None and not _is_homogeneous(node):
            union.fix(node.output)
    elif isinstance(node.op, Mul) and (scaled := _gated(node)) is not None:
        union.fix(*(v for v in data if v is not scaled))
        union.join(scaled, node.output)
    elif isinstance(node.op, HOMOGENEOUS) and _keeps_channels(node):
        for value in data:
            union.join(value, node.output)
    else:
        union.fix(*data, *node.outputs)


def _is_homogeneous(node: Node) -> bool:
    return node.op.activation in (Activation.NONE, Activation.RELU)


def _cap(node: Node) -> float | None:
    """Where the results of a node are cut off."""
    return CAPS.get(node.op.activation)


def _is_vector(value: Value | None, result: Value) -> bool:
    """A constant with one number per channel of the result."""
    if value is None or value.data is None or not value.dtype.is_float:
        return False
    return value.shape[-1:] == result.shape[-1:] == (value.data.size,)


def _gated(node: Node) -> Value | None:
    """The operand of MUL that has the shape of the result, where the other is smaller: a gate."""
    a, b = node.operand(0), node.operand(1)
    if a.is_constant or b.is_constant or not _is_homogeneous(node) or a is b:
        return None
    whole = [v for v in (a, b) if v.shape == node.output.shape]
    return whole[0] if len(whole) == 1 else None


def _keeps_channels(node: Node) -> bool:
    """The last axis of the result is that of every operand, and constants can be scaled."""
    channels = node.output.shape[-1] if node.output.shape else None
    if not isinstance(channels, int) or not _is_homogeneous(node):
        return False
    if isinstance(node.op, Reduction):
        rank, axes = len(node.input.shape), node.operand(1).data
        if axes is None or (rank - 1) in {int(a) % rank for a in axes.flat}:
            return False
    if isinstance(node.op, Prelu):
        return node.operand(1).is_constant  # a slope, which has no unit
    data = [v for v in node.inputs if v is not None and v.dtype.is_float]
    return all(
        v.shape[-1:] == (channels,) or (v.is_constant and v.data is not None and not v.data.any())
        for v in data
    )


class _Union:
    """Disjoint sets of values, some of which cannot be scaled."""

    def __init__(self) -> None:
        self._parents: dict[Value, Value] = {}
        self._fixed: set[Value] = set()

    def find(self, value: Value) -> Value:
        """The representative of a value's set."""
        root = value
        while (parent := self._parents.setdefault(root, root)) is not root:
            root = parent
        while self._parents[value] is not root:
            self._parents[value], value = root, self._parents[value]
        return root

    def join(self, a: Value, b: Value) -> None:
        """Both are scaled together."""
        a, b = self.find(a), self.find(b)
        self._parents[a] = b
        if a in self._fixed:
            self._fixed.add(b)

    def fix(self, *values: Value) -> None:
        """These cannot be scaled."""
        self._fixed.update(self.find(v) for v in values)

    def sets(self) -> Iterator[list[Value]]:
        """The sets that can be scaled, in the order of their first members."""
        found: dict[Value, list[Value]] = {}
        for value in self._parents:
            found.setdefault(self.find(value), []).append(value)
        yield from (members for root, members in found.items() if root not in self._fixed)


def _group(values: list[Value]) -> Group | None:
    writers = [v.producer for v in values if v.producer and places(v.producer)]
    readers = [n for v in values for n in v.consumers if places(n)]
    sizes = {v.shape[-1] if v.shape else None for v in values}
    channels = sizes.pop()
    if not (writers and readers) or sizes or not isinstance(channels, int):
        return None
    if any(v.dtype.is_integer or v.is_variable for v in values):
        return None
    inside = [v.producer for v in values if v.producer and not places(v.producer)]
    parameters = [
        (node, index)
        for node in inside
        if isinstance(node.op, Add | Sub | AddN)
        for index, operand in enumerate(node.inputs)
        if operand is not None and operand.is_constant
    ]
    caps = [(v, cap) for v in values if v.producer and (cap := _cap(v.producer)) is not None]
    return Group(
        channels,
        tuple(values),
        tuple(dict.fromkeys(writers)),
        tuple(dict.fromkeys(readers)),
        tuple(parameters),
        tuple(caps),
    )
