"""The walk: a function of a TensorFlow program on operands, written into a graph as operators.

Functions that are called are written out where they are called. What cannot be converted is noted
and the walk goes on, so that a model's problems are known all at once: nodes that read a result
which is missing are only looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from edgewise.errors import FormatError, LimitError, ShapeError
from edgewise.frontends.context import fitting
from edgewise.frontends.tensorflow.context import (
    OPERANDS,
    Context,
    Handler,
    Operand,
    Parts,
    Unsupported,
)
from edgewise.frontends.tensorflow.handlers import COMPLEX, HANDLERS, OBJECTS
from edgewise.frontends.tensorflow.handlers.complex import WHOLE, is_complex, parts_of
from edgewise.frontends.tensorflow.handlers.flow import HANDED_ON
from edgewise.frontends.tensorflow.handlers.resources import EFFECTS, read
from edgewise.frontends.tensorflow.legacy_control import is_legacy, structured
from edgewise.frontends.tensorflow.order import live_nodes
from edgewise.frontends.tensorflow.program import (
    Function,
    FunctionName,
    Ref,
    Table,
    TFNode,
    Variable,
)
from edgewise.frontends.tensorflow.refusal import why_not
from edgewise.ir.graph import Location, Value

# A small file may call functions of functions of functions, each twice.
MAX_DEPTH = 48
MAX_NODES = 1_000_000

_Results: TypeAlias = "dict[str, Sequence[Operand] | None]"


class Missing(Exception):
    """A result is needed that could not be converted; the problem is noted."""


class Walk:
    """The lowering of functions into graphs: how deep it is, and what it has found out."""

    def __init__(self) -> None:
        self._stack: list[str] = []
        self._nodes = 0
        self._effects: dict[str, bool] = {}
        self._looked_up: set[str] = set()

    def run(
        self,
        c: Context,
        function: Function,
        operands: Sequence[Operand],
        bound: Mapping[str, Operand] | None = None,
    ) -> list[Operand]:
        """The results of `function` on operands. `bound` is what nodes stand for that make
        resources.

        Raises:
            Missing: one of them needs what cannot be converted.
            Unsupported: the function calls itself.
            LimitError: more than MAX_NODES nodes, all calls counted, or calls too deep.
            FormatError: a function that is no sound graph.
        """
        if function.name in self._stack:
            raise Unsupported(f"function '{function.name}' calls itself; use a loop")
        if len(self._stack) >= MAX_DEPTH:
            raise LimitError(f"{c.file}: MAX_DEPTH: more than {MAX_DEPTH} functions in each other")
        if len(operands) != len(function.arguments):
            raise FormatError(
                f"function '{function.name}' takes {len(function.arguments)} arguments;"
                f" it is called with {len(operands)}",
                file=c.file,
            )
        if is_legacy(function):
            function, made = structured(function, bound or ())
            c.functions.update(made)
        results: _Results = {name: [x] for name, x in (bound or {}).items()}
        for argument, x in zip(function.arguments, operands, strict=True):
            results[argument.name] = [x]
        self._stack.append(function.name)
        try:
            for node in live_nodes(function, lambda node: self._has_effect(c, node)):
                self._nodes += 1
                if self._nodes > MAX_NODES:
                    raise LimitError(f"{c.file}: MAX_NODES: more than {MAX_NODES} operations")
                if node.name not in results:
                    results[node.name] = self._node(c, function, node, results)
            return [_bound(function, ref, results) for ref in function.results]
        finally:
            self._stack.pop()

    def _node(
        self,
        c: Context,
        function: Function,
        node: TFNode,
        results: _Results,
    ) -> Sequence[Operand] | None:
        """The results of one node; None where it has a problem, which is then noted."""
        with _at(c, node) as place:
            try:
                operands = [_bound(function, ref, results) for ref in node.inputs]
                return self._handled(c, node, operands)
            except Missing:
                self._look_up(c, node)
            except (Unsupported, ShapeError) as problem:
                c.problems[place] = f"{node.op}: {problem}"
        return None

    def _handled(self, c: Context, node: TFNode, operands: Sequence[Operand]) -> Sequence[Operand]:
        handler = _handler(c, node)
        where = f"node '{node.name}' ({node.op})"
        with fitting(where, "its attributes and operands", c.file):
            if node.op in OBJECTS or node.op in c.functions:
                if node.op not in HANDED_ON and node.op not in c.functions:
                    _refuse_pairs(operands)
            else:
                handler, operands = _on_tensors(c, node, handler, operands)
            given = handler(c, node, *operands)
        found = [given] if isinstance(given, OPERANDS) else given
        return [c.settled(x) if isinstance(x, Value) else x for x in found]

    # -- what is known of nodes that are not converted -----------------------------------------

    def _look_up(self, c: Context, node: TFNode) -> None:
        """Note an operation that has no handler, also in functions that it calls."""
        waiting = [node]
        while waiting:
            each = waiting.pop()
            with _at(c, each) as place:
                try:
                    _handler(c, each)
                except Unsupported as problem:
                    c.problems[place] = f"{each.op}: {problem}"
            for function in called(c, each):
                if function.name not in self._looked_up:
                    self._looked_up.add(function.name)
                    waiting += live_nodes(function, lambda node: self._has_effect(c, node))

    def _has_effect(self, c: Context, node: TFNode) -> bool:
        """The node does something besides computing its results, here or in what it calls.
        Of an operation that nobody knows that is said, too, so that it is noted."""
        if node.op in EFFECTS:
            return True
        functions = called(c, node)
        if not functions:
            return not _is_known(node)
        return any(self._function_has_effect(c, function) for function in functions)

    def _function_has_effect(self, c: Context, function: Function) -> bool:
        """Whether any node that may run has one; functions are visited once each."""
        if function.name in self._effects:
            return self._effects[function.name]
        seen, waiting = {function.name}, [function]
        while waiting:
            for node in live_nodes(waiting.pop(), lambda node: True):
                inner = called(c, node)
                if node.op in EFFECTS or (not inner and not _is_known(node)):
                    self._effects[function.name] = True
                    return True
                waiting += [f for f in inner if f.name not in seen]
                seen.update(f.name for f in inner)
        self._effects.update(dict.fromkeys(seen, False))
        return False


def called(c: Context, node: TFNode) -> list[Function]:
    """The functions of the library that a node may run."""
    given = [item for a in node.attrs.values() for item in (a if isinstance(a, tuple) else (a,))]
    names = [node.op, *(item.name for item in given if isinstance(item, FunctionName))]
    return [c.functions[name] for name in names if name in c.functions]


def _is_known(node: TFNode) -> bool:
    return node.op in HANDLERS or node.op in OBJECTS or node.op in COMPLEX


def _handler(c: Context, node: TFNode) -> Handler:
    """The handler of an operation. Raises Unsupported with the reason there is none."""
    if node.op in c.functions:
        return lambda c, node, *xs: c.call(FunctionName(node.op), xs)
    found = OBJECTS.get(node.op) or HANDLERS.get(node.op) or COMPLEX.get(node.op)
    if found is None:
        raise Unsupported(why_not(node))
    return found


def _bound(function: Function, ref: Ref, results: _Results) -> Operand:
    """What a reference stands for. Raises Missing."""
    found = results[ref.node]
    if found is None:
        raise Missing
    if ref.output >= len(found):
        op = function.nodes[ref.node].op if ref.node in function.nodes else "argument"
        raise Unsupported(
            f"it reads output {ref.output} of '{ref.node}' ({op}), which inference does not compute"
        )
    return found[ref.output]


def _on_tensors(
    c: Context, node: TFNode, handler: Handler, operands: Sequence[Operand]
) -> tuple[Handler, Sequence[Operand]]:
    """The handler for these operands and what it takes: of complex ones pairs, else tensors."""
    xs = [x if isinstance(x, Parts) else _tensor(c, x) for x in operands]
    is_whole = node.op in WHOLE and not any(isinstance(x, Parts) for x in xs)
    if is_whole or not any(is_complex(x) for x in xs):
        return handler, xs
    found = COMPLEX.get(node.op)
    if found is None:
        raise Unsupported(
            "of complex numbers; compute with their parts, tf.math.real and tf.math.imag"
        )
    return found, [parts_of(c, x) if isinstance(x, Value) and is_complex(x) else x for x in xs]


def _refuse_pairs(operands: Sequence[Operand]) -> None:
    """Lists, variables, conditions and loops hold no pairs."""
    if any(isinstance(x, Parts) for x in operands):
        raise Unsupported(
            "it takes complex numbers; hand their parts over, tf.math.real and tf.math.imag"
        )


def _tensor(c: Context, x: Operand) -> Value:
    """An operand of an operation on tensors: a variable gives its value."""
    if isinstance(x, Value):
        return x
    if isinstance(x, Variable):
        return read(c, x)
    kind = "table" if isinstance(x, Table) else "tensor list"
    raise Unsupported(f"it takes a {kind}, which only operations on {kind}s can")


@contextmanager
def _at(c: Context, node: TFNode) -> Iterator[str]:
    """What is built comes from this node. Gives the words that name it in messages."""
    before = c.b.location
    where = node.location or Location(node.name)
    c.b.location = where
    try:
        yield f"'{node.name}'" + (f" ({where.file}:{where.line})" if where.file else "")
    finally:
        c.b.location = before
