"""Large constants that repeat one number, written as FILL: the states that loops begin with.

The file has a scalar for them. Whoever runs it fills memory where it would have read the constant:
Edgewise once, while planning; LiteRT in each run, at the speed of memory.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.op import Role
from edgewise.passes.fold import FREE_BYTES
from edgewise.passes.rewrite import Outcome, nodes_between

# What LiteRT's FILL writes, of what has no scale.
DTYPES = frozenset({DType.FLOAT32, DType.INT32, DType.INT64, DType.BOOL})
PHRASE = "large constant[s] of one number written as FILL"


def fill_splats(graph: Graph) -> Outcome:
    """Let FILL compute, in place, every large constant that repeats one number and is data for
    all its readers (weights and shapes have to be constants)."""
    outcome = Outcome()
    for value in list(graph.constants()):
        if not _is_large_splat(value) or not _is_data(value):
            continue
        assert value.data is not None
        first = next(node for node in graph.nodes if node in set(value.consumers))
        b, before = Builder(graph, before=first), first.prev
        b.location = first.location
        shape = b.constant(np.array(value.data.shape, np.int32), name=f"{value.name}/shape")
        number = b.constant(value.data.reshape(-1)[0].reshape(()), name=f"{value.name}/number")
        filled = b.fill(shape, number)
        filled.name = value.name
        graph.replace_uses(value, filled)
        outcome.replaced("fill", first, filled, nodes_between(before, first, graph), phrase=PHRASE)
    return outcome


def _is_large_splat(value: Value) -> bool:
    data = value.data
    if data is None or data.nbytes <= FREE_BYTES or value.dtype not in DTYPES:
        return False
    if value.quant is not None or value.is_output or value.extras:
        return False
    bits = data.reshape(-1).view(np.dtype(f"u{data.itemsize}"))
    return bool((bits[:16] == bits[0]).all() and (bits == bits[0]).all())


def _is_data(value: Value) -> bool:
    for user, index in value.uses:
        if not isinstance(user, Node) or user.op.declared(index).role is not Role.DATA:
            return False
    return bool(value.uses)
