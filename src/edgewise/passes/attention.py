"""Rules that recognise attention in the products, the softmax and the transpositions around it.

Transpositions go into the operator, which reads and writes rows at any distance. For floats only.
"""

from __future__ import annotations

import math

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.attention import Attention
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.reshape import Transpose
from edgewise.ops.softmax import Softmax
from edgewise.passes.conditions import floats, same_type
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE
Perm = tuple[int, ...]


def _attention(p: PatternBuilder) -> Result:
    scores = p.batch_matmul(p.value("q"), p.value("k"), adj_x=False, name="scores")
    factor = p.constant("factor")
    scaled = p.either(
        scores,
        p.mul(scores, factor, fused_activation_function=NONE, name="product"),
        p.div(scores, factor, fused_activation_function=NONE, name="quotient"),
    )
    masked: Pattern = p.either(
        scaled, p.add(scaled, p.value("mask"), fused_activation_function=NONE, name="sum")
    )
    return p.batch_matmul(p.softmax(masked, name="weights"), p.value("v"), adj_x=False)


def _is_attention(match: Match) -> Verdict:
    for name in ("q", "k", "v"):
        value = match[name]
        if value.dtype is not DType.FLOAT32:
            return f"{value.name!r} is {value.dtype.text}; the kernel is for float32"
        if len(value.shape) != len(match.root.output.shape):
            return f"{value.name!r} has another rank than the result"
    if "sum" in match.values:
        kept = same_type(match["sum"], match["scores"])
        if kept is not True:
            return kept
        if len(match["mask"].shape) > len(match["scores"].shape):
            return "the mask has more dimensions than the scores"
    scale = _scale(match)
    if not 0 < scale < math.inf:
        return f"scores are multiplied by {scale}, not by one positive number"
    return True


def _scale(match: Match) -> float:
    """What q k^T is multiplied by; NaN where it is not one number."""
    softmax = match.node("weights").op
    assert isinstance(softmax, Softmax)
    if "sum" in match.values and softmax.beta != 1:
        return math.nan
    scale = softmax.beta
    if "factor" in match.values:
        factor = match.array("factor")
        if factor.size != 1 or not float(factor.flat[0]):
            return math.nan
        number = float(factor.flat[0])
        scale *= number if "product" in match.values else 1 / number
    return float(scale)


def _fused(b: Builder, match: Match) -> Value:
    first, second = match.node("scores").op, match.root.op
    assert isinstance(first, BatchMatMul)
    assert isinstance(second, BatchMatMul)
    q, q_perm = _source(match["q"], is_swapped=False)
    if q_perm and q_perm[-1] != len(q_perm) - 1:  # elements of a row must be neighbours
        q, q_perm = match["q"], ()
    k, k_perm = _source(match["k"], is_swapped=not first.adj_y)
    v, v_perm = _source(match["v"], is_swapped=second.adj_y)
    op = Attention(scale=_scale(match), q_perm=q_perm, k_perm=k_perm, v_perm=v_perm)
    return b.node(op, q, k, v, match.values.get("mask")).output


def _source(value: Value, *, is_swapped: bool) -> tuple[Value, Perm]:
    """What a transposition reads, and the permutation that makes rows of it: of `value`, with its
    last two dimensions swapped where that is asked for."""
    perm = tuple(range(len(value.shape)))
    node = value.producer
    if node is not None and isinstance(node.op, Transpose) and node.operand(1).data is not None:
        given = node.operand(1).data
        assert given is not None
        perm, value = tuple(int(i) % len(perm) for i in given), node.operand(0)
    if is_swapped:
        perm = (*perm[:-2], perm[-1], perm[-2])
    return value, () if perm == tuple(range(len(perm))) else perm


def _keeps_rows(match: Match) -> Verdict:
    perm = match.array("perm")
    if int(perm[-1]) % perm.size != perm.size - 1:
        return "the elements of a row are no neighbours in the result"
    return True


def _turned(b: Builder, match: Match) -> Value:
    node = match.node("attention")
    assert isinstance(node.op, Attention)
    perm = tuple(int(i) % match.array("perm").size for i in match.array("perm"))
    return b.node(node.op.replace(y_perm=perm), *node.inputs).output


ATTENTIONS = [
    # softmax(scale * q k^T + mask) v -> attention(q, k, v, mask)
    Rule(
        "attention",
        _attention,
        every(floats, _is_attention),
        _fused,
        tolerance=1e-5,
        phrase="attention[s] recognised",
    ),
    # transpose(attention(..)) -> attention(..) that writes so
    Rule(
        "transposed attention",
        lambda p: p.transpose(p.any(Attention, name="attention", y_perm=()), p.constant("perm")),
        _keeps_rows,
        _turned,
        phrase="transposition[s] taken into attentions",
    ),
]
