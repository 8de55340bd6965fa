"""Rules that move explicit padding into the operator that reads it."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ops.conv import Conv2D, Convolution, DepthwiseConv2D
from edgewise.ops.window import Axis
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict, every


def _agrees_with_same(match: Match) -> Verdict:
    """The pads are those that SAME computes for this size, kernel and stride, on H and W only."""
    op, x, w = match.root.op, match["x"], match["w"]
    assert isinstance(op, Convolution)
    pads = match.array("paddings")
    if pads.shape != (4, 2) or pads[[0, 3]].any():
        return f"the pads {pads.tolist()} are not on height and width alone"
    kernel = w.shape[1:3]
    axes = (
        Axis(int(kernel[0]), op.stride_h, op.dilation_h_factor),  # type: ignore[arg-type]
        Axis(int(kernel[1]), op.stride_w, op.dilation_w_factor),  # type: ignore[arg-type]
    )
    for name, size, axis, given in zip(
        ("height", "width"), x.shape[1:3], axes, pads[1:3], strict=True
    ):
        if not isinstance(size, int):
            return f"the {name} is unknown, so SAME's pads are"
        same = axis.pads(size, Padding.SAME)
        if same != tuple(given):
            return (
                f"SAME pads a {name} of {size} by {same} (kernel {axis.kernel}, stride "
                f"{axis.stride}); the pad is {tuple(int(n) for n in given)}"
            )
        if axis.output(size, Padding.SAME) != axis.output(size + sum(same), Padding.VALID):
            return f"SAME gives another {name}"
    return True


def _same_zero(match: Match) -> Verdict:
    """The border is what the convolution counts as zero."""
    return same_bits(match["x"], match.node("padded").output)


def _into_same(b: Builder, match: Match) -> Value:
    node = match.root
    op = node.op.replace(padding=Padding.SAME)
    return b.node(op, match["x"], *node.inputs[1:], results=[node.output.type]).output


def _sum_of_pads(b: Builder, match: Match) -> Value:
    total = match.array("inner").astype(np.int64) + match.array("outer")
    paddings = b.constant(total.astype(np.int32), name=match["outer"].name)
    return b.node(match.root.op, match["x"], paddings, results=[match.root.output.type]).output


PADDING = [
    # conv(pad(x); VALID) -> conv(x; SAME)
    Rule(
        "pad into SAME",
        lambda p: p.any(
            Conv2D,
            DepthwiseConv2D,
            operands=(
                p.pad(p.value("x"), p.constant("paddings"), name="padded", shared=True),
                p.value("w"),
                p.optional(),
            ),
            padding=Padding.VALID,
        ),
        every(_agrees_with_same, _same_zero),
        _into_same,
        phrase="pad[s] folded into SAME",
    ),
    # pad(pad(x, a), b) -> pad(x, a + b)
    Rule(
        "combine pads",
        lambda p: p.pad(
            p.pad(p.value("x"), p.constant("inner"), name="padded"), p.constant("outer")
        ),
        lambda match: same_bits(match["x"], match.root.output),
        _sum_of_pads,
        phrase="pad[s] of pads put together",
    ),
]
