"""Kernels of HASHTABLE_LOOKUP, EMBEDDING_LOOKUP_SPARSE, REVERSE_SEQUENCE and BUCKETIZE."""

from __future__ import annotations

import math

import numpy as np

from edgewise.ir.enums import CombinerType
from edgewise.ops.axes import axis_in
from edgewise.ops.lookup import EmbeddingLookupSparse
from edgewise.ops.reverse import ReverseSequence
from edgewise.ops.select import Bucketize
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select.copy import constant_view, filled, view
from edgewise.runtime.select.typed import typed
from edgewise.runtime.select.unary import unary_call

TILE_BYTES = 32768  # of y
_COMBINERS = {CombinerType.SUM: 0, CombinerType.MEAN: 1, CombinerType.SQRTN: 2}


def hashtable_lookup(site: Site) -> Selection:
    """Rows of values by key, and which keys there are."""
    lookup, keys, values = (site.node.operand(i) for i in range(3))
    count = math.prod(shape_of(lookup))
    run_bytes = math.prod(shape_of(values)[1:]) * values.dtype.numpy.itemsize
    rows_per_tile = max(TILE_BYTES // max(run_bytes, 64), 1)
    fields = {
        "count": count,
        "keys": math.prod(shape_of(keys)),
        "run_bytes": run_bytes,
        "rows_per_tile": rows_per_tile,
    }
    operands = (lookup, keys, values, *site.node.outputs)
    n_tiles = -(-count // rows_per_tile)
    return [Call("hashtable_lookup", pack("ew_lookup", fields), operands, n_tiles, results=2)]


def embedding_lookup_sparse(site: Site) -> Selection:
    """Weighted rows of a table, summed into zeros."""
    op, y = site.node.op, site.node.output
    assert isinstance(op, EmbeddingLookupSparse)
    ids, indices, _, weights, table = (site.node.operand(i) for i in range(5))
    columns, shape = shape_of(indices)[1], shape_of(table)
    sizes, most = shape_of(y)[: columns - 1], constant("EW_COPY_RANK")
    require(columns - 1 <= most, f"indices of {columns} numbers; the kernel takes {most + 1}")
    params = pack(
        "ew_lookup_sparse",
        {
            "count": math.prod(shape_of(ids)),
            "run": math.prod(shape[1:]),
            "columns": columns,
            "combiner": _COMBINERS[op.combiner],
            "sizes": sizes,
            "depth": 1,
            "dims": [shape[0]],
        },
    )
    zeros = filled(view(y), constant_view(np.zeros((), "u4")))
    operands = (indices, ids, weights, table, y)
    n_tiles = int(math.prod(shape_of(ids)) > 0)
    return [*zeros, Call("embedding_lookup_sparse_f32", params, operands, n_tiles, 4)]


def reverse_sequence(site: Site) -> Selection:
    """The first steps of each batch in the opposite order."""
    op, x, lengths, y = site.node.op, *site.node.inputs[:2], site.node.output
    assert isinstance(op, ReverseSequence)
    assert x is not None
    assert lengths is not None
    shape = shape_of(x)
    seq, batch = (axis_in(a, len(shape)) for a in (op.seq_dim, op.batch_dim))
    low, high = sorted((seq, batch))
    known = site.known(lengths)
    if known is not None:
        require(bool(((known >= 0) & (known <= shape[seq])).all()), "a length lies outside")
    run_bytes = math.prod(shape[high + 1 :]) * x.dtype.numpy.itemsize
    rows, line = math.prod(shape[:high]), shape[high] * run_bytes
    rows_per_tile = max(TILE_BYTES // max(line, 1), 1)
    params = pack(
        "ew_reverse_sequence",
        {
            "outer": math.prod(shape[:low]),
            "batch": shape[batch],
            "steps": shape[seq],
            "middle": math.prod(shape[low + 1 : high]),
            "is_batch_first": int(batch < seq),
            "run_bytes": run_bytes,
            "index_bytes": lengths.dtype.numpy.itemsize,
            "rows_per_tile": rows_per_tile,
            "depth": 1,
            "dims": [shape[seq] + 1],
        },
    )
    n_tiles = -(-rows // rows_per_tile) if line else 0
    per_tile = rows_per_tile * line // x.dtype.numpy.itemsize or None
    return [Call("reverse_sequence", params, (x, lengths, y), n_tiles, 4, per_tile)]


def bucketize(site: Site) -> Selection:
    """The place of every element among the boundaries."""
    op, x = site.node.op, site.node.operand(0)
    assert isinstance(op, Bucketize)
    bounds = np.array(op.boundaries, np.float32)
    kernel = typed("bucketize", x.dtype)
    return unary_call(site, kernel, (x, bounds), low=len(bounds))
