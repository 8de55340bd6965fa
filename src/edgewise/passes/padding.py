"""Rules that move explicit padding into the operator that reads it."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.conv3d import Conv3D
from edgewise.ops.pad import Pad
from edgewise.ops.window import Axis
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict, every

SPACE = ("depth", "height", "width")
STEPS = ("stride_{}", "dilation_{}_factor")  # of an operator's attributes, with the letter


def _agrees_with_same(match: Match) -> Verdict:
    """The pads are those that SAME computes for this size, kernel and stride, in space only."""
    op, x, w, pads = match.root.op, match["x"], match["w"], match.array("paddings")
    names, first = (SPACE, 0) if isinstance(op, Conv3D) else (SPACE[1:], 1)
    if pads.shape != (len(names) + 2, 2) or pads[[0, -1]].any():
        where = ", ".join(names[:-1]) + f" and {names[-1]}"
        return f"the pads {pads.tolist()} are not on {where} alone"
    for place, name in enumerate(names):
        kernel = w.shape[first + place]
        if not isinstance(kernel, int):
            return "the kernel is unknown"
        stride, dilation = (getattr(op, form.format(name[0])) for form in STEPS)
        verdict = _same_as(
            name, x.shape[1 + place], Axis(kernel, stride, dilation), pads[1 + place]
        )
        if verdict is not True:
            return verdict
    return True


def _same_as(name: str, size: Dim, axis: Axis, given: np.ndarray) -> Verdict:
    """SAME pads one dimension by the numbers `given`."""
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


def _neutral(match: Match) -> Verdict:
    """The border is what PAD pads with: zero, or the zero point."""
    x, border = match["x"], match.array("border").reshape(-1)
    verdict = same_bits(x, match.root.output)
    if verdict is not True:
        return verdict
    zero = 0 if x.quant is None else int(x.quant.zero_point.flat[0])
    if border.size != 1 or border[0] != zero or np.signbit(border[0]):
        return f"the border is {border.tolist()}, not {zero}"
    return x.quant is None or match["border"].quant == x.quant or "the border has another scale"


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
            Conv3D,
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
    # padv2(x, paddings, 0) -> pad(x, paddings)
    Rule(
        "padv2 with zeros",
        lambda p: p.padv2(p.value("x"), p.constant("paddings"), p.constant("border")),
        _neutral,
        lambda b, match: (
            b.node(Pad(), match["x"], match["paddings"], results=[match.root.output.type]).output
        ),
        phrase="pad[s] with zeros written as PAD",
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
