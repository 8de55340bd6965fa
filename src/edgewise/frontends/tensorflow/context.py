"""What a handler of a TensorFlow operation works with, and what may stand on an edge of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.frontends import context
from edgewise.frontends.context import Unsupported, computed
from edgewise.frontends.decompose.fourier import Parts
from edgewise.frontends.tensorflow.program import Function, FunctionName, Resource, Table, Variable
from edgewise.ir.build import Builder
from edgewise.ir.contents import dims, integers
from edgewise.ir.dim import Dim, elements
from edgewise.ir.evaluate import evaluate_node
from edgewise.ir.graph import Node, Value

__all__ = [
    "OPERANDS",
    "Context",
    "Handler",
    "Operand",
    "Parts",
    "Reserved",
    "State",
    "TensorList",
    "Token",
    "Unsupported",
    "computed",
]


@dataclass(frozen=True, slots=True, eq=False)
class TensorList:
    """A tensor list or TensorArray: its elements along the first axis of one tensor [n, ...].

    `dims` are those of an element where they are known although the type of `items` has lost them.
    """

    items: Value
    dims: tuple[Dim, ...] | None = None

    @property
    def element(self) -> tuple[Dim, ...]:
        """The dimensions of an element."""
        return self.items.shape[1:] if self.dims is None else self.dims


@dataclass(frozen=True, slots=True, eq=False)
class Reserved:
    """A tensor list in which nothing is written yet and the shape of an element is not known.

    `size` is the number of elements; `dims` what is known of their shape, None where a dimension,
    or the rank, is not.
    """

    size: Value
    dtype: DType
    dims: tuple[Dim | None, ...] | None


@dataclass(frozen=True, slots=True)
class Token:
    """What no operation computes with: the handle of a TensorArray, whose flow has the elements."""


# What an edge carries: a tensor, or what only certain operations take.
Operand: TypeAlias = "Value | Parts | TensorList | Reserved | Token | Resource"
OPERANDS = (Value, Parts, TensorList, Reserved, Token, Variable, Table)
Handler: TypeAlias = "Callable[..., Operand | Sequence[Operand]]"

# Operators that one constant may be computed with, and bytes of the largest on the way.
MAX_FOLDED_NODES = 4096
MAX_FOLDED_BYTES = 1 << 28


@dataclass
class State:
    """What outlives a run, shared by the signatures: the numbers and names of its handles."""

    variables: dict[Variable, str] = field(default_factory=dict)
    tables: dict[Table, int] = field(default_factory=dict)

    def add(self, variable: Variable) -> None:
        """The variable is assigned somewhere: it is no constant."""
        name, count = variable.name, 0
        while name in self.variables.values():
            count += 1
            name = f"{variable.name}_{count}"
        self.variables.setdefault(variable, name)

    def number(self, table: Table) -> int:
        """The number of a table that is looked up when the model runs."""
        return self.tables.setdefault(table, len(self.tables))


@dataclass
class Context(context.Context):
    """The state of one graph in the making. `problems` are sentences by the place they are at.

    `walk` lowers a function; handlers `call` it. `handles` are those of this graph, `reads` the
    values of variables that nothing has assigned since they were read.
    """

    functions: dict[str, Function] = field(kw_only=True)
    walk: Callable[[Context, Function, Sequence[Operand]], list[Operand]] = field(kw_only=True)
    state: State = field(default_factory=State)
    handles: dict[Resource, Value] = field(default_factory=dict)
    reads: dict[Variable, Value] = field(default_factory=dict)
    _constants: dict[int, tuple[np.ndarray, Value]] = field(default_factory=dict)
    _known: dict[Value, np.ndarray | None] = field(default_factory=dict)

    def body(self, name: str) -> Context:
        """The context of a new graph, which a control flow operator will run."""
        b = Builder(name)
        b.location = self.b.location
        return Context(
            b,
            self.file,
            self.path,
            self.problems,
            functions=self.functions,
            walk=self.walk,
            state=self.state,
        )

    def function(self, name: FunctionName) -> Function:
        """A function of the library. Raises Unsupported."""
        found = self.functions.get(name.name)
        if found is None:
            raise Unsupported(f"it calls '{name.name}', which the file does not have; save it anew")
        return found

    def call(self, name: FunctionName, operands: Sequence[Operand]) -> list[Operand]:
        """The results of a function on operands, written into this graph."""
        return self.walk(self, self.function(name), operands)

    def constant(self, array: np.ndarray, name: str = "") -> Value:
        """A constant in the type it is computed in: one Value of this graph for one array."""
        found = self._constants.get(id(array))
        if found is None:
            dtype = computed(DType.of(array.dtype))
            data = np.asarray(array, dtype.numpy)
            # the array is kept with its Value, so that its id is not given to another one
            found = self._constants[id(array)] = (array, self.b.constant(data, name=name))
        return found[1]

    # -- what is known of an operand while the graph is built -----------------------------------

    def known(self, x: Value) -> np.ndarray | None:
        """The elements of x where they do not depend on the model's inputs; else None."""
        if x.data is not None:
            return x.data
        if x not in self._known:
            self._known[x] = _folded(x)
        return self._known[x]

    def array(self, x: Value, what: str) -> np.ndarray:
        """The elements of x. `what` names the operand: "its axis". Raises Unsupported."""
        found = self.known(x)
        if found is None:
            raise Unsupported(f"{what} is computed when the model runs; make it a constant")
        return found

    def integers(self, x: Value, what: str) -> tuple[int, ...]:
        """The elements of an integer operand, flat. Raises Unsupported."""
        return tuple(int(i) for i in self.array(x, what).reshape(-1))

    def integer(self, x: Value, what: str) -> int:
        """The one element of an integer operand. Raises Unsupported."""
        found = self.integers(x, what)
        if len(found) != 1:
            raise Unsupported(f"{what} must be one integer; it has {len(found)}")
        return found[0]

    def settled(self, x: Value) -> Value:
        """x, or a constant in its place where x is a few integers that are known."""
        if x.data is None and (data := _integers(x)) is not None:
            return self.b.constant(data, name=x.name)
        return x

    def dims(self, x: Value) -> tuple[Dim, ...] | None:
        """The elements of a shape operand, integers or symbols; None where they are not known."""
        found = dims(x)
        if found is None and x.dtype.is_integer and (data := self.known(x)) is not None:
            return tuple(int(i) for i in data.reshape(-1))
        return found


def _folded(x: Value) -> np.ndarray | None:
    """The elements of a result whose operands are all known. Iterative: chains are long."""
    found: dict[Value, np.ndarray] = {}
    waiting, evaluated = [x], 0
    while waiting:
        value = waiting[-1]
        if value in found:
            waiting.pop()
            continue
        data = value.data if value.data is not None else _integers(value)
        if data is not None:
            found[value] = data
            continue
        node = value.producer
        if node is None or not _is_foldable(node) or evaluated > MAX_FOLDED_NODES:
            return None
        missing = [v for v in node.inputs if v is not None and v not in found]
        if missing:
            waiting += missing
            continue
        evaluated += 1
        try:
            with np.errstate(all="ignore"):
                arrays = evaluate_node(node, [None if v is None else found[v] for v in node.inputs])
        except (EdgewiseError, NotImplementedError, MemoryError):
            return None
        found.update(zip(node.outputs, arrays, strict=True))
    return found[x]


def _integers(value: Value) -> np.ndarray | None:
    if not value.dtype.is_integer or not value.type.is_static:
        return None
    known = integers(value)
    if known is None:
        return None
    shape = [int(d) for d in value.shape]  # type: ignore[arg-type]
    return np.array(known, value.dtype.numpy).reshape(shape)


def _is_foldable(node: Node) -> bool:
    if not node.op.is_pure or node.op.updates or node.op.graph_fields or not node.inputs:
        return False
    total = 0
    for value in node.outputs:
        if not value.type.is_static:
            return False
        count = elements(value.shape)
        assert isinstance(count, int)
        total += value.dtype.nbytes(count)
    return total <= MAX_FOLDED_BYTES
