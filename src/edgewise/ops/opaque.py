"""Operators that a file has and Edgewise has no definition for: carried through, never run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edgewise.errors import UnsupportedOp
from edgewise.ir.graph import Graph
from edgewise.ir.nesting import reachable
from edgewise.ir.op import In, Op, Operand, Out


class Opaque(Op, abstract=True):
    """A custom operator, or a builtin one without a class: what the file says of it.

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

    def infer(self, *operands: Operand | None) -> tuple[None, ...]:
        return (None,) * self.result_total

    def result_count(self) -> int:
        return self.result_total


def require_supported(graphs: Iterable[Graph]) -> None:
    """Raise UnsupportedOp where operators of these graphs, or of those they run, cannot run, with
    every kind of them, how many there are and what to do."""
    outer = list(graphs)
    every = dict.fromkeys(inner for graph in outer for inner in reachable(graph))
    kinds = Counter(
        (node.op.builtin, node.op.custom)
        for graph in every
        for node in graph.nodes
        if isinstance(node.op, Opaque)
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
        return f"{custom}: a TensorFlow operator; convert the model again without SELECT_TF_OPS"
    if custom:
        return f"{custom}: a custom operator; this version knows builtin ones only, so remove it"
    return f"{code}: a builtin operator that this version cannot run; see docs/operators.md"
