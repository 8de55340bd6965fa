"""Operators that a file has and Edgewise has no definition for: carried through, and run where
somebody has told what a custom one does (`edgewise.register_op`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import UnsupportedOp
from edgewise.ir.dim import Shape
from edgewise.ir.graph import Graph
from edgewise.ir.nesting import reachable
from edgewise.ir.op import Arithmetic, In, Op, Operand, Out, Quantized, require
from edgewise.ir.types import TensorType
from edgewise.ops.requant import quantize_real
from edgewise.values import dataclass

Results = tuple[np.ndarray, ...]
_T = TypeVar("_T")
Infer = Callable[
    [bytes, Sequence[Operand | None], Sequence[TensorType | None]], tuple[Shape | None, ...]
]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a custom operator does. Functions take the bytes of its options first.

    `infer` gives the shapes of the results, or None: they are what the file declares. `integer` is
    the arithmetic on stored integers; where it is None, they are dequantized and the results
    quantized. Where `reference` is None, it is for floats, too. `native` is what has a kernel for
    it (`runtime/select/custom.py`); None: it runs in Python.
    """

    reference: Callable[[bytes, Sequence[np.ndarray | None]], Results] | None = None
    infer: Infer | None = None
    integer: Callable[[bytes, Sequence[Quantized | None], Sequence[TensorType]], Results] | None = (
        None
    )
    native: object = None


# by the name in the file, custom_code
definitions: dict[str, Definition] = {}


class Opaque(Op, abstract=True):
    """A custom operator without a class, or such a builtin one: what the file says of it.

    `code` is the BuiltinOperator name, `custom_code` the name of a custom operator. `table` and
    `fields` are the options table and its fields (vectors as tuples, byte vectors as bytes),
    `custom_options` the free-form ones. Its results have the types that the file declares.
    """

    code: str = "CUSTOM"
    custom_code: str = ""
    table: str = ""
    fields: tuple[tuple[str, object], ...] = ()
    custom_options: bytes = b""
    result_total: int = 1

    operands = (In("x", optional=True, variadic=True),)
    results = (Out("y", free=True, variadic=True),)
    is_pure = False
    needs_scales = False

    # What other operators have on their class, this one has on the instance.

    @property
    def name(self) -> str:  # type: ignore[override]
        return (self.custom_code or self.code).lower()

    @property
    def builtin(self) -> str:  # type: ignore[override]
        return self.code

    @property
    def custom(self) -> str:  # type: ignore[override]
        return self.custom_code

    @property
    def options(self) -> str:  # type: ignore[override]
        return self.table

    @property
    def definition(self) -> Definition | None:
        """What somebody has told that it does; read anew, since a name may be told again."""
        return definitions.get(self.custom_code)

    @property
    def needs_types(self) -> bool:  # type: ignore[override]
        known = self.definition
        return known is not None and known.reference is None

    def infer(self, *operands: Operand | None) -> tuple[Shape | None, ...]:
        return self.infer_for(operands, ())

    def infer_for(
        self, operands: Sequence[Operand | None], declared: Sequence[TensorType | None]
    ) -> tuple[Shape | None, ...]:
        known = self.definition
        if known is None or known.infer is None:
            return (None,) * self.result_total
        shapes = known.infer(self.custom_options, _given(operands), declared)
        self._require_all(len(shapes), "infer")
        return shapes

    def reference(self, *operands: np.ndarray | None) -> Results:
        known = self.definition
        assert known is not None
        assert known.reference is not None
        results = known.reference(self.custom_options, _given(operands))
        self._require_all(len(results), "the function")
        return results

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> Results:
        known = self.definition
        assert known is not None
        if known.integer is None:
            found = self.reference(*[_in_float(operand) for operand in operands])
            return tuple([_stored(y, t) for y, t in zip(found, results, strict=True)])
        stored = known.integer(self.custom_options, _given(operands), results)
        self._require_all(len(stored), "integer")
        return stored

    def arithmetic_for(self, dtype: DType) -> Arithmetic:
        return Arithmetic.NONE if self.definition is None else Arithmetic.FLOAT

    def result_count(self) -> int:
        return self.result_total

    def _require_all(self, count: int, function: str) -> None:
        require(
            count == self.result_total,
            f"{function} must give {self.result_total} results, which the model has; got {count}",
        )


def _given(operands: Sequence[_T]) -> Sequence[_T]:
    """Where there are none, one is put in their place: the declaration has one."""
    return () if len(operands) == 1 and operands[0] is None else operands


def _in_float(operand: Quantized | None) -> np.ndarray | None:
    if operand is None or operand.quant is None:
        return None if operand is None else operand.data
    return operand.quant.dequantize(operand.data)


def _stored(y: np.ndarray, type_: TensorType) -> np.ndarray:
    return y if type_.quant is None else quantize_real(y, type_.quant, type_.dtype)


def require_supported(graphs: Iterable[Graph]) -> None:
    """Raise UnsupportedOp where operators of these graphs, or of those they run, cannot run, with
    every kind of them, how many there are and what to do."""
    outer = list(graphs)
    every = dict.fromkeys(inner for graph in outer for inner in reachable(graph))
    kinds = Counter(
        (node.op.builtin, node.op.custom)
        for graph in every
        for node in graph.nodes
        if isinstance(node.op, Opaque) and node.op.definition is None
    )
    if not kinds:
        _require_no_state(graph for graph in every if graph not in outer)
        return
    count = kinds.total()
    lines = [f"\n  - {n} x {_sentence(*kind)}" for kind, n in sorted(kinds.items())]
    raise UnsupportedOp(
        f"{count} operator{'s'[: count != 1]} of {len(kinds)} kind{'s'[: len(kinds) != 1]} "
        f"cannot run:{''.join(lines)}"
    )


def _require_no_state(bodies: Iterable[Graph]) -> None:
    for graph in bodies:
        for value in graph.values():
            if value.is_variable and value.producer is None:
                raise UnsupportedOp(
                    f"@{graph.name}: the variable {value.name!r} lies inside a loop or branch; "
                    "this version keeps state in the graph that is called, so carry it"
                )


def _sentence(code: str, custom: str) -> str:
    if custom.startswith("Flex"):
        return (
            f"{custom}: TensorFlow's {custom.removeprefix('Flex')}, which only TensorFlow runs; "
            "convert the original model with edgewise.convert or without SELECT_TF_OPS, or tell "
            f"what it does: edgewise.register_op({custom!r}, function)"
        )
    if custom:
        return (
            f"{custom}: a custom operator; tell what it does with "
            f"edgewise.register_op({custom!r}, function) or edgewise.load_op_library(path), "
            "on the command line with --ops FILE"
        )
    return f"{code}: a builtin operator that this version cannot run; see docs/operators.md"
