"""Rules of graphs that are quantized, or will be: activations in pieces, and the QUANTIZE,
DEQUANTIZE and FAKE_QUANT operators that say nothing new.

Whether integers stay the same is tried, not argued: a function of one int8 has 256 values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.activation import Clipped, HardSwish
from edgewise.ops.convert import Dequantize, FakeQuant, Quantize
from edgewise.ops.pool import MaxPool2D
from edgewise.ops.resize import ResizeNearestNeighbor
from edgewise.ops.reverse import ReverseV2
from edgewise.passes.activation import CLIPPED
from edgewise.passes.conditions import MOVING, same_bits
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict

NONE = Activation.NONE
# Steps of the result by which a hard swish in three operators, which round three times, may
# differ from the one that rounds once.
STEPS = 2
CHOOSING = (*MOVING, ReverseV2, MaxPool2D, ResizeNearestNeighbor)


# -- hard swish ---------------------------------------------------------------------------------


def _six(p: PatternBuilder) -> Pattern:
    """min(max(x + 3, 0), 6); which constants they are is asked of the numbers."""
    x, three = p.value("x"), p.constant("three")
    return p.either(
        p.relu6(p.add(x, three, fused_activation_function=NONE)),
        p.add(x, three, fused_activation_function=Activation.RELU6),
    )


def _times(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    return p.mul(a, b, fused_activation_function=NONE)


HARD_SWISHES: tuple[Callable[[PatternBuilder], Result], ...] = (
    lambda p: _times(p, _times(p, p.value("x"), _six(p)), p.constant("sixth")),
    lambda p: _times(p, p.value("x"), _times(p, _six(p), p.constant("sixth"))),
    lambda p: _times(p, _times(p, p.value("x"), p.constant("sixth")), _six(p)),
)


def _is_hard_swish(match: Match) -> Verdict:
    """On every integer that x can be, the spelled form is within STEPS of HARD_SWISH."""
    x, y = match["x"], match.root.output
    for value in (x, y):
        if value.dtype not in (DType.INT8, DType.UINT8) or value.quant is None:
            return f"{value.name!r} is {value.dtype.text}; this rule is for 8 bits"
        if value.quant.scale.size != 1:
            return f"{value.name!r} has several scales"
    if x.dtype is not y.dtype:
        return f"the result is {y.dtype.text}, not {x.dtype.text}"
    if match["three"].data is None or match.array("three").size != 1:
        return "the offset is no single number"
    if match.array("sixth").size != 1:
        return "the factor is no single number"
    try:
        spelled, whole = _on_every_integer(match)
    except (EdgewiseError, NotImplementedError) as error:
        return str(error)
    worst = int(np.abs(spelled.astype(np.int64) - whole).max())
    return worst <= STEPS or f"it differs from a hard swish by up to {worst} steps"


def _on_every_integer(match: Match) -> tuple[np.ndarray, np.ndarray]:
    """What the matched operators and HARD_SWISH give for each integer of x."""
    x, root = match["x"], match.root
    low, high = x.dtype.range
    every = np.arange(low, high + 1).astype(x.dtype.numpy)
    known: dict[Value, np.ndarray] = {x: every}

    def value_of(value: Value) -> np.ndarray:
        if value in known:
            return known[value]
        if value.data is not None:
            return value.data.reshape(1)
        assert value.producer is not None
        known[value] = _result(
            value.producer, [value_of(v) for v in value.producer.inputs if v is not None]
        )
        return known[value]

    types = [x.type.with_shape((every.size,))]
    results = [root.output.type.with_shape((every.size,))]
    whole = evaluate_op(HardSwish(), [every], types, results)[0]
    return value_of(root.output), whole.astype(np.int64)


def _result(node: Node, arrays: list[np.ndarray]) -> np.ndarray:
    types: list[TensorType | None] = [
        value.type.with_shape(array.shape)
        for value, array in zip([v for v in node.inputs if v is not None], arrays, strict=True)
    ]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return evaluate_op(node.op, list(arrays), types, [node.output.type.with_shape(shape)])[0]


# -- quantize and dequantize --------------------------------------------------------------------


def _moved(p: PatternBuilder) -> Result:
    """quantize(move(dequantize(x))) with up to three further operands of the move."""
    wide = p.dequantize(p.value("x"), name="wide", shared=True)
    rest = [p.optional("a"), p.optional("b"), p.optional("c")]
    return p.quantize(p.any(*CHOOSING, operands=(wide, *rest), name="moved"))


def _rounds_nothing(match: Match) -> Verdict:
    x, result = match["x"], match.root.output
    if match.node("moved").op.activation is not NONE:
        return f"{match.node('moved')} clamps"
    if x.quant is not None and x.quant.scale.size != 1:
        return f"{x.name!r} has several scales"
    return same_bits(x, result)


def _moved_as_integers(b: Builder, match: Match) -> Value:
    moved = match.node("moved")
    return b.node(moved.op, match["x"], *moved.inputs[1:], results=[match.root.output.type]).output


def _same_integers(match: Match) -> Verdict:
    """QUANTIZE from scale to scale gives what DEQUANTIZE and QUANTIZE give, for each integer."""
    x, wide, y = match["x"], match.node("wide"), match.root.output
    for value in (x, y):
        eight = value.dtype in (DType.INT8, DType.UINT8)
        if not eight or value.quant is None or value.quant.scale.size != 1:
            return f"{value.name!r} is {value.dtype.text} {value.quant}; not 8 bits with one scale"
    low, high = x.dtype.range
    every = np.arange(low, high + 1).astype(x.dtype.numpy)
    types = [value.type.with_shape(every.shape) for value in (x, wide.output, y)]
    middle = evaluate_op(wide.op, [every], types[:1], types[1:2])
    twice = evaluate_op(match.root.op, middle, types[1:2], types[2:])[0]
    once = evaluate_op(Quantize(), [every], types[:1], types[2:])[0]
    differ = int((twice != once).sum())
    return differ == 0 or f"{differ} integers would become others"


# -- fake quantization --------------------------------------------------------------------------


def _same_grid(match: Match) -> Verdict:
    inner, outer = match.node("inner").op, match.root.op
    return inner == outer or f"the grids differ: {inner} and {outer}"


def _moved_fake(p: PatternBuilder) -> Result:
    inner = p.any(FakeQuant, name="inner", shared=True)
    rest = [p.optional(), p.optional(), p.optional()]
    return p.any(FakeQuant, operands=(p.any(*CHOOSING, operands=(inner, *rest), name="moved"),))


def _clamps_nothing(match: Match) -> Verdict:
    """The ends of the grid lie in the clamp's range."""
    op, clamp = match.node("inner").op, match.root.op
    assert isinstance(op, FakeQuant)
    assert isinstance(clamp, Clipped)
    far = np.array([-np.inf, np.inf], np.float32)
    bottom, top = op.reference(far).tolist()
    if clamp.low <= bottom and top <= clamp.high:
        return True
    return f"numbers in [{bottom:g}, {top:g}] may lie outside [{clamp.low:g}, {clamp.high:g}]"


QUANTIZED = [
    # x * relu6(x + 3) * (1/6) -> hard_swish(x), of 8 bits
    *[
        Rule(
            "hard_swish of integers",
            form,
            _is_hard_swish,
            lambda b, match: (
                b.node(HardSwish(), match["x"], results=[match.root.output.type]).output
            ),
            tolerance=STEPS / 255,
            phrase="hard-swish[es] recognised",
        )
        for form in HARD_SWISHES
    ],
    # quantize(reshape(dequantize(x))) -> reshape(x)
    Rule(
        "move of dequantized integers",
        _moved,
        _rounds_nothing,
        _moved_as_integers,
        phrase="operator[s] that move integers left to integers",
    ),
    # quantize(dequantize(x)) -> quantize(x), from scale to scale
    Rule(
        "requantization in two steps",
        lambda p: p.quantize(p.any(Dequantize, operands=(p.value("x"),), name="wide")),
        _same_integers,
        lambda b, match: b.node(Quantize(), match["x"], results=[match.root.output.type]).output,
        phrase="requantization[s] written as one operator",
    ),
    # fake_quant(fake_quant(x)) -> fake_quant(x)
    Rule(
        "fake_quant of what is on the grid",
        lambda p: p.any(FakeQuant, operands=(p.any(FakeQuant, name="inner", shared=True),)),
        _same_grid,
        lambda b, match: match["inner"],
        phrase="fake quantization[s] that changed nothing removed",
    ),
    # fake_quant(reshape(fake_quant(x))) -> reshape(fake_quant(x))
    Rule(
        "fake_quant of what was moved on the grid",
        _moved_fake,
        _same_grid,
        lambda b, match: match["moved"],
        phrase="fake quantization[s] that changed nothing removed",
    ),
    # relu(fake_quant(x)) -> fake_quant(x), of a grid that begins at 0
    Rule(
        "clamp of what is on a grid",
        lambda p: p.any(*CLIPPED, operands=(p.any(FakeQuant, name="inner", shared=True),)),
        _clamps_nothing,
        lambda b, match: match["inner"],
        phrase="clamp[s] of fake quantized numbers removed",
    ),
]
