"""Rules on operators that only move elements: one RESHAPE, one TRANSPOSE, or none at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.graph import Value
from edgewise.ir.infer import result_types
from edgewise.ir.op import Op
from edgewise.ops.reduce import Mean, ReduceMax, ReduceMin, ReduceProd, Reduction, Sum
from edgewise.passes.conditions import keeps_type, same_bits, same_shape
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Usual, Verdict, every

REDUCTIONS = (Mean, Sum, ReduceMax, ReduceMin, ReduceProd)


def shape_vector(shape: Shape | None) -> np.ndarray | str:
    """A shape as the operand of RESHAPE, int32, -1 for the only unknown dimension; or why not."""
    if shape is None:
        return "the rank is unknown"
    unknown = [dim for dim in shape if not isinstance(dim, int)]
    if len(unknown) > 1:
        return f"{len(unknown)} dimensions are unknown; RESHAPE can leave one open"
    if unknown and 0 in shape:
        return "a dimension next to one of 0 elements is not determined"
    return np.array([dim if isinstance(dim, int) else -1 for dim in shape], np.int32)


def _keeps_bits(match: Match) -> Verdict:
    return same_bits(match["x"], match.root.output)


def shape_is_known(match: Match) -> Verdict:
    """The root's first result can be written as a RESHAPE."""
    vector = shape_vector(match.root.output.type.shape)
    return vector if isinstance(vector, str) else True


def reshape(b: Builder, x: Value, result: Value) -> Value:
    """x under the shape of `result`, by a constant."""
    from edgewise.ops.reshape import Reshape  # which a graph with a MEAN need not have

    vector = shape_vector(result.type.shape)
    assert not isinstance(vector, str)
    op = Reshape(new_shape=tuple(int(d) for d in vector))
    return b.node(
        op, x, b.constant(vector, name=f"{result.name}/shape"), results=[result.type]
    ).output


def _reshape_x(b: Builder, match: Match) -> Value:
    return reshape(b, match["x"], match.root.output)


def _order(match: Match, name: str) -> list[int]:
    """A permutation, counted from the front."""
    perm = [int(axis) for axis in match.array(name)]
    return [axis % len(perm) for axis in perm]


def _compose(b: Builder, match: Match) -> Value:
    inner, outer = _order(match, "inner"), _order(match, "outer")
    perm = np.array([inner[axis] for axis in outer], np.int32)
    return b.transpose(match["x"], b.constant(perm, name=match["outer"].name))


def _moves_nothing(match: Match) -> Verdict:
    """The dimensions that are not 1 stay in order; one that is not known may be anything."""
    shape, order = match["x"].shape, _order(match, "perm")
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved) or f"it permutes {match['x'].type} by {order}"


def _keeps_order(match: Match) -> Verdict:
    order = _order(match, "perm")
    return order == sorted(order) or f"it permutes {match['x'].type} by {order}"


def _swaps_matrix(match: Match) -> Verdict:
    order = _order(match, "perm")
    rank = len(order)
    swapped = [*range(rank - 2), rank - 1, rank - 2]
    return order == swapped or f"the transposition {order} does more than swap the last two axes"


def _adjoint(operand: str) -> Callable[[Builder, Match], Value]:
    def rewrite(b: Builder, match: Match) -> Value:
        op, other = match.root.op, match["other"]
        flag = "adj_x" if operand == "x" else "adj_y"
        flipped = op.replace(**{flag: not getattr(op, flag)})
        operands = (match["t"], other) if operand == "x" else (other, match["t"])
        return b.node(flipped, *operands, results=[match.root.output.type]).output

    return rewrite


def _unquantized_operand(match: Match) -> Verdict:
    """TRANSPOSE kept the integers' meaning."""
    return same_bits(match["t"], match.node("transposed").output)


def _keep_dims_flipped(match: Match) -> Verdict:
    node = match.node("reduced")
    op = _flipped(node.op)
    shape = result_types(op, node.inputs, [None])[0].shape
    verdict = same_bits(node.output, match.root.output)
    if verdict is not True:
        return verdict
    if not same_shape(shape, match.root.output.type.shape):
        return f"the reshape to {match.root.output.type} does more than add or drop reduced axes"
    return True


def _flipped(op: Op) -> Op:
    assert isinstance(op, Reduction)
    return op.replace(keep_dims=not op.keep_dims)


def _reduce(b: Builder, match: Match) -> Value:
    node = match.node("reduced")
    return b.node(_flipped(node.op), *node.inputs, results=[match.root.output.type]).output


def _reduces_nothing(match: Match) -> Verdict:
    """Every reduced axis has one element; the mean or extreme of one number is the number."""
    x = match["x"]
    if x.quant is not None:
        return f"{x.name!r} is quantized"
    axes = {int(axis) % len(x.shape) for axis in match.array("axes").reshape(-1)} if x.shape else ()
    sizes = [x.shape[axis] for axis in axes]
    return all(size == 1 for size in sizes) or f"it reduces axes of sizes {sizes}"


def _pads_before(match: Match) -> np.ndarray | str:
    """The pads of x, where the reshape only adds or drops dimensions of 1, and these get none."""
    x, reshaped, pads = match["x"].shape, match["reshaped"].shape, match.array("pads")
    sizes = [i for i, d in enumerate(x) if d != 1], [i for i, d in enumerate(reshaped) if d != 1]
    pairs = list(zip(*sizes, strict=False))
    if len(sizes[0]) != len(sizes[1]) or any(
        same_dim(x[i], reshaped[j]) is not True for i, j in pairs
    ):
        return f"the reshape of {match['x'].type} to {match['reshaped'].type} mixes dimensions"
    before = np.zeros((len(x), 2), pads.dtype)
    for i, j in pairs:
        before[i] = pads[j]
    if before.sum() != pads.sum():
        return "it pads a dimension of 1"
    return before


def _meets_reshape(match: Match) -> Verdict:
    readers = match.root.output.consumers
    if match.root.output.is_output or [node.op.name for node in readers] != ["reshape"]:
        return Usual("no reshape after it would go")
    pads = _pads_before(match)
    return pads if isinstance(pads, str) else same_bits(match["x"], match["reshaped"])


def _pad_first(b: Builder, match: Match) -> Value:
    pads = _pads_before(match)
    assert not isinstance(pads, str)
    constant = b.constant(pads, name=match["pads"].name)
    root = match.root
    y = b.node(root.op, match["x"], constant, results=[root.output.type.with_shape(None)]).output
    return reshape(b, y, root.output)


RESHAPES = [
    # reshape(pad(reshape(x))) -> reshape(pad(x)): layers of one dimension, one after the other
    Rule(
        "reshape behind a pad",
        lambda p: p.any(
            "pad",
            "mirror_pad",
            operands=(
                p.reshape(p.value("x"), p.optional(), name="reshaped", shared=True),
                p.constant("pads"),
            ),
        ),
        every(_meets_reshape, shape_is_known),
        _pad_first,
        phrase="reshape[s] and transpose[s] put together or removed",
    ),
    # squeeze(x), expand_dims(x) -> reshape(x)
    Rule(
        "squeeze or expand_dims as reshape",
        lambda p: p.any("squeeze", "expand_dims", operands=(p.value("x"), p.optional())),
        every(_keeps_bits, shape_is_known),
        _reshape_x,
        phrase="reshape[s] and transpose[s] put together or removed",
    ),
    # reshape(x, computed shape) -> reshape(x, constant)
    Rule(
        "reshape to a known shape",
        lambda p: p.reshape(p.value("x"), p.computed()),
        every(_keeps_bits, shape_is_known),
        _reshape_x,
        phrase="computed shape[s] found to be known",
    ),
    # reshape(x) -> x
    Rule(
        "reshape to the same shape",
        lambda p: p.reshape(p.value("x"), p.optional()),
        keeps_type,
        lambda b, match: match["x"],
        is_quiet=True,
        phrase="reshape[s] and transpose[s] put together or removed",
    ),
    # reshape(reshape(x)) -> reshape(x)
    Rule(
        "reshape of reshape",
        lambda p: p.reshape(
            p.reshape(p.value("x"), p.optional(), shared=True), p.constant("shape")
        ),
        _keeps_bits,
        lambda b, match: (
            b.node(
                match.root.op, match["x"], match["shape"], results=[match.root.output.type]
            ).output
        ),
        phrase="reshape[s] and transpose[s] put together or removed",
    ),
    # transpose(transpose(x, p), q) -> transpose(x, p[q])
    Rule(
        "transpose of transpose",
        lambda p: p.transpose(
            p.transpose(p.value("x"), p.constant("inner"), shared=True), p.constant("outer")
        ),
        _keeps_bits,
        _compose,
        phrase="reshape[s] and transpose[s] put together or removed",
    ),
    # transpose(x) that keeps the order of x's elements -> reshape(x)
    Rule(
        "transpose as reshape",
        lambda p: p.transpose(p.value("x"), p.constant("perm")),
        every(_keeps_bits, _moves_nothing, shape_is_known),
        _reshape_x,
        is_quiet=True,
        phrase="reshape[s] and transpose[s] put together or removed",
    ),
    # transpose(x) by the order that x has -> x, whatever is known of its shape
    Rule(
        "transpose to the same order",
        lambda p: p.transpose(p.value("x"), p.constant("perm")),
        every(keeps_type, _keeps_order),
        lambda b, match: match["x"],
        is_quiet=True,
        phrase="reshape[s] and transpose[s] put together or removed",
    ),
    # x @ transpose(y) -> x @ y with adj_y
    Rule(
        "transpose into batch_matmul",
        lambda p: p.batch_matmul(
            p.value("other"),
            p.transpose(p.value("t"), p.constant("perm"), name="transposed", shared=True),
        ),
        every(_swaps_matrix, _unquantized_operand),
        _adjoint("y"),
        is_quiet=True,
        phrase="transpose[s] taken into matrix products",
    ),
    # transpose(x) @ y -> x @ y with adj_x
    Rule(
        "transpose into batch_matmul's left operand",
        lambda p: p.batch_matmul(
            p.transpose(p.value("t"), p.constant("perm"), name="transposed", shared=True),
            p.value("other"),
        ),
        every(_swaps_matrix, _unquantized_operand),
        _adjoint("x"),
        is_quiet=True,
        phrase="transpose[s] taken into matrix products",
    ),
    # reshape(mean(x)) -> mean(x; keep_dims), and back
    Rule(
        "reshape into keep_dims",
        lambda p: p.reshape(
            p.any(*REDUCTIONS, operands=(p.value(), p.constant()), name="reduced"), p.optional()
        ),
        _keep_dims_flipped,
        _reduce,
        phrase="reshape[s] taken into reductions",
    ),
    # mean(x) over axes of 1 -> reshape(x)
    Rule(
        "reduction of single elements",
        lambda p: p.any(*REDUCTIONS, operands=(p.value("x"), p.constant("axes"))),
        every(_keeps_bits, _reduces_nothing, shape_is_known),
        _reshape_x,
        is_quiet=True,
        phrase="reduction[s] of single elements made reshapes",
    ),
]
