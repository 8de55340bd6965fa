"""Rules that move transposes behind what works along some axes, and into the weights of a fully
connected operator.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.graph import Node, Value
from edgewise.ops.l2_normalization import L2Normalization
from edgewise.ops.norm import LayerNorm
from edgewise.ops.ranking import ArgMax, ArgMin
from edgewise.ops.reshape import Reshape
from edgewise.ops.softmax import LogSoftmax, Softmax
from edgewise.ops.table import Unary
from edgewise.passes.linear import SMALL
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.reshaping import reshape, shape_vector
from edgewise.passes.rewrite import Rule, Usual, Verdict
from edgewise.passes.transposing import (
    BINARY,
    REDUCTIONS,
    above,
    keeps_integers,
    one,
    permutation,
)

# -- one axis -----------------------------------------------------------------------------------


def _last_stays(match: Match) -> Verdict:
    """The axes at the end that the root works along stay where they are."""
    perm, op = permutation(match), match.root.op
    count = len(op.axes) if isinstance(op, LayerNorm) else 1
    rank = len(perm)
    if perm[rank - count :] != list(range(rank - count, rank)):
        return "the transpose moves the axis that it works along"
    return keeps_integers(match)


def _behind_last_axis(b: Builder, match: Match) -> Value:
    return above(b, match, match["x"], *(v for v in match.root.inputs[1:] if v is not None))


def _keeps_dims(match: Match) -> Verdict:
    """The dimensions stay; where others read the transpose as well, what is left of it is a
    RESHAPE, because it has nothing but 1s to move."""
    if getattr(match.root.op, "keep_dims", False) is not True:
        return Usual("it drops what it reduces")
    perm, turned = permutation(match), match.node("transposed").output
    axes = {int(axis) % len(perm) for axis in match.array("axes").reshape(-1)}
    left = [axis for place, axis in enumerate(perm) if place not in axes]
    if (len(turned.uses) > 1 or turned.is_output) and left != sorted(left):
        return "something else reads the transpose as well"
    return keeps_integers(match)


def _behind_reduction(b: Builder, match: Match) -> Value:
    perm = permutation(match)
    axes = sorted(perm[int(axis) % len(perm)] for axis in match.array("axes").reshape(-1))
    return above(b, match, match["x"], b.constant(np.array(axes, np.int32)))


def _search_in_order(match: Match) -> Verdict:
    perm = permutation(match)
    at = int(match.array("axis").reshape(-1)[0]) % len(perm)
    left = [axis for place, axis in enumerate(perm) if place != at]
    if left != sorted(left):
        return f"the transpose also permutes what is left, {left}"
    return keeps_integers(match)


def _search_before(b: Builder, match: Match) -> Value:
    perm, root, axis = permutation(match), match.root, match.array("axis")
    at = perm[int(axis.reshape(-1)[0]) % len(perm)]
    constant = b.constant(np.array(at, axis.dtype).reshape(axis.shape), name=match["axis"].name)
    return b.node(root.op, match["x"], constant, results=[root.output.type]).output


# -- operands with few dimensions ---------------------------------------------------------------


def _spread(p: PatternBuilder, is_first: bool) -> Result:
    few = p.value("few")
    return p.any(*BINARY, operands=(few, one(p)) if is_first else (one(p), few))


def _functions_of_reshape(value: Value) -> list[Node] | None:
    """The functions of one element, from the last to the first, and the RESHAPE that they work on;
    None where that is not it, or something else reads what is in between."""
    chain: list[Node] = []
    while value.producer is not None and len(value.uses) == 1 and not value.is_output:
        node = value.producer
        chain.append(node)
        if isinstance(node.op, Reshape):
            return chain
        numbers = [v for v in node.inputs[1:] if v is not None]
        is_plain = all(v.data is not None and v.data.size == 1 for v in numbers)
        if not isinstance(node.op, (Unary, *BINARY)) or not is_plain:
            return None
        value = node.operand(0)
    return None


def _moves_as_reshape(match: Match) -> Verdict:
    """The other operand comes from a RESHAPE and has 1s where the transpose would permute more."""
    few, x, root = match["few"], match["x"], match.root
    if _functions_of_reshape(few) is None:
        return Usual("its other operand is no function of a reshape")
    if len(few.shape) != len(x.shape) or len(root.output.shape) != len(x.shape):
        return f"{few.type} has not as many dimensions as {x.type}"
    back = np.argsort(permutation(match))
    moved = [axis for axis in back if few.shape[axis] != 1]
    if moved != sorted(moved):
        return f"it permutes {few.type} by {back.tolist()}"
    vector = shape_vector(tuple(few.shape[axis] for axis in back))
    return vector if isinstance(vector, str) else keeps_integers(match)


def _behind_few(b: Builder, match: Match) -> Value:
    few, back = match["few"], np.argsort(permutation(match))
    chain = _functions_of_reshape(few)
    assert chain is not None
    shape = [few.shape[axis] for axis in back]
    y = chain[-1].output
    y = reshape(b, y, Value(y.type.with_shape(shape), few.name))
    for node in reversed(chain[:-1]):
        numbers = [None if v is None else _flat(b, v) for v in node.inputs[1:]]
        y = b.node(node.op, y, *numbers, results=[node.output.type.with_shape(shape)]).output
    return above(b, match, *(y if v is few else match["x"] for v in match.root.inputs))


def _flat(b: Builder, number: Value) -> Value:
    """A constant of one number without dimensions of its own."""
    assert number.data is not None
    return b.constant(number.data.reshape(()), name=number.name, quant=number.quant)


# -- fully connected ----------------------------------------------------------------------------


def _flattens(match: Match) -> Verdict:
    """A row of the matrix is all of x but its first axis, which the transpose leaves."""
    x, w, perm = match["x"], match["w"], permutation(match)
    sizes = [size for size in x.shape[1:] if isinstance(size, int)]
    if perm[0] != 0 or len(sizes) < len(perm) - 1:
        return f"the transpose {perm} of {x.type} does not leave the rows"
    reshaped, count = match["reshaped"], math.prod(sizes)
    if len(reshaped.shape) != 2 or reshaped.shape[1] != count or w.shape[1] != count:
        return f"{reshaped.type} does not flatten all but the first axis of {x.type}"
    if w.quant is not None and w.quant.scale.size > 1 and w.quant.axis != 0:
        return f"{w.name!r} has scales along its rows"
    if w.extras or (len(w.uses) > 1 and match.array("w").nbytes > SMALL):
        return f"the weights {w.name!r} are needed as they are"
    return keeps_integers(match)


def _turned_weights(b: Builder, match: Match) -> Value:
    x, w, perm = match["x"], match.array("w"), permutation(match)
    sizes = [int(x.shape[axis]) for axis in perm[1:]]  # type: ignore[arg-type]
    inner = [axis - 1 for axis in perm[1:]]
    columns = w.reshape(-1, *sizes).transpose(0, *(1 + int(i) for i in np.argsort(inner)))
    turned = np.ascontiguousarray(columns).reshape(w.shape)
    weights = b.constant(turned, name=match["w"].name, quant=match["w"].quant)
    rows = reshape(b, x, match["reshaped"])
    rest = match.root.inputs[2:]
    return b.node(match.root.op, rows, weights, *rest, results=[match.root.output.type]).output


TRANSPOSED_AXES = [
    # softmax(transpose(x)) -> transpose(softmax(x)), where the last axis stays
    *[
        Rule(
            "transpose behind what works along the last axis",
            form,
            _last_stays,
            _behind_last_axis,
            phrase="transpose[s] moved behind elementwise operators",
        )
        for form in (
            lambda p: p.any(Softmax, LogSoftmax, L2Normalization, operands=(one(p),)),
            lambda p: p.any(LayerNorm, operands=(one(p), p.optional(), p.optional())),
        )
    ],
    # mean(transpose(x); keep_dims) -> transpose(mean(x; keep_dims))
    Rule(
        "transpose behind a reduction",
        lambda p: p.any(
            *REDUCTIONS,
            operands=(
                p.transpose(p.value("x"), p.constant("perm"), name="transposed", shared=True),
                p.constant("axes"),
            ),
        ),
        _keeps_dims,
        _behind_reduction,
        tolerance=1e-6,
        phrase="transpose[s] taken into reductions",
    ),
    # arg_max(transpose(x), axis) -> arg_max(x, its place before)
    Rule(
        "transpose before a search",
        lambda p: p.any(ArgMax, ArgMin, operands=(one(p), p.constant("axis"))),
        _search_in_order,
        _search_before,
        phrase="transpose[s] taken into reductions",
    ),
    # transpose(x) * reshape(g) -> transpose(x * reshape(g)), where g varies along one axis
    *[
        Rule(
            "transpose behind an operand of one axis",
            lambda p, is_first=is_first: _spread(p, is_first),  # type: ignore[misc]
            _moves_as_reshape,
            _behind_few,
            phrase="transpose[s] moved behind elementwise operators",
        )
        for is_first in (False, True)
    ],
    # w @ flat(transpose(x)) -> w' @ flat(x), w' with its columns in x's order
    Rule(
        "transpose into fully connected weights",
        lambda p: p.fully_connected(
            p.reshape(one(p), p.optional(), name="reshaped"), p.constant("w"), p.optional()
        ),
        _flattens,
        _turned_weights,
        tolerance=1e-6,
        phrase="transpose[s] taken into the weights behind",
    ),
]
