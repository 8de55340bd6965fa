"""Kernels of SELECT and SELECT_V2."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ops.choose import Select
from edgewise.runtime.calls import Call, Site, shape_of
from edgewise.runtime.library import pack
from edgewise.runtime.select.broadcast import BITS, layout, suffixed


def select(site: Site) -> Sequence[Call]:
    """x where the condition holds, else y."""
    condition, x, y = (site.node.operand(k) for k in range(3))
    shapes = [shape_of(v) for v in (condition, x, y)]
    if isinstance(site.node.op, Select) and len(shapes[0]) == 1 and len(shapes[1]) > 1:
        shapes[0] += (1,) * (len(shapes[1]) - 1)  # whole slices are chosen
    found = layout(site, condition, x, y, shapes=shapes)
    operands = (condition, x, y, site.node.output)
    kernel = suffixed("select", BITS[x.dtype.numpy.itemsize])
    return [found.call(kernel, pack("ew_broadcast", found.fields), operands)]
