"""Stride hoisting: what only every s-th row and column of is read is computed only there.

A 1x1 convolution of stride s reads every s-th pixel. Where all readers of a value are such, the
convolution that computes it takes their stride over, and they have stride 1:

    conv1x1(conv(x); s)  ->  conv1x1(conv(x; s))

Additions and activations in between are passed through, on operands of which every s-th pixel is
taken by a MAX_POOL_2D of 1x1 windows (which reads like a 1x1 convolution, so that it vanishes into
what computes the operand where nothing else needs that whole):

    conv1x1(add(conv(x), u); s)  ->  conv1x1(add(conv(x; s), max_pool(u; s)))

Pixels that remain are computed as before, so integers are the same. One walk from the last node to
the first; ResNet50 of Keras has 3856 MMAC before and 3481 after. OpenVINO does the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ops.conv import Conv2D, Convolution
from edgewise.ops.pool import MaxPool2D, Pool
from edgewise.ops.window import Axis, Pads
from edgewise.passes.rewrite import Outcome
from edgewise.passes.windows import axes_of, pads_of

RULE = "stride into the producer"
THROUGH = (  # elementwise: pixels do not mix
    *("add", "sub", "mul", "relu", "relu6", "relu_n1_to_1", "relu_0_to_1"),
    *("hard_swish", "logistic", "swish"),
)

_NONE = Activation.NONE
Stride = tuple[int, int]


def hoist_strides(graph: Graph) -> Outcome:
    """Move strides towards the inputs, in place. Shapes are known."""
    outcome = Outcome()
    for node in reversed(list(graph.nodes)):
        if len(node.outputs) != 1:
            continue
        stride = _stride_read(node.output)
        if stride is None:
            continue
        if _absorbs(node):
            _stride_producer(graph, node, stride, outcome)
        elif _passes_on(node):
            _stride_operands(graph, node, stride, outcome)
    return outcome


def _stride_read(value: Value) -> Stride | None:
    """The stride with which every reader takes single pixels; None where one needs all."""
    strides: set[Stride] = set()
    for user, index in value.uses:
        if not isinstance(user, Node) or index != 0 or not _reads_pixels(user):
            return None
        op = user.op
        assert isinstance(op, Convolution | Pool)
        strides.add((op.stride_h, op.stride_w))
    return strides.pop() if len(strides) == 1 and strides != {(1, 1)} else None


def _reads_pixels(node: Node) -> bool:
    """A window of one pixel, without padding."""
    if isinstance(node.op, Conv2D) and node.operand(1).data is None:
        return False
    if not isinstance(node.op, Conv2D | MaxPool2D) or len(node.operand(0).shape) != 4:
        return False
    rows, cols = axes_of(node)
    return (rows.kernel, cols.kernel) == (1, 1) and pads_of(node) == ((0, 0), (0, 0))


def _absorbs(node: Node) -> bool:
    """A convolution that can take a larger stride."""
    is_known = isinstance(node.op, Convolution) and node.operand(1).data is not None
    return is_known and node.output.type.is_static and node.operand(0).type.is_static


def _passes_on(node: Node) -> bool:
    """An elementwise operator, one of whose operands a convolution computes for it alone (or for
    another such operator); the others have the result's shape or one number per channel."""
    if node.op.name not in THROUGH or not node.output.type.is_static:
        return False
    shape = node.output.shape
    if len(shape) != 4:
        return False
    pays = False
    for value in node.inputs:
        if value is None:
            continue
        if not _is_vector(value) and (value.shape != shape or value.data is not None):
            return False
        producer = value.producer
        if producer is not None and value.shape == shape and len(value.uses) == 1:
            pays = pays or _absorbs(producer) or _passes_on(producer)
    return pays


def _is_vector(value: Value) -> bool:
    """The same for all pixels."""
    return all(d == 1 for d in value.shape[:-1])


def _stride_producer(graph: Graph, node: Node, stride: Stride, outcome: Outcome) -> None:
    """The convolution computes only the pixels that are read."""
    op, x = node.op, node.operand(0)
    assert isinstance(op, Convolution)
    before = pads_of(node)
    assert not isinstance(before, str)
    axes = axes_of(node)
    wider = [Axis(a.kernel, a.stride * s, a.dilation) for a, s in zip(axes, stride, strict=True)]
    sizes = [int(d) for d in node.output.shape[1:3] if isinstance(d, int)]
    heights = [int(d) for d in x.shape[1:3] if isinstance(d, int)]
    pads: list[tuple[int, int]] = []
    for axis, s, out, size, (first, _) in zip(wider, stride, sizes, heights, before, strict=True):
        reach = (-(-out // s) - 1) * axis.stride + axis.extent - first  # one past the last tap
        pads.append((first, max(reach - size, 0)))
    changed = op.replace(
        stride_h=wider[0].stride,
        stride_w=wider[1].stride,
        padding=_simplest((pads[0], pads[1]), op.padding, wider, heights),
    )
    b = Builder(graph, before=node)
    made = b.node(changed, *node.inputs, results=[node.output.type.with_shape(None)])
    _take_readers(graph, node, made, outcome)


def _simplest(
    pads: Pads, padding: Padding | Pads, axes: Sequence[Axis], sizes: Sequence[int]
) -> Padding | Pads:
    """The pads by their name where they have one."""
    if pads == ((0, 0), (0, 0)):
        return Padding.VALID
    same = tuple(a.pads(n, Padding.SAME) for a, n in zip(axes, sizes, strict=True))
    return Padding.SAME if pads == same else pads


def _stride_operands(graph: Graph, node: Node, stride: Stride, outcome: Outcome) -> None:
    """The elementwise operator works on every s-th pixel of its operands."""
    b = Builder(graph, before=node)
    pools: dict[Value, Node] = {}
    operands: list[Value | None] = []
    for value in node.inputs:
        if value is None or _is_vector(value):
            operands.append(value)
            continue
        if value not in pools:
            pools[value] = b.node(
                MaxPool2D(padding=Padding.VALID, stride_h=stride[0], stride_w=stride[1]),
                value,
                results=[value.type.with_shape(None)],
            )
        operands.append(pools[value].output)
    made = b.node(node.op, *operands, results=[node.output.type.with_shape(None)])
    _take_readers(graph, node, made, outcome, *pools.values())


def _take_readers(graph: Graph, node: Node, made: Node, outcome: Outcome, *more: Node) -> None:
    """The readers of `node` read `made` with stride 1; pools among them are gone."""
    old, new = node.output, made.output
    new.name, new.source, new.extras = old.name, old.source, dict(old.extras)
    for reader in old.consumers:
        if isinstance(reader.op, MaxPool2D) and reader.op.fused_activation_function is _NONE:
            graph.replace(reader, [new])
            outcome.replaced(RULE, reader, new)
            continue
        op = reader.op.replace(stride_h=1, stride_w=1)
        b = Builder(graph, before=reader)
        inputs = [new, *reader.inputs[1:]]
        again = b.node(op, *inputs, results=[reader.output.type])
        again.output.name, again.output.source = reader.output.name, reader.output.source
        graph.replace(reader, [again.output])
        outcome.replaced(RULE, reader, again.output, [again])
    graph.replace(node, [new])
    outcome.replaced(RULE, node, new, [*more, made])
