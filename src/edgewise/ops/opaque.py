"""Operators that a file has and Edgewise has no definition for: carried through, never run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edgewise.errors import UnsupportedOp, listing
from edgewise.ir.graph import Graph
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


def unsupported(graphs: Iterable[Graph]) -> list[str]:
    """A sentence for each kind of operator in the graphs that cannot run, with how many there are
    and what to do."""
    kinds = Counter(
        (node.op.builtin, node.op.custom)
        for graph in graphs
        for node in graph.nodes
        if isinstance(node.op, Opaque)
    )
    return [_sentence(code, custom, count) for (code, custom), count in sorted(kinds.items())]


def require_supported(graphs: Iterable[Graph]) -> None:
    """Raise UnsupportedOp listing every kind of operator that cannot run."""
    problems = unsupported(graphs)
    if problems:
        raise UnsupportedOp(listing(problems, "kinds of operators are not supported"))


def _sentence(code: str, custom: str, count: int) -> str:
    times = f" ({count} times)" if count > 1 else ""
    if custom.startswith("Flex"):
        return f"{custom}{times} is a TensorFlow operator; re-convert without SELECT_TF_OPS"
    if custom:
        return f"{custom}{times} is a custom operator; define it in Python or remove it"
    return f"{code}{times} is a builtin operator that this version cannot run"
