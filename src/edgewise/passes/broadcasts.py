"""Rules of operands that are spread before an elementwise operator, which spreads them itself."""

from __future__ import annotations

import numpy as np

from edgewise.errors import ShapeError
from edgewise.ir.build import Builder
from edgewise.ir.dim import same_dim
from edgewise.ir.graph import Value
from edgewise.ir.infer import result_types
from edgewise.ir.op import Op
from edgewise.ops.arithmetic import Add, Div, Mul, Sub
from edgewise.ops.binary import Maximum, Minimum, SquaredDifference
from edgewise.ops.choose import SelectV2
from edgewise.ops.compare import (
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalOr,
    NotEqual,
)
from edgewise.ops.fill import BroadcastTo, Tile
from edgewise.ops.resize import Resize, ResizeBilinear, ResizeNearestNeighbor
from edgewise.passes.conditions import same_bits, same_shape
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict

BINARY: tuple[type[Op], ...] = (
    *(Add, Sub, Mul, Div, Maximum, Minimum, SquaredDifference, LogicalAnd, LogicalOr),
    *(Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual),
)
# LiteRT's kernels broadcast at least so many dimensions
MAX_RANK = 4
PHRASE = "broadcast[s] left to the operator after"


def _spread(p: PatternBuilder, *ops: type[Op]) -> Pattern:
    return p.any(*ops, operands=(p.value("x"), p.value()), name="spread", shared=True)


def _elementwise(p: PatternBuilder, place: int, operand: Pattern) -> Result:
    """An operator that broadcasts, with `operand` in a place; place 2 of SELECT_V2 alone."""
    if place < 0:
        others = [p.value(), p.value(), p.value()]
        others[place] = operand
        return p.any(SelectV2, operands=tuple(others))
    return p.any(*BINARY, operands=(operand, p.value()) if place == 0 else (p.value(), operand))


def _keeps_result(match: Match, old: Value, new: Value) -> Verdict:
    """The operator gives the same shape with `new` in place of `old`."""
    root = match.root
    shape = root.output.type.shape
    if shape is None or len(shape) > MAX_RANK:
        return f"{root.output.type} has more than {MAX_RANK} dimensions"
    operands = [new if v is old else v for v in root.inputs]
    try:
        found = result_types(root.op, operands, [root.output.type.with_shape(None)])[0].shape
    except ShapeError as error:
        return str(error)
    return same_shape(found, shape) or "without it the result has another shape"


def _unneeded(match: Match) -> Verdict:
    """What is spread repeats single elements, and the other operands have the result's shape."""
    x, spread = match["x"], match["spread"]
    if isinstance(match.node("spread").op, Tile | Resize):
        pairs = zip(x.shape, spread.shape, strict=True)
        if not all(a == 1 or same_dim(a, b) is True for a, b in pairs):
            return f"it repeats {x.type} to {spread.type}, not single elements"
    verdict = same_bits(x, spread)
    return verdict if verdict is not True else _keeps_result(match, spread, x)


def _reread(b: Builder, match: Match, old: Value, new: Value) -> Value:
    root = match.root
    operands = [new if v is old else v for v in root.inputs]
    return b.node(root.op, *operands, results=[root.output.type]).output


def _without(b: Builder, match: Match) -> Value:
    return _reread(b, match, match["spread"], match["x"])


def _is_one_number(match: Match) -> Verdict:
    """All elements of the constant have the same bits."""
    c = match["c"]
    data = match.array("c")
    if data.size < 2 or c.quant is not None or data.dtype.hasobject:
        return f"{c.type} is no plain array of several numbers"
    bits = np.ascontiguousarray(data).reshape(-1).view(np.uint8).reshape(data.size, -1)
    if not (bits[-1] == bits[0]).all() or not (bits == bits[0]).all():
        return f"{c.name!r} has different elements"
    return _keeps_result(match, c, _scalar(c))


def _scalar(c: Value) -> Value:
    assert c.data is not None
    return Builder().constant(np.asarray(c.data.reshape(-1)[0]), name=c.name)


def _as_scalar(b: Builder, match: Match) -> Value:
    return _reread(b, match, match["c"], _scalar(match["c"]))


def _filled(match: Match) -> Verdict:
    return _keeps_result(match, match["filled"], match["number"])


PLACES = (0, 1, -3, -2, -1)

BROADCASTS = [
    # f(broadcast(x), y) -> f(x, y)
    *[
        Rule(
            "broadcast before an elementwise operator",
            lambda p, place=place: _elementwise(  # type: ignore[misc]
                p, place, _spread(p, BroadcastTo, Tile)
            ),
            _unneeded,
            _without,
            phrase=PHRASE,
        )
        for place in PLACES
    ],
    # f(resize(x [N, 1, 1, C]), y) -> f(x, y): between a pixel and itself is that pixel
    *[
        Rule(
            "resize of one pixel before an elementwise operator",
            lambda p, place=place: _elementwise(  # type: ignore[misc]
                p, place, _spread(p, ResizeBilinear, ResizeNearestNeighbor)
            ),
            _unneeded,
            _without,
            tolerance=1e-6,
            phrase=PHRASE,
        )
        for place in PLACES
    ],
    # f(fill(shape, number), y) -> f(number, y)
    *[
        Rule(
            "fill before an elementwise operator",
            lambda p, place=place: _elementwise(  # type: ignore[misc]
                p, place, p.fill(p.value(), p.value("number"), name="filled", shared=True)
            ),
            _filled,
            lambda b, match: _reread(b, match, match["filled"], match["number"]),
            phrase=PHRASE,
        )
        for place in PLACES
    ],
    # f([c, c, ...], y) -> f(c, y)
    *[
        Rule(
            "constant of one number",
            lambda p, place=place: _elementwise(p, place, p.constant("c")),  # type: ignore[misc]
            _is_one_number,
            _as_scalar,
            is_quiet=True,
            phrase="constant[s] of one repeated number made that number",
        )
        for place in PLACES
    ],
]
