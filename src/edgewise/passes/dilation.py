"""Convolutions that a file dilates by hand: the picture is cut into as many coarse ones as there
are places in a block, each is convolved, and the results are put together again.

    batch_to_space(conv(space_to_batch(x, block, pads)), block, crops) -> conv(pad(x); dilated)

where the pads that the dilated convolution needs are `pads` without what `crops` takes off again.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ops.conv import Conv2D, Convolution, DepthwiseConv2D
from edgewise.ops.pad import Pad
from edgewise.ops.window import Axis
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict

Pairs = list[list[int]]


def _pattern(p: PatternBuilder) -> Result:
    coarse = p.space_to_batch_nd(p.value("x"), p.constant("block"), p.constant("pads"), name="cut")
    conv = p.any(
        Conv2D,
        DepthwiseConv2D,
        operands=(coarse, p.constant("w"), p.optional("bias")),
        name="conv",
        padding=Padding.VALID,
        stride_h=1,
        stride_w=1,
        dilation_h_factor=1,
        dilation_w_factor=1,
    )
    return p.batch_to_space_nd(conv, p.constant("other_block"), p.constant("crops"))


def _border(match: Match) -> Pairs | str:
    """What the dilated convolution pads x with: [[top, bottom], [left, right]]."""
    block = match.array("block").reshape(-1).tolist()
    if block != match.array("other_block").reshape(-1).tolist() or len(block) != 2:
        return f"the blocks {block} are not those of the result, or not of rows and columns"
    x, w = match["x"], match["w"]
    border: Pairs = []
    pairs = zip(match.array("pads").tolist(), match.array("crops").tolist(), strict=True)
    for i, ((before, after), (first, last)) in enumerate(pairs):
        size, kernel = x.shape[1 + i], w.shape[1 + i]
        if not isinstance(size, int) or not isinstance(kernel, int):
            return f"the size of {x.type} is unknown"
        if first:
            return f"it takes {first} results off in front"
        # results that exist without crops: the padded size less the reach of the kernel
        reach = (kernel - 1) * block[i]
        wanted = match.root.output.shape[1 + i]
        assert isinstance(wanted, int)
        needed = wanted + reach - size - before
        if not 0 <= needed <= after:
            return f"its crops {last} do not end where a dilated convolution does"
        border.append([before, needed])
    return border


def _can_dilate(match: Match) -> Verdict:
    border = _border(match)
    return border if isinstance(border, str) else same_bits(match["x"], match["cut"])


def _dilated(b: Builder, match: Match) -> Value:
    node, x = match.node("conv"), match["x"]
    border = _border(match)
    assert not isinstance(border, str)
    rows, cols = match.array("block").reshape(-1).tolist()
    assert isinstance(node.op, Convolution)
    padding = Padding.VALID
    if np.any(border):
        if _is_same(match, border):
            padding = Padding.SAME
        else:
            pads = np.array([[0, 0], *border, [0, 0]], np.int32)
            x = b.node(Pad(), x, b.constant(pads), results=[x.type.with_shape(None)]).output
    op = node.op.replace(padding=padding, dilation_h_factor=rows, dilation_w_factor=cols)
    operands = (match["w"], match.optional("bias"))
    return b.node(op, x, *operands, results=[match.root.output.type]).output


def _is_same(match: Match, border: Pairs) -> bool:
    """SAME pads by as much."""
    x, w = match["x"], match["w"]
    for i, step in enumerate(match.array("block").reshape(-1).tolist()):
        axis = Axis(int(w.shape[1 + i]), 1, step)  # type: ignore[arg-type]
        if list(axis.pads(int(x.shape[1 + i]), Padding.SAME)) != border[i]:  # type: ignore[arg-type]
            return False
    return True


DILATIONS = [
    Rule(
        "dilation by space_to_batch",
        _pattern,
        _can_dilate,
        _dilated,
        tolerance=1e-6,
        phrase="dilated convolution[s] recognised",
    ),
]
