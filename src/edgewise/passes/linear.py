"""Linear operators (convolutions, fully connected) as rules see them: y = act(w * x + bias).

A scale and an offset per channel move into weights and bias: of the operator before them,

    (w*x + bias) * s + t  =  (w*s) * x + (bias*s + t)

exactly in real numbers, or of the one after them,

    w*(x*s + t) + bias  =  (w*s) * x + (w*t + bias)

where t meets every tap of w (no padding). Constants are combined in float64.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Node, Value
from edgewise.ir.op import Op
from edgewise.ops.conv import Conv2D, Convolution, DepthwiseConv2D
from edgewise.ops.conv3d import Conv3D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.transpose_conv import Conv3DTranspose, TransposeConv
from edgewise.ops.window import Axis, along
from edgewise.passes.rewrite import Verdict
from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of the operands, and the axes of w that count output and input channels."""

    x: int
    w: int
    bias: int
    output_axis: int
    input_axis: int


LAYOUTS: dict[type[Op], Layout] = {
    Conv2D: Layout(0, 1, 2, output_axis=0, input_axis=3),
    DepthwiseConv2D: Layout(0, 1, 2, output_axis=3, input_axis=3),
    Conv3D: Layout(0, 1, 2, output_axis=4, input_axis=3),
    FullyConnected: Layout(0, 1, 2, output_axis=0, input_axis=1),
    TransposeConv: Layout(2, 1, 3, output_axis=0, input_axis=3),
    Conv3DTranspose: Layout(2, 1, 3, output_axis=3, input_axis=4),
}
LINEAR = tuple(LAYOUTS)
# Weights that something else reads as well (a table of embeddings) are copied up to these bytes.
SMALL = 64 * 1024


def layout(node: Node) -> Layout:
    """Where a linear operator has its operands."""
    return LAYOUTS[type(node.op)]


def constant_weights(node: Node) -> Verdict:
    """Weights and bias can be computed with: constants, floats, one number per channel."""
    places = layout(node)
    w, bias = node.operand(places.w), node.optional(places.bias)
    if w.data is None:
        return f"the weights {w.name!r} of {node} are no constant"
    if not w.dtype.is_float:
        return f"the weights {w.name!r} of {node} are {w.dtype.text}"
    if bias is not None and bias.data is None:
        return f"the bias {bias.name!r} of {node} is no constant"
    if w.data.nbytes > SMALL:
        for reader in w.consumers:
            if not isinstance(reader.op, LINEAR):
                return (
                    f"the weights {w.name!r} are also read by {reader}; it needs them as they are"
                )
    return True


def channels_out(node: Node) -> int:
    """Number of output channels."""
    places = layout(node)
    w = node.operand(places.w).data
    assert w is not None
    return int(w.shape[places.output_axis])


def channels_in(node: Node) -> int | None:
    """Number of input channels; None where x is not made of vectors of that many elements."""
    x, w = node.operand(layout(node).x), node.operand(layout(node).w)
    c = x.shape[-1] if x.shape else None
    if isinstance(node.op, FullyConnected) and c != w.shape[1]:
        return None
    return c if isinstance(c, int) else None


def meets_every_tap(node: Node) -> Verdict:
    """No window of the operator sees padding, and none of its taps is dropped."""
    op = node.op
    if isinstance(op, FullyConnected):
        return True
    if isinstance(op, TransposeConv | Conv3DTranspose):
        return f"{node} reaches its borders with fewer taps"
    assert isinstance(op, Convolution | Conv3D)
    if op.padding is Padding.VALID:
        return True
    x, w = node.operand(0), node.operand(1)
    if isinstance(op, Convolution):
        axes = (
            Axis(int(w.shape[1]), op.stride_h, op.dilation_h_factor),  # type: ignore[arg-type]
            Axis(int(w.shape[2]), op.stride_w, op.dilation_w_factor),  # type: ignore[arg-type]
        )
        for index, (size, axis) in enumerate(zip(x.shape[1:3], axes, strict=True)):
            pads = axis.pads(size, along(op.padding, index)) if isinstance(size, int) else None
            if axis.kernel > 1 and pads != (0, 0):
                return f"{node} pads with zeros, which the offset does not reach"
        return True
    return f"{node} may pad with zeros, which the offset does not reach"


def per_output(node: Node, vector: np.ndarray) -> np.ndarray:
    """One number per output channel [O], shaped to broadcast against the weights."""
    places = layout(node)
    shape = [1] * len(node.operand(places.w).shape)
    shape[places.output_axis] = -1
    return vector.reshape(shape)


def per_input(node: Node, vector: np.ndarray) -> np.ndarray:
    """One number per input channel [C], shaped to broadcast against the weights."""
    w = node.operand(layout(node).w).data
    assert w is not None
    if isinstance(node.op, DepthwiseConv2D):
        return np.repeat(vector, w.shape[3] // vector.size)
    axis = layout(node).input_axis
    shape = [1] * w.ndim
    shape[axis] = w.shape[axis]
    if vector.size == w.shape[axis]:
        return vector.reshape(shape)
    # grouped CONV_2D: output channel o of group g sees the g-th part of the input channels
    groups = vector.size // w.shape[axis]
    parts = np.repeat(vector.reshape(groups, -1), w.shape[0] // groups, axis=0)
    return parts.reshape(w.shape[0], 1, 1, w.shape[axis])


def scale_output(
    b: Builder,
    node: Node,
    scale: np.ndarray,
    offset: np.ndarray,
    activation: Activation,
) -> Value:
    """The node with its result times `scale` [O] plus `offset` [O], both float64."""
    places = layout(node)
    w = wide(node.operand(places.w)) * per_output(node, scale)
    bias = node.optional(places.bias)
    total = offset if bias is None else wide(bias).reshape(-1) * scale + offset
    op = node.op.replace(fused_activation_function=activation)
    return _rebuilt(b, node, op, node.operand(places.x), w, total)


def scale_input(
    b: Builder, node: Node, x: Value, scale: np.ndarray, offset: np.ndarray | None
) -> Value:
    """The node on `x` such that it sees `x * scale + offset` (both [C], float64)."""
    places = layout(node)
    w = wide(node.operand(places.w))
    bias = node.optional(places.bias)
    total = None if bias is None else wide(bias).reshape(-1)
    if offset is not None:
        moved = (w * per_input(node, offset)).sum(
            tuple(i for i in range(w.ndim) if i != places.output_axis)
        )
        total = moved if total is None else total + moved
    return _rebuilt(b, node, node.op, x, w * per_input(node, scale), total)


def _rebuilt(
    b: Builder, node: Node, op: Op, x: Value, w: np.ndarray, bias: np.ndarray | None
) -> Value:
    places = layout(node)
    operands: list[Value | None] = [*node.inputs, *[None] * (places.bias + 1 - len(node.inputs))]
    old_w, old_bias = node.operand(places.w), node.optional(places.bias)
    operands[places.x] = x
    operands[places.w] = _constant(b, w, old_w, old_w)
    if bias is not None and (old_bias is not None or bias.any()):
        fresh = f"{old_w.name.rpartition('/')[0] or old_w.name}/bias"
        operands[places.bias] = _constant(b, bias, old_w, old_bias, fresh)
    return b.node(op, *operands, results=[node.output.type]).output


def _constant(
    b: Builder, data: np.ndarray, like: Value, old: Value | None, fresh: str = ""
) -> Value:
    """A constant of the weights' dtype; an old one is kept where the numbers did not change, and
    its name where they did. `fresh`: the name where there was none."""
    stored = data.astype(like.dtype.numpy)
    if old is not None and old.data is not None and np.array_equal(old.data, stored):
        return old
    return b.constant(stored, name=old.name if old is not None else fresh)


def wide(value: Value) -> np.ndarray:
    """The numbers of a constant, float64, to compute with; a copy."""
    assert value.data is not None
    return value.data.astype(np.float64)
