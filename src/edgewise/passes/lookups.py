"""Rules that read a row of a matrix instead of multiplying the matrix with one hot vector.

    one_hot(i) @ w.T + b  =  (w.T + b)[i]       for 0 <= i < depth

An index outside gives a row of zeros on the left side and an error on the right side, so the rule
asks for indices that are known to lie inside: results of ARG_MAX, of a clip or remainder by
constants, of a small type. (Clamping them here would take three operators more than it saves.)
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ops.embedding import EmbeddingLookup
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.gather import Gather
from edgewise.ops.ranking import ArgMax, ArgMin
from edgewise.ops.select import OneHot
from edgewise.passes.conditions import MOVING, floats
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Usual, Verdict, every

SPREADING = (*MOVING, "broadcast_to", "gather")
MAX_DEPTH = 16
Bounds = tuple[float, float]
EVERYTHING: Bounds = (-np.inf, np.inf)


def bounds(value: Value, depth: int = MAX_DEPTH) -> Bounds:
    """The smallest and largest integer that a value can have, as far as its producers tell."""
    if value.data is not None:
        known = value.data
        return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    if value.dtype is DType.BOOL:
        return 0.0, 1.0
    own: Bounds = EVERYTHING
    if value.dtype.is_integer:
        low, high = value.dtype.range
        own = float(low), float(high)
    node = value.producer
    if node is None or depth == 0:
        return own
    found = _computed(node, depth - 1)
    return max(own[0], found[0]), min(own[1], found[1])


def _computed(node: Node, depth: int) -> Bounds:
    op = node.op
    if isinstance(op, ArgMax | ArgMin):
        axis = node.operand(1).data
        shape = node.operand(0).shape
        size = shape[int(axis.reshape(-1)[0])] if axis is not None else None
        return (0.0, size - 1.0) if isinstance(size, int) else (0.0, np.inf)
    if op.name in SPREADING:
        return bounds(node.operand(0), depth)
    if op.name == "cast":
        x = node.operand(0)
        low, high = bounds(x, depth)
        # a cast that keeps the integers' values; others wrap around
        limits = node.output.dtype.range if node.output.dtype.is_integer else EVERYTHING
        is_kept = (x.dtype.is_integer or x.dtype is DType.BOOL) and x.quant is None
        return (low, high) if is_kept and limits[0] <= low and high <= limits[1] else EVERYTHING
    if op.name not in ("minimum", "maximum", "floor_mod", "relu"):
        return EVERYTHING
    pairs = [bounds(v, depth) for v in node.inputs if v is not None]
    if op.name == "relu":
        return max(pairs[0][0], 0.0), max(pairs[0][1], 0.0)
    (a, c), (b, d) = pairs
    if op.name == "floor_mod":
        return (0.0, d - 1) if b > 0 else EVERYTHING
    pick = min if op.name == "minimum" else max
    return pick(a, b), pick(c, d)


def _looked_up(p: PatternBuilder) -> Result:
    hot = p.one_hot(
        p.value("ids"),
        p.constant("depth"),
        p.constant(equal=1.0),
        p.constant(equal=0.0),
        name="hot",
    )
    return p.fully_connected(
        hot, p.constant("w"), p.optional("bias"), fused_activation_function=Activation.NONE
    )


def _rows_are_known(match: Match) -> Verdict:
    op, ids, w, bias = match.node("hot").op, match["ids"], match["w"], match.values.get("bias")
    assert isinstance(op, OneHot)
    rank = len(match["hot"].shape)
    if op.axis % rank != rank - 1:
        return f"it is hot along axis {op.axis} of {rank}"
    if bias is not None and bias.data is None:
        return f"the bias {bias.name!r} is no constant"
    if len(w.uses) > 1 or not w.dtype.is_float:
        return f"the weights {w.name!r} are read elsewhere, or are {w.dtype.text}"
    depth = int(match.array("depth").reshape(-1)[0])
    if w.shape[1] != depth:
        return f"{w.type} has not {depth} columns"
    low, high = bounds(ids)
    if not 0 <= low <= high < depth:
        return f"indices in [{low:g}, {high:g}] may lie outside [0, {depth})"
    root = match.root
    assert isinstance(root.op, FullyConnected)
    same = len(root.output.shape) == len(ids.shape) + 1
    return same or f"the result {root.output.type} has not the dimensions of the indices"


def _row(b: Builder, match: Match) -> Value:
    table, bias = np.ascontiguousarray(match.array("w").T), match.values.get("bias")
    if bias is not None and bias.data is not None:
        table = table + bias.data.reshape(-1)
    rows = b.constant(table, name=match["w"].name)
    return b.node(Gather(), rows, match["ids"], results=[match.root.output.type]).output


# -- tables of integers ---------------------------------------------------------------------------


def _has_scale_per_row(match: Match) -> Verdict:
    table, quant = match["table"], match["table"].quant
    if quant is None or not match.root.output.dtype.is_float:
        return Usual("its rows stay as they are stored")
    if quant.block_size or quant.zero_point.any() or quant.axis not in (0, None):
        return f"{table.name!r} has no symmetric scale per row"
    return True


def _scaled_rows(b: Builder, match: Match) -> Value:
    # (q * s[:, None])[i] = q[i] * s[i][:, None]: the rows that are read, not the table
    table, ids, quant = match["table"], match["ids"], match["table"].quant
    assert quant is not None
    q = match.array("table")
    q = q if q.dtype == np.uint8 else q.astype(np.int8)  # int4 has no kernels
    shape = (q.shape[0], *[1] * (q.ndim - 1))
    scales = np.broadcast_to(quant.scale.reshape(-1), q.shape[:1]).reshape(shape)
    row = b.gather(b.constant(q, name=table.name), ids)
    scale = b.gather(b.constant(np.ascontiguousarray(scales), name=f"{table.name}/scale"), ids)
    wide = b.cast(row, dtype=match.root.output.dtype)
    return b.mul(wide, scale)


# For kernels: the reference dequantizes the whole table.
TABLES = [
    # embedding_lookup(i, q with scales s) -> gather(q, i) * gather(s, i)
    Rule(
        "rows of a table of integers",
        lambda p: p.any(EmbeddingLookup, operands=(p.value("ids"), p.constant("table"))),
        _has_scale_per_row,
        _scaled_rows,
        phrase="row[s] of quantized tables dequantized one by one",
    ),
]

LOOKUPS = [
    # one_hot(i) @ w.T + b -> gather(w.T + b, i)
    Rule(
        "product with one hot vector",
        _looked_up,
        every(floats, _rows_are_known),
        _row,
        tolerance=1e-6,
        phrase="product[s] with one hot vectors made lookups",
    ),
]
