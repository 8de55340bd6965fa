"""DILATE and STABLEHLO_PAD: a fill of everything, and a copy of x into every so many elements."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ir.graph import Value
from edgewise.ops.interior import StablehloPad
from edgewise.runtime.calls import Selection, Site
from edgewise.runtime.select.copy import copies, filled, view


def dilate(site: Site) -> Selection:
    """x, `padding` between its elements."""
    steps = site.constant(1, "dilations").tolist()
    zeros = [0] * len(steps)
    return _spread(site, site.node.operand(2), steps, zeros)


def stablehlo_pad(site: Site) -> Selection:
    """x, `padding` between its elements and around it, where it is not cut off."""
    op = site.node.op
    assert isinstance(op, StablehloPad)
    steps = [n + 1 for n in op.interior_padding]
    return _spread(site, site.node.operand(1), steps, op.edge_padding_low)


def _spread(site: Site, padding: Value, steps: Sequence[int], low: Sequence[int]) -> Selection:
    x, y = view(site.node.operand(0)), view(site.node.output)
    taken, places = [], []
    for size, total, step, before in zip(
        site.node.operand(0).shape, site.node.output.shape, steps, low, strict=True
    ):
        assert isinstance(size, int)
        assert isinstance(total, int)
        first = max(-(before // step), 0)
        end = min(max((total - 1 - before) // step + 1, first), size)
        start = before + first * step
        taken.append(slice(first, end))
        places.append(slice(start, start + (end - first) * step, step))
    into = y.of(y.elements[tuple(places)])
    fill = [] if into.elements.size == y.elements.size else filled(y, view(padding))
    return [*fill, *copies([(x.of(x.elements[tuple(taken)]), into)])]
