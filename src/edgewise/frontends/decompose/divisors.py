"""The greatest common divisor, by Euclid's loop over whole tensors."""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import Context
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ops.broadcast import broadcast_shape
from edgewise.ops.control import While


def greatest_divisor(c: Context, x: Value, y: Value) -> Value:
    """while any(y != 0): x, y = y, x mod y, where y is 0 as it is. At most 46 rounds of int32:
    neighbours of Fibonacci's numbers take as many."""
    shape = broadcast_shape(x.shape, y.shape)
    pair = [c.b.abs(v if v.shape == shape else c.b.broadcast_to(v, c.shape(shape))) for v in (x, y)]
    name = "/".join(c.path)
    body, test = Builder(f"{name}_body"), Builder(f"{name}_cond")
    body.location = test.location = c.b.location
    a, b = (body.graph.add_input(v.type, n) for v, n in zip(pair, "ab", strict=True))
    zero, one = (body.constant(number, x.dtype) for number in (0, 1))
    left = body.not_equal(b, zero)
    rest = body.floor_mod(a, body.select_v2(left, b, one))
    body.finish(body.select_v2(left, b, a), body.select_v2(left, rest, zero))
    _, b = (test.graph.add_input(v.type, n) for v, n in zip(pair, "ab", strict=True))
    axes = test.constant(np.arange(len(shape), dtype=np.int32))
    test.finish(test.reduce_any(test.not_equal(b, test.constant(0, x.dtype)), axes))
    return c.b.node(While(cond=test.graph, body=body.graph), *pair).outputs[0]
