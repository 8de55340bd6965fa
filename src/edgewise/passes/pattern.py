"""Patterns: what a piece of graph must look like, written with the calls that build one.

    lambda p: p.mul(p.any(Conv2D, DepthwiseConv2D, name="conv"), p.constant("scale"))

matches a MUL of a convolution's result with a constant, in either order. A value pattern with a
name captures the value; a name that occurs twice must be the same value both times. Keywords that
are no option of the pattern are conditions on attributes: a value to equal, or a predicate.

Every node of the pattern except its root must be read by nothing outside the match, because a
rewrite wants it gone; `shared=True` lifts that. Backtracking is over the order of commutative
operands and the choices of `either` only, so matching costs a constant per node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from edgewise.errors import InternalError
from edgewise.ir.graph import Node, Value
from edgewise.ir.op import Op
from edgewise.values import dataclass, field

# Operators where f(a, b) = f(b, a).
COMMUTATIVE = frozenset(
    {"add", "mul", "maximum", "minimum", "squared_difference"}
    | {"logical_and", "logical_or", "equal", "not_equal"}
)


@dataclass(slots=True)
class Match:
    """A place where a pattern fits: values by name, and the nodes it covers, the root first."""

    nodes: tuple[Node, ...]
    values: Mapping[str, Value | None] = field(default_factory=dict)
    interior: tuple[Node, ...] = ()  # nodes that nothing outside the match may read

    @property
    def root(self) -> Node:
        """The node whose results the rewrite replaces."""
        return self.nodes[0]

    def __getitem__(self, name: str) -> Value:
        """The value captured as `name`."""
        value = self.values[name]
        if value is None:
            raise InternalError(f"{self.root}: the operand captured as {name!r} is absent")
        return value

    def optional(self, name: str) -> Value | None:
        """The value captured as `name`, None where the operand is absent."""
        return self.values[name]

    def node(self, name: str) -> Node:
        """The node that computes the value captured as `name`."""
        producer = self[name].producer
        if producer is None:
            raise InternalError(f"{self.root}: {name!r} is computed by no node")
        return producer

    def array(self, name: str) -> np.ndarray:
        """The data of the constant captured as `name`."""
        data = self[name].data
        if data is None:
            raise InternalError(f"{self.root}: {name!r} is not a constant")
        return data

    def bind(self, name: str, value: Value | None) -> Match | None:
        """The match with `value` captured; None where the name means another value already."""
        if not name:
            return self
        if name in self.values:
            return self if self.values[name] is value else None
        return Match(self.nodes, {**self.values, name: value}, self.interior)

    def cover(self, node: Node, *, shared: bool) -> Match:
        """The match with one more node."""
        interior = self.interior if shared else (*self.interior, node)
        return Match((*self.nodes, node), self.values, interior)

    def problem(self) -> str:
        """Why the matched nodes cannot be replaced (one is read from outside), or ''."""
        for node in self.interior:
            for value in node.outputs:
                for user, _ in value.uses:
                    if user not in self.nodes:
                        other = str(user) if isinstance(user, Node) else "the graph's outputs"
                        return f"the result of {node} is also read by {other}"
        return ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value, whatever it is. `absent`: the operand may be missing."""

    name: str = ""
    absent: bool = False

    def match(self, value: Value | None, found: Match) -> Iterator[Match]:
        """Every way in which the pattern fits `value`, given what is found already."""
        if value is not None or self.absent:
            bound = found.bind(self.name, value)
            if bound is not None:
                yield bound

    def may_fit(self, value: Value | None) -> bool:
        """False where `match` cannot find anything, which is cheap to see: at most one operator
        is looked at."""
        return value is not None or self.absent

    @property
    def depth(self) -> int:
        """Nodes on the longest path through the pattern."""
        return 0


@dataclass(frozen=True, slots=True)
class Constant(Pattern):
    """A constant; with `equal`, every element must be that number (to two ulp)."""

    equal: float | None = None

    def may_fit(self, value: Value | None) -> bool:
        return value is not None and value.data is not None

    def match(self, value: Value | None, found: Match) -> Iterator[Match]:
        if value is None or value.data is None:
            return
        if self.equal is not None and not is_splat(value, self.equal):
            return
        yield from Pattern.match(self, value, found)


@dataclass(frozen=True, slots=True)
class Computed(Pattern):
    """An operand that is no constant: computed, an input, or (with `absent`) missing."""

    def may_fit(self, value: Value | None) -> bool:
        return value.data is None if value is not None else self.absent

    def match(self, value: Value | None, found: Match) -> Iterator[Match]:
        if value is None or value.data is None:
            yield from Pattern.match(self, value, found)


@dataclass(frozen=True, slots=True)
class Either(Pattern):
    """One of several patterns, tried in order; `name` captures the value whichever fits."""

    choices: tuple[Pattern, ...] = ()

    def may_fit(self, value: Value | None) -> bool:
        return any(choice.may_fit(value) for choice in self.choices)

    def match(self, value: Value | None, found: Match) -> Iterator[Match]:
        bound = found.bind(self.name, value)
        if bound is not None:
            for choice in self.choices:
                yield from choice.match(value, bound)

    @property
    def depth(self) -> int:
        return max(choice.depth for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Result(Pattern):
    """The first result of one of `ops`, on `operands` (None: whatever they are)."""

    ops: tuple[str, ...] = ()
    operands: tuple[Pattern, ...] | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    shared: bool = False

    def may_fit(self, value: Value | None) -> bool:
        node = value.producer if value is not None else None
        return node is not None and node.op.name in self.ops

    def match(self, value: Value | None, found: Match) -> Iterator[Match]:
        node = value.producer if value is not None else None
        if node is None or value is not node.outputs[0] or not self._fits(node):
            return
        bound = found.bind(self.name, value)
        if bound is not None:
            yield from self._operands(node, bound.cover(node, shared=self.shared))

    def at(self, node: Node) -> Iterator[Match]:
        """Every way in which the pattern fits with `node` as its root."""
        if self._fits(node) and self._operands_may_fit(node):
            values = {self.name: node.output} if self.name else {}
            yield from self._operands(node, Match((node,), values))

    def _fits(self, node: Node) -> bool:
        if node.op.name not in self.ops:
            return False
        for name, wanted in self.attributes.items():
            got = getattr(node.op, name, None)
            if not (wanted(got) if callable(wanted) else got == wanted):
                return False
        return True

    def _operands_may_fit(self, node: Node) -> bool:
        """Most roots end here: a rule list has dozens of patterns for one MUL."""
        patterns, given = self.operands, node.inputs
        if patterns is None or len(given) < len(patterns):
            return True
        if len(patterns) == 2 and node.op.name in COMMUTATIVE:
            (p, q), (x, y) = patterns, given[:2]
            return (p.may_fit(x) and q.may_fit(y)) or (p.may_fit(y) and q.may_fit(x))
        return all(p.may_fit(x) for p, x in zip(patterns, given, strict=False))

    def _operands(self, node: Node, found: Match) -> Iterator[Match]:
        if self.operands is None:
            yield found
            return
        given = node.inputs
        if any(value is not None for value in given[len(self.operands) :]):
            return
        values = [*given, *[None] * (len(self.operands) - len(given))]
        yield from _each(self.operands, values, found)
        if len(self.operands) == 2 and node.op.name in COMMUTATIVE:
            yield from _each(self.operands, values[::-1], found)

    @property
    def depth(self) -> int:
        return 1 + max((p.depth for p in self.operands or ()), default=0)


class PatternBuilder:
    """What a rule's pattern function receives: one method per operator, and these."""

    def value(self, name: str = "") -> Pattern:
        """Any value."""
        return Pattern(name)

    def optional(self, name: str = "") -> Pattern:
        """Any value, or none."""
        return Pattern(name, absent=True)

    def constant(self, name: str = "", equal: float | None = None) -> Pattern:
        """A constant; `equal`: all its elements are this number."""
        return Constant(name, equal=equal)

    def computed(self, name: str = "") -> Pattern:
        """Any value that is no constant, or none."""
        return Computed(name, absent=True)

    def either(self, *choices: Pattern, name: str = "") -> Pattern:
        """What fits one of the patterns. They may capture different names."""
        return Either(name, choices=choices)

    def any(
        self,
        *ops: type[Op] | str,
        operands: tuple[Pattern, ...] | None = None,
        name: str = "",
        shared: bool = False,
        **attributes: object,
    ) -> Result:
        """The result of one of several operators, classes or names; `operands` None: whatever they
        are."""
        names = tuple([op if isinstance(op, str) else op.name for op in ops])
        return Result(name, ops=names, operands=operands, attributes=attributes, shared=shared)

    def __getattr__(self, op: str) -> Callable[..., Result]:
        """`p.OPERATOR(*operands, name=, shared=, **attribute conditions)`."""
        if op.startswith("_") or not Op.registry.is_known(op):
            raise AttributeError(f"no operator is named {op!r}")

        def call(
            *operands: Pattern, name: str = "", shared: bool = False, **attributes: object
        ) -> Result:
            # an operator that no graph has had so far is not imported for it
            known = attributes and Op.registry.imported(op)
            if known and (unknown := attributes.keys() - set(known.names)):
                raise TypeError(f"{op} has no attribute {', '.join(sorted(unknown))}")
            return self.any(op, operands=operands, name=name, shared=shared, **attributes)

        return call


def is_splat(value: Value, number: float) -> bool:
    """A constant that is not quantized, all elements of which are `number` (to two ulp)."""
    data = value.data
    if data is None or data.size == 0 or value.quant is not None or data.dtype.kind not in "fiu":
        return False
    first = data.flat[0]
    if not np.isfinite(number):
        return bool((data == number).all())
    ulp = 2 * abs(number) * float(np.finfo(data.dtype).eps) if data.dtype.kind == "f" else 0.0
    return abs(float(first) - number) <= ulp and bool((data == first).all())


def _each(
    patterns: tuple[Pattern, ...], values: list[Value | None], found: Match
) -> Iterator[Match]:
    """Every way in which all patterns fit their values."""
    if not patterns:
        yield found
        return
    for match in patterns[0].match(values[0], found):
        yield from _each(patterns[1:], values[1:], match)
