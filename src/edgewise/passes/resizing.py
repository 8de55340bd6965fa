"""The rule of resizes one after the other. Those to the same size are `arithmetic.py`'s, those of
one pixel `broadcasts.py`'s."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ops.resize import ResizeNearestNeighbor
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict


def _nearest(match: Match) -> ResizeNearestNeighbor:
    op = match.root.op
    assert isinstance(op, ResizeNearestNeighbor)
    return op


def _picks_the_same(match: Match) -> Verdict:
    """Every pixel is the one that a single resize picks."""
    inner, outer = match.node("inner").op, _nearest(match)
    assert isinstance(inner, ResizeNearestNeighbor)
    verdict = same_bits(match["x"], match.root.output)
    if verdict is not True:
        return verdict
    sizes = zip(match["x"].shape[1:3], match["inner"].shape[1:3], match.array("size"), strict=True)
    for first, middle, last in sizes:
        if not isinstance(first, int) or not isinstance(middle, int):
            return "the size of the image is unknown"
        twice = inner.nearest(first, middle)[outer.nearest(middle, int(last))]
        if not np.array_equal(twice, outer.nearest(first, int(last))):
            return f"from {first} to {int(last)} pixels other ones are picked than by {middle}"
    return True


def _once(b: Builder, match: Match) -> Value:
    return b.node(
        _nearest(match), match["x"], match["size"], results=[match.root.output.type]
    ).output


RESIZES = [
    # nearest(nearest(x, m), n) -> nearest(x, n): two UpSampling2D
    Rule(
        "nearest pixels of nearest pixels",
        lambda p: p.resize_nearest_neighbor(
            p.resize_nearest_neighbor(p.value("x"), p.constant(), name="inner"), p.constant("size")
        ),
        _picks_the_same,
        _once,
        phrase="resize[s] put together",
    ),
]
