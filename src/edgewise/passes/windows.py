"""Rules that move any padding into the window operator that reads it; on the way to the runtime.

What `passes/padding.py` cannot say as SAME, the operator takes as numbers (`ops.window.Pads`),
which no file can hold. A border of zeros (stored: the zero point) is what convolutions pad with.
MAX_POOL_2D leaves padding out, so its border must not win against any number inside x.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Node, Value
from edgewise.ops.conv import Conv2D, Convolution, DepthwiseConv2D
from edgewise.ops.pad import Pad, PadV2
from edgewise.ops.pool import MaxPool2D, Pool
from edgewise.ops.requant import activation_range
from edgewise.ops.window import Axis, Pads, along
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match, Pattern, PatternBuilder
from edgewise.passes.rewrite import Rule, Verdict, every

# Activations whose results are at least 0.
_NOT_NEGATIVE = (Activation.RELU, Activation.RELU6)


def axes_of(node: Node) -> tuple[Axis, Axis]:
    """Rows and columns of the window of a convolution or pool.

    The kernel of a convolution must be known."""
    op = node.op
    if isinstance(op, Pool):
        return Axis(op.filter_height, op.stride_h), Axis(op.filter_width, op.stride_w)
    assert isinstance(op, Convolution)
    kh, kw = node.operand(1).shape[1:3]
    assert isinstance(kh, int)
    assert isinstance(kw, int)
    rows = Axis(kh, op.stride_h, op.dilation_h_factor)
    return rows, Axis(kw, op.stride_w, op.dilation_w_factor)


def pads_of(node: Node) -> Pads | str:
    """The padding of a window operator in numbers, or why it is not known."""
    op, x = node.op, node.operand(0)
    assert isinstance(op, Convolution | Pool)
    found: list[tuple[int, int]] = []
    for index, axis in enumerate(axes_of(node)):
        size, padding = x.shape[1 + index], along(op.padding, index)
        if padding is Padding.SAME and not isinstance(size, int):
            return f"the size {x.type} is not known, so SAME's pads are not"
        found.append(axis.pads(size if isinstance(size, int) else 0, padding))
    return found[0], found[1]


def _border(match: Match) -> Pads | str:
    """The pads of the PAD, on height and width only."""
    pads = match.array("paddings")
    if pads.shape != (4, 2) or pads[[0, 3]].any():
        return f"the pads {pads.tolist()} are not on height and width alone"
    (top, bottom), (left, right) = pads[1:3].tolist()
    return (top, bottom), (left, right)


def _total(match: Match) -> Pads | str:
    """What the PAD and the window operator pad together."""
    border, own = _border(match), pads_of(match.root)
    if isinstance(border, str) or isinstance(own, str):
        return border if isinstance(border, str) else own
    (top, bottom), (left, right) = border
    return (
        (top + own[0][0], bottom + own[0][1]),
        (left + own[1][0], right + own[1][1]),
    )


def _has_numbers(match: Match) -> Verdict:
    total = _total(match)
    return total if isinstance(total, str) else True


def _same_zero(match: Match) -> Verdict:
    """The border is what a convolution counts as zero."""
    x, padded = match["x"], match.node("padded")
    verdict = same_bits(x, padded.output)
    if verdict is not True or isinstance(padded.op, Pad):
        return verdict
    zero = 0 if x.quant is None else int(x.quant.zero_point.flat[0])
    value = match.array("value").reshape(-1)
    return value.tolist() == [zero] or f"the border is {value.tolist()}, not zero"


def _never_wins(match: Match) -> Verdict:
    """No window lies in the border alone, and no number of x is below the border's."""
    x, padded, root = match["x"], match.node("padded"), match.root
    verdict = same_bits(x, padded.output)
    if verdict is not True:
        return verdict
    if root.op.padding is Padding.SAME:  # type: ignore[attr-defined]
        return "SAME leaves out its own border, but not that of the PAD"
    total = _total(match)
    assert not isinstance(total, str)
    for pads, axis in zip(total, axes_of(root), strict=True):
        if max(pads) >= axis.kernel:
            return f"a window of {axis.kernel} may lie in pads of {pads}"
    border = 0 if x.quant is None else int(x.quant.zero_point.flat[0])
    if isinstance(padded.op, PadV2):
        border = match.array("value").reshape(-1)[0]
    lowest = _lowest(x)
    return bool(border <= lowest) or f"x may be {lowest}, the border is {border}"


def _lowest(x: Value) -> float:
    """No element of x, as stored, is below this."""
    node = x.producer
    op = None if node is None else node.op
    act = Activation.NONE if op is None else op.activation
    if x.quant is not None and x.dtype in (DType.INT8, DType.UINT8):
        return activation_range(act, x.type)[0]
    from edgewise.ops.activation import Clipped  # which every model with a window would import

    if isinstance(op, Clipped) and x.dtype.is_float:
        return op.low
    return 0.0 if act in _NOT_NEGATIVE and x.dtype.is_float else -np.inf


def _with_pads(b: Builder, match: Match) -> Value:
    node = match.root
    op = node.op.replace(padding=_total(match))
    return b.node(op, match["x"], *node.inputs[1:], results=[node.output.type]).output


def _padded(p: PatternBuilder) -> tuple[Pattern, ...]:
    """PAD and PADV2 by constants; `value` is the border of the latter."""
    x, paddings = p.value("x"), p.constant("paddings")
    return (
        p.pad(x, paddings, name="padded", shared=True),
        p.padv2(x, paddings, p.constant("value"), name="padded", shared=True),
    )


WINDOWS = [
    # conv(pad(x)) -> conv(x; pads)
    *[
        Rule(
            "pad into convolution",
            lambda p, form=form: p.any(  # type: ignore[misc]
                Conv2D,
                DepthwiseConv2D,
                operands=(_padded(p)[form], p.constant("w"), p.optional()),
            ),
            every(_has_numbers, _same_zero),
            _with_pads,
            phrase="pad[s] taken into windows",
        )
        for form in (0, 1)
    ],
    # max_pool(pad(x)) -> max_pool(x; pads)
    *[
        Rule(
            "pad into max pool",
            lambda p, form=form: p.any(MaxPool2D, operands=(_padded(p)[form],)),  # type: ignore[misc]
            every(_has_numbers, _never_wins),
            _with_pads,
            phrase="pad[s] taken into windows",
        )
        for form in (0, 1)
    ],
]
