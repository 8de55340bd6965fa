"""Rewrites as a reader sees them: text before, text after, equal numbers.

`expression` prints what a graph returns as nested calls: constants of one number as that number,
small integer constants as `{0, 2, 1}`, others by shape, attributes where they are not the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Model, Node, Quant, Value, verify
from edgewise.ir.enums import Activation
from edgewise.ir.evaluate import evaluate
from edgewise.passes.rewrite import Outcome, Rule, rewrite

Build = Callable[[Builder], Value | Sequence[Value]]
RNG = np.random.default_rng(7)
SHORT = {"fused_activation_function": "", "new_shape": None}


@dataclass(frozen=True)
class Example:
    """A graph, and what the rules make of it. `applied`: the rules that must have done it."""

    build: Build
    before: str
    after: str
    applied: tuple[str, ...]
    tolerance: float = 0.0


@dataclass(frozen=True)
class Twin:
    """A graph that a rule must leave alone, and a part of the reason it gives."""

    build: Build
    rule: str
    reason: str


def spelled(
    text: str,
    after: str,
    *applied: str,
    tolerance: float = 1e-6,
    shape: tuple[int, ...] = (3, 5),
    **numbers: float,
) -> Example:
    """The example whose graph is what `text` says of inputs x and y, in the words of `expression`.

    `numbers` are names in the text for constants that four digits do not tell exactly.
    """
    shown = {name: f"{number:.4g}" for name, number in numbers.items()}
    before = re.sub(r"[A-Z]\w*", lambda m: shown.get(m[0], m[0]), text)
    before = re.sub(r"\.0\b", "", before)
    return Example(says(text, shape, **numbers), before, after, applied, tolerance)


def says(text: str, shape: tuple[int, ...] = (3, 5), **numbers: float) -> Build:
    """What builds the graph of a text; equal subexpressions are one node."""

    def build(b: Builder) -> Value:
        known: dict[object, Value] = {}

        def call(name: str) -> Callable[..., Value]:
            def make(*operands: object, **attributes: object) -> Value:
                values = [o for o in operands if not isinstance(o, Activation)]
                for act in operands:
                    if isinstance(act, Activation):
                        attributes["fused_activation_function"] = act
                key = (name, *map(_key, values), *attributes.items())
                if key not in known:
                    operand_values = [v if isinstance(v, Value) else _number(b, v) for v in values]
                    known[key] = getattr(b, name)(*operand_values, **attributes)
                return known[key]

            return make

        names: dict[str, object] = {name: call(name) for name in re.findall(r"(\w+)\(", text)}
        names |= {act.name: act for act in Activation} | numbers
        names |= {name: b.input(name, shape) for name in "xy" if re.search(rf"\b{name}\b", text)}
        result = eval(text, {"__builtins__": {}}, names)  # noqa: S307 (a text of this repository)
        assert isinstance(result, Value)
        return result

    return build


def _key(value: object) -> object:
    return id(value) if isinstance(value, Value) else str(value)


def _number(b: Builder, value: object) -> Value:
    """`2` and `{0, 1}` are integers, `2.0` a float."""
    if isinstance(value, set):
        return b.constant(np.array(sorted(value), np.int32))
    return b.constant(value)  # type: ignore[arg-type]


def graph_of(build: Build) -> Graph:
    """The graph that the function builds."""
    b = Builder()
    outputs = build(b)
    graph = b.finish(*([outputs] if isinstance(outputs, Value) else outputs))
    check(graph)
    return graph


def model_of(build: Build) -> Model:
    """The model of one graph that the function builds."""
    model = Model()
    model.add(graph_of(build))
    return model


def check(graph: Graph) -> None:
    """The graph verifies."""
    model = Model()
    model.add(graph)
    verify(model)


def shows(example: Example, rules: Sequence[Rule]) -> None:
    """The rules turn `before` into `after`, by the rules named, and the numbers stay."""
    graph = graph_of(example.build)
    assert expression(graph) == example.before
    changed = graph.copy()
    outcome = rewrite(changed, rules)
    assert expression(changed) == example.after
    assert set(outcome.counts) == set(example.applied)
    check(changed)
    for old, new in zip(graph.outputs, changed.outputs, strict=True):
        assert new.name == old.name or new in changed.inputs
    same_numbers(graph, changed, example.tolerance)


def declines(twin: Twin, rules: Sequence[Rule]) -> Outcome:
    """The rule does not fit, and says why."""
    graph = graph_of(twin.build)
    outcome = rewrite(graph, [rule for rule in rules if rule.name == twin.rule])
    reasons = [miss.reason for miss in outcome.misses if miss.rule == twin.rule]
    assert twin.rule not in outcome.counts
    assert any(twin.reason in reason for reason in reasons), reasons
    return outcome


def same_numbers(before: Graph, after: Graph, tolerance: float) -> None:
    """Both graphs give the same on random inputs; `tolerance` is relative to the output range."""
    inputs = [_random(value) for value in before.inputs]
    for a, c in zip(evaluate(before, inputs), evaluate(after, inputs), strict=True):
        assert a.dtype == c.dtype
        assert a.shape == c.shape
        if tolerance == 0:
            np.testing.assert_array_equal(a, c)
        else:
            span = float(np.ptp(a)) + float(np.abs(a).max()) if a.size else 0.0
            np.testing.assert_allclose(a, c, rtol=0, atol=tolerance * span)


def expression(graph: Graph) -> str:
    """What the graph returns, as nested calls."""
    return "; ".join(_text(value) for value in graph.outputs)


def normal(*shape: int) -> np.ndarray:
    """Normally distributed float32."""
    return RNG.normal(size=shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    """An int32 vector."""
    return np.array(values, np.int32)


def quantized(scale: float = 0.05, zero_point: int = 3) -> Quant:
    """Some quantization parameters."""
    return Quant(scale, zero_point)


def _random(value: Value) -> np.ndarray:
    shape = [d if isinstance(d, int) else 3 for d in value.shape]
    if value.dtype.is_float:
        return (RNG.normal(size=shape) * 5).astype(value.dtype.numpy)
    if value.dtype is DType.BOOL:
        return RNG.integers(0, 2, shape).astype(np.bool_)
    low, high = value.dtype.range if value.dtype.bits <= 16 else (-50, 50)
    return RNG.integers(low, high, shape, endpoint=True).astype(value.dtype.numpy)


def _text(value: Value) -> str:
    if value.data is not None:
        return _constant(value.data)
    node = value.producer
    if node is None:
        return value.name
    operands = [_text(v) if v is not None else "-" for v in node.inputs]
    call = f"{node.op.name}({', '.join([*operands, *_attributes(node)])})"
    return call if len(node.outputs) == 1 else f"{call}[{value.index}]"


def _constant(data: np.ndarray) -> str:
    if data.size == 1:
        return f"{data.reshape(-1)[0]:.4g}"
    if data.dtype.kind == "i" and data.size <= 8:
        return "{" + ", ".join(map(str, data.reshape(-1).tolist())) + "}"
    return "[" + ",".join(map(str, data.shape)) + "]"


def _attributes(node: Node) -> list[str]:
    shown = []
    for name, value in node.op.items():
        default = getattr(type(node.op), name, None)
        if value == default or name == "new_shape":
            continue
        text = getattr(value, "name", value)
        shown.append(str(text) if name in SHORT else f"{name}={text}")
    return shown


INT8 = DType.INT8
