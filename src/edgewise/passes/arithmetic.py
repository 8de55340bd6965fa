"""Rules of arithmetic with constants, and operators that do nothing.

Canonical: a scale is MUL by a constant, an offset is ADD of a constant, and the scale comes before
the offset where that lets either meet its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import elements
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.axes import shown
from edgewise.ops.broadcast import broadcast_shape
from edgewise.passes.conditions import floats, keeps_type
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE


def _identity(
    name: str,
    pattern: Callable[[PatternBuilder], Result],
    check: Callable[[Match], Verdict] = lambda match: True,
    is_quiet: bool = False,
) -> Rule:
    """The rule that replaces the pattern by its value `x` where that has the result's type."""
    verdict = every(check, keeps_type)
    return Rule(
        name,
        pattern,
        verdict,
        lambda b, match: match["x"],
        is_quiet=is_quiet,
        phrase="operator[s] that changed nothing removed",
    )


def _nothing(
    name: str,
    pattern: Callable[[PatternBuilder], Result],
    check: Callable[[Match], Verdict] = lambda match: True,
) -> Rule:
    """The same for an operator that mostly does something."""
    return _identity(name, pattern, check, is_quiet=True)


def _unquantized(match: Match) -> Verdict:
    value = match.root.output
    return value.quant is None or f"{value.name!r} is quantized; its arithmetic rounds"


def _scaled(match: Match) -> Verdict:
    value = match.root.output
    return value.quant is not None or f"{value.name!r} has no scale to be quantized to"


def _alone(match: Match) -> Verdict:
    count = len(match.root.inputs)
    return count == 1 or f"it joins {count} operands"


def _no_padding(match: Match) -> Verdict:
    pads = match.array("paddings")
    return not pads.any() or f"it pads by {pads.tolist()}"


def _holds_all(match: Match) -> Verdict:
    """The type in between has every number of the first."""
    x, wide = match["x"].dtype, match["wide"].dtype
    if np.can_cast(x.numpy, wide.numpy, "safe"):
        return True
    return f"{wide.text} does not hold every {x.text}"


IDENTITIES = [
    # x * 1 -> x
    _identity(
        "multiply by one",
        lambda p: p.mul(p.value("x"), p.constant(equal=1.0), fused_activation_function=NONE),
        _unquantized,
    ),
    # x / 1 -> x
    _identity(
        "divide by one",
        lambda p: p.div(p.value("x"), p.constant(equal=1.0), fused_activation_function=NONE),
        _unquantized,
    ),
    # x + 0 -> x
    _identity(
        "add zero",
        lambda p: p.add(p.value("x"), p.constant(equal=0.0), fused_activation_function=NONE),
        _unquantized,
    ),
    # x - 0 -> x
    _identity(
        "subtract zero",
        lambda p: p.sub(p.value("x"), p.constant(equal=0.0), fused_activation_function=NONE),
        _unquantized,
    ),
    # min(x, inf) -> x, max(x, -inf) -> x: a clip with one end open
    _identity("minimum with infinity", lambda p: p.minimum(p.value("x"), p.constant(equal=np.inf))),
    _identity(
        "maximum with infinity", lambda p: p.maximum(p.value("x"), p.constant(equal=-np.inf))
    ),
    # x ** 1 -> x
    _identity("power of one", lambda p: p.pow(p.value("x"), p.constant(equal=1.0))),
    # -(-x) -> x
    _identity("negate twice", lambda p: p.neg(p.neg(p.value("x"), shared=True)), _unquantized),
    _nothing("cast to the same type", lambda p: p.cast(p.value("x"))),
    _nothing("quantize to the same type", lambda p: p.quantize(p.value("x")), _scaled),
    _nothing(
        "concatenation of one",
        lambda p: p.concatenation(p.value("x"), fused_activation_function=NONE),
        _alone,
    ),
    _nothing("sum of one", lambda p: p.add_n(p.value("x")), _alone),
    _nothing("pad by nothing", lambda p: p.pad(p.value("x"), p.constant("paddings")), _no_padding),
    _nothing("broadcast to the same shape", lambda p: p.broadcast_to(p.value("x"), p.value())),
    # a slice or repetition of the same shape is of everything, once
    _nothing("slice of everything", lambda p: p.slice(p.value("x"), p.constant(), p.constant())),
    _nothing(
        "strided slice of everything",
        lambda p: p.strided_slice(p.value("x"), p.constant(), p.constant(), p.constant(equal=1.0)),
    ),
    _nothing("tile once", lambda p: p.tile(p.value("x"), p.constant())),
    # wherever an update of the same shape begins, it is moved to the only place where it fits
    _nothing(
        "update of everything",
        lambda p: p.dynamic_update_slice(p.value(), p.value("x"), p.value()),
    ),
    # a pixel of the result lies on the same pixel of x, however the grids are laid
    _nothing(
        "resize to the same size",
        lambda p: p.any(
            "resize_bilinear", "resize_nearest_neighbor", operands=(p.value("x"), p.constant())
        ),
        _unquantized,
    ),
    # int32 -> int64 -> int32, and other types and back through one that holds all their numbers
    _identity(
        "cast there and back",
        lambda p: p.cast(p.cast(p.value("x"), name="wide", shared=True)),
        _holds_all,
    ),
    _identity(
        "quantize what was dequantized",
        lambda p: p.quantize(p.dequantize(p.value("x"), shared=True)),
    ),
]


def _invertible(match: Match) -> Verdict:
    c = match.array("c").astype(np.float64)
    with np.errstate(all="ignore"):
        inverse = (1 / c).astype(match.array("c").dtype)
    tiny = np.finfo(match.array("c").dtype).tiny if c.size else 0
    if not np.isfinite(inverse).all() or (np.abs(inverse) < tiny).any():
        return "the divisor has no reciprocal of normal size"
    return True


def _add_negated(b: Builder, match: Match) -> Value:
    offset = b.constant(-match.array("c"), name=match["c"].name)
    return b.add(match["x"], offset, fused_activation_function=match.root.op.activation)


def _multiply_by_inverse(b: Builder, match: Match) -> Value:
    c = match.array("c")
    inverse = b.constant((1 / c.astype(np.float64)).astype(c.dtype), name=match["c"].name)
    return b.mul(match["x"], inverse, fused_activation_function=match.root.op.activation)


def _stays_small(match: Match) -> Verdict:
    """Combining the constants makes no larger one, and x broadcasts as before."""
    a, c = match.array("a"), match.array("c")
    together = broadcast_shape(a.shape, c.shape)
    if elements(together) != max(a.size, c.size):
        return f"the constants {list(a.shape)} and {list(c.shape)} combine to {shown(together)}"
    return True


def _combine(
    op: str, combined: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Callable[[Builder, Match], Value]:
    def rewrite(b: Builder, match: Match) -> Value:
        constant = _constant(b, match, combined(_wide(match, "a"), _wide(match, "c")))
        method: Callable[..., Value] = getattr(b, op)
        return method(match["x"], constant, fused_activation_function=match.root.op.activation)

    return rewrite


def _useful(match: Match) -> Verdict:
    """The scale meets a scale before it, or the offset an offset after it."""
    before = match["x"].producer
    if before is not None and before.op.name == "mul":
        return True
    after = match.root.output.consumers
    if after and all(node.op.name == "add" for node in after):
        return True
    return "neither a scale before nor an offset after it would be combined"


def _scale_first(b: Builder, match: Match) -> Value:
    scale = match["c"]
    offset = _constant(b, match, _wide(match, "a") * _wide(match, "c"))
    scaled = b.mul(match["x"], scale)
    return b.add(scaled, offset, fused_activation_function=match.root.op.activation)


CONSTANTS = [
    # x - c -> x + (-c)
    Rule(
        "subtract as add",
        lambda p: p.sub(p.value("x"), p.constant("c")),
        floats,
        _add_negated,
        phrase="product[s] and sum[s] with constants put together",
    ),
    # x / c -> x * (1/c)
    Rule(
        "divide as multiply",
        lambda p: p.div(p.value("x"), p.constant("c")),
        every(floats, _invertible),
        _multiply_by_inverse,
        tolerance=1e-6,
        phrase="product[s] and sum[s] with constants put together",
    ),
    # (x * a) * c -> x * (a*c)
    Rule(
        "combine scales",
        lambda p: p.mul(
            p.mul(p.value("x"), p.constant("a"), fused_activation_function=NONE), p.constant("c")
        ),
        every(floats, _stays_small),
        _combine("mul", np.multiply),
        tolerance=1e-6,
        phrase="product[s] and sum[s] with constants put together",
    ),
    # (x + a) + c -> x + (a+c)
    Rule(
        "combine offsets",
        lambda p: p.add(
            p.add(p.value("x"), p.constant("a"), fused_activation_function=NONE), p.constant("c")
        ),
        every(floats, _stays_small),
        _combine("add", np.add),
        tolerance=1e-6,
        phrase="product[s] and sum[s] with constants put together",
    ),
    # (x + a) * c -> x*c + a*c
    Rule(
        "scale before offset",
        lambda p: p.mul(
            p.add(p.value("x"), p.constant("a"), fused_activation_function=NONE), p.constant("c")
        ),
        every(floats, _stays_small, _useful),
        _scale_first,
        tolerance=1e-6,
        phrase="product[s] and sum[s] with constants put together",
    ),
]


def _wide(match: Match, name: str) -> np.ndarray:
    return match.array(name).astype(np.float64)


def _constant(b: Builder, match: Match, data: np.ndarray) -> Value:
    """A float64 result as a constant of the type of `c`, named like it."""
    return b.constant(data.astype(match.array("c").dtype), name=match["c"].name)
