"""The distinct elements of a vector, and what belongs to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Context
from edgewise.frontends.decompose.reduce import negated
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """`values` [K]; `first` [K], where each stands first, and `counts` [K], how often; `inverse`
    [N], which of the values each element is. K is as the data says."""

    values: Value
    first: Value
    inverse: Value
    counts: Value

    def sorted(self, c: Context) -> Distinct:
        """In ascending order."""
        count = _length(c, self.values)
        _, order = c.b.node(operator("topk_v2")(), negated(c, self.values), count).outputs
        places = c.b.range(c.dim(0), count, c.dim(1))
        row = c.b.expand_dims(order, c.ints([1]))
        moved = c.b.scatter_nd(row, places, c.b.shape(self.values))
        values, first, counts = (
            c.b.gather(v, order) for v in (self.values, self.first, self.counts)
        )
        return Distinct(values, first, c.b.gather(moved, self.inverse), counts)


def distinct(c: Context, x: Value) -> Distinct:
    """Of a vector, in the order in which they stand in it."""
    op = operator("unique")(idx_out_type=DType.INT32)
    values, inverse = c.b.node(op, x).outputs
    count, size = _length(c, values), c.dim(x.shape[0])
    ones = c.b.fill(c.shape(x.shape), c.b.constant(np.array(1, np.int32)))
    places = c.b.range(c.dim(0), size, c.dim(1))
    first = c.b.unsorted_segment_min(places, inverse, count)
    return Distinct(values, first, inverse, c.b.unsorted_segment_sum(ones, inverse, count))


def _length(c: Context, x: Value) -> Value:
    return c.b.reduce_prod(c.b.shape(x), c.ints([0]))
