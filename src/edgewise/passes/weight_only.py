"""Rules for runtime graphs: weights that are stored as integers and read as floats stay integers.

fully_connected(x, dequantize(w))  =  dense_by_integers(x, w)      of few rows, w constant
"""

from __future__ import annotations

import math

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ir.types import Quant
from edgewise.ops.fully_connected import FullyConnected
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict

# More rows multiply each weight so often that its conversion costs more than its bytes.
MOST_ROWS = 8
_LEAST = 4096  # weights whose size matters
EIGHT = 8  # elements of K that kernels read at once
_KINDS = (DType.INT8, DType.INT4, DType.INT2)


def has_scales_of_outputs(quant: Quant, axis: int, step: int) -> bool:
    """There is one scale for all weights, for each output (along `axis`), or for each block of
    [O, K], of a multiple of `step` elements."""
    if quant.block_size is None:
        return not quant.per_channel or quant.axis == axis
    return quant.axis == 1 and quant.block_size % step == 0


def _are_read_by_few_rows(match: Match) -> Verdict:
    root = match.root
    producer = root.operand(1).producer
    assert producer is not None
    w = producer.input
    if w.data is None or w.dtype not in _KINDS or w.quant is None:
        return "its weights are no constant integers of 8 bits or fewer"
    if w.quant.zero_point.any() or not has_scales_of_outputs(w.quant, 0, EIGHT):
        return "its weights have zero points, or scales along another axis"
    o, k = w.data.shape
    if {v.dtype for v in (root.operand(0), root.output)} != {DType.FLOAT32}:
        return "it is not one of float32"
    rows = math.prod(d for d in root.operand(0).shape if isinstance(d, int)) // k
    return (0 < rows <= MOST_ROWS and o * k >= _LEAST) or f"{rows} rows of {o} do not pay"


def _by_integers(b: Builder, match: Match) -> Value:
    root = match.root
    producer = root.operand(1).producer
    assert producer is not None
    from edgewise.ops.dense_by_integers import DenseByIntegers

    assert isinstance(root.op, FullyConnected)
    op = DenseByIntegers(
        fused_activation_function=root.op.fused_activation_function,
        keep_num_dims=root.op.keep_num_dims,
    )
    operands = [producer.input if i == 1 else v for i, v in enumerate(root.inputs)]
    return b.node(op, *operands, results=[root.output.type]).output


WEIGHT_ONLY = (
    Rule(
        "dense layer by stored integers",
        lambda p: p.fully_connected(p.value(), p.dequantize(p.value(), shared=True), p.optional()),
        _are_read_by_few_rows,
        _by_integers,
        tolerance=1e-6,
        is_quiet=True,
        phrase="dense layer[s] that read their weights as integers",
    ),
)
